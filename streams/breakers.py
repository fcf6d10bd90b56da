"""Breakers of the inbound topics: holds a topic when its dead letters run away, until an operator lets it go.

Each worker counts what it reads by itself. An opening is written to ``comms.breakers`` and holds the topic in every
worker, also in one that starts later. A release is an order of an operator, in force for what opened before it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Final, Protocol

import structlog

from streams.core.breaker import Closed, Limits, Open, after, opening_record, read_opening
from streams.holds import Holds

log = structlog.get_logger(__name__)

BREAKER: Final = "breaker"

Write = Callable[[bytes, bytes | None], None]
"""Writes key and value to ``comms.breakers``."""


class Judge(Protocol):
    """What `streams.intake` asks, and tells, about topics by their logical names."""

    def stops(self, topic: str) -> bool:
        """Whether nothing of this topic may be processed."""

    def judge(self, topic: str, *, refused: bool) -> None:
        """A record of this topic was processed."""

    def holding(self, topic: str) -> bool:
        """Whether the topic is held, or still held, for this."""

    def lift(self) -> None:
        """What waited here of topics that were let go is worked off."""


class NoBreaker:
    """Nothing is judged, and nothing stops."""

    def stops(self, _topic: str) -> bool:
        """Never."""
        return False

    def judge(self, _topic: str, *, refused: bool) -> None:
        """Not counted."""

    def holding(self, _topic: str) -> bool:
        """Never."""
        return False

    def lift(self) -> None:
        """Nothing to lift."""


NO_BREAKER: Final = NoBreaker()


class Breakers:
    """One breaker per inbound topic. Used from the event loop's thread only. Times are milliseconds since the epoch."""

    def __init__(
        self, names: Iterable[str], limits: Limits, holds: Holds, write: Write, *, now: Callable[[], float] = time.time
    ) -> None:
        self._counts = {name: Closed() for name in names}
        self._limits = limits
        self._holds = holds
        self._write = write
        self._now = now
        self._open: dict[str, int] = {}
        self._released: dict[str, int] = {}
        self._held: set[str] = set()
        self.on_release: Callable[[], None] = lambda: None
        """Called when a topic was let go: what waits of it is to be tried again, and then `lift` called."""

    def stops(self, topic: str) -> bool:
        """Whether the topic's breaker is open."""
        return topic in self._open

    def holding(self, topic: str) -> bool:
        """Whether the topic is held: while open, and until what had been fetched meanwhile is worked off."""
        return topic in self._held

    def judge(self, topic: str, *, refused: bool) -> None:
        """Count one processed record. Only inbound topics have a breaker: a redrive has bounds of its own."""
        before = self._counts.get(topic)
        if before is None:
            return
        found = after(before, self._limits, refused=refused)
        if isinstance(found, Open):
            self._opened(topic, found)
        else:
            self._counts[topic] = found

    def _opened(self, topic: str, opening: Open) -> None:
        log.warning("breaker_open", topic=topic, why=opening.why, run=opening.run, ratio=round(opening.ratio, 3))
        self._stop(topic, int(self._now() * 1000))
        self._write(*opening_record(topic, opening))

    def _stop(self, topic: str, at_ms: int) -> None:
        self._open[topic] = at_ms
        self._counts[topic] = Closed()
        self._held.add(topic)
        self._holds.hold(topic, BREAKER)

    def read(self, key: bytes | None, value: bytes | None, at_ms: int) -> None:
        """A record of ``comms.breakers`` that the broker appended at ``at_ms``; one without a value is a release."""
        topic = (key or b"").decode("utf-8", "replace")
        if value is None:
            self.release(topic, at_ms=at_ms)
            return
        told = read_opening(key, value)
        if isinstance(told, str):
            log.warning("breaker_record_ignored", why=told)
        elif topic in self._counts and at_ms > self._released.get(topic, -1):
            if topic not in self._open:
                log.info("breaker_told", topic=topic, why=told.why, run=told.run, ratio=round(told.ratio, 3))
            self._stop(topic, at_ms)

    def release(self, topic: str, *, at_ms: int) -> None:
        """Let go what opened up to ``at_ms``, the time of the order; safe to repeat, in any order, however late.

        The topic is held until what waits of it in this worker is worked off, so that a backlog isn't read into memory.
        """
        self._released[topic] = max(at_ms, self._released.get(topic, -1))
        if self._open.get(topic, at_ms + 1) > at_ms:
            return
        del self._open[topic]
        log.info("breaker_released", topic=topic)
        self.on_release()

    def lift(self) -> None:
        """Let the topics flow whose breakers are closed."""
        for topic in self._held - self._open.keys():
            self._held.remove(topic)
            self._holds.release(topic, BREAKER)
