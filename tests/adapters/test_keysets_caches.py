"""A key set that comes from a cache is a fact about the past: no good record is refused for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from adapters.keysets import KeySets
from streams.core.keyring import At, NoKey
from streams.core.keys import Key
from tests.adapters.key_server import ISSUER, OTHER, Refresh, Server, key_sets, serving, with_server
from tests.fakes import SteppedClock


def test_every_request_asks_a_cache_on_the_way_to_ask_the_server() -> None:
    """RFC 9111, section 5.2.1.4; discovery and key set alike."""
    server = Server()

    async def scenario() -> None:
        async with serving(server), aiohttp.ClientSession() as session:
            server.pages["/.well-known/openid-configuration"] = (
                f'{{"issuer": "{server.url}", "jwks_uri": "{server.url}/jwks.json"}}'.encode()
            )
            await key_sets(server.discovered()).refresh(session, ISSUER)

    asyncio.run(scenario())
    assert server.asked == ["/.well-known/openid-configuration", "/jwks.json"]
    assert [request.headers.get("Cache-Control") for request in server.requests] == ["no-cache"] * 2


def cached(age: str, check: Callable[[KeySets, Refresh, SteppedClock], Awaitable[None]]) -> None:
    """Run a check with a server whose answers say that they are so old."""
    with_server(Server(headers={"Age": age}), check)


@pytest.mark.parametrize(
    ("age", "later_s", "verdict"),
    [
        ("300", 300, NoKey.NOT_YET),
        ("300", 302, NoKey.UNKNOWN),
        ("0", 1, NoKey.NOT_YET),  # whole seconds, rounded down
        ("0", 2, NoKey.UNKNOWN),
        ("300, 1", 300, NoKey.NOT_YET),
        ("-1", 1, NoKey.UNKNOWN),
        ("soon", 1, NoKey.UNKNOWN),
        ("", 1, NoKey.UNKNOWN),
        ("9" * 400, 10_000, NoKey.NOT_YET),
    ],
)
def test_a_kid_is_unknown_only_by_an_answer_that_was_made_after_the_record_came(
    age: str, later_s: int, verdict: NoKey
) -> None:
    """Of a list the first counts, nonsense is left aside (RFC 9111, section 5.1)."""

    async def check(sets: KeySets, refresh: Refresh, clock: SteppedClock) -> None:
        await refresh()
        arrival = At(int(clock.now * 1000))
        clock.now += later_s
        await refresh()
        if not sets.usable(ISSUER):
            assert len(age) > 10, "too old for anything"
        assert sets.find(ISSUER, "new", arrival) is verdict

    cached(age, check)


def test_a_key_counts_as_withdrawn_from_when_the_answer_was_made() -> None:
    """What was appended since, and under it, waits for a fresher answer; what was appended before verifies."""
    server = Server()

    async def check(sets: KeySets, refresh: Refresh, clock: SteppedClock) -> None:
        await refresh()
        server.body, server.headers = OTHER, {"Age": "299"}
        clock.now += 700
        await refresh()
        withdrawn_ms = int((clock.now - 300) * 1000)
        assert isinstance(sets.find(ISSUER, "a", At(withdrawn_ms + 60_000)), Key)
        assert sets.find(ISSUER, "a", At(withdrawn_ms + 60_001)) is NoKey.NOT_YET

    with_server(server, check)


def test_an_old_answer_after_a_fresh_one_does_not_bring_a_withdrawn_key_back() -> None:
    """Two caches, or one behind which the server is asked now and then."""
    server = Server()

    async def check(sets: KeySets, refresh: Refresh, clock: SteppedClock) -> None:
        old = server.body
        await refresh()
        server.body = OTHER
        clock.now += 100
        await refresh()
        server.body, server.headers = old, {"Age": "50"}
        clock.now += 20
        await refresh()
        appended = At(int(clock.now * 1000) + 120_000)
        assert not isinstance(sets.find(ISSUER, "a", appended), Key)
        assert isinstance(sets.find(ISSUER, "b", appended), Key)

    with_server(server, check)
