"""The watch over what waits: who tells, how often, after a takeover, and when the broker didn't take it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog.testing

from adapters.kafka_admin import BrokerUnavailableError
from adapters.telemetry import Metrics
from streams import topics
from streams.core.incidents import Limits, open_ones
from streams.core.retention import FOREVER, Oldest
from streams.retention_watch import Duty, RetentionWatch
from streams.wiring.gauges import expose_waiting
from streams.wiring.waiting import held_as
from tests.builders import NOW_S
from tests.fakes import SteppedClock

HELD = topics.HELD["transactional"]
DAY_S = 86_400


@dataclass(slots=True)
class Kafka:
    """What waits, and the topic of incidents. ``takes``: whether the broker takes what is written."""

    days: float | None = 0.0
    told: list[bytes | None] = field(default_factory=list)
    read: int = 0
    looks: int = 0
    takes: bool = True
    away: bool = False
    retention_ms: int = 7 * DAY_S * 1000

    def look(self) -> Sequence[Oldest]:
        self.looks += 1
        if self.away:
            raise BrokerUnavailableError("away")
        if self.days is None:
            return ()
        at_ms = int((NOW_S - self.days * DAY_S) * 1000)
        return [Oldest(topic=HELD, partition=0, offset=3, at_ms=at_ms, records=1, retention_ms=self.retention_ms)]

    def values(self) -> list[bytes | None]:
        self.read += 1
        return list(self.told)

    def write(self, _key: bytes, value: bytes) -> None:
        if self.takes:
            self.told.append(value)


@dataclass(slots=True)
class Worker:
    """One worker's watch. ``ours``: whether it is on duty."""

    kafka: Kafka
    ours: bool = True
    name: str = "w1"
    clock: SteppedClock = field(default_factory=lambda: SteppedClock(float(NOW_S)))
    watch: RetentionWatch = field(init=False)

    def __post_init__(self) -> None:
        duty = Duty(
            ours=lambda: self.ours,
            told=self.kafka.values,
            tell=self.kafka.write,
            holds=lambda _topic: {"kill_switch"},
            limits=Limits(warn_at=0.8),
            worker=self.name,
        )
        self.watch = RetentionWatch(self.kafka.look, duty, every=0.001, now=self.clock)

    async def looks(self, more: int = 3) -> None:
        """Run it until it has looked so many times, and has told of the one before the last."""
        wanted = self.kafka.looks + more
        running = asyncio.ensure_future(self.watch.run())
        async with asyncio.timeout(5):
            while self.kafka.looks < wanted:  # noqa: ASYNC110 - on a thread
                await asyncio.sleep(0.001)
        assert not running.done(), "a look that failed ends nothing"
        running.cancel()


def play(*steps: Callable[[], object]) -> None:
    async def scenario() -> None:
        for step in steps:
            found = step()
            if asyncio.iscoroutine(found):
                await found

    asyncio.run(scenario())


def phases(kafka: Kafka) -> list[bytes]:
    return [(value or b"").partition(b'"phase":"')[2].partition(b'"')[0] for value in kafka.told]


def test_it_is_told_once_and_once_more_when_it_is_over() -> None:
    kafka = Kafka(days=6)
    worker = Worker(kafka)
    with structlog.testing.capture_logs() as logs:
        play(worker.looks, lambda: setattr(kafka, "days", None), worker.looks)
    assert phases(kafka) == [b"open", b"cleared"]
    said = [(each["log_level"], each["phase"]) for each in logs if each["event"] == "held_retention"]
    assert said == [("warning", "open"), ("info", "cleared")]


def test_nothing_is_told_nor_read_again_while_there_is_nothing_to_tell() -> None:
    kafka = Kafka(days=3)
    play(Worker(kafka).looks)
    assert (kafka.told, kafka.read) == ([], 1)


def test_who_is_not_on_duty_tells_nothing_and_knows_the_time_left_all_the_same() -> None:
    kafka = Kafka(days=6)
    worker = Worker(kafka, ours=False)
    play(worker.looks)
    assert (kafka.told, kafka.read) == ([], 0)
    assert worker.watch.seconds_left() == {HELD: DAY_S}


def test_who_takes_over_does_not_tell_again_and_tells_when_it_is_over() -> None:
    kafka = Kafka(days=6)
    first, second = Worker(kafka), Worker(kafka, name="w2")
    play(first.looks, second.looks)
    assert phases(kafka) == [b"open"]
    play(lambda: setattr(kafka, "days", 1), Worker(kafka, name="w3").looks)
    assert phases(kafka) == [b"open", b"cleared"]
    assert open_ones(kafka.told) == {}


def test_what_the_broker_did_not_take_is_told_again() -> None:
    kafka = Kafka(days=6, takes=False)
    worker = Worker(kafka)
    play(worker.looks, lambda: setattr(kafka, "takes", True), worker.looks)
    assert phases(kafka) == [b"open"]


def test_the_time_counts_down_while_no_broker_answers() -> None:
    kafka = Kafka(days=6)
    worker = Worker(kafka)
    play(worker.looks, lambda: setattr(kafka, "away", True), worker.looks)
    worker.clock.now += 3600
    assert worker.watch.seconds_left() == {HELD: DAY_S - 3600}


def test_metrics_show_the_seconds_by_topic_and_nothing_of_what_is_kept_for_ever() -> None:
    kafka = Kafka(days=6)
    worker, metrics = Worker(kafka), Metrics()
    expose_waiting(metrics, worker.watch.seconds_left)

    def shown() -> list[bytes]:
        return [line for line in metrics.exposition().splitlines() if line.startswith(b"comcenter_held_retention")]

    assert shown() == [], "not looked yet"
    play(worker.looks)
    assert shown() == [b'comcenter_held_retention_seconds{topic="%s"} 86400.0' % HELD.encode()]
    kafka.retention_ms = FOREVER
    play(worker.looks)
    assert shown() == []
    metrics.close()


def test_all_that_dispatch_reads_is_held_by_what_holds_its_dispatch_topic() -> None:
    assert held_as(HELD) == topics.DISPATCH_TRANSACTIONAL
    assert held_as(topics.RETRY["promotional"]["5m"]) == topics.DISPATCH_PROMOTIONAL
    assert held_as(topics.RENDER) == topics.RENDER
