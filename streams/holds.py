"""Topics that are not to be read for now, each with its reason. Looked at by the consumer at every fetch."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Why a topic is held, in words for people, and since when (milliseconds since the epoch)."""

    detail: str
    since_ms: int


class Holds:
    """The held topics, by logical name.

    A topic may be held for several reasons at once; it flows again when the last one is lifted.
    """

    def __init__(self, *, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._reasons: dict[str, dict[str, Hold]] = {}

    def hold(self, topic: str, reason: str, detail: str = "") -> None:
        """Stop reading ``topic``. What it holds stays in Kafka; membership and other topics are not touched.

        ``reason`` is of a closed set, ``detail`` is for people, and may change while the hold goes on.
        """
        reasons = self._reasons.setdefault(topic, {})
        known = reasons.get(reason)
        if known is None:
            reasons[reason] = Hold(detail=detail, since_ms=int(self._now() * 1000))
        elif known.detail != detail:
            reasons[reason] = replace(known, detail=detail)

    def release(self, topic: str, reason: str) -> None:
        """Lift one reason; not an error if it doesn't stand."""
        reasons = self._reasons.get(topic)
        if reasons is not None:
            reasons.pop(reason, None)
            if not reasons:
                del self._reasons[topic]

    def holds(self, topic: str) -> bool:
        """Whether ``topic`` is held."""
        return topic in self._reasons

    def of(self, topic: str) -> frozenset[str]:
        """Why ``topic`` is held; empty if it isn't."""
        return frozenset(self._reasons.get(topic, ()))

    def reasons(self) -> Mapping[str, frozenset[str]]:
        """Every held topic with its reasons."""
        return {topic: frozenset(reasons) for topic, reasons in self._reasons.items()}

    def texts(self) -> Mapping[str, list[str]]:
        """Every held topic with a line for each reason: ``<reason>: <detail>, since <time>``."""
        return {
            topic: [_text(reason, hold) for reason, hold in sorted(reasons.items())]
            for topic, reasons in self._reasons.items()
        }

    def count(self) -> Mapping[str, int]:
        """How many topics each reason holds."""
        return Counter(reason for reasons in self._reasons.values() for reason in reasons)


def _text(reason: str, hold: Hold) -> str:
    since = datetime.fromtimestamp(hold.since_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return f"{reason}: {hold.detail}, since {since}" if hold.detail else f"{reason}, since {since}"
