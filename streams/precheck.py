"""What the contract would say to an event or a token if it were appended now, as far as that can be told without keys.

Nothing here decides anything: the rules are those of `core`, asked about one part at a time, so that a producer sees
all that is wrong and not only what is wrong first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from schemas.registry import Registry
from streams.core import jws, signing
from streams.core.contract import Event, validate
from streams.core.encoding import EncodingError, b64url
from streams.core.fanout import fan_out
from streams.core.messages import Mode
from streams.core.reasons import Reason, Rejected
from streams.core.templates import Templates
from streams.core.token import EVENT_TYPE, Claims, Producer, binding_fault, identified, time_fault

_GOOD_HEADER: Final = b"eyJhbGciOiJFZERTQSIsImtpZCI6IngiLCJ0eXAiOiJldmVudCtqd3QifQ"
"""``{"alg":"EdDSA","kid":"x","typ":"event+jwt"}``: to read the claims under a header that is refused."""
_NO_SIGNATURE: Final = b"AA"
_TOGETHER: Final = (("aud",), ("sub",), ("roles",), ("iat", "exp", "nbf"), ("jti",), ("event",))
"""Claims that are judged together; each group alone among good ones."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that would make it a dead letter, and the reason that the dead letter would carry."""

    reason: Reason
    text: str

    def __str__(self) -> str:
        return f"{self.reason}  {self.text}"


@dataclass(frozen=True, slots=True)
class Precheck:
    """Rules that need no key. ``producers`` by issuer, as the producers file binds them."""

    producers: Mapping[str, Producer]
    schemas: Registry
    templates: Templates

    def token(self, value: bytes, *, now_s: float) -> list[Finding]:
        """Everything that is wrong with a signed token, if it were appended at ``now_s`` (seconds since the epoch)."""
        return list(self._of_token(value, now_s))

    def event(self, event: Mapping[str, Any]) -> list[Finding]:
        """Everything that is wrong with a bare event, whoever sends it."""
        if "payload" in event and event.keys() & {"signature", "signatures"}:
            return [Finding(Reason.TOKEN_MALFORMED, "a JWS in JSON serialization; the compact one is accepted")]
        return list(self._of_event(event, _anyone(str(event.get("type")))))

    def _of_token(self, value: bytes, now_s: float) -> Iterator[Finding]:
        token = jws.read(value, token_type=EVENT_TYPE)
        if isinstance(token, Rejected):
            yield Finding(token.reason, token.detail)
            token = jws.read(_under_good_header(value), token_type=EVENT_TYPE)
        if isinstance(token, Rejected):
            return  # the claims can't be read either
        payload = token.payload
        issuer, event = payload.get("iss"), payload.get("event")
        producer = self.producers.get(issuer) if isinstance(issuer, str) else None
        if producer is None:
            known = ", ".join(self.producers)
            yield Finding(Reason.TOKEN_ISSUER, f"`iss` is not a registered producer; the producers file has: {known}")
            producer = _stand_in(payload)
        for fault in _claim_faults(payload, producer, now_s):
            yield Finding(fault.reason, fault.detail)
        if isinstance(event, dict):
            known_issuer = producer.issuer in self.producers
            yield from self._of_event(event, producer if known_issuer else _anyone(str(event.get("type"))))

    def _of_event(self, event: Mapping[str, Any], producer: Producer) -> Iterator[Finding]:
        valid = validate(Claims(producer=producer, jti="-", event=event), self.schemas)
        if isinstance(valid, Event):
            orders = fan_out(valid, self.templates, mode=Mode.DRY_RUN, appended_ms=0)
            if isinstance(orders, Rejected):
                yield Finding(orders.reason, orders.detail)
            return
        faults = [str(fault) for fault in self._schema_faults(event)] if valid.reason in _BY_SCHEMA else []
        for text in faults or [valid.detail]:
            yield Finding(valid.reason, text)

    def _schema_faults(self, event: Mapping[str, Any]) -> Iterator[object]:
        schema = self.schemas.versions(str(event.get("type"))).get(str(event.get("version")))
        return iter(()) if schema is None else schema.faults(event)


_BY_SCHEMA: Final = frozenset({Reason.SCHEMA_VIOLATION, Reason.RECIPIENT_INVALID})


def event_of(value: bytes) -> Mapping[str, Any]:
    """The event in a token, whether or not its header is good; empty if there is none."""
    token = jws.read(_under_good_header(value), token_type=EVENT_TYPE)
    event = {} if isinstance(token, Rejected) else token.payload.get("event")
    return event if isinstance(event, dict) else {}


def _under_good_header(value: bytes) -> bytes:
    segments = value.split(b".")
    try:
        b64url(segments[0])
    except EncodingError:
        return value
    return b".".join([_GOOD_HEADER, *segments[1:-1], _NO_SIGNATURE])


def _claim_faults(payload: Mapping[str, Any], producer: Producer, now_s: float) -> Iterator[Rejected]:
    good = signing.claims({}, issuer=producer.issuer, service=producer.service, jti="-", now_s=int(now_s))
    for group in _TOGETHER:
        tried = {name: claim for name, claim in good.items() if name not in group}
        fault = _judge(tried | {name: payload[name] for name in group if name in payload}, producer, now_s)
        if fault is not None:
            yield fault


def _judge(claims: Mapping[str, Any], producer: Producer, now_s: float) -> Rejected | None:
    fault = binding_fault(claims, producer) or time_fault(claims, now_s)
    if fault is not None:
        return fault
    named = identified(claims, producer)
    return named if isinstance(named, Rejected) else None


def _anyone(event_type: str) -> Producer:
    """A producer that may send this type."""
    return Producer(issuer="", service="", topic="", types=frozenset({event_type}))


def _stand_in(payload: Mapping[str, Any]) -> Producer:
    """A producer that fits an unregistered token's own `sub`, so that what else is wrong can be told."""
    return Producer(issuer="", service=str(payload.get("sub")).removeprefix("service:"), topic="", types=frozenset())
