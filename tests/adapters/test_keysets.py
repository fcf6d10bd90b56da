"""Key sets against a real HTTP server on loopback: an outage forgets nothing, and nothing odd gets in."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from adapters.keysets import GRACE_S, KeySetLimits, KeySets
from adapters.processes import HOST, free_ports
from config.producers import ProducerRow
from streams.core.keys import parse
from tests.builders import jwks, private_key
from tests.fakes import SteppedClock

GOOD = jwks({"a": private_key()})
OTHER = jwks({"b": private_key("ES256")})
LIMIT = 4096
TIMEOUT_S = 0.2
MAX_AGE_S = 100.0


@dataclass(slots=True)
class Server:
    """A key-set server that answers as told, and the paths that it was asked for."""

    body: bytes = GOOD
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    chunked: bool = False
    delay: float = 0.0
    asked: list[str] = field(default_factory=list)
    port: int = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        await asyncio.sleep(self.delay)
        if not self.chunked:
            return web.Response(status=self.status, body=self.body, headers=self.headers)
        response = web.StreamResponse(status=self.status, headers=self.headers)
        await response.prepare(request)
        for start in range(0, len(self.body), 1000):
            await response.write(self.body[start : start + 1000])
            await asyncio.sleep(0.002)  # so that it arrives in pieces
        return response

    def row(self, issuer: str = "a_service", path: str = "/jwks.json") -> ProducerRow:
        url = f"http://{HOST}:{self.port}{path}"
        return ProducerRow(issuer=issuer, service=issuer, types=frozenset({"t"}), jwks=url)


@asynccontextmanager
async def serving(server: Server) -> AsyncIterator[Server]:
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", server.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    server.port = free_ports(1)[0]
    await web.TCPSite(runner, HOST, server.port).start()
    try:
        yield server
    finally:
        await runner.cleanup()


def key_sets(*rows: ProducerRow, clock: SteppedClock | None = None, every: float = 0.0) -> KeySets:
    limits = KeySetLimits(refresh_every=every, timeout=TIMEOUT_S, max_bytes=LIMIT, max_age=MAX_AGE_S)
    return KeySets(rows, parse, limits, clock=clock or SteppedClock())


Refresh = Callable[[], Awaitable[None]]


def with_server(server: Server, check: Callable[[KeySets, Refresh, SteppedClock], Awaitable[None]]) -> None:
    """Run a check with one issuer, ``a_service``, whose keys this server has."""

    async def scenario() -> None:
        clock = SteppedClock()
        async with serving(server), aiohttp.ClientSession() as session:
            sets = key_sets(server.row(), clock=clock)
            await check(sets, lambda: sets.refresh(session, "a_service"), clock)

    asyncio.run(scenario())


def kids(sets: KeySets, issuer: str = "a_service") -> set[str]:
    return set(sets.of(issuer).keys)


def test_before_the_first_fetch_there_are_no_keys_and_it_is_said_why() -> None:
    sets = key_sets(Server().row())
    assert kids(sets) == set()
    assert sets.fault("a_service") == "not fetched yet"
    assert sets.age("a_service") is None


def test_what_the_server_has_is_fetched_and_its_age_counted() -> None:
    async def check(sets: KeySets, refresh: Refresh, clock: SteppedClock) -> None:
        await refresh()
        assert kids(sets) == {"a"}
        assert (sets.fault("a_service"), sets.age("a_service")) == ("", 0.0)
        clock.now += 7
        assert sets.age("a_service") == 7.0

    with_server(Server(), check)


def test_a_rotation_replaces_the_keys() -> None:
    server = Server()

    async def check(sets: KeySets, refresh: Refresh, _clock: SteppedClock) -> None:
        await refresh()
        server.body = OTHER
        await refresh()
        assert kids(sets) == {"b"}

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
    "an empty set": Failure("the set is empty", body=b'{"keys":[]}'),
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
        assert kids(sets) == {"a"}
        assert sets.age("a_service") == 5.0
        assert failure.says in sets.fault("a_service")
        assert len(sets.fault("a_service")) <= 200
        assert server.asked == ["/jwks.json"] * 2  # a redirect is not followed
        server.body, server.status, server.headers, server.chunked, server.delay = OTHER, 200, {}, False, 0.0
        await refresh()
        assert (kids(sets), sets.fault("a_service")) == ({"b"}, "")

    with_server(server, check)


@pytest.mark.parametrize("failure", [FAILURES["500"], FAILURES["bad keys only"], FAILURES["a redirect"]])
def test_a_first_fetch_that_fails_brings_no_keys(failure: Failure) -> None:
    async def check(sets: KeySets, refresh: Refresh, _clock: SteppedClock) -> None:
        await refresh()
        assert not sets.of("a_service")
        assert sets.age("a_service") is None
        assert failure.says in sets.fault("a_service")

    with_server(Server(failure.body, failure.status, dict(failure.headers)), check)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_key_set_of_just_the_limit_is_read(chunked: bool) -> None:  # noqa: FBT001 - a column
    async def check(sets: KeySets, refresh: Refresh, _clock: SteppedClock) -> None:
        await refresh()
        assert kids(sets) == {"a"}

    with_server(Server(HUGE[:LIMIT], chunked=chunked), check)


def test_keys_are_no_longer_used_beyond_their_maximum_age() -> None:
    """A key that its issuer withdrew must not verify for ever because a server is down.

    First no more records are let in; what was read already is still verified, for a while.
    """
    server = Server()

    async def check(sets: KeySets, refresh: Refresh, clock: SteppedClock) -> None:
        assert not sets.usable("a_service")
        await refresh()
        server.status = 503
        found = []
        for age in (MAX_AGE_S, MAX_AGE_S + 1, MAX_AGE_S + GRACE_S, MAX_AGE_S + GRACE_S + 1):
            clock.now += age - (sets.age("a_service") or 0.0)
            await refresh()
            found.append((sets.usable("a_service"), kids(sets)))
        assert found == [(True, {"a"}), (False, {"a"}), (False, {"a"}), (False, set())]
        server.status = 200
        await refresh()
        assert (sets.usable("a_service"), kids(sets)) == (True, {"a"})

    with_server(server, check)


def test_a_server_that_is_not_there_is_a_fault_and_no_exception() -> None:
    async def scenario() -> None:
        (port,) = free_ports(1)
        sets = key_sets(Server(port=port).row())
        async with aiohttp.ClientSession() as session:
            await sets.refresh(session, "a_service")
        assert "ClientConnectorError" in sets.fault("a_service")

    asyncio.run(scenario())


def refreshed_from(path: Path) -> KeySets:
    async def scenario() -> KeySets:
        sets = key_sets(ProducerRow(issuer="a_service", service="a", types=frozenset({"t"}), jwks=str(path)))
        async with aiohttp.ClientSession() as session:
            await sets.refresh(session, "a_service")
        return sets

    return asyncio.run(scenario())


def test_keys_may_lie_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    file.write_bytes(GOOD)
    assert kids(refreshed_from(file)) == {"a"}
    file.write_bytes(HUGE)
    assert "larger than 4096" in refreshed_from(file).fault("a_service")
    assert "FileNotFoundError" in refreshed_from(tmp_path / "none.json").fault("a_service")
    assert "IsADirectoryError" in refreshed_from(tmp_path).fault("a_service")


def test_each_round_fetches_each_key_set_once_and_then_tells() -> None:
    """After success and failure alike; one issuer's failure is not another's."""
    server, rounds = Server(), []

    async def scenario() -> None:
        async with serving(server):
            bad = ProducerRow(issuer="bad", service="bad", types=frozenset(), jwks="/nowhere/jwks.json")
            sets = key_sets(server.row("one", "/one"), server.row("two", "/two"), bad)
            enough = asyncio.Event()

            def on_round() -> None:
                rounds.append((kids(sets, "one"), kids(sets, "two"), bool(sets.fault("bad")), len(server.asked)))
                if len(rounds) == 3:
                    enough.set()

            task = asyncio.create_task(sets.keep_fresh(on_round))
            await asyncio.wait_for(enough.wait(), 5)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())
    assert rounds[:3] == [({"a"}, {"a"}, True, 2 * n) for n in (1, 2, 3)]
    assert sorted(server.asked[:2]) == sorted(server.asked[2:4]) == ["/one", "/two"]


def test_readers_never_wait_for_a_fetch() -> None:
    """While one is in flight, the keys from before are there."""
    server = Server()

    async def check(sets: KeySets, refresh: Refresh, _clock: SteppedClock) -> None:
        await refresh()
        server.delay, server.body = TIMEOUT_S / 4, OTHER
        task = asyncio.ensure_future(refresh())
        while len(server.asked) < 2:  # noqa: ASYNC110 - until it is in flight
            await asyncio.sleep(0)
        assert kids(sets) == {"a"}
        await task
        assert kids(sets) == {"b"}

    with_server(server, check)
