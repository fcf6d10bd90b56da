"""Gate 1's probe: a token like any client's, judged as a door of ours would; what is wrong is said, no secret is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp
import pytest
from structlog.testing import capture_logs

from adapters.oauth import TokenEndpoint
from streams.auth_probe import PENDING, AuthProbe
from streams.core.keyring import Arrival, NoKey
from streams.core.keys import Key
from streams.gate import Fresh
from tests.access import KEYS, access_claims, access_rules, access_token
from tests.adapters.key_server import PATIENT_S, Server, serving
from tests.builders import NOW_S, private_key
from tests.fakes import SteppedClock

SECRET = "s3cr3t"
FOREIGN = access_token(key=private_key("RS256", "other"))


def answer(token: bytes) -> bytes:
    return json.dumps({"access_token": token.decode(), "token_type": "Bearer"}).encode()


def probe_of(server: Server, clock: SteppedClock, keys: object = KEYS, *, every: float = 0.0) -> AuthProbe:
    endpoint = TokenEndpoint(server.url + "/token", "me", SECRET, timeout=PATIENT_S)
    return AuthProbe(endpoint, access_rules(keys), every=every, retry=every, clock=clock, now=lambda: NOW_S)


def looked(server: Server, *, keys: object = KEYS) -> Fresh:
    """What the gate reads after one look."""

    async def scenario() -> Fresh:
        async with serving(server), aiohttp.ClientSession() as session:
            probe = probe_of(server, SteppedClock(), keys)
            await probe.look(session)
            return probe.fresh()

    return asyncio.run(scenario())


def test_before_the_first_look_it_never_worked_and_says_so() -> None:
    assert probe_of(Server(), SteppedClock()).fresh() == Fresh(None, "not asked yet")


def test_a_token_that_verifies_is_well() -> None:
    assert looked(Server(answer(access_token()))) == Fresh(0.0, "")


@dataclass(frozen=True, slots=True)
class Wrong:
    """What the endpoint answers, and what is said of it."""

    says: str
    body: bytes = b""
    status: int = 200


WRONG: dict[str, Wrong] = {
    "the role is missing": Wrong(
        "the token was refused: `roles` must contain `SystemService`", answer(access_token(access_claims(roles=[])))
    ),
    "signed with a foreign key": Wrong("the token was refused: the signature does not match", answer(FOREIGN)),
    "under an unknown kid": Wrong(
        "the token was refused: `kid` is not in the auth service's key set",
        answer(access_token(header={"kid": "other"})),
    ),
    "of another issuer": Wrong(
        "the token was refused: `iss` is not OAUTH_ISSUER", answer(access_token(access_claims(iss="https://evil")))
    ),
    "over": Wrong("the token was refused: `exp` is over", answer(access_token(access_claims(exp=NOW_S - 60)))),
    "no JWT": Wrong("the token was refused: not a compact JWS of three segments", answer(b"opaque")),
    "a secret that is refused": Wrong(
        "blocked, pending gate 1: the token endpoint answered 401 (invalid_client)", b'{"error":"invalid_client"}', 401
    ),
    "a scope that is refused": Wrong("blocked, pending gate 1: the token endpoint answered 403", b"", 403),
    "too many requests": Wrong("the token endpoint answered 429", b"", 429),
    "a server that is broken": Wrong("the token endpoint answered 502", b"<html>", 502),
    "no token": Wrong("the token endpoint answered 200 without an `access_token`", b"{}"),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said_in_words_that_stay(wrong: Wrong) -> None:
    """Only a 4xx that means no is "blocked, pending gate 1": somebody at the auth service must act."""
    fresh = looked(Server(wrong.body, wrong.status))
    assert fresh == Fresh(None, wrong.says)
    assert (PENDING in fresh.fault) is (400 <= wrong.status < 429)


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_neither_the_secret_nor_the_token_stands_in_a_fault(wrong: Wrong) -> None:
    """It is shown to everyone who may ask for the state of the gate."""
    fault = looked(Server(wrong.body, wrong.status)).fault
    assert SECRET not in fault
    segments = wrong.body.decode().replace('"', ".").split(".")
    assert not [part for part in segments if len(part) >= 20 and part in fault]


class NoKeysYet:
    """Keys before the first fetch."""

    def find(self, _issuer: str, _kid: str, _arrival: Arrival) -> Key | NoKey:
        return NoKey.NOT_YET


def test_before_the_keys_are_there_the_token_is_not_called_foreign() -> None:
    """Both are asked for at the start, and the token may be first."""
    fresh = looked(Server(answer(access_token())), keys=NoKeysYet())
    assert fresh.age is None
    assert "a later fetch may bring it" in fresh.fault


def test_a_fault_does_not_hide_when_it_last_worked() -> None:
    """The gate stays GREEN for a while: one bad answer is not an outage."""

    async def scenario() -> list[Fresh]:
        server, clock, found = Server(answer(access_token())), SteppedClock(), []
        async with serving(server), aiohttp.ClientSession() as session:
            probe = probe_of(server, clock)
            for status in (200, 503, 401, 200):
                server.status = status
                clock.now += 5
                await probe.look(session)
                clock.now += 1
                found.append(probe.fresh())
        return found

    well, broken, blocked, again = asyncio.run(scenario())
    assert well == again == Fresh(1.0, "")
    assert broken == Fresh(7.0, "the token endpoint answered 503")
    assert blocked == Fresh(None, f"{PENDING}: the token endpoint answered 401"), "no is a verdict"


@pytest.mark.parametrize(
    ("status", "pause"), [(200, 20.0), (401, 20.0), (403, 20.0), (404, 20.0), (408, 5.0), (429, 5.0), (503, 5.0)]
)
def test_after_a_no_it_asks_as_seldom_as_when_all_is_well(status: int, pause: float) -> None:
    """Somebody must change something: to knock every few seconds helps nobody. What may pass is asked early."""

    async def scenario() -> float:
        server = Server(answer(access_token()), status)
        async with serving(server), aiohttp.ClientSession() as session:
            endpoint = TokenEndpoint(server.url + "/token", "me", SECRET, timeout=PATIENT_S)
            probe = AuthProbe(endpoint, access_rules(KEYS), every=20.0, retry=5.0, now=lambda: NOW_S)
            await probe.look(session)
            return probe.pause()

    assert asyncio.run(scenario()) == pause


def test_each_change_of_fault_is_logged_and_that_it_works_again() -> None:
    async def scenario() -> None:
        server = Server(answer(access_token()))
        async with serving(server), aiohttp.ClientSession() as session:
            probe = probe_of(server, SteppedClock())
            for status in (401, 401, 503, 200, 200, 503):
                server.status = status
                await probe.look(session)

    with capture_logs() as logged:
        asyncio.run(scenario())
    assert [(entry["event"], entry["log_level"], entry.get("fault")) for entry in logged] == [
        ("token_probe_failed", "warning", f"{PENDING}: the token endpoint answered 401"),
        ("token_probe_failed", "warning", "the token endpoint answered 503"),
        ("token_probe_worked", "info", None),
        ("token_probe_failed", "warning", "the token endpoint answered 503"),
    ]


def test_it_looks_again_and_again_and_tells_each_time() -> None:
    """After success and after a fault alike."""
    server = Server(answer(access_token()))
    told: list[str] = []

    async def scenario() -> None:
        async with serving(server):
            probe, enough = probe_of(server, SteppedClock(), every=0.001), asyncio.Event()
            task = asyncio.create_task(probe.run(on_look(probe, enough)))
            await asyncio.wait_for(enough.wait(), 5)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def on_look(probe: AuthProbe, enough: asyncio.Event) -> Callable[[], None]:
        def look() -> None:
            told.append(probe.fresh().fault)
            server.status = 503 if len(told) % 2 else 200
            if len(told) == 4:
                enough.set()

        return look

    asyncio.run(scenario())
    assert told[:4] == ["", "the token endpoint answered 503"] * 2
