"""How long what waits is still kept: a hold loses nothing, until Kafka deletes what it holds. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

FOREVER: Final = -1
"""A retention that never ends, as Kafka's ``retention.ms`` says it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Oldest:
    """The record of a topic that has waited longest for its turn.

    ``at_ms``: when it was appended there, milliseconds since the epoch; its ``retention_ms`` count from then.
    ``records``: how many wait in the topic, at most.
    """

    topic: str
    partition: int
    offset: int
    at_ms: int
    records: int
    retention_ms: int

    @property
    def place(self) -> str:
        """Where it stands in its topic."""
        return f"{self.partition}@{self.offset}"

    @property
    def gone_at_ms(self) -> int | None:
        """From when on Kafka may delete it; None: never. A lower bound, since Kafka deletes whole segments."""
        return None if self.retention_ms == FOREVER else self.at_ms + self.retention_ms

    def seconds_left(self, now_ms: int) -> int | None:
        """Until it may be gone; 0 if any time now, None: never."""
        gone_at_ms = self.gone_at_ms
        return None if gone_at_ms is None else max(gone_at_ms - now_ms, 0) // 1000

    def used(self, now_ms: int) -> float:
        """The share of its time that is over, 0 to 1."""
        if self.retention_ms == FOREVER:
            return 0.0
        return min(max((now_ms - self.at_ms) / max(self.retention_ms, 1), 0.0), 1.0)


def by_topic(partitions: Iterable[Oldest]) -> tuple[Oldest, ...]:
    """From the oldest of each partition the oldest of each topic, by name, with the records of all its partitions."""
    found: dict[str, Oldest] = {}
    for one in partitions:
        known = found.get(one.topic)
        older = one if known is None or one.at_ms < known.at_ms else known
        found[one.topic] = replace(older, records=one.records + (known.records if known else 0))
    return tuple(found[topic] for topic in sorted(found))
