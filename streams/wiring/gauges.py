"""Gauges: what `/metrics` reads at each scrape."""

from __future__ import annotations

from collections.abc import Callable

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
    names = ("agents", "dispatcher")
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
