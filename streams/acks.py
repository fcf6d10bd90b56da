"""Acks in offset order: a source record is acked when all that came of it is confirmed, and all before it is acked.

Pure bookkeeping, one queue per partition. `streams.publisher` drives it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

Partition = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Source:
    """A consumed record as the publisher sees it: where it stands, and what to call when it is resolved."""

    partition: Partition
    offset: int
    ack: Callable[[], object]


@dataclass(slots=True, eq=False)
class Pending:
    """A source and how many of its outputs still lack the broker's confirmation. ``since``: monotonic seconds."""

    source: Source
    unconfirmed: int
    since: float


@dataclass(slots=True)
class AckOrder:
    """The sources in flight. Records of one partition must be opened in offset order."""

    _queues: dict[Partition, deque[Pending]] = field(default_factory=dict)
    open_sources: int = 0
    resolved: int = 0
    """Sources acked since the start: the measure of progress."""

    def open(self, source: Source, outputs: int, *, since: float) -> Pending:
        """Put a source in flight; one without outputs is resolved as soon as those before it are."""
        pending = Pending(source, outputs, since)
        self._queues.setdefault(source.partition, deque()).append(pending)
        self.open_sources += 1
        if outputs == 0:
            self._release(source.partition)
        return pending

    def confirm(self, pending: Pending) -> None:
        """One output of a source is confirmed. Acks the run of resolved sources at the partition's head."""
        pending.unconfirmed -= 1
        if pending.unconfirmed == 0:
            self._release(pending.source.partition)

    def _release(self, partition: Partition) -> None:
        queue = self._queues.get(partition)
        while queue and queue[0].unconfirmed <= 0:
            queue.popleft().source.ack()
            self.open_sources -= 1
            self.resolved += 1

    def forget(self) -> None:
        """Drop all: partitions were taken away. What is confirmed later changes nothing; the records are read again."""
        self._queues = {}
        self.open_sources = 0

    def oldest(self) -> float | None:
        """When the longest-waiting source was opened; None if nothing is in flight."""
        return min((queue[0].since for queue in self._queues.values() if queue), default=None)


class CommitPoints:
    """Per partition, the offset after the last resolved record: what may be committed, and nothing beyond it."""

    def __init__(self) -> None:
        self._resolved: dict[Partition, int] = {}
        self._committed: dict[Partition, int] = {}

    def resolve(self, partition: Partition, offset: int) -> None:
        """A record and all before it are done.

        Raises:
            ValueError: it is behind one that was resolved before, so some order was lost.
        """
        if offset + 1 <= self._resolved.get(partition, -1):
            raise ValueError(f"offset {offset} of {partition} was resolved out of order")
        self._resolved[partition] = offset + 1

    def resolved(self, partition: Partition) -> int | None:
        """The offset after the last resolved record; None if none was since the partition came."""
        return self._resolved.get(partition)

    def due(self) -> dict[Partition, int]:
        """What may be committed and isn't yet."""
        committed = self._committed
        return {tp: offset for tp, offset in self._resolved.items() if committed.get(tp) != offset}

    def committed(self, offsets: dict[Partition, int]) -> None:
        """The broker took these."""
        self._committed.update(offsets)

    def forget(self, partitions: set[Partition]) -> None:
        """These were taken away; whoever has them next begins at the committed offset."""
        for partition in partitions:
            self._resolved.pop(partition, None)
            self._committed.pop(partition, None)
