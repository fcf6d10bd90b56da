"""Reading a ledger's partition: all of it up to its end, and how far it has come, said often enough."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from confluent_kafka import Consumer, KafkaError
from structlog.testing import capture_logs

from adapters.partition_log import TELL_EVERY_RECORDS, TELL_EVERY_S, Progress, read_all
from tests.fakes import SteppedClock


class Lying:
    """A record as the library hands it out, or the end."""

    def __init__(self, value: bytes | None = None, code: int | None = None) -> None:
        self._value = value
        self._code = code

    def error(self) -> KafkaError | None:
        return None if self._code is None else KafkaError(self._code)

    def key(self) -> bytes:
        return b"id"

    def value(self) -> bytes | None:
        return self._value

    def timestamp(self) -> tuple[int, int]:
        return (2, 7)


class FakeConsumer:
    """Hands out what it has, batch by batch."""

    def __init__(self, *batches: Sequence[Lying]) -> None:
        self.batches = list(batches)
        self.closed = False

    def assign(self, _places: object) -> None:
        """One partition, from its beginning."""

    def consume(self, _most: int, _seconds: float) -> Sequence[Lying]:
        return self.batches.pop(0)

    def close(self) -> None:
        self.closed = True


def read(consumer: FakeConsumer, stop: Sequence[bool] = ()) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    answers = iter(stop)
    read_all(
        {},
        "ledger",
        2,
        lambda *record: found.append(record),
        lambda: next(answers, False),
        connect=lambda _config: cast("Consumer", consumer),
    )
    return found


def test_all_up_to_the_end_is_handed_over_and_nothing_behind_it() -> None:
    end = Lying(code=KafkaError._PARTITION_EOF)
    consumer = FakeConsumer([Lying(b"1"), Lying(None)], [], [Lying(b"2"), end, Lying(b"later")])
    with capture_logs() as said:
        assert read(consumer) == [(b"id", b"1", 7), (b"id", None, 7), (b"id", b"2", 7)]
    assert consumer.closed
    (line,) = said
    assert (line["event"], line["topic"], line["partition"], line["records"]) == ("ledger_read", "ledger", 2, 3)


def test_it_waits_out_what_passes_and_ends_when_it_is_told() -> None:
    """A broker that is away is no reason to begin with half of a ledger, and a worker that ends waits for none."""
    away = Lying(code=KafkaError._ALL_BROKERS_DOWN)
    consumer = FakeConsumer([away], [Lying(b"1")], [Lying(b"2")])
    with capture_logs() as said:
        assert read(consumer, stop=[False, False, True]) == [(b"id", b"1", 7)]
    assert (consumer.closed, said) == (True, [])


def test_progress_is_said_by_time_and_by_number_whichever_is_first() -> None:
    clock = SteppedClock(0.0)
    progress = Progress("ledger", 2, clock)
    with capture_logs() as said:
        for seconds, records in (
            (1.0, 10),
            (TELL_EVERY_S - 1, 20),
            (1.0, 30),
            (0.5, TELL_EVERY_RECORDS + 20),
            (0.0, 0),
        ):
            clock.now += seconds
            progress.count = max(records, progress.count)
            progress.look()
        progress.end()
    assert [(line["event"], line["records"], line["seconds"]) for line in said] == [
        ("ledger_reading", 20, 5.0),
        ("ledger_reading", TELL_EVERY_RECORDS + 20, 6.5),
        ("ledger_read", TELL_EVERY_RECORDS + 20, 6.5),
    ]
