"""The watchdog: records wait, none is held, the broker answers, and nothing moves. Then the worker is broken.

It exists because a Faust agent can die without a trace: the process heartbeats on while nobody reads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """What is seen at one look. ``progress`` is any number that changes when work is done."""

    progress: int
    waiting: int
    broker_answers: bool


class Watchdog:
    """Call `look` at regular times with a monotonic clock, in seconds."""

    def __init__(self, sample: Callable[[], Sample], *, patience: float) -> None:
        self._sample = sample
        self._patience = patience
        self._progress: int | None = None
        self._since: float | None = None

    def look(self, now: float) -> str:
        """Empty while all is well or explained; else what is wrong."""
        seen = self._sample()
        idle = seen.waiting == 0 or not seen.broker_answers
        if idle or seen.progress != self._progress or self._since is None:
            self._progress, self._since = seen.progress, now
            return ""
        stuck = now - self._since
        if stuck < self._patience:
            return ""
        return f"{seen.waiting} records wait and nothing has moved for {stuck:.0f} s"
