"""A dead letter tried again: the record that goes back, and as what it is judged there.

By stage: one of ingest goes to ``comms.redrive`` and is judged as the inbound record that it once was, same place, same
append time; the others go back to the topic of their own step. Only our principal writes those topics, so only there
are these headers believed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from streams import topics
from streams.core.ledger import Resolution
from streams.core.reasons import Stage
from streams.core.records import Emit, Headers, Record
from streams.core.retry import ATTEMPTS

PREFIX: Final = "dlq."
ORIGINAL_TOPIC: Final = "dlq.original.topic"
ORIGINAL_PARTITION: Final = "dlq.original.partition"
ORIGINAL_OFFSET: Final = "dlq.original.offset"
ORIGINAL_TIMESTAMP: Final = "dlq.original.timestamp"
TRUNCATED: Final = "dlq.truncated"
REDRIVES: Final = "dlq.redrive-count"
RESOLVE: Final = "resolve"
"""Header: how an operator resolved an outcome that nobody knew (`Resolution`)."""
BECAUSE: Final = "resolve-because"
_FIRST: Final = (ORIGINAL_TOPIC, ORIGINAL_PARTITION, ORIGINAL_OFFSET, ORIGINAL_TIMESTAMP)
_MAX_DIGITS: Final = 18

CATEGORY_OF: Final = {
    name: category
    for category in topics.DISPATCH
    for name in (topics.DISPATCH[category], topics.HELD[category], *topics.RETRY[category].values())
}
"""The category of every topic that a message may stand in at dispatch."""


def first_append(record: Record) -> Record:
    """The record as it was first appended. What its headers don't tell stays as it is, so that it is refused."""
    told = {name: value.decode("utf-8", "replace") for name, value in record.headers if value is not None}
    appended_ms = number(told.get(ORIGINAL_TIMESTAMP), record.appended_ms)
    return replace(
        record,
        topic=told.get(ORIGINAL_TOPIC, record.topic),
        partition=number(told.get(ORIGINAL_PARTITION), record.partition),
        offset=number(told.get(ORIGINAL_OFFSET), record.offset),
        headers=tuple(header for header in record.headers if not header[0].startswith(PREFIX)),
        timestamp_ms=appended_ms,
        appended_ms=appended_ms,
        truncated=told.get(TRUNCATED, ""),
        redrives=number(told.get(REDRIVES), 0),
    )


def counted(record: Record) -> Record:
    """The record, knowing how often it was tried again; for the steps whose records keep their own place."""
    return replace(record, redrives=number(text(record, REDRIVES), 0))


def resolution(record: Record) -> Resolution:
    """How an operator resolved it, if so."""
    said = text(record, RESOLVE)
    return Resolution(said) if said in tuple(Resolution) else Resolution.OPEN


def destination(stage: str, origin: str) -> str:
    """The topic that a dead letter of this stage, from that topic, goes back to; empty if it can't be told."""
    match stage:
        case Stage.INGEST if origin.startswith(topics.INBOUND_PREFIX):
            return topics.REDRIVE
        case Stage.RENDER if origin == topics.RENDER:
            return topics.RENDER
        case Stage.DISPATCH if origin in CATEGORY_OF:
            return topics.DISPATCH[CATEGORY_OF[origin]]
        case _:
            return ""


def redriven(letter: Record, *, resolved: Resolution = Resolution.OPEN, because: str = "") -> Emit:
    """What goes back of a dead letter that has a `destination`: key and value untouched, and its own headers.

    At dispatch it goes to the partition that it was in: the ledger's entry of the message lives beside that one.
    """
    stage = text(letter, "dlq.stage")
    kept = tuple(header for header in letter.headers if not header[0].startswith(PREFIX))
    if stage == Stage.INGEST:
        kept += tuple(header for header in letter.headers if header[0] in _FIRST)
    elif stage == Stage.DISPATCH:
        kept = tuple(header for header in kept if header[0] not in (RESOLVE, BECAUSE))
    if resolved is not Resolution.OPEN:
        kept = tuple(header for header in kept if header[0] != ATTEMPTS) + _order(letter, resolved, because)
    count = number(text(letter, REDRIVES), 0) + 1
    return Emit(
        topic=destination(stage, text(letter, ORIGINAL_TOPIC)),
        key=letter.key,
        value=letter.value,
        headers=(*kept, (REDRIVES, str(count).encode())),
        partition=number(text(letter, ORIGINAL_PARTITION), 0) if stage == Stage.DISPATCH else None,
    )


def _order(letter: Record, resolved: Resolution, because: str) -> Headers:
    """About the attempt that the dead letter is about, and no later one."""
    return (
        (ATTEMPTS, text(letter, "dlq.attempts").encode()),
        (RESOLVE, resolved.encode()),
        (BECAUSE, because.encode()),
    )


def text(record: Record, name: str) -> str:
    """The last header of this name; empty if there is none."""
    values = [value for header, value in record.headers if header == name and value is not None]
    return values[-1].decode("utf-8", "replace") if values else ""


def number(said: str | None, otherwise: int) -> int:
    """A header's whole number, if it is one."""
    if said is None or not (said.isascii() and said.isdigit()) or len(said) > _MAX_DIGITS:
        return otherwise
    return int(said)
