"""Key sets against a real HTTP server on loopback: an outage forgets nothing, and nothing odd gets in."""

from __future__ import annotations

import asyncio
import gzip
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from adapters.keysets import KeySets
from adapters.processes import free_ports
from config.key_source import KeySource
from streams.core.keyring import At, NoKey
from tests.adapters.key_server import (
    GOOD,
    ISSUER,
    LIMIT,
    MAX_AGE_S,
    OTHER,
    TIMEOUT_S,
    Refresh,
    Server,
    key_sets,
    kids,
    serving,
    with_server,
)
from tests.fakes import SteppedClock

LATER_S = 100.0
"""Beyond the skew within which a withdrawn key still verifies."""


def test_before_the_first_fetch_there_are_no_keys_and_it_is_said_why() -> None:
    clock = SteppedClock()
    sets = key_sets(Server().source(), clock=clock)
    assert kids(sets, clock) == set()
    assert sets.fault(ISSUER) == "not fetched yet"
    assert sets.age(ISSUER) is None


def test_what_the_server_has_is_fetched_and_its_age_counted() -> None:
    async def check(sets: KeySets, refresh: Refresh, clock: SteppedClock) -> None:
        await refresh()
        assert kids(sets, clock) == {"a"}
        assert (sets.fault(ISSUER), sets.age(ISSUER)) == ("", 0.0)
        clock.now += 7
        assert sets.age(ISSUER) == 7.0

    with_server(Server(), check)


def test_a_rotation_replaces_the_keys() -> None:
    server = Server()

    async def check(sets: KeySets, refresh: Refresh, clock: SteppedClock) -> None:
        await refresh()
        server.body = OTHER
        clock.now += 1
        await refresh()
        assert kids(sets, clock) == {"a", "b"}, "within the skew"
        clock.now += LATER_S
        assert kids(sets, clock) == {"b"}

    with_server(server, check)


@dataclass(frozen=True, slots=True)
class Failure:
    """How the server fails, and what the fault says of it."""

    says: str
    body: bytes = GOOD
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    chunked: bool = False
    delay: float = 0.0


HUGE = GOOD + b" " * (LIMIT + 1 - len(GOOD))
FAILURES = {
    "500": Failure("500", status=500),
    "404 with a key set in it": Failure("404", status=404),
    "201": Failure("201", status=201),
    "a redirect": Failure("302", status=302, headers=(("Location", "/elsewhere"),)),
    "a permanent redirect": Failure("308", status=308, headers=(("Location", "/elsewhere"),)),
    "a byte too large": Failure("larger than 4096", body=HUGE),
    "too large, of unknown length": Failure("larger than 4096", body=HUGE * 9, chunked=True),
    "small on the wire and large when unpacked": Failure(
        "larger than 4096", body=gzip.compress(GOOD + b" " * 10**7), headers=(("Content-Encoding", "gzip"),)
    ),
    "HTML": Failure("unreadable", body=b"<html>"),
    "an empty body": Failure("unreadable", body=b""),
    "bad keys only": Failure("secret or private", body=b'{"keys":[{"kid":"x","kty":"oct"}]}'),
    "no answer in time": Failure("TimeoutError", delay=TIMEOUT_S * 3),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_a_fetch_that_fails_keeps_the_keys_and_says_why(failure: Failure) -> None:
    """Their age counts from the last good one, and the next good one mends it."""
    server = Server()

    async def check(sets: KeySets, refresh: Refresh, clock: SteppedClock) -> None:
        await refresh()
        server.body, server.status, server.headers = failure.body, failure.status, dict(failure.headers)
        server.chunked, server.delay = failure.chunked, failure.delay
        clock.now += 5
        await refresh()
        assert kids(sets, clock) == {"a"}
        assert sets.age(ISSUER) == 5.0
        assert failure.says in sets.fault(ISSUER)
        assert len(sets.fault(ISSUER)) <= 200
        assert server.asked == ["/jwks.json"] * 2  # a redirect is not followed
        server.body, server.status, server.headers, server.chunked, server.delay = OTHER, 200, {}, False, 0.0
        await refresh()
        clock.now += LATER_S
        assert (kids(sets, clock), sets.fault(ISSUER)) == ({"b"}, "")

    with_server(server, check)


@pytest.mark.parametrize("failure", [FAILURES["500"], FAILURES["bad keys only"], FAILURES["a redirect"]])
def test_a_first_fetch_that_fails_brings_no_keys(failure: Failure) -> None:
    async def check(sets: KeySets, refresh: Refresh, clock: SteppedClock) -> None:
        await refresh()
        assert kids(sets, clock) == set()
        assert sets.age(ISSUER) is None
        assert failure.says in sets.fault(ISSUER)

    with_server(Server(failure.body, failure.status, dict(failure.headers)), check)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_key_set_of_just_the_limit_is_read(chunked: bool) -> None:  # noqa: FBT001 - a column
    async def check(sets: KeySets, refresh: Refresh, clock: SteppedClock) -> None:
        await refresh()
        assert kids(sets, clock) == {"a"}

    with_server(Server(HUGE[:LIMIT], chunked=chunked), check)


def test_keys_are_no_longer_used_beyond_their_maximum_age() -> None:
    """A key that its issuer withdrew must not verify for ever because a server is down; what comes meanwhile waits."""
    server = Server()

    async def check(sets: KeySets, refresh: Refresh, clock: SteppedClock) -> None:
        assert not sets.usable(ISSUER)
        await refresh()
        server.status = 503
        found = []
        for age in (MAX_AGE_S, MAX_AGE_S + 1):
            clock.now += age - (sets.age(ISSUER) or 0.0)
            await refresh()
            found.append((sets.usable(ISSUER), kids(sets, clock)))
        assert found == [(True, {"a"}), (False, set())]
        assert sets.find(ISSUER, "a", At(int(clock.now * 1000))) is NoKey.NOT_YET
        server.status = 200
        await refresh()
        assert (sets.usable(ISSUER), kids(sets, clock)) == (True, {"a"})

    with_server(server, check)


def test_a_server_that_is_not_there_is_a_fault_and_no_exception() -> None:
    async def scenario() -> None:
        (port,) = free_ports(1)
        sets = key_sets(Server(port=port).source())
        async with aiohttp.ClientSession() as session:
            await sets.refresh(session, ISSUER)
        assert "ClientConnectorError" in sets.fault(ISSUER)

    asyncio.run(scenario())


def refreshed_from(path: Path, clock: SteppedClock) -> KeySets:
    async def scenario() -> KeySets:
        sets = key_sets(KeySource(issuer=ISSUER, jwks=str(path)), clock=clock)
        async with aiohttp.ClientSession() as session:
            await sets.refresh(session, ISSUER)
        return sets

    return asyncio.run(scenario())


def test_keys_may_lie_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    clock = SteppedClock()
    file.write_bytes(GOOD)
    assert kids(refreshed_from(file, clock), clock) == {"a"}
    file.write_bytes(HUGE)
    assert "larger than 4096" in refreshed_from(file, clock).fault(ISSUER)
    assert "FileNotFoundError" in refreshed_from(tmp_path / "none.json", clock).fault(ISSUER)
    assert "IsADirectoryError" in refreshed_from(tmp_path, clock).fault(ISSUER)


def test_each_key_set_is_fetched_again_and_again_and_it_is_told_each_time() -> None:
    """After success and failure alike; one issuer's failure is not another's."""
    server, clock = Server(), SteppedClock()
    told: list[tuple[bool, bool]] = []

    async def scenario() -> None:
        async with serving(server):
            bad = KeySource(issuer="bad", jwks="/nowhere/jwks.json")
            sets = key_sets(server.source("one", "/one"), server.source("two", "/two"), bad, clock=clock)
            enough = asyncio.Event()

            def on_fetch() -> None:
                told.append((sets.usable("one"), sets.usable("bad")))
                if min(server.asked.count("/one"), server.asked.count("/two")) >= 3:
                    enough.set()

            task = asyncio.create_task(sets.keep_fresh(on_fetch))
            await asyncio.wait_for(enough.wait(), 5)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert sets.fault("bad") != ""

    asyncio.run(scenario())
    assert told[-1] == (True, False)
    assert set(server.asked) == {"/one", "/two"}


def test_readers_never_wait_for_a_fetch() -> None:
    """While one is in flight, the keys from before are there."""
    server = Server()

    async def check(sets: KeySets, refresh: Refresh, clock: SteppedClock) -> None:
        await refresh()
        server.delay, server.body = TIMEOUT_S / 4, OTHER
        task = asyncio.ensure_future(refresh())
        while len(server.asked) < 2:  # noqa: ASYNC110 - until it is in flight
            await asyncio.sleep(0)
        assert kids(sets, clock) == {"a"}
        await task
        assert kids(sets, clock) == {"a", "b"}

    with_server(server, check)
