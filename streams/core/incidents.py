"""Incidents: what somebody must look at, told once on ``comms.incidents`` and once more when it is over. Pure.

A reader takes the last record of each incident id. An id follows from what happened, so two workers that both tell of
it, because one has just taken over, tell of one incident.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import orjson
from pydantic import TypeAdapter, ValidationError

from streams.core.retention import Oldest


class Kind(StrEnum):
    """What happened."""

    HELD_RETENTION = "held_retention"
    """What waits in a topic has used up most of the time for which Kafka keeps it."""


class Phase(StrEnum):
    """How it stands."""

    OPEN = "open"
    CLEARED = "cleared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One record (schemas/records/incident.json). Times are milliseconds since the epoch.

    ``oldest`` is the record that waits longest, by place; ``holds`` is why its topic is held, if it is.
    """

    incident: str
    kind: Kind
    phase: Phase
    at_ms: int
    summary: str
    topic: str
    oldest: str
    waits_since_ms: int
    gone_at_ms: int
    holds: tuple[str, ...]
    worker: str

    def encode(self) -> bytes:
        """As it stands on the topic."""
        return orjson.dumps(self)


_INCIDENT: Final = TypeAdapter(Incident)
CLEARED_BELOW: Final = 0.9
"""Of the share at which it opens: a backlog that drains as fast as it grows must not open and clear in turn."""


def open_ones(values: Iterable[bytes | None]) -> dict[str, Incident]:
    """By topic, what was told of retention and not cleared since. What is no such record is passed over."""
    found: dict[str, Incident] = {}
    for value in values:
        one = _read(value)
        if one is None:
            continue
        if one.phase is Phase.OPEN:
            found[one.topic] = one
        else:
            found.pop(one.topic, None)
    return found


def _read(value: bytes | None) -> Incident | None:
    try:
        return _INCIDENT.validate_json(value or b"")
    except ValidationError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """``warn_at``: the share of a topic's retention from which on what waits there is an incident."""

    warn_at: float

    def opens(self, oldest: Oldest, now_ms: int) -> bool:
        """Whether it has come so far."""
        return oldest.used(now_ms) >= self.warn_at

    def clears(self, oldest: Oldest | None, now_ms: int) -> bool:
        """Whether nothing waits there any more that comes near it."""
        return oldest is None or oldest.used(now_ms) < self.warn_at * CLEARED_BELOW


def to_tell(
    waiting: Collection[Oldest],
    known: Mapping[str, Incident],
    limits: Limits,
    *,
    holds: Callable[[str], Iterable[str]],
    now_ms: int,
    worker: str,
) -> list[Incident]:
    """What is to be told: each topic that has come so far and is not ``known``, each known one that is over."""
    late = [one for one in waiting if one.topic not in known and limits.opens(one, now_ms)]
    opened = [_opened(one, sorted(holds(one.topic)), now_ms, worker) for one in late]
    now = {one.topic: one for one in waiting}
    over = [one for topic, one in known.items() if limits.clears(now.get(topic), now_ms)]
    return [*opened, *(_cleared(one, now_ms, worker) for one in over)]


def _opened(oldest: Oldest, holds: list[str], now_ms: int, worker: str) -> Incident:
    return Incident(
        incident=f"{Kind.HELD_RETENTION}/{oldest.topic}/{oldest.place}",
        kind=Kind.HELD_RETENTION,
        phase=Phase.OPEN,
        at_ms=now_ms,
        summary=f"{oldest.used(now_ms):.0%} of the time for which {oldest.topic} keeps what waits there is over",
        topic=oldest.topic,
        oldest=oldest.place,
        waits_since_ms=oldest.at_ms,
        gone_at_ms=oldest.gone_at_ms or 0,
        holds=tuple(holds),
        worker=worker,
    )


def _cleared(one: Incident, now_ms: int, worker: str) -> Incident:
    summary = f"nothing waits in {one.topic} any more that is near the end of its time"
    return replace(one, phase=Phase.CLEARED, at_ms=now_ms, summary=summary, worker=worker)
