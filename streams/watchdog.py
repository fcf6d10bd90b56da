"""The watchdog: records wait, none is held, the broker answers, and nothing moves. Then the worker is broken.

It exists because a Faust agent can die without a trace: the process heartbeats on while nobody reads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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


class Watchdogs:
    """One watchdog per partition, since one that is stuck must not hide behind others that work."""

    def __init__(self, samples: Callable[[], Mapping[str, Sample]], *, patience: float) -> None:
        self._samples = samples
        self._patience = patience
        self._dogs: dict[str, Watchdog] = {}
        self._seen: Mapping[str, Sample] = {}

    def look(self, now: float) -> str:
        """Empty while all is well or explained; else what is wrong, and where. Forgets what is no longer ours."""
        self._seen = self._samples()
        self._dogs = {name: self._dogs.get(name) or self._new(name) for name in self._seen}
        found = {name: dog.look(now) for name, dog in self._dogs.items()}
        return "; ".join(f"{name}: {fault}" for name, fault in found.items() if fault)

    def _new(self, name: str) -> Watchdog:
        return Watchdog(lambda: self._seen[name], patience=self._patience)
