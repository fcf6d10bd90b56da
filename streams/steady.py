"""One clock for what this process compares: wall time when it began, and what has passed since.

A step of the machine's clock (NTP, an operator) must not make a fetch look later than the receipt of a record. What the
brokers' clock says is another matter: `ClockWatch` tells when ours is far behind it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import structlog

from streams.core.keyring import SKEW_MS
from streams.core.records import Record

log = structlog.get_logger(__name__)

SAY_EVERY_S: Final = 60.0


class Steady:
    """Seconds since the epoch, as the wall clock had it at the start; never steps."""

    def __init__(self, wall: Callable[[], float], passed: Callable[[], float]) -> None:
        self._passed = passed
        self._began = wall() - passed()

    def __call__(self) -> float:
        """Now."""
        return self._began + self._passed()


now: Final = Steady(time.time, time.monotonic)
"""The clock of this process: there must be one only, since two may have begun on either side of a step."""


class ClockWatch:
    """Warns of a clock that is behind the brokers' by more than the skew that trust allows for."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said_at: float | None = None

    def look(self, record: Record) -> None:
        """A record can't have been appended after we had it. Where its time is our own the two are the same."""
        ahead_ms = record.appended_ms - record.received_ms
        if ahead_ms <= SKEW_MS or (self._said_at is not None and self._clock() - self._said_at < SAY_EVERY_S):
            return
        self._said_at = self._clock()
        log.warning("clock_off", behind_s=round(ahead_ms / 1000), topic=record.topic)
