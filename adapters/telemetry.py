"""Logs (structlog, JSON, one event per line) and metrics (OpenTelemetry, read by Prometheus at ``/metrics``).

Every metric of ours stands in one table, so that a name is found, documented and alerted on in one place.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Row:
    """One metric: its kind, what it says, its unit."""

    kind: str
    says: str
    unit: str = ""


METRICS: Final[Mapping[str, Row]] = {
    "comcenter_events": Row("counter", "Events by type, version and outcome (accepted, or the reason of the refusal)."),
    "comcenter_dispatch": Row("counter", "Messages by channel, category and outcome."),
    "comcenter_dead_letters": Row("counter", "Dead letters by stage and reason."),
    "comcenter_event_age": Row("histogram", "From append to the end of the first step.", "s"),
    "comcenter_provider": Row("histogram", "A provider's answer, by channel.", "s"),
    "comcenter_http": Row("histogram", "HTTP requests, by route and status.", "s"),
    "comcenter_control_ignored": Row("counter", "Records of comms.control that were not obeyed, by reason."),
    "comcenter_risky_calls": Row(
        "counter", "Calls made again although the one before may have sent the message (on_unknown = resend)."
    ),
    "comcenter_mode": Row("gauge", "1 for the effective mode."),
    "comcenter_flag": Row("gauge", "1 for a flag that is on."),
    "comcenter_held": Row("gauge", "Held topics, by reason."),
    "comcenter_waiting": Row("gauge", "Records of this worker's partitions that have not had their turn, by topic."),
    "comcenter_rate_tokens": Row("gauge", "Calls that may begin now under the cap, by category; absent without a cap."),
    "comcenter_rate_units": Row("gauge", "This worker's share of the cap, in calls per window; absent without a cap."),
    "comcenter_backlog_eta_seconds": Row("gauge", "Until what waits has begun, under the cap now; absent while held."),
    # A gauge with its unit in the name: the view below makes a histogram of whatever has seconds as its unit.
    "comcenter_dead_letter_oldest_seconds": Row("gauge", "Until the oldest dead letter is gone; absent without any."),
    "comcenter_held_retention_seconds": Row("gauge", "Until what waits longest in a topic is gone; absent if nothing."),
    "comcenter_gate1_green": Row("gauge", "1 while gate 1 is GREEN."),
    "comcenter_in_flight": Row("gauge", "Records whose outputs aren't all confirmed, by consumer."),
}

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

Gauge = Callable[[], Iterable[tuple[float, Mapping[str, str]]]]
"""Read at each scrape: values with their labels."""


class Metrics:
    """The instruments of `METRICS`, in a registry of their own, and what Prometheus tells of a process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        reader = PrometheusMetricReader(disable_target_info=True, scope_info_enabled=False, registry=self._registry)
        view = View(instrument_name="*", instrument_unit="s", aggregation=ExplicitBucketHistogramAggregation(_SECONDS))
        self._provider = MeterProvider(metric_readers=[reader], views=[view], shutdown_on_exit=False)
        meter = self._provider.get_meter("auto_com_center")
        self._meter = meter
        self._counters = {n: meter.create_counter(n, r.unit, r.says) for n, r in METRICS.items() if r.kind == "counter"}
        self._histograms = {
            n: meter.create_histogram(n, r.unit, r.says) for n, r in METRICS.items() if r.kind == "histogram"
        }

    def count(self, name: str, **labels: str) -> None:
        """One more of ``name``."""
        self._counters[name].add(1, labels)

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """One duration."""
        self._histograms[name].record(seconds, labels)

    def gauge(self, name: str, read: Gauge) -> None:
        """Let a gauge be read at each scrape."""

        def callback(_options: CallbackOptions) -> Iterable[Observation]:
            return [Observation(value, dict(labels)) for value, labels in read()]

        row = METRICS[name]
        self._meter.create_observable_gauge(name, [callback], row.unit, row.says)

    def exposition(self) -> bytes:
        """What ``/metrics`` answers (Prometheus text format 0.0.4)."""
        return generate_latest(self._registry)

    def close(self) -> None:
        """End the reader."""
        self._provider.shutdown()


def configure_logging(level: int = logging.INFO) -> None:
    """JSON lines on standard error, for our events and for what libraries log."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("librdkafka").setLevel(logging.NOTSET)
    # Their INFO is about their own life, at every rebalance; what goes wrong is WARNING and above.
    for chatty in ("faust", "aiokafka", "mode", "aiohttp.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
