"""From what happened to the metrics: the one place that knows both the outcomes and the metric names."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

import structlog

from streams.core.messages import Message, Receipt
from streams.core.reasons import Rejected, Stage
from streams.core.records import Record
from streams.topology import Outcome

log = structlog.get_logger(__name__)


class Metrics(Protocol):
    """Where the numbers go: `adapters.telemetry.Metrics`."""

    def count(self, name: str, **labels: str) -> None:
        """One more."""

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """One duration."""


class Counting:
    """The observer of the topology and of the dispatcher. Also logs refusals (INFO) and delivery failures (WARN)."""

    def __init__(self, metrics: Metrics, *, now: Callable[[], float] = time.time) -> None:
        self._metrics = metrics
        self._now = now

    def processed(self, stage: Stage, record: Record, outcome: Outcome) -> None:
        """A record went through a step of the topology."""
        if isinstance(outcome, Rejected):
            self._dead_lettered(stage, record, outcome)
        if stage is not Stage.INGEST:
            return
        if isinstance(outcome, Rejected):
            self._metrics.count("comcenter_events", type="", version="", outcome=outcome.reason)
        else:
            labels = {"type": outcome.event_type, "version": outcome.version, "outcome": "accepted"}
            self._metrics.count("comcenter_events", **labels)
        self._metrics.observe("comcenter_event_age", max(self._now() - record.appended_ms / 1000, 0.0))

    def dispatched(self, record: Record, message: Message | None, outcome: Receipt | Rejected) -> None:
        """A message reached a final state or was given up."""
        channel = message.route.channel if message else ""
        category = message.route.category.value if message else ""
        result = outcome.reason if isinstance(outcome, Rejected) else outcome.state
        self._metrics.count("comcenter_dispatch", channel=channel, category=category, outcome=result)
        if isinstance(outcome, Rejected):
            self._dead_lettered(Stage.DISPATCH, record, outcome)
            log.warning("delivery_failed", channel=channel, reason=outcome.reason, detail=outcome.detail)

    def answered(self, channel: str, seconds: float) -> None:
        """A provider answered, or its deadline ran out."""
        self._metrics.observe("comcenter_provider", seconds, channel=channel)

    def risked(self, message: Message) -> None:
        """It is called again although the call before may have sent it."""
        route = message.route
        self._metrics.count("comcenter_risky_calls", channel=route.channel, category=route.category.value)

    def order_ignored(self, reason: str) -> None:
        """A record of ``comms.control`` was not obeyed."""
        self._metrics.count("comcenter_control_ignored", reason=reason)

    def _dead_lettered(self, stage: Stage, record: Record, rejected: Rejected) -> None:
        self._metrics.count("comcenter_dead_letters", stage=stage, reason=rejected.reason)
        log.info(
            "dead_letter",
            stage=stage,
            reason=rejected.reason,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
        )
