"""An issuer's own refusals, from the dead letters. Pure: records in, refusals out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from streams import topics
from streams.core.encoding import EncodingError, b64url, json_object
from streams.core.reasons import Stage
from streams.core.records import Record
from streams.core.token import MAX_JTI, Producer


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One event that was refused at ingest: never its token, its body or an address.

    ``failed_at`` is RFC 3339 in UTC; topic, partition and offset are those of the refused record; ``event_id`` is None
    where the token has none that can be read.
    """

    failed_at: str
    topic: str
    partition: int
    offset: int
    reason: str
    detail: str
    event_id: str | None


def refusals(issuer: str, producers: Mapping[str, Producer], letters: Iterable[Record]) -> list[Refusal]:
    """What ingest refused of ``issuer``, oldest first. Nothing is verified here.

    A dead letter belongs to the registered issuer that its token names. One that names none (unreadable, cut, or an
    `iss` that nobody has) belongs to whoever produces to the topic that it came from.
    """
    topic = producers[issuer].topic
    mine = []
    for letter in letters:
        if letter.topic != topics.DEAD_LETTER or _header(letter, "dlq.stage") != Stage.INGEST:
            continue
        payload = _payload(letter.value)
        named = payload.get("iss")
        if named == issuer or (_is_nobody(named, producers) and _header(letter, "dlq.original.topic") == topic):
            mine.append(_refusal(letter, payload))
    return sorted(mine, key=lambda one: (one.failed_at, one.topic, one.partition, one.offset))


def _is_nobody(named: object, producers: Mapping[str, Producer]) -> bool:
    return not isinstance(named, str) or named not in producers


def _payload(value: bytes | None) -> Mapping[str, object]:
    segments = (value or b"").split(b".")
    try:
        return json_object(b64url(segments[1]))
    except (EncodingError, IndexError):
        return {}


def _refusal(letter: Record, payload: Mapping[str, object]) -> Refusal:
    return Refusal(
        failed_at=_moment(_number(letter, "dlq.failed-at")),
        topic=_header(letter, "dlq.original.topic"),
        partition=_number(letter, "dlq.original.partition"),
        offset=_number(letter, "dlq.original.offset"),
        reason=_header(letter, "dlq.reason"),
        detail=_header(letter, "dlq.detail"),
        event_id=_event_id(payload),
    )


def _event_id(payload: Mapping[str, object]) -> str | None:
    """Only of an `iss` and a `jti` that the contract would take, so that a token can't write on a terminal."""
    parts = (payload.get("iss"), payload.get("jti"))
    good = all(isinstance(part, str) and 0 < len(part) <= MAX_JTI and part.isprintable() for part in parts)
    return "/".join(map(str, parts)) if good else None


def _moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")


def _number(record: Record, name: str) -> int:
    text = _header(record, name)
    return int(text) if text.isdecimal() and text.isascii() else 0


def _header(record: Record, name: str) -> str:
    values = [value for header, value in record.headers if header == name and value is not None]
    return values[-1].decode("utf-8", "replace") if values else ""
