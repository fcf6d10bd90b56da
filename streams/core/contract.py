"""Is the event what its type and version promise? Schemas are compiled by `schemas.registry` and passed in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from streams.core.moments import parse
from streams.core.reasons import Reason, Rejected
from streams.core.token import Claims

MAX_DETAIL: Final = 200
_PLAIN_STEP: Final = re.compile(r"|[a-z][a-z0-9_]{0,31}|\d{1,4}", re.ASCII)


class Breach(Protocol):
    """Where an instance breaks its schema: JSON pointer into the event, and the keyword. Never a value."""

    @property
    def pointer(self) -> str:
        """Such as ``/data/deadline``; empty for the event itself."""

    @property
    def keyword(self) -> str:
        """Such as ``format``."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A breach that this module found by itself."""

    pointer: str
    keyword: str


class Schema(Protocol):
    """One compiled version of one event type."""

    def violations(self, event: Mapping[str, Any]) -> Iterable[Breach]:
        """All violations, none if the event is valid."""


class Schemas(Protocol):
    """Every event type and version that this build knows."""

    def versions(self, event_type: str) -> Mapping[str, Schema]:
        """The versions of a type by ``<major>.<minor>``; empty for a type that isn't known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Who it is for. ``contacts``: channel to address; ``locale``: a BCP 47 tag; ``timezone``: an IANA name."""

    id: str
    contacts: Mapping[str, str]
    locale: str | None = None
    timezone: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A verified and valid event. ``occurred_at``: an RFC 3339 date-time; ``not_after_ms``: milliseconds, epoch."""

    id: str
    issuer: str
    type: str
    version: str
    occurred_at: str
    not_after_ms: int | None
    recipient: Recipient
    data: Mapping[str, Any]


def validate(claims: Claims, schemas: Schemas) -> Event | Rejected:
    """Check a verified token's event against the schema of its type and version."""
    event_type, version = claims.event.get("type"), claims.event.get("version")
    if not isinstance(event_type, str) or not isinstance(version, str):
        return Rejected(Reason.SCHEMA_VIOLATION, "`event.type` and `event.version` must be strings")
    versions = schemas.versions(event_type)
    if not versions:
        return Rejected(Reason.EVENT_TYPE_UNKNOWN, "no such event type in this build")
    if event_type not in claims.producer.types:
        return Rejected(Reason.EVENT_TYPE_UNKNOWN, f"{event_type} is not a type that this issuer may send")
    schema = versions.get(version)
    if schema is None:
        return Rejected(Reason.SCHEMA_VERSION_UNKNOWN, f"{event_type} is known in {', '.join(sorted(versions))}")
    violations = list(schema.violations(claims.event))
    if violations:
        return _violated(event_type, version, violations)
    try:
        not_after_ms = _epoch_ms(claims.event.get("not_after"))
    except (ValueError, OverflowError):
        return _violated(event_type, version, [Violation("/not_after", "format")])
    return _event(claims, not_after_ms)


def _epoch_ms(moment: str | None) -> int | None:
    """RFC 3339 to milliseconds since the epoch."""
    if moment is None:
        return None
    return int(parse(moment).timestamp() * 1000)


def _violated(event_type: str, version: str, violations: Sequence[Breach]) -> Rejected:
    places = "; ".join(f"{_place(violation.pointer)} breaks `{violation.keyword}`" for violation in violations)
    in_recipient = all(v.pointer == "/recipient" or v.pointer.startswith("/recipient/") for v in violations)
    reason = Reason.RECIPIENT_INVALID if in_recipient else Reason.SCHEMA_VIOLATION
    return Rejected(reason, f"{event_type} {version}: {places}"[:MAX_DETAIL])


def _place(pointer: str) -> str:
    """A pointer without what a producer may have put into a member's name, such as an address."""
    return "/".join(step if _PLAIN_STEP.fullmatch(step) else "*" for step in pointer.split("/")) or "/"


def _event(claims: Claims, not_after_ms: int | None) -> Event:
    event = claims.event
    recipient = event["recipient"]
    return Event(
        id=claims.event_id,
        issuer=claims.producer.issuer,
        type=event["type"],
        version=event["version"],
        occurred_at=event["occurred_at"],
        not_after_ms=not_after_ms,
        recipient=Recipient(
            id=recipient["id"],
            contacts=recipient["contacts"],
            locale=recipient.get("locale"),
            timezone=recipient.get("timezone"),
        ),
        data=event["data"],
    )
