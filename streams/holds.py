"""Topics that are not to be read for now, each with its reason. Looked at by the consumer at every fetch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping


class Holds:
    """The held topics, by logical name.

    A topic may be held for several reasons at once; it flows again when the last one is lifted.
    """

    def __init__(self) -> None:
        self._reasons: dict[str, set[str]] = {}

    def hold(self, topic: str, reason: str) -> None:
        """Stop reading ``topic``. What it holds stays in Kafka; membership and other topics are not touched."""
        self._reasons.setdefault(topic, set()).add(reason)

    def release(self, topic: str, reason: str) -> None:
        """Lift one reason; not an error if it doesn't stand."""
        reasons = self._reasons.get(topic)
        if reasons is not None:
            reasons.discard(reason)
            if not reasons:
                del self._reasons[topic]

    def holds(self, topic: str) -> bool:
        """Whether ``topic`` is held."""
        return topic in self._reasons

    def of(self, topic: str) -> frozenset[str] | set[str]:
        """Why ``topic`` is held; empty if it isn't."""
        return self._reasons.get(topic, frozenset())

    def reasons(self) -> Mapping[str, frozenset[str]]:
        """Every held topic with its reasons."""
        return {topic: frozenset(reasons) for topic, reasons in self._reasons.items()}

    def count(self) -> Mapping[str, int]:
        """How many topics each reason holds."""
        return Counter(reason for reasons in self._reasons.values() for reason in reasons)
