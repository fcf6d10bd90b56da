"""The story of one event, from the records that the topics hold of it. Pure: records in, steps out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from streams import topics
from streams.core import redrive
from streams.core.encoding import EncodingError, b64url, json_object
from streams.core.records import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that happened to an event. ``at`` is RFC 3339 in UTC, ``place`` is topic[partition]@offset."""

    at: str
    place: str
    what: str


def event_id_of(record: Record) -> str | None:
    """The event that a record is about; None if it can't be told. Nothing is verified here."""
    if record.topic.startswith(topics.INBOUND_PREFIX) or record.topic == topics.REDRIVE:
        return _of_token(record.value)
    if record.topic == topics.DEAD_LETTER and _header(record, "dlq.stage") == "ingest":
        return _of_token(record.value)
    return _of_route(record.value)


def _of_token(value: bytes | None) -> str | None:
    segments = (value or b"").split(b".")
    try:
        payload = json_object(b64url(segments[1]))
    except (EncodingError, IndexError):
        return None
    issuer, jti = payload.get("iss"), payload.get("jti")
    return f"{issuer}/{jti}" if isinstance(issuer, str) and isinstance(jti, str) else None


def _of_route(value: bytes | None) -> str | None:
    try:
        event_id = orjson.loads(value or b"")["route"]["event_id"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return event_id if isinstance(event_id, str) else None


def story(event_id: str, records: Iterable[Record]) -> list[Step]:
    """Every step of one event, in the order of the records' times and of the pipeline."""
    mine = [record for record in records if event_id_of(record) == event_id]
    return [_step(record) for record in sorted(mine, key=lambda record: (record.timestamp_ms, _rank(record)))]


def _rank(record: Record) -> int:
    order = (
        topics.RENDER,
        *topics.DISPATCH.values(),
        *topics.HELD.values(),
        *topics.RETRIES,
        topics.RECEIPTS,
        topics.DEAD_LETTER,
    )
    return order.index(record.topic) + 1 if record.topic in order else 0


def _step(record: Record) -> Step:
    at = datetime.fromtimestamp(record.timestamp_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return Step(at=at, place=f"{record.topic}[{record.partition}]@{record.offset}", what=_what(record))


def _what(record: Record) -> str:
    if record.topic == topics.DEAD_LETTER:
        stage, reason = _header(record, "dlq.stage"), _header(record, "dlq.reason")
        return f"given up at {stage}: {reason} ({_header(record, 'dlq.detail')})"
    if record.topic.startswith(topics.INBOUND_PREFIX):
        return "queued"
    if record.topic == topics.REDRIVE:
        return "queued again"
    body = orjson.loads(record.value or b"{}")
    route = body.get("route", {})
    template = f"{route.get('template')}@{route.get('template_version')}"
    if record.topic in topics.HELD.values():
        return f"set aside: {_header(record, 'held-for')}"
    if record.topic in topics.RETRIES:
        return f"failed for now, after {_header(record, 'attempts')} attempts; to be tried again"
    if record.topic == topics.RENDER:
        return f"verified and valid; to be rendered with {template} for {route.get('channel')}"
    if record.topic == topics.RECEIPTS:
        why = f": {body['reason']}" if body.get("reason") else ""
        return f"{body.get('state')}{why} on {route.get('channel')} (mode {body.get('mode')})"
    return _at_dispatch(record, f"rendered with {template} for {route.get('channel')}")


def _at_dispatch(record: Record, rendered: str) -> str:
    """The first copy, one that an operator had tried again, or one that says how an unknown outcome is resolved."""
    resolved, times = _header(record, redrive.RESOLVE), _header(record, redrive.REDRIVES)
    if resolved:
        return f"resolved by an operator as {resolved} ({_header(record, redrive.BECAUSE)})"
    if times:
        return f"redriven (time {times}); waiting for dispatch"
    return f"{rendered}; waiting for dispatch"


def _header(record: Record, name: str) -> str:
    values = [value for header, value in record.headers if header == name and value is not None]
    return values[-1].decode("utf-8", "replace") if values else ""
