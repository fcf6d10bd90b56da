"""Produces the demo's events, follows what comes of them, and keeps the rendered messages as files to look at."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson
from confluent_kafka import KafkaError, Message, Producer

from adapters import kafka_config
from adapters.kafka_reader import TopicReader
from streams import topics
from streams.core.records import Record
from streams.demo.events import DemoEvent
from streams.demo.world import DemoError, World
from streams.explain import event_id_of
from streams.inbound import from_kafka

PATIENCE_S: Final = 60.0
SUFFIXES: Final = {"html": ".html", "text": ".txt"}


@dataclass(slots=True)
class Outcome:
    """What became of one event: a state and detail, and the files that show its message."""

    event: DemoEvent
    state: str = ""
    detail: str = ""
    files: list[Path] = field(default_factory=list)

    @property
    def told(self) -> bool:
        """Refused, or final with its rendered message at hand (it may be read after the receipt: another topic)."""
        return bool(self.state) and (bool(self.files) or self.event.expected != "accepted")

    @property
    def as_expected(self) -> bool:
        """A good event ends simulated or sent; a bad one is refused for its reason."""
        wanted = ("simulated", "sent") if self.event.expected == "accepted" else (self.event.expected,)
        return self.state in wanted


def play(world: World, events: Sequence[DemoEvent]) -> Iterator[Outcome]:
    """Produce all, then yield each event's outcome as it comes.

    Raises:
        DemoError: the broker didn't take an event, or an outcome is missing after a minute.
    """
    prefix = world.settings.topic_prefix
    reader = TopicReader(kafka_config.rdkafka(world.settings, world.bootstrap))
    try:
        watched = [prefix + topic for topic in (*topics.DISPATCH.values(), topics.RECEIPTS, topics.DEAD_LETTER)]
        starts = reader.ends(watched)
        _produce(world, events)
        outcomes = {event.event_id: Outcome(event) for event in events}
        open_ids = set(outcomes)
        for message in reader.follow(starts, seconds=PATIENCE_S):
            record = from_kafka(message, prefix=prefix)
            outcome = outcomes.get(event_id_of(record) or "")
            if outcome is None:
                continue
            _note(outcome, record, world.places.outbox)
            if outcome.told and outcome.event.event_id in open_ids:
                open_ids.discard(outcome.event.event_id)
                yield outcome
            if not open_ids:
                return
        raise DemoError(f"no outcome of {len(open_ids)} events after {PATIENCE_S:g} s; the log: {world.places.log}")
    finally:
        reader.close()


def _produce(world: World, events: Sequence[DemoEvent]) -> None:
    failures: list[KafkaError] = []

    def report(error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            failures.append(error)

    producer = Producer(kafka_config.producer(world.settings, world.bootstrap, max_bytes=topics.INBOUND_MAX_BYTES))
    topic = world.settings.topic_prefix + topics.INBOUND_PREFIX + events[0].event_id.partition("/")[0]
    for event in events:
        producer.produce(topic, key=event.recipient_id.encode(), value=event.token, on_delivery=report)
    if producer.flush(15) or failures:
        raise DemoError("the broker did not take the events: " + ", ".join(error.str() for error in failures))


def _note(outcome: Outcome, record: Record, outbox: Path) -> None:
    if record.topic == topics.DEAD_LETTER:
        headers = {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers}
        outcome.state, outcome.detail = headers["dlq.reason"], headers["dlq.detail"]
        return
    body = orjson.loads(record.value or b"{}")
    if record.topic == topics.RECEIPTS:
        outcome.state, outcome.detail = body["state"], f"{body['route']['channel']}, mode {body['mode']}"
    else:
        outcome.files += _keep(body, outbox)


def _keep(message: dict[str, Any], outbox: Path) -> list[Path]:
    stem = f"{message['route']['template']}-{message['route']['dispatch_id'][:8]}"
    files = []
    for part, text in message["parts"].items():
        path = outbox / f"{stem}{SUFFIXES.get(part, f'.{part}.txt')}"
        path.write_text(text, "utf-8")
        files.append(path)
    return files


def summary(world: World, outcomes: Sequence[Outcome], *, begun: float) -> dict[str, Any]:
    """The one JSON line of ``--json``. ``begun``: monotonic seconds."""
    states = Counter(outcome.state for outcome in outcomes)
    refused = {state: count for state, count in states.items() if state not in ("simulated", "sent")}
    return {
        "broker": world.broker,
        "accepted": states["simulated"] + states["sent"],
        "simulated": states["simulated"],
        "sent": states["sent"],
        "dead_lettered": sum(refused.values()),
        "by_reason": refused,
        "seconds": round(time.monotonic() - begun, 3),
    }
