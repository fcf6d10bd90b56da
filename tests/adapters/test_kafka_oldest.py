"""How long the oldest record will be kept: what is told between two looks, without a record, and without a broker."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from adapters.kafka_admin import BrokerUnavailableError
from adapters.kafka_oldest import FOREVER, OldestRecord
from adapters.kafka_reader import Place
from adapters.telemetry import Metrics
from streams.wiring.gauges import expose_oldest
from tests.fakes import SteppedClock

TOPIC = "comms.dead-letter"
HOUR_S = 3600
T0 = 1_790_000_000


@dataclass(frozen=True, slots=True)
class Letter:
    """A record of that age, in hours, at `T0`."""

    hours_old: float

    def timestamp(self) -> tuple[int, int]:
        return 2, int((T0 - self.hours_old * HOUR_S) * 1000)


@dataclass(slots=True)
class FakeKafka:
    """Admin and reader in one; ``away`` makes it answer nobody."""

    letters: Sequence[Letter] = ()
    retention: int = 72 * HOUR_S * 1000
    away: bool = False
    prefix: str = "blue."
    opened: int = 0
    asked: list[str] = field(default_factory=list)

    def retention_ms(self, name: str) -> int:
        if self.away:
            raise BrokerUnavailableError("away")
        self.asked.append(name)
        return self.retention

    def open(self) -> FakeKafka:
        self.opened += 1
        return self

    def firsts(self, topics: Sequence[str], *, seconds: float) -> Mapping[Place, Letter]:
        assert seconds == 3.0
        self.asked += topics
        return {(topics[0], index): letter for index, letter in enumerate(self.letters)}

    def close(self) -> None:
        self.opened -= 1


def oldest(kafka: FakeKafka, clock: SteppedClock) -> OldestRecord:
    return OldestRecord(kafka.open, kafka, TOPIC, every=0.001, timeout=3.0, now=clock)


async def after_looks(record: OldestRecord, kafka: FakeKafka, *, more: int) -> None:
    """Run it until it has looked so many times."""
    seen = len(kafka.asked)
    running = asyncio.ensure_future(record.run())
    async with asyncio.timeout(5):
        while len(kafka.asked) < seen + 2 * more:  # noqa: ASYNC110 - on a thread
            await asyncio.sleep(0.001)
    running.cancel()


TABLE: list[tuple[str, list[float], int, list[float]]] = [
    # name, ages of the first records in hours, retention in ms, seconds left
    ("no dead letter", [], 72 * HOUR_S * 1000, []),
    ("a new one", [0], 72 * HOUR_S * 1000, [72 * HOUR_S]),
    ("the oldest of all partitions counts", [3, 70, 9], 72 * HOUR_S * 1000, [2 * HOUR_S]),
    ("what the broker keeps counts, not what the table says", [70], 168 * HOUR_S * 1000, [98 * HOUR_S]),
    ("beyond its time, in a segment that is still open", [80], 72 * HOUR_S * 1000, [0]),
    ("kept for ever", [80], FOREVER, []),
]


@pytest.mark.parametrize(("ages", "retention", "left"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_the_oldest_record_has_so_long_to_live(ages: list[float], retention: int, left: list[float]) -> None:
    kafka, clock = FakeKafka([Letter(age) for age in ages], retention), SteppedClock(T0)
    record = oldest(kafka, clock)
    assert record.seconds_left() == (), "not looked yet"
    asyncio.run(after_looks(record, kafka, more=2))
    assert list(record.seconds_left()) == left
    assert set(kafka.asked) == {TOPIC, f"blue.{TOPIC}"}


def test_every_look_lets_go_of_its_connections() -> None:
    kafka = FakeKafka([Letter(1)])
    record = oldest(kafka, SteppedClock(T0))
    for _ in range(3):
        record.look()
    assert kafka.opened == 0


def test_what_is_known_counts_down_while_no_broker_answers_and_a_look_that_failed_ends_nothing() -> None:
    kafka, clock = FakeKafka([Letter(71)]), SteppedClock(T0)
    record = oldest(kafka, clock)

    async def scenario() -> None:
        await after_looks(record, kafka, more=2)
        kafka.away = True
        running = asyncio.ensure_future(record.run())
        await asyncio.sleep(0.02)
        clock.now += 600
        assert record.seconds_left() == (HOUR_S - 600,)
        assert not running.done()
        kafka.away, kafka.letters = False, [Letter(70)]
        await after_looks(record, kafka, more=2)
        assert record.seconds_left() == (2 * HOUR_S - 600,)
        running.cancel()

    asyncio.run(scenario())


@pytest.mark.parametrize(("left", "line"), [((90.5,), b"comcenter_dead_letter_oldest_seconds 90.5\n"), ((), b"")])
def test_metrics_show_the_seconds_and_nothing_while_there_is_no_dead_letter(
    left: tuple[float, ...], line: bytes
) -> None:
    """A number would be a lie, and an alert on few seconds must not sound."""
    metrics = Metrics()
    expose_oldest(metrics, lambda: left)
    shown = [each for each in metrics.exposition().splitlines(keepends=True) if each.startswith(b"comcenter_dead_l")]
    metrics.close()
    assert b"".join(shown) == line
