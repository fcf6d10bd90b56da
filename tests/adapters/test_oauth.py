"""The token endpoint against a real HTTP server on loopback: a token, a no, or neither; never an exception."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote_plus

import aiohttp
import pytest

from adapters.oauth import MAX_BYTES, Blocked, Grant, Granted, TokenEndpoint, Unavailable
from adapters.processes import HOST, free_ports
from streams.core.access import Access, AccessRules, verify_access
from streams.core.keys import parse
from streams.demo.auth_server import CLIENT, AuthServer, AuthService
from tests.adapters.key_server import PATIENT_S, TIMEOUT_S, Server, serving
from tests.builders import FixedKeys

CLIENT_ID, SECRET = "auto com:center", "s3cr+t/ü&="
TOKEN = "eyJ.eyJ.sig"
GOOD = json.dumps({"access_token": TOKEN, "token_type": "Bearer", "expires_in": 300}).encode()


def endpoint(url: str, timeout: float = PATIENT_S) -> TokenEndpoint:
    return TokenEndpoint(url, CLIENT_ID, SECRET, timeout=timeout)


def granted_by(server: Server) -> Grant:
    """What one request to this server comes to."""

    async def scenario() -> Grant:
        async with serving(server), aiohttp.ClientSession() as session:
            return await endpoint(server.url + "/token", TIMEOUT_S if server.delay else PATIENT_S).token(session)

    return asyncio.run(scenario())


def test_a_token_is_asked_for_as_the_rfc_says() -> None:
    """Client credentials (section 4.4); id and secret form-encoded before they are joined (section 2.3.1)."""
    server = Server(GOOD)
    assert granted_by(server) == Granted(TOKEN.encode())
    (request,) = server.requests
    assert (request.method, server.asked) == ("POST", ["/token"])
    assert parse_qs(request.body) == {"grant_type": ["client_credentials"]}
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    kind, _, pair = request.headers["Authorization"].partition(" ")
    sent = base64.b64decode(pair).decode("ascii")
    assert (kind, sent) == ("Basic", "auto+com%3Acenter:s3cr%2Bt%2F%C3%BC%26%3D")
    name, _, secret = sent.partition(":")
    assert (unquote_plus(name), unquote_plus(secret)) == (CLIENT_ID, SECRET)


def test_the_secret_goes_nowhere_but_into_that_header() -> None:
    server = Server(GOOD)
    granted_by(server)
    (request,) = server.requests
    others = {name: value for name, value in request.headers.items() if name != "Authorization"}
    assert SECRET not in str((others, request.body, server.asked))
    assert SECRET not in repr(endpoint(server.url))


def error(code: Any, **more: Any) -> bytes:
    return json.dumps({"error": code, **more}).encode()


@dataclass(frozen=True, slots=True)
class Answer:
    """How the server answers, what that is, and what is said of it."""

    is_: type[Blocked | Unavailable]
    says: str
    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    delay: float = 0.0


ANSWERS: dict[str, Answer] = {
    "400 with a code": Answer(Blocked, "answered 400 (invalid_scope)", 400, error("invalid_scope")),
    "401 with a code": Answer(Blocked, "answered 401 (invalid_client)", 401, error("invalid_client")),
    "401 without a body": Answer(Blocked, "answered 401", 401),
    "403 in HTML": Answer(Blocked, "answered 403", 403, b"<html>"),
    "404": Answer(Blocked, "answered 404", 404, b"{}"),
    "400 with a code of its own": Answer(Blocked, "answered 400", 400, error(f"bad secret {SECRET}")),
    "400 with an object as code": Answer(Blocked, "answered 400", 400, error({"code": 400, "message": "no"})),
    "400 with a list as code": Answer(Blocked, "answered 400", 400, error(["invalid_client"])),
    "400 with a list as body": Answer(Blocked, "answered 400", 400, b"[]"),
    "400 with a long description": Answer(
        Blocked, "answered 400 (invalid_client)", 400, error("invalid_client", error_description=SECRET * 99)
    ),
    "408": Answer(Unavailable, "answered 408", 408),
    "429": Answer(Unavailable, "answered 429", 429, headers=(("Retry-After", "1"),)),
    "500": Answer(Unavailable, "answered 500", 500),
    "503 with a code": Answer(Unavailable, "answered 503", 503, error("temporarily_unavailable")),
    "201 with a token": Answer(Unavailable, "answered 201", 201, GOOD),
    "a redirect": Answer(Unavailable, "answered 302", 302, GOOD, (("Location", "/elsewhere"),)),
    "a redirect that keeps the method": Answer(Unavailable, "answered 308", 308, b"", (("Location", "/elsewhere"),)),
    "200 with nothing": Answer(Unavailable, "without an `access_token`"),
    "200 with HTML": Answer(Unavailable, "without an `access_token`", body=b"<html>"),
    "200 with a list": Answer(Unavailable, "without an `access_token`", body=b"[]"),
    "200 with an error": Answer(Unavailable, "without an `access_token`", body=error("invalid_client")),
    "200 with a number": Answer(Unavailable, "without an `access_token`", body=b'{"access_token":1}'),
    "200 with an empty token": Answer(Unavailable, "without an `access_token`", body=b'{"access_token":""}'),
    "200 with more than ASCII": Answer(
        Unavailable, "without an `access_token`", body='{"access_token":"tök"}'.encode()
    ),
    "200 and far too large": Answer(Unavailable, "without an `access_token`", body=GOOD[:-1] + b" " * MAX_BYTES + b"}"),
    "200 and nested too deeply": Answer(Unavailable, "without an `access_token`", body=b"[" * 60_000),
    "no answer in time": Answer(Unavailable, "can't be reached: TimeoutError", body=GOOD, delay=TIMEOUT_S * 3),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_a_no_and_nonsense_are_told_apart_and_neither_raises(answer: Answer) -> None:
    """4xx is a no, except those that say later; a redirect isn't followed; only the RFC's codes are repeated."""
    server = Server(answer.body, answer.status, dict(answer.headers), delay=answer.delay)
    grant = granted_by(server)
    assert type(grant) is answer.is_
    assert isinstance(grant, Blocked | Unavailable)
    assert grant.why.endswith(answer.says)
    assert server.asked == ["/token"]
    assert SECRET not in grant.why
    assert TOKEN not in grant.why


def test_a_token_that_comes_in_pieces_is_one_token() -> None:
    long = "t" * 20_000
    server = Server(json.dumps({"access_token": long}).encode(), chunked=True)
    assert granted_by(server) == Granted(long.encode())


@pytest.mark.parametrize("url", [f"http://{HOST}:{free_ports(1)[0]}/token", "http://pilot..example/token", "nonsense"])
def test_an_endpoint_that_is_not_there_is_no_exception(url: str) -> None:
    async def scenario() -> Grant:
        async with aiohttp.ClientSession() as session:
            return await endpoint(url).token(session)

    grant = asyncio.run(scenario())
    assert isinstance(grant, Unavailable)
    assert "can't be reached" in grant.why
    assert SECRET not in grant.why


def test_the_local_auth_service_gives_a_token_that_a_door_of_ours_lets_in() -> None:
    """And to nobody with another secret."""
    service = AuthService(keys={})

    async def scenario(secret: str) -> Grant:
        async with aiohttp.ClientSession() as session:
            return await TokenEndpoint(f"{service.url}/token", CLIENT, secret, timeout=PATIENT_S).token(session)

    with AuthServer(service):
        grant = asyncio.run(scenario(service.client_secret))
        refused = asyncio.run(scenario("another"))
    assert refused == Blocked("the token endpoint answered 401 (invalid_client)")
    assert isinstance(grant, Granted)
    _, document = service.document("/jwks.json")
    keys = FixedKeys({"auth": parse(json.dumps(document).encode())})
    rules = AccessRules(issuer=service.url, keys_of="auth", keys=keys)
    issued_s = json.loads(base64.urlsafe_b64decode(grant.token.split(b".")[1] + b"=="))["iat"]
    assert isinstance(verify_access(grant.token, rules, now_s=issued_s), Access)
