"""Builders with valid defaults: keys, events, tokens, records, rules. A test changes only what it is about."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from schemas import registry
from streams import templates
from streams.core.control import Order
from streams.core.control_token import Operator
from streams.core.ingest import IngestRules
from streams.core.keyring import Arrival, NoKey
from streams.core.keys import Key, KeySet, parse
from streams.core.messages import Category, Message, Mode, RenderOrder, Route, dispatch_id
from streams.core.records import Headers, Record
from streams.core.scope import ALL
from streams.core.signing import PrivateKey, algorithm, public_jwk
from streams.core.switches import Setting
from streams.core.templates import Templates
from streams.core.token import Producer, TokenRules

ISSUER = "scholarship_agent"
OTHER = "student_pilot"
TOPIC = f"events.{ISSUER}"
NOW_S = 1_790_000_000
"""The time at which everything in these tests happens."""


@cache
def shipped_schemas() -> registry.Registry:
    """The schemas of this build, compiled once per run."""
    return registry.load()


def private_key(kind: str = "RS256", name: str = "a") -> PrivateKey:
    """One key per algorithm and name, made once per run."""
    return _private_key(kind, name)


@cache
def _private_key(kind: str, _name: str) -> PrivateKey:
    match kind:
        case "RS256":
            return rsa.generate_private_key(65537, 2048)
        case "ES256":
            return ec.generate_private_key(ec.SECP256R1())
        case _:
            return ed25519.Ed25519PrivateKey.generate()


def jwks(keys: Mapping[str, PrivateKey]) -> bytes:
    """A JWK set document of the public halves."""
    return json.dumps({"keys": [public_jwk(key, kid=kid) for kid, key in keys.items()]}).encode()


class FixedKeys:
    """Keys that are simply there."""

    def __init__(self, sets: Mapping[str, KeySet]) -> None:
        self._sets = sets

    def find(self, issuer: str, kid: str, _arrival: Arrival) -> Key | NoKey:
        return self._sets[issuer].keys.get(kid, NoKey.UNKNOWN)


def producers() -> dict[str, Producer]:
    """Two issuers, each with its own topic: the first may send every type of this build, the second `new_match`."""
    rows = {ISSUER: set(shipped_schemas().events), OTHER: {"new_match"}}
    return {
        issuer: Producer(issuer=issuer, service=issuer, topic=f"events.{issuer}", types=frozenset(types))
        for issuer, types in rows.items()
    }


@cache
def default_keys() -> FixedKeys:
    """``rsa``, ``ec`` and ``ed`` of the first issuer; ``rsa`` of the second, another key."""
    own = {"rsa": private_key("RS256"), "ec": private_key("ES256"), "ed": private_key("EdDSA")}
    return FixedKeys({ISSUER: parse(jwks(own)), OTHER: parse(jwks({"rsa": private_key("RS256", "other")}))})


def rules(*, shipped: Templates | None = None, mode: Mode = Mode.DRY_RUN) -> IngestRules:
    """Ingest rules over the shipped schemas and templates."""
    return IngestRules(
        tokens=TokenRules(producers(), default_keys()),
        schemas=shipped_schemas(),
        templates=shipped or templates.load(),
        mode_at=lambda _appended_ms: mode,
    )


def event(event_type: str = "new_match", version: str = "1.0", **changes: Any) -> dict[str, Any]:
    """A valid event; ``data__x=1`` sets ``data.x``, ``recipient__y`` likewise, a value of None removes the member."""
    made = shipped_schemas().versions(event_type)[version].example()
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = made
        for parent in parents:
            place = place[parent]
        if value is None:
            place.pop(last, None)
        else:
            place[last] = value
    return made


def claims(body: Mapping[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Valid claims around an event, issued at `NOW_S`; None removes a claim."""
    made = {
        "iss": ISSUER,
        "aud": "auto_com_center",
        "sub": f"service:{ISSUER}",
        "roles": ["SystemService"],
        "iat": NOW_S,
        "exp": NOW_S + 300,
        "jti": "event-1",
        "event": body if body is not None else event(),
    }
    return {name: value for name, value in (made | changes).items() if value is not None}


def token(
    body: Mapping[str, Any] | None = None,
    *,
    key: PrivateKey | None = None,
    header: Mapping[str, Any] | None = None,
) -> bytes:
    """A signed event JWT; ``header`` members win, None removes one."""
    signer = key or private_key()
    members = {"kid": "rsa", "typ": "event+jwt", **(header or {})}
    signed = jwt.encode(
        dict(body if body is not None else claims()), signer, algorithm=algorithm(signer), headers=members
    )
    return signed.encode()


def record(
    value: bytes | None,
    *,
    topic: str = TOPIC,
    offset: int = 0,
    key: bytes | None = b"student-7",
    headers: Headers = (),
    appended_s: float = NOW_S,
) -> Record:
    """A record appended at `NOW_S` by the broker's clock."""
    return Record(
        topic=topic,
        partition=0,
        offset=offset,
        key=key,
        value=value,
        headers=headers,
        timestamp_ms=int(appended_s * 1000),
        appended_ms=int(appended_s * 1000),
        received_ms=int(appended_s * 1000),
    )


def route(**changes: Any) -> Route:
    """The coordinates of one message."""
    made = {
        "event_id": f"{ISSUER}/event-1",
        "event_type": "new_match",
        "event_version": "1.0",
        "recipient_id": "student-7",
        "channel": "email",
        "category": Category.TRANSACTIONAL,
        "template": "new_match",
        "template_version": "1.0",
    } | changes
    identity = dispatch_id(**{name: made[name] for name in ("event_id", "recipient_id", "channel", "template")})
    return Route(**{"dispatch_id": identity, **made})


def order(**changes: Any) -> RenderOrder:
    """A render order for ``new_match`` by e-mail."""
    made = {
        "route": route(),
        "to": "ben@example.org",
        "mode": Mode.DRY_RUN,
        "appended_ms": NOW_S * 1000,
        "occurred_at": "2026-11-20T09:30:00Z",
        "not_after_ms": None,
        "locale": None,
        "timezone": None,
        "data": event()["data"],
    }
    return RenderOrder(**(made | changes))


def message(**changes: Any) -> Message:
    """A rendered e-mail."""
    made: dict[str, Any] = {
        "route": route(),
        "to": "ben@example.org",
        "mode": Mode.LIVE,
        "appended_ms": NOW_S * 1000,
        "not_after_ms": None,
        "sender": "Scholarship Centre <no-reply@scholarships.example>",
        "parts": {"subject": "Hello", "text": "Hello Ben\n", "html": "<p>Hello Ben</p>\n"},
    }
    return Message(**(made | changes))


OPERATOR = "nora"


@cache
def operators() -> dict[str, Operator]:
    """``nora`` and ``omar`` may order; each has a key ``op`` of their own."""
    return {name: Operator(parse(jwks({"op": private_key("EdDSA", name)}))) for name in (OPERATOR, "omar")}


def order_body(**changes: Any) -> dict[str, Any]:
    """The claims of an order, valid at `NOW_S`; None removes a claim."""
    made = {
        "iss": OPERATOR,
        "aud": "auto_com_center",
        "roles": ["Operator"],
        "iat": NOW_S,
        "exp": NOW_S + 300,
        "jti": "order-1",
        "scope": "all",
        "setting": "DISABLE_SEND",
        "value": True,
        "reason": "a bad night",
    }
    return {name: value for name, value in (made | changes).items() if value is not None}


def order_token(body: Mapping[str, Any] | None = None, *, signer: str = OPERATOR, **header: Any) -> bytes:
    """A signed order; ``signer`` is whose key it is signed with."""
    members = {"kid": "op", "typ": "control+jwt", **header}
    return token(order_body() if body is None else body, key=private_key("EdDSA", signer), header=members)


def obeyed(**changes: Any) -> Order:
    """An order as it was obeyed, appended at `NOW_S`."""
    made: dict[str, Any] = {
        "scope": ALL,
        "setting": Setting.DISABLE_SEND,
        "value": True,
        "reason": "a bad night",
        "operator": OPERATOR,
        "jti": "order-1",
        "appended_ms": NOW_S * 1000,
        "offset": 0,
    }
    return Order(**(made | changes))
