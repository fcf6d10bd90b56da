"""Dead letters as data. Pure.

Nothing here is verified, and much of it was written by whoever produced the record: what could write on a terminal, or
is no name of ours, is left out. A token, an address or a body never gets in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from streams import topics
from streams.core import redrive
from streams.core.encoding import EncodingError, b64url, json_object
from streams.core.reasons import Stage
from streams.core.records import Record
from streams.core.redrive import number, text
from streams.core.token import MAX_JTI

KEPT_MS: Final = next(row.retention_ms for row in topics.OWN if row.name == topics.DEAD_LETTER)
"""How long a dead letter stands, at least."""
LAST_MS: Final = 253_402_300_799_000
"""The last second that has a date."""
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_VERSION: Final = re.compile(r"\d{1,5}\.\d{1,5}", re.ASCII)
_DIGEST: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where it stands in ``comms.dead-letter``."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}@{self.offset}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One dead letter. Times are milliseconds since the epoch; what can't be told is empty.

    ``at_ms``: when the broker appended it; its `KEPT_MS` count from there. ``to``: the topic that it goes back to.
    """

    place: Place
    at_ms: int
    failed_at_ms: int
    stage: str
    reason: str
    detail: str
    origin: str
    to: str
    issuer: str
    event_id: str
    event_type: str
    dispatch_id: str
    template: str
    template_version: str
    attempts: int
    redrives: int
    truncated: str

    def seconds_left(self, now_ms: int) -> int:
        """Until it may be gone; 0 if any time now."""
        return max(self.at_ms + KEPT_MS - now_ms, 0) // 1000

    def names(self) -> frozenset[str]:
        """What an operator may call it by."""
        return frozenset({self.event_id, self.dispatch_id, str(self.place)}) - {""}


@dataclass(frozen=True, slots=True, kw_only=True)
class _About:
    """What its value says that it is about."""

    issuer: str = ""
    event_id: str = ""
    event_type: str = ""
    dispatch_id: str = ""
    template: str = ""
    template_version: str = ""


def read(record: Record, issuers: Mapping[str, str]) -> Letter:
    """A record of ``comms.dead-letter``. ``issuers``: who produces to which inbound topic. Total."""
    stage, origin = text(record, "dlq.stage"), text(record, redrive.ORIGINAL_TOPIC)
    about = _of_token(record.value) if stage == Stage.INGEST else _of_route(record.value, issuers)
    failed_at_ms = number(text(record, "dlq.failed-at"), record.timestamp_ms)
    return Letter(
        place=Place(record.partition, record.offset),
        at_ms=record.timestamp_ms if record.timestamp_ms > 0 else failed_at_ms,
        failed_at_ms=failed_at_ms,
        stage=_shown(stage),
        reason=_shown(text(record, "dlq.reason")),
        detail=_shown(text(record, "dlq.detail"), most=500),
        origin=_origin(record, origin),
        to=_to(record, stage, origin),
        issuer=about.issuer if about.issuer in issuers.values() else issuers.get(origin, ""),
        event_id=about.event_id,
        event_type=about.event_type,
        dispatch_id=about.dispatch_id,
        template=about.template,
        template_version=about.template_version,
        attempts=_count(record, "dlq.attempts"),
        redrives=_count(record, redrive.REDRIVES),
        truncated=_shown(text(record, redrive.TRUNCATED)),
    )


def _origin(record: Record, origin: str) -> str:
    partition, offset = _count(record, redrive.ORIGINAL_PARTITION), _count(record, redrive.ORIGINAL_OFFSET)
    return f"{_shown(origin)}[{partition}]@{offset}"


def _to(record: Record, stage: str, origin: str) -> str:
    """At dispatch its partition must be told as well, since it goes back to that one."""
    to = redrive.destination(stage, origin)
    category = redrive.CATEGORY_OF.get(to)
    if category is None:
        return to
    partition = number(text(record, redrive.ORIGINAL_PARTITION), -1)
    return to if 0 <= partition < topics.DISPATCH_PARTITIONS[category] else ""


def _of_token(value: bytes | None) -> _About:
    try:
        payload = json_object(b64url((value or b"").split(b".")[1]))
    except (EncodingError, IndexError):
        return _About()
    issuer, jti, event = payload.get("iss"), _shown(payload.get("jti"), most=MAX_JTI), payload.get("event")
    issuer = _shown(issuer, most=MAX_JTI)
    return _About(
        issuer=issuer,
        event_id=f"{issuer}/{jti}" if issuer and jti else "",
        event_type=_like(_NAME, event.get("type")) if isinstance(event, dict) else "",
    )


def _of_route(value: bytes | None, issuers: Mapping[str, str]) -> _About:
    try:
        body = orjson.loads(value or b"")
        route: Mapping[str, Any] = body["route"] if isinstance(body["route"], dict) else {}
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return _About()
    event_id = _shown(route.get("event_id"), most=2 * MAX_JTI + 1)
    return _About(
        issuer=max((name for name in issuers.values() if event_id.startswith(f"{name}/")), key=len, default=""),
        event_id=event_id,
        event_type=_like(_NAME, route.get("event_type")),
        dispatch_id=_like(_DIGEST, route.get("dispatch_id")),
        template=_like(_NAME, route.get("template")),
        template_version=_like(_VERSION, route.get("template_version")),
    )


def _like(pattern: re.Pattern[str], value: object) -> str:
    """Text as ours is; anything else may be an address."""
    return value if isinstance(value, str) and pattern.fullmatch(value) else ""


def _shown(value: object, *, most: int = 300) -> str:
    return value if isinstance(value, str) and len(value) <= most and value.isprintable() else ""


def _count(record: Record, name: str) -> int:
    return number(text(record, name), 0)


def moment(at_ms: int) -> str:
    """RFC 3339 in UTC, to the second."""
    return datetime.fromtimestamp(min(at_ms, LAST_MS) / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
