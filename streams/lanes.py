"""A lane: the fetched records of one partition of one topic, in order, and how far its offset may be committed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from streams.core.messages import Message
from streams.core.reasons import Rejected
from streams.core.records import Record


@dataclass(frozen=True, slots=True)
class Item:
    """One fetched record and what stands in it."""

    record: Record
    content: Message | Rejected


@dataclass(slots=True)
class Lane:
    """Records wait at its head until their turn ends. ``capacity``: beyond it no more is fetched."""

    capacity: int
    _waiting: deque[Item] = field(default_factory=deque)
    _open: deque[int] = field(default_factory=deque)
    _settled: set[int] = field(default_factory=set)
    _point: int | None = None

    def add(self, items: Iterable[Item]) -> None:
        """Fetched, in offset order."""
        for item in items:
            self._waiting.append(item)
            self._open.append(item.record.offset)

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """Whether fetching should stop for now."""
        return len(self._waiting) >= self.capacity

    def head(self) -> Item | None:
        """The next one."""
        return self._waiting[0] if self._waiting else None

    def take(self) -> Item:
        """Take the next one to its turn."""
        return self._waiting.popleft()

    def put_back(self, items: Iterable[Item]) -> None:
        """Turns that came to nothing, in the order in which they were taken."""
        self._waiting.extendleft(reversed(list(items)))

    def settle(self, offsets: Iterable[int]) -> None:
        """These turns have ended, and all that came of them is written."""
        self._settled.update(offsets)
        while self._open and self._open[0] in self._settled:
            self._point = self._open.popleft()
            self._settled.discard(self._point)

    def point_with(self, offsets: Iterable[int]) -> int | None:
        """The offset that may be committed once these have ended, too: none before it waits."""
        settled, point = self._settled | set(offsets), self._point
        for offset in self._open:
            if offset not in settled:
                break
            point = offset
        return None if point is None else point + 1
