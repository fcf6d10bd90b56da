"""What this worker says of itself: able to work or not, and whether what it depends on is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Health:
    """Facts from the parts, asked at each request. ``watchdog`` is what it last found; empty if nothing."""

    kafka_reachable: Callable[[], bool]
    gate1_green: Callable[[], bool]
    publishers_stalled: Callable[[], bool]
    cython_stream: bool
    starting: Callable[[], str] = lambda: ""
    """What dispatch must read before this worker is able to work; empty once it has."""
    reading: Callable[[], str] = lambda: ""
    """What is read at present, at a rebalance, too."""
    watchdog: str = field(default="")
    started: bool = field(default=False)

    def dependencies_ok(self) -> bool:
        """Kafka is reachable and gate 1 is GREEN."""
        return self.kafka_reachable() and self.gate1_green()

    def faults(self) -> Mapping[str, str]:
        """Why this worker can't work, by check. Held, paused or RED is able to work."""
        found = {
            "startup": "" if self.started else "not started yet",
            "kafka": "" if self.kafka_reachable() else "no broker answers",
            "dispatch": self.starting(),
            "publish": "output is not being confirmed" if self.publishers_stalled() else "",
            "progress": self.watchdog,
            "stream": "" if self.cython_stream else "Faust's Cython stream is not in use",
        }
        return {check: fault for check, fault in found.items() if fault}

    def notes(self) -> Mapping[str, str]:
        """What is worth knowing of a worker that can work: partitions that came lately wait for their ledgers."""
        reading = "" if self.starting() else self.reading()
        return {"dispatch": reading} if reading else {}
