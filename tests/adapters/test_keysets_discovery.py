"""Key sets that OpenID discovery points to: only by their own issuer, only over what is secure, and asked anew."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from adapters.key_fetch import WELL_KNOWN
from adapters.keysets import KeySets
from config.key_source import KeySource
from tests.adapters.key_server import GOOD, ISSUER, LIMIT, OTHER, PATIENT_S, Server, key_sets, kids, serving
from tests.fakes import SteppedClock

DISCOVERY_EVERY_S = 3600.0
KEYS_PATH = "/keys"


def page(server: Server, path: str = "", **changes: Any) -> bytes:
    """A discovery document; ``...`` removes a member."""
    made = {"issuer": server.url + path, "jwks_uri": server.url + KEYS_PATH} | changes
    return json.dumps({name: value for name, value in made.items() if value is not ...}).encode()


Check = Callable[[Server, KeySets, Callable[[], Awaitable[None]], SteppedClock], Awaitable[None]]


def discovering(check: Check, path: str = "") -> None:
    """Run a check with an issuer whose keys are at /keys, as its discovery document says."""

    async def scenario() -> None:
        server, clock = Server(), SteppedClock()
        async with serving(server), aiohttp.ClientSession() as session:
            server.pages = {path.rstrip("/") + WELL_KNOWN: page(server, path), KEYS_PATH: GOOD}
            server.body = b"{}"
            sets = key_sets(server.discovered(path=path), clock=clock, timeout=PATIENT_S)
            await check(server, sets, lambda: sets.refresh(session, ISSUER), clock)

    asyncio.run(scenario())


@pytest.mark.parametrize("path", ["", "/", "/tenant", "/tenant/"])
def test_the_keys_are_where_discovery_says(path: str) -> None:
    """A slash at the issuer's end is not doubled (section 4)."""

    async def check(server: Server, sets: KeySets, refresh: Callable[[], Awaitable[None]], clock: SteppedClock) -> None:
        await refresh()
        assert (sets.fault(ISSUER), kids(sets, clock)) == ("", {"a"})
        assert server.asked == [path.rstrip("/") + WELL_KNOWN, KEYS_PATH]

    discovering(check, path)


def test_the_address_is_kept_for_a_while_and_then_asked_for_anew() -> None:
    async def check(server: Server, sets: KeySets, refresh: Callable[[], Awaitable[None]], clock: SteppedClock) -> None:
        await refresh()
        clock.now += DISCOVERY_EVERY_S
        await refresh()
        assert server.asked == [WELL_KNOWN, KEYS_PATH, KEYS_PATH]
        server.pages[WELL_KNOWN] = page(server, jwks_uri=server.url + "/moved")
        server.pages["/moved"] = OTHER
        clock.now += 1
        await refresh()
        assert server.asked[3:] == [WELL_KNOWN, "/moved"]
        assert "b" in kids(sets, clock)

    discovering(check)


def test_after_a_failure_the_address_is_asked_for_anew() -> None:
    """The keys may have moved: what was kept is not trusted further."""

    async def check(server: Server, sets: KeySets, refresh: Callable[[], Awaitable[None]], _: SteppedClock) -> None:
        await refresh()
        server.status = 404
        await refresh()
        assert "404" in sets.fault(ISSUER)
        assert server.asked[2:] == [KEYS_PATH]
        server.status = 200
        await refresh()
        assert server.asked[3:] == [WELL_KNOWN, KEYS_PATH]
        assert sets.fault(ISSUER) == ""

    discovering(check)


WRONG: dict[str, tuple[Callable[[Server], bytes], str]] = {
    "another issuer": (lambda s: page(s, issuer="https://evil.example"), "not this issuer's"),
    "almost the issuer": (lambda s: page(s, issuer=s.url + "/"), "not this issuer's"),
    "no issuer": (lambda s: page(s, issuer=...), "not this issuer's"),
    "a list of issuers": (lambda s: page(s, issuer=[s.url]), "not this issuer's"),
    "a list": (lambda _: b"[]", "not this issuer's"),
    "no address": (lambda s: page(s, jwks_uri=...), "must be https"),
    "an address that is none": (lambda s: page(s, jwks_uri=7), "must be https"),
    "a file": (lambda s: page(s, jwks_uri="/etc/passwd"), "must be https"),
    "a file's URL": (lambda s: page(s, jwks_uri="file:///etc/passwd"), "must be https"),
    "http elsewhere": (lambda s: page(s, jwks_uri="http://keys.example/jwks.json"), "must be https"),
    "an address that can't be read": (lambda s: page(s, jwks_uri="https://[::1/x"), "must be https"),
    "HTML": (lambda _: b"<html>", "JSONDecodeError"),
    "nothing": (lambda _: b"", "JSONDecodeError"),
    "a document that is too large": (lambda s: page(s) + b" " * LIMIT, "larger than 4096"),
}


@pytest.mark.parametrize(("made", "says"), WRONG.values(), ids=WRONG)
def test_a_discovery_document_that_is_wrong_brings_no_keys(made: Callable[[Server], bytes], says: str) -> None:
    """Nothing is fetched from where it points; a good one mends it."""

    async def check(server: Server, sets: KeySets, refresh: Callable[[], Awaitable[None]], clock: SteppedClock) -> None:
        good, server.pages[WELL_KNOWN] = server.pages[WELL_KNOWN], made(server)
        await refresh()
        assert says in sets.fault(ISSUER)
        assert kids(sets, clock) == set()
        assert server.asked == [WELL_KNOWN]
        server.pages[WELL_KNOWN] = good
        await refresh()
        assert (sets.fault(ISSUER), kids(sets, clock)) == ("", {"a"})

    discovering(check)


@pytest.mark.parametrize("status", [301, 302, 307, 404, 500])
def test_discovery_is_not_redirected(status: int) -> None:
    async def check(server: Server, sets: KeySets, refresh: Callable[[], Awaitable[None]], _: SteppedClock) -> None:
        server.status, server.headers = status, {"Location": KEYS_PATH}
        await refresh()
        assert f"answered {status}" in sets.fault(ISSUER)
        assert server.asked == [WELL_KNOWN]

    discovering(check)


def test_in_production_discovery_may_not_point_to_plain_http_even_on_loopback() -> None:
    """The settings refuse an issuer that is asked over http itself; here it only stands in for one over https."""

    async def scenario() -> None:
        server = Server()
        async with serving(server), aiohttp.ClientSession() as session:
            server.pages = {WELL_KNOWN: page(server), KEYS_PATH: GOOD}
            sets = key_sets(KeySource(issuer=ISSUER, discovery=server.url))
            await sets.refresh(session, ISSUER)
        assert "must be https" in sets.fault(ISSUER)
        assert server.asked == [WELL_KNOWN]

    asyncio.run(scenario())
