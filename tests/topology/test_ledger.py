"""The ledger's transactions over a producer that fails as librdkafka does: what is asked again, and what ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from streams.core.ledger import Entry, Standing
from streams.core.records import Emit
from streams.ledger import ATTEMPTS, Commit, FencedError, Ledger, NotWrittenError, Read

TIMED_OUT = KafkaException(KafkaError(KafkaError._TIMED_OUT, "slow", retriable=True))
ABORTABLE = KafkaException(KafkaError(KafkaError._MSG_TIMED_OUT, "undelivered", txn_requires_abort=True))
FENCED = KafkaException(KafkaError(KafkaError._FENCED, "fenced", fatal=True))
FATAL = KafkaException(KafkaError(KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "no", fatal=True))
STRANGER = KafkaException(KafkaError(KafkaError.UNKNOWN_MEMBER_ID, "gone", txn_requires_abort=True))
EMIT = Emit(topic="comms.ledger.transactional", key=b"id", value=b"{}", headers=(("a", b"1"),), partition=2)
FREE = Emit(topic="comms.receipts", key=b"e", value=b"{}")
OFFSETS = Commit([TopicPartition("t", 0, 7)], object())


class Delivered:
    """A record as a delivery report shows it."""

    def __init__(self, at_ms: int) -> None:
        self._at_ms = at_ms

    def timestamp(self) -> tuple[int, int]:
        return (2, self._at_ms)


@dataclass(slots=True)
class FakeTransactions:
    """confluent-kafka's transactional producer. ``troubles``: what each step raises, in turn; then it works."""

    troubles: dict[str, list[Exception]] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)
    produced: list[dict[str, Any]] = field(default_factory=list)
    reports: list[Callable[[], None]] = field(default_factory=list)

    def _step(self, name: str) -> None:
        self.steps.append(name)
        waiting = self.troubles.get(name, [])
        if waiting:
            raise waiting.pop(0)

    def init_transactions(self, _timeout: float) -> None:
        self._step("init")

    def begin_transaction(self) -> None:
        self._step("begin")

    def produce(self, topic: str, *, on_delivery: Callable[[None, Delivered], None], **made: Any) -> None:
        self._step("produce")
        self.produced.append({"topic": topic, **made})
        at_ms = 1000 + len(self.produced)
        self.reports.append(lambda: on_delivery(None, Delivered(at_ms)))

    def poll(self, _timeout: float) -> None:
        self._step("poll")

    def send_offsets_to_transaction(self, offsets: list[TopicPartition], _group: object, _timeout: float) -> None:
        self._step(f"offsets {offsets[0].offset}")

    def commit_transaction(self, _timeout: float) -> None:
        for report in self.reports:
            report()
        self.reports = []
        self._step("commit")

    def abort_transaction(self, _timeout: float) -> None:
        self.reports = []
        self._step("abort")


def found(*records: tuple[bytes | None, bytes | None, int]) -> Any:
    """A ledger's partition that holds these."""

    def read(on_record: Callable[[bytes | None, bytes | None, int], None], _stop: Callable[[], bool]) -> None:
        for record in records:
            on_record(*record)

    return read


def taken(producer: FakeTransactions, read: Any = None) -> tuple[Ledger, list[Read]]:
    """A ledger whose partition was taken, and what it found."""
    ledger = Ledger(lambda: cast("Producer", producer), read or found(), prefix="blue.", timeout=1.0)
    reads: list[Read] = []
    run(ledger.take(reads.append))
    producer.steps.clear()
    return ledger, reads


def run(what: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(what)


def test_one_transaction_holds_all_records_and_the_offsets_and_tells_when_each_was_appended() -> None:
    producer = FakeTransactions()
    ledger, _ = taken(producer)
    assert run(ledger.write([EMIT, FREE], OFFSETS)) == [1001, 1002]
    assert producer.steps == ["begin", "produce", "produce", "offsets 7", "commit"]
    assert producer.produced == [
        {"topic": "blue." + EMIT.topic, "key": b"id", "value": b"{}", "headers": [("a", b"1")], "partition": 2},
        {"topic": "blue." + FREE.topic, "key": b"e", "value": b"{}", "headers": []},
    ]


@pytest.mark.parametrize("commit", [None, Commit([], object())])
def test_without_offsets_none_are_sent(commit: Commit | None) -> None:
    producer = FakeTransactions()
    ledger, _ = taken(producer)
    run(ledger.write([EMIT], commit))
    assert producer.steps == ["begin", "produce", "commit"]


def test_a_full_queue_is_waited_for() -> None:
    producer = FakeTransactions({"produce": [BufferError(), BufferError()]})
    ledger, _ = taken(producer)
    assert run(ledger.write([EMIT])) == [1001]
    assert producer.steps == ["begin", "produce", "poll", "produce", "poll", "produce", "commit"]


def test_a_commit_that_timed_out_is_asked_for_again_and_never_aborted() -> None:
    """It may have been taken."""
    producer = FakeTransactions({"commit": [TIMED_OUT] * (ATTEMPTS - 1)})
    ledger, _ = taken(producer)
    assert run(ledger.write([EMIT])) == [1001]
    assert producer.steps == ["begin", "produce", *["commit"] * ATTEMPTS]


def test_an_abort_that_timed_out_is_asked_for_again_and_all_of_it_written_anew() -> None:
    """Brokers that are away in the middle of a transaction: times are those of what counts in the end."""
    producer = FakeTransactions({"commit": [ABORTABLE], "abort": [TIMED_OUT, TIMED_OUT]})
    ledger, _ = taken(producer)
    assert run(ledger.write([EMIT], OFFSETS)) == [1002]
    first, again = ["begin", "produce", "offsets 7", "commit"], ["abort"] * 3
    assert producer.steps == [*first, *again, *first]


def test_a_group_that_is_lost_costs_the_offsets_and_not_the_outcome() -> None:
    """What was done is written all the same; its record is read again by the next owner, and skipped."""
    producer = FakeTransactions({"offsets 7": [STRANGER]})
    ledger, _ = taken(producer)
    assert run(ledger.write([EMIT], OFFSETS)) == [1002]
    assert producer.steps == ["begin", "produce", "offsets 7", "abort", "begin", "produce", "commit"]


def test_what_the_broker_does_not_take_after_some_attempts_is_not_written() -> None:
    producer = FakeTransactions({"commit": [ABORTABLE] * ATTEMPTS})
    ledger, _ = taken(producer)
    with pytest.raises(NotWrittenError, match="_MSG_TIMED_OUT"):
        run(ledger.write([EMIT]))
    assert producer.steps.count("commit") == ATTEMPTS


@pytest.mark.parametrize("step", ["begin", "produce", "offsets 7", "commit"])
@pytest.mark.parametrize("error", [FENCED, FATAL], ids=["fenced", "not allowed"])
def test_a_fatal_error_ends_it_at_once(step: str, error: KafkaException) -> None:
    producer = FakeTransactions({step: [error]})
    ledger, _ = taken(producer)
    with pytest.raises(FencedError):
        run(ledger.write([EMIT], OFFSETS))
    assert producer.steps[-1] == step, "nothing is tried after it"


def test_to_be_fenced_while_aborting_is_to_be_fenced() -> None:
    producer = FakeTransactions({"commit": [ABORTABLE], "abort": [FENCED]})
    ledger, _ = taken(producer)
    with pytest.raises(FencedError):
        run(ledger.write([EMIT]))


def test_taking_it_insists_on_fencing_before_it_reads() -> None:
    steps: list[str] = []
    producer = FakeTransactions({"init": [TIMED_OUT, TIMED_OUT]}, steps)

    def read(on_record: object, stop: object) -> None:
        del on_record, stop
        steps.append("read")

    run(Ledger(lambda: cast("Producer", producer), read, prefix="", timeout=1.0).take())
    assert steps == ["init", "init", "init", "read"]


def test_it_cannot_be_taken_from_brokers_that_stay_away() -> None:
    producer = FakeTransactions({"init": [TIMED_OUT] * ATTEMPTS})
    with pytest.raises(NotWrittenError):
        taken(producer)


def test_after_it_is_closed_nothing_is_asked_for_again() -> None:
    producer = FakeTransactions({"commit": [TIMED_OUT, TIMED_OUT]})
    ledger, _ = taken(producer)

    async def scenario() -> None:
        writing = asyncio.ensure_future(ledger.write([EMIT]))
        await asyncio.sleep(0)
        await ledger.close()
        with pytest.raises(NotWrittenError):
            await writing

    ledger._closing = True
    run(scenario())
    assert producer.steps.count("commit") == 1


def test_what_is_read_is_every_entry_in_order_without_what_is_none() -> None:
    """A record without key or value, or of another kind, is left aside: the rest of the ledger must be known."""
    sent = Entry(standing=Standing.SENT, revision=0, content="c", attempt=1)
    intent = Entry(standing=Standing.INTENT, revision=0, content="c", attempt=1)
    _, reads = taken(
        FakeTransactions(),
        found(
            (b"a", intent.encode(), 5),
            (b"b", None, 6),
            (None, sent.encode(), 7),
            (b"a", b"garbage", 8),
            (b"a", sent.encode(), 9),
        ),
    )
    assert reads == [Read("a", intent, 5), Read("a", sent, 9)]
