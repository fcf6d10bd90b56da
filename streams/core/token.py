"""Layer two of trust: the claims of an event JWT, by the contract, judged at the record's append time.

Sources: RFC 7519 (claims), RFC 8725 (best practice). The contract itself is in docs/contract.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from streams.core.jws import Unverified, read, verify_under
from streams.core.keyring import SKEW_S, Arrival, NoKey
from streams.core.keys import Key
from streams.core.reasons import Reason, Rejected, Undecided
from streams.core.records import Record

EVENT_TYPE: Final = "event+jwt"
AUDIENCE: Final = "auto_com_center"
ROLE: Final = "SystemService"
MAX_LIFETIME_S: Final = 900
MAX_JTI: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Producer:
    """What one issuer is bound to. The key-set URL comes from here, never from a token."""

    issuer: str
    service: str
    topic: str
    types: frozenset[str]


class Keys(Protocol):
    """Where verification finds an issuer's keys."""

    def find(self, issuer: str, kid: str, arrival: Arrival) -> Key | NoKey:
        """The key of ``issuer`` that may verify what arrived then."""


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What a token is checked against: producers by issuer, and keys."""

    producers: Mapping[str, Producer]
    keys: Keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """A verified token. ``event`` is still to be checked against its schema."""

    producer: Producer
    jti: str
    event: Mapping[str, Any]

    @property
    def event_id(self) -> str:
        """The event's identity: ``<iss>/<jti>``, never the token's text."""
        return f"{self.producer.issuer}/{self.jti}"


def verify(record: Record, rules: TokenRules) -> Claims | Rejected | Undecided:
    """Decide whether this record's value is an event that its issuer may have said here and now."""
    token = read(record.value, token_type=EVENT_TYPE)
    if isinstance(token, Rejected):
        return token
    producer = _producer_of(token, rules)
    if producer is None:
        return Rejected(Reason.TOKEN_ISSUER, "`iss` is not a registered producer")
    fault = _signature_fault(token, producer, record, rules.keys)
    if isinstance(fault, Rejected):
        return fault
    claims = token.payload
    refusal = (
        topic_fault(producer, record.topic)
        or binding_fault(claims, producer)
        or time_fault(claims, record.appended_ms / 1000)
    )
    if refusal is not None:
        return refusal  # also where no key is known: none could make it good, so none is waited for
    return identified(claims, producer) if fault is None else fault


def lacking(record: Record, rules: TokenRules) -> Undecided | None:
    """Which key only a later fetch can bring, if that is what this record needs first. Nothing is verified."""
    token = read(record.value, token_type=EVENT_TYPE)
    producer = None if isinstance(token, Rejected) else _producer_of(token, rules)
    if isinstance(token, Rejected) or producer is None or topic_fault(producer, record.topic) is not None:
        return None
    found = rules.keys.find(producer.issuer, token.kid, record)
    return Undecided(producer.issuer, token.kid) if found is NoKey.NOT_YET else None


def _producer_of(token: Unverified, rules: TokenRules) -> Producer | None:
    issuer = token.payload.get("iss")
    return rules.producers.get(issuer) if isinstance(issuer, str) else None


def _signature_fault(token: Unverified, producer: Producer, record: Record, keys: Keys) -> Rejected | Undecided | None:
    key = keys.find(producer.issuer, token.kid, record)
    match key:
        case NoKey.NOT_YET:
            return Undecided(producer.issuer, token.kid)
        case NoKey.UNKNOWN:
            return Rejected(Reason.TOKEN_UNKNOWN_KEY, "`kid` is not in the issuer's key set")
        case Key():
            verified = verify_under(token, key)
            return verified if isinstance(verified, Rejected) else None


def topic_fault(producer: Producer, topic: str) -> Rejected | None:
    """Whether it came on this producer's topic."""
    return None if producer.topic == topic else Rejected(Reason.TOKEN_TOPIC, f"this issuer's topic is {producer.topic}")


def binding_fault(claims: Mapping[str, Any], producer: Producer) -> Rejected | None:
    """Whether it was said to us, by this producer, in its role."""
    if not has_audience(claims):
        return Rejected(Reason.TOKEN_AUDIENCE, f"`aud` must contain `{AUDIENCE}`")
    if claims.get("sub") != f"service:{producer.service}":
        return Rejected(Reason.TOKEN_CLAIMS, "`sub` must be `service:<name>` of this issuer")
    roles = claims.get("roles")
    if not isinstance(roles, list) or ROLE not in roles:
        return Rejected(Reason.TOKEN_ROLE, f"`roles` must contain `{ROLE}`")
    return None


def time_fault(claims: Mapping[str, Any], appended_s: float) -> Rejected | None:
    """Whether it was valid when it was appended, in seconds since the epoch."""
    issued, expires = number(claims.get("iat")), number(claims.get("exp"))
    if issued is None or expires is None:
        return Rejected(Reason.TOKEN_CLAIMS, "`iat` and `exp` must be numbers")
    if not 0 < expires - issued <= MAX_LIFETIME_S:
        return Rejected(Reason.TOKEN_CLAIMS, f"`exp` must be after `iat`, by at most {MAX_LIFETIME_S} s")
    not_before = number(claims.get("nbf", issued))
    if not_before is None:
        return Rejected(Reason.TOKEN_CLAIMS, "`nbf` must be a number")
    if appended_s >= expires + SKEW_S:
        return Rejected(Reason.TOKEN_EXPIRED, "`exp` is before the record's append time")
    if max(issued, not_before) > appended_s + SKEW_S:
        return Rejected(Reason.TOKEN_NOT_YET_VALID, "`iat` or `nbf` is after the record's append time")
    return None


def has_audience(claims: Mapping[str, Any]) -> bool:
    """Whether ``aud`` is us, or a list of texts with us in it (RFC 7519, section 4.1.3)."""
    audience = claims.get("aud")
    listed = audience if isinstance(audience, list) else [audience]
    return AUDIENCE in listed and all(isinstance(one, str) for one in listed)


def number(value: object) -> float | None:
    """A JSON number as it is; None for anything else, `true` among it."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def identified(claims: Mapping[str, Any], producer: Producer) -> Claims | Rejected:
    """The event and its identity."""
    jti, event = claims.get("jti"), claims.get("event")
    if not isinstance(jti, str) or not 0 < len(jti) <= MAX_JTI:
        return Rejected(Reason.TOKEN_CLAIMS, f"`jti` must be a string of 1 to {MAX_JTI} characters")
    if not isinstance(event, dict):
        return Rejected(Reason.TOKEN_CLAIMS, "`event` must be an object")
    return Claims(producer=producer, jti=jti, event=event)
