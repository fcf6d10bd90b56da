"""The cap as the provider sees it: the fullest sliding window, and how much was used where it could have been."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from tests.faults.fates import peak
from tests.faults.provider import Call

WINDOW_S: Final = 60.0
BEGIN_WITHIN_S: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The cap's durations divided by ``factor``, and ``cap`` calls a minute that was."""

    factor: float
    cap: int

    @property
    def window_s(self) -> float:
        """The window of the promise: no more than the cap within it."""
        return WINDOW_S / self.factor

    @property
    def span_s(self) -> float:
        """After so long a unit comes back: the window, and the time between an INTENT and its call."""
        return (WINDOW_S + BEGIN_WITHIN_S) / self.factor

    def environment(self) -> dict[str, str]:
        """As settings of a worker."""
        return {
            "RATE_LIMIT_ENABLED": "true",
            "RATE_LIMIT_PER_MINUTE": str(self.cap),
            "RATE_WINDOW": str(self.window_s),
            "DISPATCH_BEGIN_WITHIN": str(BEGIN_WITHIN_S / self.factor),
        }


@dataclass(frozen=True, slots=True)
class Used:
    """In ``spans`` whole spans without a rebalance, ``calls`` of ``units``."""

    spans: int
    calls: int
    units: int

    @property
    def share(self) -> float:
        """Of the most that the cap leaves: cap x 60/62 in 60 s."""
        return self.calls / self.units if self.units else 0.0


def used(calls: Sequence[Call], quiet: Iterable[tuple[float, float]], pace: Pace) -> Used:
    """Count the calls of the last whole spans of each quiet stretch (monotonic begin and end)."""
    spans = counted = 0
    for begin, end in quiet:
        whole = int((end - begin) / pace.span_s)
        first = end - whole * pace.span_s
        counted += sum(first < call.at <= end for call in calls)
        spans += whole
    return Used(spans, counted, spans * pace.cap)


def assert_cap(calls: Sequence[Call], pace: Pace) -> int:
    """No sliding window at the provider has more calls than the cap. Returns the fullest one's."""
    most = peak(calls, pace.window_s)
    assert most <= pace.cap, f"{most} calls begun within {pace.window_s:g} s, where the cap is {pace.cap}"
    return most
