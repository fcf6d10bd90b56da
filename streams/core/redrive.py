"""A record of ``comms.redrive`` is judged as the inbound record that it once was: same place, same append time.

Only our principal writes that topic, so only there are these headers believed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from streams.core.records import Record

PREFIX: Final = "dlq."
ORIGINAL_TOPIC: Final = "dlq.original.topic"
ORIGINAL_PARTITION: Final = "dlq.original.partition"
ORIGINAL_OFFSET: Final = "dlq.original.offset"
ORIGINAL_TIMESTAMP: Final = "dlq.original.timestamp"
TRUNCATED: Final = "dlq.truncated"
REDRIVES: Final = "dlq.redrive-count"
_MAX_DIGITS: Final = 18


def first_append(record: Record) -> Record:
    """The record as it was first appended. What its headers don't tell stays as it is, so that it is refused."""
    told = {name: value.decode("utf-8", "replace") for name, value in record.headers if value is not None}
    appended_ms = _number(told.get(ORIGINAL_TIMESTAMP), record.appended_ms)
    return replace(
        record,
        topic=told.get(ORIGINAL_TOPIC, record.topic),
        partition=_number(told.get(ORIGINAL_PARTITION), record.partition),
        offset=_number(told.get(ORIGINAL_OFFSET), record.offset),
        headers=tuple(header for header in record.headers if not header[0].startswith(PREFIX)),
        timestamp_ms=appended_ms,
        appended_ms=appended_ms,
        truncated=told.get(TRUNCATED, ""),
        redrives=_number(told.get(REDRIVES), 0),
    )


def _number(text: str | None, otherwise: int) -> int:
    if text is None or not (text.isascii() and text.isdigit()) or len(text) > _MAX_DIGITS:
        return otherwise
    return int(text)
