"""The pipeline as data: topic → step, and one total function from a record to the records that come of it.

The agents run it on what Kafka delivers; the tests run it on bytes (`tests/driver.py`). It does no I/O, and it never
raises: what was expected to fail is a value, and what was not is caught here, in this one place.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from streams import topics
from streams.core.dead_letter import dead_letter
from streams.core.ingest import IngestRules, ingest
from streams.core.messages import Message, RenderOrder, UnreadableError
from streams.core.reasons import Reason, Rejected, Stage, Undecided
from streams.core.records import Emit, Headers, Record
from streams.core.redrive import counted, first_append
from streams.core.render import Renderer
from streams.core.token import lacking

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Produced:
    """What a step made of a record. ``event_type`` and ``version`` label the metric; empty where they aren't known."""

    emits: tuple[Emit, ...]
    event_type: str = ""
    version: str = ""


Outcome = Produced | Rejected
"""What is final."""
Processed = list[Emit] | Undecided
"""What the shell gets: records to produce, or that there is no verdict yet."""


class Observer(Protocol):
    """Who counts. Called once per record."""

    def processed(self, stage: Stage, record: Record, outcome: Outcome) -> None:
        """A record went through a step."""


@dataclass(frozen=True, slots=True)
class Step:
    """A stage, what it does to one record, what it lacks to do so, and as what it sees a record of its topic."""

    stage: Stage
    run: Callable[[Record], Outcome | Undecided]
    lacks: Callable[[Record], Undecided | None] = lambda _record: None
    sees: Callable[[Record], Record] = lambda record: record


class Topology:
    """Every consumed topic with its step."""

    def __init__(self, steps: Mapping[str, Step], observer: Observer, *, now: Callable[[], float] = time.time) -> None:
        self.steps = steps
        self.observer = observer
        self._now = now

    def process(self, record: Record) -> Processed:
        """What is to be produced before this record may be acked. Total: a bug becomes a dead letter, too."""
        step = self.steps[record.topic]
        record = step.sees(record)
        try:
            outcome = step.run(record)
        except Exception as error:  # the one place that catches what nobody foresaw
            outcome = bug(error, step.stage, record)
        if isinstance(outcome, Undecided):
            return outcome
        self.observer.processed(step.stage, record, outcome)
        match outcome:
            case Produced(emits=emits):
                return list(emits)
            case Rejected():
                return [dead_letter(record, outcome, step.stage, failed_at_ms=int(self._now() * 1000))]

    def lacks(self, record: Record) -> Undecided | None:
        """What this record will wait for when its turn comes; cheap, and nothing is decided. Total."""
        step = self.steps[record.topic]
        try:
            return step.lacks(step.sees(record))
        except Exception:  # a bug: it is met again, and told, when the record is processed
            return None


def bug(error: Exception, stage: Stage, record: Record) -> Rejected:
    """What becomes of a record that met a bug. Logs where it happened, never the message: it may quote the record."""
    frames = traceback.extract_tb(error.__traceback__)
    where = " > ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames[-4:])
    log.error(
        "step_failed",
        stage=stage,
        error=type(error).__name__,
        where=where,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
    )
    return Rejected(Reason.INTERNAL_ERROR, type(error).__name__)


def build_topology(
    rules: IngestRules, renderer: Renderer, observer: Observer, *, now: Callable[[], float] = time.time
) -> Topology:
    """One ingest step per producer's topic and one for what is tried again, one render step."""
    ingest_step = Step(
        Stage.INGEST, lambda record: ingest_record(record, rules), lambda record: lacking(record, rules.tokens)
    )
    steps = {producer.topic: ingest_step for producer in rules.tokens.producers.values()}
    steps[topics.REDRIVE] = replace(ingest_step, sees=first_append)
    steps[topics.RENDER] = Step(Stage.RENDER, lambda record: render_record(record, renderer), sees=counted)
    return Topology(steps, observer, now=now)


def ingest_record(record: Record, rules: IngestRules) -> Outcome | Undecided:
    """An inbound record becomes render records, keyed by recipient."""
    outcome = ingest(record, rules)
    if isinstance(outcome, Rejected | Undecided):
        return outcome
    trace = record.trace()
    emits = tuple(_render_record(order, trace) for order in outcome.orders)
    return _bounded(Produced(emits, outcome.event.type, outcome.event.version))


def render_record(record: Record, renderer: Renderer) -> Outcome:
    """A render record becomes a dispatch record of its category, keyed by recipient."""
    try:
        order = RenderOrder.decode(record.value)
    except UnreadableError as error:
        return Rejected(Reason.INTERNAL_ERROR, str(error))
    message = renderer.render(order)
    if isinstance(message, Rejected):
        return message
    emit = _dispatch_record(message, record.trace())
    return _bounded(Produced((emit,), order.route.event_type, order.route.event_version))


def _render_record(order: RenderOrder, trace: Headers) -> Emit:
    return Emit(topic=topics.RENDER, key=order.route.recipient_id.encode(), value=order.encode(), headers=trace)


def _dispatch_record(message: Message, trace: Headers) -> Emit:
    topic = topics.DISPATCH[message.route.category]
    return Emit(topic=topic, key=message.route.recipient_id.encode(), value=message.encode(), headers=trace)


def _bounded(produced: Produced) -> Outcome:
    """Output beyond what a topic of ours takes is refused here, as a value, rather than by the broker."""
    largest = max((emit.size() for emit in produced.emits), default=0)
    if largest > topics.OURS_MAX_BYTES - topics.HEADROOM_BYTES:
        return Rejected(Reason.RENDER_FAILED, f"the output has {largest} bytes, more than a topic takes")
    return produced
