"""The ledger of one partition: fenced when it is taken, read to its end, written in transactions.

Whoever takes a partition initialises its transactional id, which fences the former owner: that one can write nothing
more. Outcomes, receipts, retries, dead letters and the source's offsets are written in one transaction, so that a crash
leaves either all of them or none. Source: https://cwiki.apache.org/confluence/display/KAFKA/KIP-98.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from streams.blocking import BlockingThread
from streams.core.ledger import SHARE_KEY, Entry, Share, read_entry, read_share
from streams.core.records import Emit

log = structlog.get_logger(__name__)

RETRY_S: Final = 0.2
ATTEMPTS: Final = 5
_NOT_IN_THE_GROUP: Final = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.FENCED_INSTANCE_ID,
    }
)


class FencedError(RuntimeError):
    """Another worker has the partition: nothing may be begun here any more."""


class NotWrittenError(RuntimeError):
    """The broker did not take a transaction; nothing of it counts."""


@dataclass(frozen=True, slots=True)
class Commit:
    """The source's offsets that a transaction commits. ``group``: confluent-kafka's group metadata."""

    offsets: Sequence[TopicPartition]
    group: object


@dataclass(frozen=True, slots=True)
class Read:
    """One record as it stands on the topic. ``at_ms``: when the broker appended it."""

    key: str
    """The dispatch id; of a share, its own key."""
    entry: Entry | Share
    at_ms: int


Learn = Callable[[Read], None]
"""Takes one entry that was read, in the ledger's thread."""


def learn_nothing(_read: Read) -> None:
    """For a ledger of which only the transactions are wanted."""


class Reader(Protocol):
    """Reads the ledger's partition from the beginning to its end: `adapters.partition_log.read_all`."""

    def __call__(self, on_record: Callable[[bytes | None, bytes | None, int], None], stop: Callable[[], bool]) -> None:
        """``on_record`` gets key, value and append time of each; ends early when ``stop`` says so."""


class Ledger:
    """One partition's. All calls of the library block, so they run in a thread of their own."""

    def __init__(
        self,
        producer: Callable[[], Producer],
        read: Reader,
        *,
        prefix: str,
        timeout: float,
    ) -> None:
        self._new_producer = producer
        self._read = read
        self._prefix = prefix
        self._timeout = timeout
        self._thread = BlockingThread("ledger")
        self._producer: Producer | None = None
        self._closing = False

    @staticmethod
    def identity(topic: str, partition: int) -> str:
        """The transactional id: the same for whoever owns the partition, so that the next owner fences the former."""
        return f"{topic}.{partition}"

    async def take(self, learn: Learn = learn_nothing) -> None:
        """Fence the former owner, then have all ``learn``-ed that it and those before it wrote.

        ``learn`` is called in the ledger's thread, so that the loop goes on however much there is.

        Raises:
            FencedError, NotWrittenError: it could not be taken.
        """
        await self._thread.run(partial(self._take, learn))

    async def write(self, emits: Sequence[Emit], commit: Commit | None = None) -> list[int]:
        """Write all of it in one transaction; returns the append time of each record, by the broker's clock.

        Raises:
            FencedError: another worker owns the partition now.
            NotWrittenError: the broker did not take it, after some attempts.
        """
        return await self._thread.run(partial(self._write, emits, commit))

    async def close(self) -> None:
        """End it. An open transaction, if there is one, is aborted by whoever takes the partition next."""
        self._closing = True
        self._thread.close()

    # From here on: in the thread.

    def _take(self, learn: Learn) -> None:
        producer = self._producer = self._new_producer()
        try:
            self._insist(producer.init_transactions)
        except KafkaException as error:
            raise _as_ours(error) from None
        self._read(partial(hand_over, learn), lambda: self._closing)

    def _write(self, emits: Sequence[Emit], commit: Commit | None) -> list[int]:
        for attempt in range(ATTEMPTS):
            try:
                return self._transaction(emits, commit)
            except KafkaException as error:
                if self._closing or attempt == ATTEMPTS - 1 or error.args[0].fatal():
                    raise _as_ours(error) from None
                log.warning("ledger_not_written", error=error.args[0].name(), attempt=attempt + 1)
                self._abort()
                if error.args[0].code() in _NOT_IN_THE_GROUP:
                    commit = None  # what was done is written all the same; its records are read again, and skipped
        raise NotWrittenError("no attempt was made")

    def _transaction(self, emits: Sequence[Emit], commit: Commit | None) -> list[int]:
        producer, times = self._producer, [0] * len(emits)
        assert producer is not None, "take() comes first"
        failures: list[KafkaError] = []
        producer.begin_transaction()
        for index, emit in enumerate(emits):
            self._produce(producer, emit, partial(_delivered, times, failures, index))
        if commit is not None and commit.offsets:
            producer.send_offsets_to_transaction(list(commit.offsets), commit.group, self._timeout)
        self._insist(producer.commit_transaction)
        if failures:  # can't be: a commit flushes, and fails with the records that failed
            raise KafkaException(failures[0])
        return times

    def _insist(self, step: Callable[[float], None]) -> None:
        """A step that timed out may have been taken: it is asked for again, and nothing else is done instead."""
        for left in reversed(range(ATTEMPTS)):
            try:
                step(self._timeout)
            except KafkaException as error:
                if self._closing or not error.args[0].retriable() or not left:
                    raise
            else:
                return

    def _produce(self, producer: Producer, emit: Emit, report: Callable[[KafkaError | None, Message], None]) -> None:
        placed: dict[str, Any] = {} if emit.partition is None else {"partition": emit.partition}
        while True:
            try:
                producer.produce(
                    self._prefix + emit.topic,
                    key=emit.key,
                    value=emit.value,
                    headers=list(emit.headers),
                    on_delivery=report,
                    **placed,
                )
            except BufferError:
                producer.poll(RETRY_S)
            else:
                return

    def _abort(self) -> None:
        assert self._producer is not None, "take() comes first"
        try:
            self._insist(self._producer.abort_transaction)
        except KafkaException as error:
            raise _as_ours(error) from None


def _delivered(
    times: list[int], failures: list[KafkaError], index: int, error: KafkaError | None, message: Message
) -> None:
    if error is not None:
        failures.append(error)
    else:
        times[index] = message.timestamp()[1]


def _as_ours(error: KafkaException) -> FencedError | NotWrittenError:
    cause: KafkaError = error.args[0]
    if cause.fatal() or cause.code() in (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH):  # noqa: SLF001 - local
        return FencedError(cause.name())
    return NotWrittenError(cause.name())


def hand_over(learn: Learn, key: bytes | None, value: bytes | None, at_ms: int) -> None:
    """Have one record learned; tombstones, and what can't be read, are left out."""
    if key is None or value is None:
        return
    entry = read_share(value) if key == SHARE_KEY else read_entry(value)
    if isinstance(entry, str):
        log.error("ledger_entry_unreadable", why=entry)
    else:
        learn(Read(key.decode("ascii", "replace"), entry, at_ms))
