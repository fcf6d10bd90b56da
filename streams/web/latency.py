"""Percentiles of request durations over a rolling window."""

from __future__ import annotations

import math
from collections import deque
from typing import Final

WINDOW_S: Final = 300.0
MOST: Final = 20_000
"""Durations kept at most: beyond about 67 requests a second the window is shorter than five minutes."""


class Latency:
    """Durations in seconds of the last five minutes, by the caller's monotonic clock."""

    def __init__(self, window: float = WINDOW_S) -> None:
        self._window = window
        self._samples: deque[tuple[float, float]] = deque(maxlen=MOST)

    def add(self, now: float, seconds: float) -> None:
        """One request ended at ``now`` and took ``seconds``."""
        self._samples.append((now, seconds))

    def percentile_ms(self, now: float, share: float = 0.95) -> int:
        """The nearest-rank percentile, in whole milliseconds rounded up; 0 when nothing was asked."""
        while self._samples and self._samples[0][0] < now - self._window:
            self._samples.popleft()
        if not self._samples:
            return 0
        durations = sorted(seconds for _, seconds in self._samples)
        rank = max(math.ceil(share * len(durations)), 1)
        return math.ceil(durations[rank - 1] * 1000)
