"""Gauges: what `/metrics` reads at each scrape."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from adapters.telemetry import Metrics
from streams.backlog import Backlog
from streams.core.cap import UNCAPPED
from streams.core.flags import EffectiveMode, Flags
from streams.core.messages import Category, Mode
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


def expose_backlog(metrics: Metrics, backlog: Backlog) -> None:
    """What waits in this worker's partitions of dispatch, and what the cap leaves it."""
    metrics.gauge("comcenter_waiting", lambda: [(float(n), {"topic": name}) for name, n in backlog.waiting().items()])
    rows: dict[str, Callable[[Category], float]] = {
        "comcenter_rate_tokens": lambda each: _capped(sum(part.room for part in backlog.parts(each))),
        "comcenter_rate_units": lambda each: _capped(sum(part.units for part in backlog.parts(each))),
        "comcenter_backlog_eta_seconds": backlog.seconds_left,
    }
    for name, read in rows.items():
        metrics.gauge(name, partial(_by_category, read))


def _by_category(read: Callable[[Category], float]) -> list[tuple[float, Mapping[str, str]]]:
    """Where no number is true nothing is shown; the library has no infinity."""
    found = [(read(each), {"category": each.value}) for each in Category]
    return [(value, labels) for value, labels in found if math.isfinite(value)]


def _capped(units: int) -> float:
    """Without a cap a partition's share is `UNCAPPED`; what was spent of it is far less than half."""
    return math.inf if units > UNCAPPED / 2 else float(units)


def expose_waiting(metrics: Metrics, seconds_left: Callable[[], Mapping[str, float]]) -> None:
    """Nothing is shown of a topic in which nothing waits."""
    metrics.gauge(
        "comcenter_held_retention_seconds",
        lambda: [(float(seconds), {"topic": topic}) for topic, seconds in seconds_left().items()],
    )
