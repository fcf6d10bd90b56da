"""What is written down of keys, and what a worker that begins during an outage can verify by it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import aiohttp
import pytest

from adapters.keysets import KeySets
from streams.core.keyring import MAX_REMEMBERED, At, NoKey, SeenKey
from streams.core.keys import Key, parse
from tests.adapters.key_server import (
    GOOD,
    ISSUER,
    KEPT_FOR_S,
    MAX_AGE_S,
    OTHER,
    PATIENT_S,
    RECORD_EVERY_S,
    FakeMemory,
    Server,
    key_sets,
    kids,
    serving,
)
from tests.builders import jwks, private_key
from tests.fakes import SteppedClock

BOTH = jwks({"a": private_key(), "b": private_key("ES256")})


@dataclass(slots=True)
class Worker:
    """One worker's key sets and what it wrote down."""

    sets: KeySets
    memory: FakeMemory
    clock: SteppedClock
    refresh: Callable[[], Awaitable[None]]

    async def after(self, seconds: float) -> list[tuple[str, bool]]:
        """Fetch so much later; what was written by it: kid, and whether the key stands."""
        self.clock.now += seconds
        before = len(self.memory.remembered)
        await self.refresh()
        return [(seen.key.kid, seen.missed_ms is None) for _, seen in self.memory.remembered[before:]]


def worker(server: Server, session: aiohttp.ClientSession, clock: SteppedClock) -> Worker:
    memory = FakeMemory()
    sets = key_sets(server.source(), clock=clock, memory=memory, timeout=PATIENT_S)
    return Worker(sets, memory, clock, lambda: sets.refresh(session, ISSUER))


def with_workers(check: Callable[..., Awaitable[None]], count: int = 1, server: Server | None = None) -> None:
    """Run a check with a server and so many workers on one clock."""

    async def scenario() -> None:
        used, clock = server or Server(), SteppedClock()
        async with serving(used), aiohttp.ClientSession() as session:
            await check(used, *(worker(used, session, clock) for _ in range(count)))

    asyncio.run(scenario())


def test_a_new_key_is_written_down_and_a_mere_sight_only_now_and_then() -> None:
    async def check(_server: Server, at: Worker) -> None:
        assert await at.after(0) == [("a", True)]
        assert await at.after(1) == []
        assert await at.after(RECORD_EVERY_S - 2) == []
        assert await at.after(1) == [("a", True)]
        assert await at.after(RECORD_EVERY_S - 1) == []
        assert {issuer for issuer, _ in at.memory.remembered} == {ISSUER}
        assert at.memory.forgotten == []

    with_workers(check)


def test_a_withdrawal_and_a_return_are_written_down_at_once() -> None:
    async def check(server: Server, at: Worker) -> None:
        await at.after(0)
        server.body = OTHER
        assert sorted(await at.after(1)) == [("a", False), ("b", True)]
        assert await at.after(1) == []
        server.body = BOTH
        assert await at.after(1) == [("a", True)]

    with_workers(check)


def test_a_fetch_that_fails_writes_nothing() -> None:
    async def check(server: Server, at: Worker) -> None:
        await at.after(0)
        server.status = 503
        assert await at.after(RECORD_EVERY_S * 2) == []
        assert at.memory.forgotten == []

    with_workers(check)


def test_a_key_that_no_record_can_need_any_more_is_forgotten_once() -> None:
    """Here and in the memory; until then it verifies what was appended before it went."""

    async def check(server: Server, at: Worker) -> None:
        await at.after(0)
        before = At(int(at.clock.now * 1000))
        server.body = OTHER
        await at.after(1)
        await at.after(KEPT_FOR_S)
        assert at.memory.forgotten == []
        assert isinstance(at.sets.find(ISSUER, "a", before), Key)
        await at.after(1)
        assert at.memory.forgotten == [(ISSUER, "a")]
        assert at.sets.find(ISSUER, "a", before) is NoKey.UNKNOWN
        await at.after(RECORD_EVERY_S)
        assert at.memory.forgotten == [(ISSUER, "a")]

    with_workers(check)


def test_what_is_forgotten_for_want_of_room_is_forgotten_in_the_memory_too() -> None:
    """Else an issuer that rolls its keys without end would fill the topic that every worker reads at start."""

    async def check(_server: Server, at: Worker) -> None:
        (key,) = parse(OTHER).keys.values()
        for number in range(MAX_REMEMBERED):
            made = Key(f"old-{number}", key.algorithm, key.jwk, key.document)
            at.sets.recall(ISSUER, SeenKey(key=made, first_seen_ms=0, last_seen_ms=0, missed_ms=1 + number))
        assert await at.after(0) == [("a", True)]
        assert at.memory.forgotten == [(ISSUER, "old-0")]
        await at.after(1)
        assert at.memory.forgotten == [(ISSUER, "old-0")]

    with_workers(check)


def test_a_tombstone_for_a_key_that_stands_refuses_nothing_and_the_memory_is_told_anew() -> None:
    """Another worker had no room for it, or somebody wrote the tombstone by hand."""

    async def check(_server: Server, at: Worker) -> None:
        before = At(int(at.clock.now * 1000) - 120_000)
        await at.after(0)
        at.sets.let_go(ISSUER, "a")
        assert isinstance(at.sets.find(ISSUER, "a", before), Key)
        assert at.sets.usable(ISSUER)
        assert await at.after(1) == [("a", True)]
        assert await at.after(1) == []

    with_workers(check)


def test_a_tombstone_for_a_withdrawn_key_is_obeyed() -> None:
    async def check(server: Server, at: Worker) -> None:
        before = At(int(at.clock.now * 1000))
        await at.after(0)
        server.body = OTHER
        await at.after(1)
        at.sets.let_go(ISSUER, "a")
        assert at.sets.find(ISSUER, "a", before) is NoKey.UNKNOWN
        assert await at.after(1) == []

    with_workers(check)


def test_what_the_memory_already_holds_is_not_written_again() -> None:
    """Every worker reads what the others write: one of them says that a key still stands."""

    async def check(_server: Server, one: Worker, other: Worker) -> None:
        await one.after(0)
        for told in one.memory.remembered:
            other.sets.recall(*told)
        assert await other.after(1) == []
        assert await other.after(RECORD_EVERY_S) == [("a", True)]
        one.sets.recall(*other.memory.remembered[-1])
        assert await one.after(1) == []

    with_workers(check, 2)


def test_workers_that_read_each_other_come_to_rest() -> None:
    """After a rotation they don't go on correcting each other's times."""

    async def check(server: Server, *workers: Worker) -> None:
        read = [0] * len(workers)

        async def round_of_all() -> int:
            written = 0
            for each in workers:
                written += len(await each.after(1))
                for index, source in enumerate(workers):
                    for told in source.memory.remembered[read[index] :]:
                        for reader in workers:
                            reader.sets.recall(*told)
                    read[index] = len(source.memory.remembered)
            return written

        await round_of_all()
        server.body = BOTH
        await round_of_all()
        server.body = OTHER
        found = [await round_of_all() for _ in range(4)]
        assert found[0] >= 1
        assert found[1:] == [0, 0, 0]
        assert all(kids(each.sets, each.clock) == {"a", "b"} for each in workers), "within the skew"

    with_workers(check, 3)


def test_a_start_during_an_outage_verifies_by_what_is_remembered() -> None:
    """Also what was appended before a rotation that this worker never saw; and gate 1 sees that nothing is fresh."""

    async def check(server: Server, before: Worker, after: Worker) -> None:
        await before.after(0)
        at_first = At(int(before.clock.now * 1000))
        server.body = OTHER
        await before.after(100)
        server.status = 503
        await after.after(100)
        assert kids(after.sets, after.clock) == set()
        for told in before.memory.remembered:
            after.sets.recall(*told)
        assert after.sets.usable(ISSUER)
        assert kids(after.sets, after.clock) == {"b"}
        assert isinstance(after.sets.find(ISSUER, "a", at_first), Key)
        assert after.sets.age(ISSUER) is None
        assert "503" in after.sets.fault(ISSUER)
        assert after.sets.find(ISSUER, "never", at_first) is NoKey.NOT_YET, "only a fetch can tell"

    with_workers(check, 2)


@pytest.mark.parametrize(("age", "usable"), [(MAX_AGE_S, True), (MAX_AGE_S + 1, False)])
def test_what_is_remembered_is_used_no_longer_than_what_was_fetched(age: float, usable: bool) -> None:  # noqa: FBT001 - a column
    """The maximum age counts from the last time that any worker saw the keys, restarts or not."""

    async def check(_server: Server, before: Worker, after: Worker) -> None:
        await before.after(0)
        before.clock.now += age
        after.sets.recall(*before.memory.remembered[0])
        assert after.sets.usable(ISSUER) is usable
        assert kids(after.sets, after.clock) == ({"a"} if usable else set())

    with_workers(check, 2)


def test_until_the_memory_is_read_no_key_is_called_unknown() -> None:
    """It may hold the key of a record from before a rotation; whoever may not read it must see why records wait."""

    async def check(_server: Server, at: Worker) -> None:
        came = At(int(at.clock.now * 1000))
        at.memory.read = False
        await at.after(1)
        assert at.sets.find(ISSUER, "old", came) is NoKey.NOT_YET
        assert isinstance(at.sets.find(ISSUER, "a", came), Key)
        assert not at.sets.recalled()
        at.memory.read = True
        assert at.sets.find(ISSUER, "old", came) is NoKey.UNKNOWN
        assert at.sets.recalled()

    with_workers(check)


def test_what_is_remembered_of_a_stranger_is_left_alone() -> None:
    """An issuer that was struck off the list."""

    async def check(_server: Server, at: Worker) -> None:
        await at.after(0)
        _, seen = at.memory.remembered[0]
        at.sets.recall("another", seen)
        assert kids(at.sets, at.clock) == {"a"}

    with_workers(check, server=Server(GOOD))
