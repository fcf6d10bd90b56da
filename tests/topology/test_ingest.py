"""Every way in which an inbound record is refused or accepted, from bytes."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import jwt
import orjson
import pytest

from streams import templates, topics
from streams.core.reasons import Reason, Stage
from streams.core.records import Record
from streams.core.render import Renderer
from streams.core.templates import Templates
from streams.topology import Step, Topology, build_topology
from tests.builders import (
    ISSUER,
    NOW_S,
    OTHER,
    TOPIC,
    claims,
    event,
    jwks,
    private_key,
    record,
    rules,
    token,
)
from tests.driver import Tally, TopologyDriver, header


def driver(shipped: Templates | None = None) -> TopologyDriver:
    loaded = shipped or templates.load()
    topology = build_topology(rules(shipped=loaded), Renderer(loaded), Tally(), now=lambda: float(NOW_S))
    return TopologyDriver(topology)


def raw(header_part: Any, payload: Any, signature: bytes = b"x" * 256) -> bytes:
    """A token put together by hand, for what no library would sign."""

    def segment(part: Any) -> bytes:
        text = part if isinstance(part, bytes) else json.dumps(part).encode()
        return base64.urlsafe_b64encode(text).rstrip(b"=")

    return b".".join([segment(header_part), segment(payload), segment(signature)])


def hmac_with_public_key() -> bytes:
    """Algorithm confusion: the issuer's public key used as a shared secret."""
    good_header = {"kid": "rsa", "typ": "event+jwt", "alg": "HS256"}
    signing_input = raw(good_header, claims()).rpartition(b".")[0]
    secret = jwks({"rsa": private_key()})
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(signing_input, secret)
    return signing_input + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")


def tampered() -> bytes:
    value = bytearray(token())
    place = value.rindex(b".") + 10
    value[place] = ord("A") if value[place] != ord("A") else ord("B")
    return bytes(value)


HEADER = {"kid": "rsa", "typ": "event+jwt", "alg": "RS256"}
BAD: list[tuple[str, Reason, Callable[[], bytes | None]]] = [
    ("null value", Reason.TOKEN_MISSING, lambda: None),
    ("empty value", Reason.TOKEN_MISSING, lambda: b""),
    ("beyond 256 KiB", Reason.TOKEN_TOO_LARGE, lambda: b"a" * (256 * 1024 + 1)),
    ("not a JWS", Reason.TOKEN_MALFORMED, lambda: b"hello"),
    ("not ASCII", Reason.TOKEN_MALFORMED, "é.é.é".encode),
    ("invalid UTF-8", Reason.TOKEN_MALFORMED, lambda: b"\xff\xfe.\x80.\x81"),
    ("JSON, not a token", Reason.TOKEN_MALFORMED, lambda: b'{"event": 1}'),
    ("padding", Reason.TOKEN_MALFORMED, lambda: token() + b"="),
    ("four segments", Reason.TOKEN_MALFORMED, lambda: token() + b".e30"),
    ("header is a list", Reason.TOKEN_MALFORMED, lambda: raw([], claims())),
    ("payload is text", Reason.TOKEN_MALFORMED, lambda: raw(HEADER, b"hello")),
    ("a member twice", Reason.TOKEN_MALFORMED, lambda: raw(HEADER, b'{"iss":"a","iss":"b"}')),
    ("NaN", Reason.TOKEN_MALFORMED, lambda: raw(HEADER, b'{"iss":NaN}')),
    ("a number beyond doubles", Reason.TOKEN_MALFORMED, lambda: raw(HEADER, b'{"iss":1e999}')),
    ("an integer beyond 64 bits", Reason.TOKEN_MALFORMED, lambda: raw(HEADER, b'{"iss":99999999999999999999}')),
    ("a lone surrogate", Reason.TOKEN_MALFORMED, lambda: raw(HEADER, b'{"iss":"\\ud800"}')),
    ("deep nesting", Reason.TOKEN_MALFORMED, lambda: raw(HEADER, b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}")),
    *[
        (f"header {name}", Reason.TOKEN_MALFORMED, lambda name=name: token(header={name: "x"}))
        for name in ("jku", "x5u", "x5c", "jwk", "zip")
    ],
    ("header crit", Reason.TOKEN_MALFORMED, lambda: raw(HEADER | {"crit": ["exp"]}, claims())),
    ("header b64", Reason.TOKEN_MALFORMED, lambda: raw(HEADER | {"b64": False}, claims())),
    ("no kid", Reason.TOKEN_MALFORMED, lambda: raw({"typ": "event+jwt", "alg": "RS256"}, claims())),
    ("kid is a number", Reason.TOKEN_MALFORMED, lambda: raw(HEADER | {"kid": 1}, claims())),
    ("an access token", Reason.TOKEN_TYPE, lambda: token(header={"typ": "at+jwt"})),
    ("typ JWT", Reason.TOKEN_TYPE, lambda: token(header={"typ": "JWT"})),
    ("alg none", Reason.TOKEN_ALG, lambda: raw(HEADER | {"alg": "none"}, claims(), b"")),
    ("alg HS256 with the public key", Reason.TOKEN_ALG, hmac_with_public_key),
    ("alg of another key kind", Reason.TOKEN_ALG, lambda: token(key=private_key("ES256"))),
    ("unknown kid", Reason.TOKEN_UNKNOWN_KEY, lambda: token(header={"kid": "gone"})),
    ("kid as a path", Reason.TOKEN_UNKNOWN_KEY, lambda: token(header={"kid": "../../dev/null"})),
    ("tampered signature", Reason.TOKEN_SIGNATURE, tampered),
    ("another issuer's key", Reason.TOKEN_SIGNATURE, lambda: token(key=private_key("RS256", "other"))),
    ("unregistered issuer", Reason.TOKEN_ISSUER, lambda: token(claims(iss="mallory"))),
    ("no issuer", Reason.TOKEN_ISSUER, lambda: token(claims(iss=None))),
    (
        "another issuer's topic",
        Reason.TOKEN_TOPIC,
        lambda: token(claims(iss=OTHER, sub=f"service:{OTHER}"), key=private_key("RS256", "other")),
    ),
    ("another audience", Reason.TOKEN_AUDIENCE, lambda: token(claims(aud=["scholarship_api"]))),
    ("no audience", Reason.TOKEN_AUDIENCE, lambda: token(claims(aud=None))),
    ("no role", Reason.TOKEN_ROLE, lambda: token(claims(roles=None))),
    ("another role", Reason.TOKEN_ROLE, lambda: token(claims(roles=["Student"]))),
    ("sub of another service", Reason.TOKEN_CLAIMS, lambda: token(claims(sub=f"service:{OTHER}"))),
    ("sub of a person", Reason.TOKEN_CLAIMS, lambda: token(claims(sub="user:1"))),
    ("times as strings", Reason.TOKEN_CLAIMS, lambda: token(claims(iat=str(NOW_S)))),
    ("times as booleans", Reason.TOKEN_CLAIMS, lambda: token(claims(exp=True))),
    ("no exp", Reason.TOKEN_CLAIMS, lambda: token(claims(exp=None))),
    ("a life beyond 900 s", Reason.TOKEN_CLAIMS, lambda: token(claims(exp=NOW_S + 901))),
    ("exp before iat", Reason.TOKEN_CLAIMS, lambda: token(claims(exp=NOW_S - 1))),
    ("no jti", Reason.TOKEN_CLAIMS, lambda: token(claims(jti=None))),
    ("jti too long", Reason.TOKEN_CLAIMS, lambda: token(claims(jti="j" * 129))),
    ("no event", Reason.TOKEN_CLAIMS, lambda: token(claims() | {"event": "x"})),
    ("expired at append", Reason.TOKEN_EXPIRED, lambda: token(claims(iat=NOW_S - 400, exp=NOW_S - 60))),
    ("issued later", Reason.TOKEN_NOT_YET_VALID, lambda: token(claims(iat=NOW_S + 61, exp=NOW_S + 300))),
    ("not before later", Reason.TOKEN_NOT_YET_VALID, lambda: token(claims(nbf=NOW_S + 61))),
    ("unknown type", Reason.EVENT_TYPE_UNKNOWN, lambda: token(claims(event(type="lottery_won")))),
    ("unknown version", Reason.SCHEMA_VERSION_UNKNOWN, lambda: token(claims({**event(), "version": "9.0"}))),
    ("type is a number", Reason.SCHEMA_VIOLATION, lambda: token(claims(event(type=1)))),
    ("a member missing", Reason.SCHEMA_VIOLATION, lambda: token(claims(event(data__provider_name=None)))),
    ("a member too many", Reason.SCHEMA_VIOLATION, lambda: token(claims(event(data__extra=1)))),
    ("a wrong format", Reason.SCHEMA_VIOLATION, lambda: token(claims(event(data__deadline="soon")))),
    ("a bad not_after", Reason.SCHEMA_VIOLATION, lambda: token(claims(event(not_after="tomorrow")))),
    ("no recipient id", Reason.RECIPIENT_INVALID, lambda: token(claims(event(recipient__id=None)))),
    (
        "an address with a header in it",
        Reason.RECIPIENT_INVALID,
        lambda: token(claims(event(recipient__contacts={"email": "a@example.org\r\nBcc: b@example.org"}))),
    ),
    (
        "a phone number with a newline",
        Reason.RECIPIENT_INVALID,
        lambda: token(claims(event(recipient__contacts={"sms": "+34600123456\n"}))),
    ),
    ("no channel", Reason.NO_CHANNEL, lambda: token(claims(event(recipient__contacts={"fax": "1"})))),
]


@pytest.mark.parametrize(("reason", "make"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_a_bad_record_becomes_one_dead_letter_with_its_reason_and_nothing_else(
    reason: Reason, make: Callable[[], bytes | None]
) -> None:
    """Original bytes, key and headers kept, the next event unharmed."""
    value = make()
    headers = (("traceparent", b"00-1"), ("x", b"\xff"), ("x", None))
    run = driver()

    left = run.pipe(record(value, offset=41, headers=headers))

    assert run.reasons() == [reason]
    assert run.topics() == {topics.DEAD_LETTER}
    letter = left[0]
    assert (letter.key, letter.value) == (b"student-7", value)
    assert letter.headers[: len(headers)] == headers
    assert header(letter, "dlq.stage") == Stage.INGEST
    assert header(letter, "dlq.original.topic") == TOPIC
    assert header(letter, "dlq.original.offset") == "41"
    assert header(letter, "dlq.original.timestamp") == header(letter, "dlq.failed-at") == str(NOW_S * 1000)
    assert run.pipe(record(token(), offset=42))[0].topic == topics.DISPATCH_TRANSACTIONAL


def test_every_ingest_reason_of_the_contract_is_reached() -> None:
    """The table above, and the two that need other rules."""
    ours = {reason for _, reason, _ in BAD}
    elsewhere = {Reason.TEMPLATE_MISSING, Reason.INTERNAL_ERROR}
    later = {Reason.RENDER_FAILED, Reason.PROVIDER_REFUSED, Reason.PROVIDER_GAVE_UP, Reason.OUTCOME_UNKNOWN}
    assert ours | elsewhere | later | {Reason.ID_CONFLICT} == set(Reason)


def test_a_type_that_the_issuer_may_not_send_is_unknown_for_it() -> None:
    """`student_pilot` may send new_match and nothing else."""
    run = driver()
    body = claims(event("deadline_soon"), iss=OTHER, sub=f"service:{OTHER}")
    run.pipe(record(token(body, key=private_key("RS256", "other")), topic=f"events.{OTHER}"))
    assert run.reasons() == [Reason.EVENT_TYPE_UNKNOWN]


def test_an_event_without_a_template_is_refused() -> None:
    """The type and its schema are known, the registry of templates has no row."""
    run = driver(Templates({}))
    run.pipe(record(token()))
    assert run.reasons() == [Reason.TEMPLATE_MISSING]


def test_a_step_that_raises_dead_letters_the_record_and_the_next_one_goes_on() -> None:
    """A bug is caught in one place."""

    def step(each: Record) -> Any:
        raise KeyError(each.value)

    run = TopologyDriver(Topology({TOPIC: Step(Stage.INGEST, step)}, Tally()))
    run.pipe(record(b"1"))
    run.pipe(record(b"2", offset=1))
    assert run.reasons() == [Reason.INTERNAL_ERROR, Reason.INTERNAL_ERROR]
    assert header(run.out[0], "dlq.detail") == "KeyError"


@pytest.mark.parametrize("kid", ["rsa", "ec", "ed"])
def test_a_good_event_becomes_one_rendered_message(kid: str) -> None:
    """Under each algorithm of the contract, with the trace handed on and the identity of the message."""
    kinds = {"rsa": "RS256", "ec": "ES256", "ed": "EdDSA"}
    run = driver()
    value = token(key=private_key(kinds[kid]), header={"kid": kid})

    left = run.pipe(record(value, headers=(("traceparent", b"00-abc"), ("other", b"1"))))

    assert [emit.topic for emit in run.out] == [topics.RENDER, topics.DISPATCH_TRANSACTIONAL]
    body = orjson.loads(left[0].value or b"")
    assert left[0].key == b"student-7"
    assert left[0].headers == (("traceparent", b"00-abc"),)
    assert body["route"]["event_id"] == f"{ISSUER}/event-1"
    assert body["to"] == "ben@example.org"
    assert set(body["parts"]) == {"subject", "html", "text"}


def test_what_the_contract_allows_is_accepted() -> None:
    """Several audiences, extra claims, extra header members, other order and white space."""
    run = driver()
    body = claims(aud=["other", "auto_com_center"], extra={"a": [1]}, roles=["X", "SystemService"])
    run.pipe(record(token(dict(reversed(body.items())), header={"x-extra": "1"})))
    assert run.reasons() == []


def test_a_token_is_judged_at_its_append_time_within_the_skew() -> None:
    """Good when it was queued stays good, however late it is read; one minute of skew either way."""
    for appended_s in (NOW_S - 60, NOW_S, NOW_S + 300 + 59):
        run = driver()
        run.pipe(record(token(), appended_s=appended_s))
        assert run.reasons() == []


def test_the_first_channel_that_the_recipient_has_is_taken() -> None:
    """E-mail before SMS by the template's order, SMS where there is no e-mail."""
    run = driver()
    left = run.pipe(record(token(claims(event(recipient__contacts={"sms": "+15005550006"})))))
    assert orjson.loads(left[0].value or b"")["route"]["channel"] == "sms"


def test_the_same_event_again_has_the_same_dispatch_id() -> None:
    """A producer that sends again signs again with the same jti; the identity does not depend on the token's text."""
    run = driver()
    first = run.pipe(record(token(claims())))[0]
    again = run.pipe(record(token(claims(iat=NOW_S + 1)), offset=1))[0]
    ids = {orjson.loads(emit.value or b"")["route"]["dispatch_id"] for emit in (first, again)}
    assert len(ids) == 1


def test_an_event_with_thousands_of_violations_costs_no_more_than_one() -> None:
    """Each violation would carry a copy of the whole; here 10,000 bad names within the size limit of a token."""
    run = driver()
    hostile = {f"N{index}": "x" for index in range(10_000)}
    run.pipe(record(token(claims(event(recipient__contacts=hostile)))))
    assert run.reasons() == [Reason.RECIPIENT_INVALID]
    assert len(header(run.out[0], "dlq.detail")) <= 200
