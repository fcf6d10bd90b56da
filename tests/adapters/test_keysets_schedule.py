"""When key sets are fetched: early where a record needs it, and never more than once per cool-down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from adapters.keysets import MAX_UNKNOWN, KeySets
from streams.core.keyring import At, NoKey
from streams.core.keys import Key
from tests.adapters.key_server import GOOD, ISSUER, OTHER, PATIENT_S, UNKNOWN_FOR_S, Server, key_sets, serving
from tests.builders import jwks, private_key
from tests.fakes import SteppedClock

COOL_DOWN_S = 0.03
HOUR_S = 3600.0
SLACK_S = 0.002
"""What a timer may be early by."""


@dataclass(slots=True)
class Kept:
    """One issuer's key set, kept fresh; ``told``: when each fetch had ended, by the loop's clock."""

    server: Server
    sets: KeySets
    clock: SteppedClock
    told: list[float] = field(default_factory=list)
    fetched: asyncio.Event = field(default_factory=asyncio.Event)

    def on_fetch(self) -> None:
        self.told.append(asyncio.get_running_loop().time())
        self.fetched.set()

    async def until(self, count: int) -> None:
        """Return once so many fetches have ended."""
        async with asyncio.timeout(5):
            while len(self.told) < count:
                self.fetched.clear()
                await self.fetched.wait()

    async def quiet(self) -> None:
        """Nothing more is fetched, though several cool-downs go by."""
        before = len(self.server.requests)
        self.fetched.clear()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(self.fetched.wait(), COOL_DOWN_S * 4)
        assert len(self.server.requests) == before

    def pauses(self) -> list[float]:
        """From the end of each fetch to the begin of the next."""
        begun = [request.at for request in self.server.requests]
        return [begin - end for end, begin in zip(self.told, begun[1:], strict=False)]

    def find(self, kid: str) -> Key | NoKey:
        """What there is for a record that arrives now."""
        return self.sets.find(ISSUER, kid, At(int(self.clock.now * 1000)))


@asynccontextmanager
async def kept(server: Server, *, every: float) -> AsyncIterator[Kept]:
    clock = SteppedClock()
    async with serving(server):
        sets = key_sets(server.source(), clock=clock, every=every, cool_down=COOL_DOWN_S, timeout=PATIENT_S)
        keeping = Kept(server, sets, clock)
        task = asyncio.create_task(sets.keep_fresh(keeping.on_fetch))
        try:
            yield keeping
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def kept_fresh(
    check: Callable[[Kept], Coroutine[Any, Any, None]], server: Server | None = None, *, every: float = HOUR_S
) -> None:
    """Run a check on a key set that is fetched by itself only every hour, after the first fetch."""

    async def scenario() -> None:
        async with kept(server or Server(), every=every) as keeping:
            await keeping.until(1)
            await check(keeping)

    asyncio.run(scenario())


def test_without_a_need_nothing_is_fetched_before_its_time() -> None:
    async def check(at: Kept) -> None:
        await at.quiet()
        assert len(at.server.requests) == 1

    kept_fresh(check)


def test_a_need_makes_an_early_fetch_after_the_cool_down() -> None:
    """And brings the key that was added meanwhile."""

    async def check(at: Kept) -> None:
        at.server.body = jwks({"a": private_key(), "b": private_key("ES256")})
        assert at.find("b") is NoKey.NOT_YET
        at.sets.ask(ISSUER, "b")
        await at.until(2)
        assert isinstance(at.find("b"), Key)
        assert at.pauses()[0] >= COOL_DOWN_S - SLACK_S
        await at.quiet()

    kept_fresh(check)


def test_a_need_that_comes_while_a_fetch_is_under_way_makes_another() -> None:
    """The one under way may have begun too early to tell."""

    async def check(at: Kept) -> None:
        at.server.delay = COOL_DOWN_S
        at.sets.ask(ISSUER, "x")
        while len(at.server.requests) < 2:  # noqa: ASYNC110 - until it is in flight
            await asyncio.sleep(0)
        at.sets.ask(ISSUER, "y")
        await at.until(3)
        assert min(at.pauses()) >= COOL_DOWN_S - SLACK_S
        await at.quiet()

    kept_fresh(check)


def test_a_kid_that_a_fetch_did_not_bring_asks_for_no_other_for_a_while() -> None:
    """A producer that goes on with a wrong kid costs one early fetch a minute; another kid has one of its own."""

    async def check(at: Kept) -> None:
        at.sets.ask(ISSUER, "x")
        await at.until(2)
        at.sets.ask(ISSUER, "x")
        at.clock.now += UNKNOWN_FOR_S - 1
        at.sets.ask(ISSUER, "x")
        await at.quiet()
        at.sets.ask(ISSUER, "y")
        await at.until(3)
        at.clock.now += 2
        at.sets.ask(ISSUER, "x")
        await at.until(4)

    kept_fresh(check)


def test_a_withdrawn_kid_asks_for_no_other_either() -> None:
    """It is known, and no more there than one that never was."""

    async def check(at: Kept) -> None:
        at.server.body = OTHER
        at.clock.now += 1.0
        at.sets.ask(ISSUER, "x")
        await at.until(2)
        at.clock.now += 100.0
        assert at.find("a") is NoKey.NOT_YET
        at.sets.ask(ISSUER, "a")
        await at.until(3)
        at.sets.ask(ISSUER, "a")
        await at.quiet()

    kept_fresh(check)


def test_a_flood_of_unknown_kids_makes_no_more_than_one_fetch_per_cool_down() -> None:
    """Thousands of them, all the time."""

    async def check(at: Kept) -> None:
        for count in range(1, 8):
            for number in range(MAX_UNKNOWN * 2):
                at.sets.ask(ISSUER, f"{count}-{number}")
            await at.until(count + 1)
        assert len(at.pauses()) >= 6
        assert min(at.pauses()) >= COOL_DOWN_S - SLACK_S

    kept_fresh(check)


def test_after_a_failure_it_is_tried_again_after_each_cool_down_and_no_earlier() -> None:
    """Whether a record needs it or not; a good one ends that."""

    async def check(at: Kept) -> None:
        for count in range(2, 6):
            at.sets.ask(ISSUER, f"x-{count}")
            await at.until(count)
        assert min(at.pauses()) >= COOL_DOWN_S - SLACK_S
        at.server.status = 200
        count = len(at.told)
        await at.until(count + 1)
        while at.sets.fault(ISSUER):
            await at.until(len(at.told) + 1)
        assert isinstance(at.find("a"), Key)
        await at.quiet()

    kept_fresh(check, Server(status=503))


def test_what_was_asked_for_while_the_server_failed_is_not_called_absent() -> None:
    """Only a good fetch can tell: then the kid is there, or asks for no other."""

    async def check(at: Kept) -> None:
        at.sets.ask(ISSUER, "x")
        await at.until(3)
        at.server.status = 200
        while at.sets.fault(ISSUER):
            await at.until(len(at.told) + 1)
        at.sets.ask(ISSUER, "x")
        await at.quiet()

    kept_fresh(check, Server(status=503))


def test_the_regular_fetches_go_on_by_themselves() -> None:
    """So an unknown kid is decided sooner or later."""

    async def check(at: Kept) -> None:
        at.sets.ask(ISSUER, "x")
        await at.until(6)
        assert min(at.pauses()) >= COOL_DOWN_S - SLACK_S

    kept_fresh(check, every=COOL_DOWN_S * 1.5)


@pytest.mark.parametrize("every", [0.0, COOL_DOWN_S])
def test_the_cool_down_holds_however_short_the_interval(every: float) -> None:
    async def check(at: Kept) -> None:
        await at.until(5)
        assert min(at.pauses()) >= COOL_DOWN_S - SLACK_S

    kept_fresh(check, Server(GOOD), every=every)
