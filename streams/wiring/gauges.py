"""Gauges: what `/metrics` reads at each scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from adapters.telemetry import Metrics
from streams.core.flags import EffectiveMode, Flags
from streams.core.messages import Mode
from streams.gate import Gate1
from streams.holds import Holds
from streams.publisher import Publisher


def expose(
    metrics: Metrics,
    flags: Callable[[], Flags],
    mode: Callable[[], EffectiveMode],
    gate: Gate1,
    holds: Holds,
    publishers: tuple[Publisher, ...],
) -> None:
    """Gauges, read at each scrape."""
    names = ("agents",)
    metrics.gauge("comcenter_mode", lambda: [(float(mode().mode is each), {"mode": each.value}) for each in Mode])
    metrics.gauge("comcenter_flag", lambda: [(float(on), {"flag": flag}) for flag, on in flags().names().items()])
    metrics.gauge("comcenter_gate1_green", lambda: [(float(gate.state().green), {})])
    metrics.gauge("comcenter_held", lambda: [(float(n), {"reason": reason}) for reason, n in holds.count().items()])
    metrics.gauge(
        "comcenter_in_flight",
        lambda: [
            (float(publisher.in_flight), {"consumer": name}) for name, publisher in zip(names, publishers, strict=True)
        ],
    )


def expose_oldest(metrics: Metrics, seconds_left: Callable[[], Iterable[float]]) -> None:
    """Nothing is shown while there is no dead letter: no number would be true."""
    metrics.gauge("comcenter_dead_letter_oldest_seconds", lambda: [(seconds, {}) for seconds in seconds_left()])


def expose_waiting(metrics: Metrics, seconds_left: Callable[[], Mapping[str, float]]) -> None:
    """Nothing is shown of a topic in which nothing waits."""
    metrics.gauge(
        "comcenter_held_retention_seconds",
        lambda: [(float(seconds), {"topic": topic}) for topic, seconds in seconds_left().items()],
    )
