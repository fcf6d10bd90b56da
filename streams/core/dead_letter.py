"""A dead letter: the original, untouched, and beside it why, where and when it was given up."""

from __future__ import annotations

import hashlib
from typing import Final

from streams import topics
from streams.core import redrive
from streams.core.reasons import Rejected, Stage
from streams.core.records import Emit, Headers, Record

TRUNCATED_BYTES: Final = 64 * 1024
"""How much of an original is kept when the whole doesn't fit."""
MAX_HEADER_BYTES: Final = 512 * 1024
MAX_KEY_BYTES: Final = 64 * 1024
MAX_DETAIL: Final = 500


def dead_letter(record: Record, rejected: Rejected, stage: Stage, *, failed_at_ms: int, attempts: int = 1) -> Emit:
    """The dead letter of ``record``. What doesn't fit a topic of ours is cut, and says so in ``dlq.truncated``."""
    key, value, headers, cut = _fitted(record)
    ours = {
        "dlq.reason": rejected.reason.value,
        "dlq.stage": stage.value,
        "dlq.detail": rejected.detail[:MAX_DETAIL],
        redrive.ORIGINAL_TOPIC: record.topic,
        redrive.ORIGINAL_PARTITION: str(record.partition),
        redrive.ORIGINAL_OFFSET: str(record.offset),
        # The time that it was judged by, so that a redrive is judged by the same: never a producer's.
        redrive.ORIGINAL_TIMESTAMP: str(record.appended_ms),
        "dlq.attempts": str(attempts),
        "dlq.failed-at": str(failed_at_ms),
        redrive.REDRIVES: str(record.redrives),
        **({redrive.TRUNCATED: record.truncated} if record.truncated else {}),
        **cut,
    }
    added = tuple((name, text.encode()) for name, text in ours.items())
    return Emit(topic=topics.DEAD_LETTER, key=key, value=value, headers=headers + added)


def _fitted(record: Record) -> tuple[bytes | None, bytes | None, Headers, dict[str, str]]:
    headers = tuple(h for h in record.headers if not h[0].startswith(redrive.PREFIX))
    whole = Emit(topic=topics.DEAD_LETTER, key=record.key, value=record.value, headers=headers)
    if whole.size() <= topics.OURS_MAX_BYTES - topics.HEADROOM_BYTES:
        return record.key, record.value, headers, {}
    value = record.value or b""
    digest = hashlib.sha256(value).hexdigest()
    note = f"kept {min(len(value), TRUNCATED_BYTES)} of {len(value)} bytes; sha256={digest}"
    if Emit(topic=topics.DEAD_LETTER, key=None, value=None, headers=headers).size() > MAX_HEADER_BYTES:
        note += f"; {len(headers)} headers dropped"
        headers = ()
    key = record.key
    if key is not None and len(key) > MAX_KEY_BYTES:
        note += f"; key cut from {len(key)} bytes, sha256={hashlib.sha256(key).hexdigest()}"
        key = key[:MAX_KEY_BYTES]
    return key, value[:TRUNCATED_BYTES], headers, {redrive.TRUNCATED: note}
