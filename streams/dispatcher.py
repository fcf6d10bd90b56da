"""The dispatcher: the only step that can't be undone. For each message: gate → claim → send → settle.

A `mode.Service` in the Faust app, with a confluent-kafka consumer and group of its own. The library's calls block, so
they run in one thread; everything is decided and awaited in the event loop. The claim is the place of the ledger: until
there is one, a crash between a provider's answer and the commit can repeat a message, so live sending is for
development only.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, TypeVar

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage
from mode import Service

from streams import topics
from streams.acks import CommitPoints, Partition, Source
from streams.core.dead_letter import dead_letter
from streams.core.dispatch import Conditions, Send, gate, receipt
from streams.core.messages import Message, Receipt, UnreadableError
from streams.core.ports import Delivery, Refused, Sender
from streams.core.reasons import Reason, Rejected, Stage
from streams.core.records import Emit, Record
from streams.holds import Holds
from streams.inbound import from_kafka
from streams.publisher import Publisher
from streams.topology import bug
from streams.transport import FAUST_LOG

log = structlog.get_logger(__name__)

T = TypeVar("T")

POLL_S: Final = 0.2


class DispatchObserver(Protocol):
    """Who counts. Called once per message."""

    def dispatched(self, record: Record, message: Message | None, outcome: Receipt | Rejected) -> None:
        """A message reached a final state or was given up."""

    def answered(self, channel: str, seconds: float) -> None:
        """A provider answered, or its deadline ran out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """What a message is decided and sent with."""

    senders: Mapping[str, Sender]
    conditions: Callable[[], Conditions]
    observer: DispatchObserver

    async def dispatch(self, record: Record) -> list[Emit]:
        """One message from record to receipt or dead letter. Total, as the topology's steps are."""
        message: Message | None = None
        try:
            message = Message.decode(record.value)
            outcome = await self._decide_and_send(message)
        except UnreadableError as error:
            outcome = Rejected(Reason.INTERNAL_ERROR, str(error))
        except Exception as error:  # the one place that catches what nobody foresaw
            outcome = bug(error, Stage.DISPATCH, record)
        self.observer.dispatched(record, message, outcome)
        match outcome:
            case Receipt():
                key = outcome.route.event_id.encode()
                return [Emit(topic=topics.RECEIPTS, key=key, value=outcome.encode(), headers=record.trace())]
            case Rejected():
                failed_at_ms = int(self.conditions().now_s * 1000)
                return [dead_letter(record, outcome, Stage.DISPATCH, failed_at_ms=failed_at_ms)]

    async def _decide_and_send(self, message: Message) -> Receipt | Rejected:
        conditions = self.conditions()
        verdict = gate(message, conditions)
        delivery = await self._send(message) if isinstance(verdict, Send) else None
        return receipt(message, verdict, delivery, self.conditions() if delivery else conditions)

    async def _send(self, message: Message) -> Delivery:
        sender = self.senders.get(message.route.channel)
        if sender is None:
            return Refused(code=f"no sender is configured for {message.route.channel}", retryable=False)
        begun = time.perf_counter()
        try:
            return await sender.send(message)
        finally:
            self.observer.answered(message.route.channel, time.perf_counter() - begun)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What is read, and how. Durations in seconds."""

    topics: Sequence[str]
    batch: int
    prefix: str
    commit_interval: float
    drain_timeout: float
    look: Callable[[], None]
    """Called before each poll, in the loop: the gate sets the holds by what is true now."""


class Dispatcher(Service):
    """Reads the dispatch topics and hands every message to the `Office`; commits what is confirmed."""

    logger = FAUST_LOG

    def __init__(
        self, consumer: Callable[[], Consumer], publisher: Publisher, office: Office, holds: Holds, reading: Reading
    ) -> None:
        super().__init__()
        self._new_consumer = consumer
        self._publisher = publisher
        self._office = office
        self._holds = holds
        self._reading = reading
        self._points = CommitPoints()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="dispatcher")
        self._finished = asyncio.Event()
        self._consumer: Consumer | None = None
        self._paused: set[Partition] = set()
        self.turns = 0  # grows while the loop lives, whether or not there is something to read
        self._home: asyncio.AbstractEventLoop

    async def on_start(self) -> None:
        """Join the group."""
        self._home = asyncio.get_running_loop()
        consumer = self._consumer = self._new_consumer()
        names = [self._reading.prefix + name for name in self._reading.topics]
        await self._blocking(
            partial(consumer.subscribe, names, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)
        )

    @Service.task
    async def _run(self) -> None:
        committed_at = self._home.time()
        try:
            while not self.should_stop:
                self.turns += 1
                self._reading.look()
                fetched = await self._blocking(self._poll)
                self._reading.look()  # a poll takes a while, and what came in it may be held by now
                await self._work_through(await self._blocking(partial(self._not_held, fetched)))
                if self._home.time() - committed_at >= self._reading.commit_interval:
                    await self._commit_due()
                    committed_at = self._home.time()
        finally:
            self._finished.set()

    async def _commit_due(self) -> None:
        due = self._points.due()
        if due:
            taken = await self._blocking(partial(self._commit, due))
            if taken:
                self._points.committed(due)

    async def _drained(self) -> dict[Partition, int]:
        await self._publisher.drain(self._reading.drain_timeout)
        return self._points.due()

    def _forget(self, partitions: set[Partition]) -> None:
        self._publisher.forget()
        self._points.forget(partitions)

    async def _work_through(self, batch: Sequence[tuple[Record, Source]]) -> None:
        for record, source in batch:
            if self.should_stop:
                return  # not begun, not committed: the next owner reads it again
            await self._publisher.publish(source, await self._office.dispatch(record))

    async def on_stop(self) -> None:
        """Finish the batch at hand, commit what is confirmed, leave the group."""
        try:
            await asyncio.wait_for(self._finished.wait(), self._reading.drain_timeout)
        except TimeoutError:
            log.warning("dispatcher_stop_timed_out", in_flight=self._publisher.in_flight)
        if self._consumer is not None:
            await self._blocking(self._consumer.close)  # calls _revoked, which drains and commits
        self._executor.shutdown(wait=False)

    async def _blocking(self, call: Callable[[], T]) -> T:
        return await self._home.run_in_executor(self._executor, call)

    # From here on: in the executor's thread. Publisher and points belong to the loop, and are only asked there.

    def _poll(self) -> list[tuple[Record, Source]]:
        consumer = self._consumer
        assert consumer is not None, "started before it is read"
        self._apply_holds(consumer)
        batch = []
        for message in consumer.consume(self._reading.batch, POLL_S):
            error = message.error()
            if error is None:
                batch.append((from_kafka(message, prefix=self._reading.prefix), self._source(message)))
            elif error.fatal():
                raise KafkaException(error)
            else:
                log.warning("dispatch_consumer", error=error.name())
        return batch

    def _not_held(self, fetched: list[tuple[Record, Source]]) -> list[tuple[Record, Source]]:
        """What may be worked on; the rest is fetched again when it is let go."""
        held: dict[Partition, int] = {}
        for record, source in fetched:
            if self._holds.holds(record.topic):
                held.setdefault(source.partition, source.offset)
        for partition, offset in held.items():
            assert self._consumer is not None, "started before it is read"
            try:
                self._consumer.seek(TopicPartition(*partition, offset))
            except KafkaException as error:  # taken away meanwhile: whoever has it begins at the committed offset
                log.warning("dispatch_seek_failed", error=error.args[0].name())
        return [each for each in fetched if each[1].partition not in held]

    def _source(self, message: KafkaMessage) -> Source:
        partition = (message.topic() or "", _known(message.partition()))
        offset = _known(message.offset())
        return Source(partition, offset, partial(self._points.resolve, partition, offset))

    def _apply_holds(self, consumer: Consumer) -> None:
        assigned = {(tp.topic, tp.partition) for tp in consumer.assignment()}
        held = {tp for tp in assigned if self._holds.holds(tp[0].removeprefix(self._reading.prefix))}
        if pause := held - self._paused:
            consumer.pause([TopicPartition(*tp) for tp in pause])
        if resume := (self._paused - held) & assigned:
            consumer.resume([TopicPartition(*tp) for tp in resume])
        self._paused = held

    def _commit(self, due: dict[Partition, int]) -> bool:
        assert self._consumer is not None, "started before it is read"
        offsets = [TopicPartition(*partition, offset) for partition, offset in due.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:  # the next commit, or the next owner, does it again
            log.warning("dispatch_commit_failed", error=error.args[0].name())
            return False
        return True

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Take the partitions and pause what is held at once: this very poll may return records of them."""
        self._paused = set()
        consumer.assign(partitions)
        self._apply_holds(consumer)
        log.info("dispatch_assigned", partitions=len(partitions))

    def _revoked(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Finish what is in flight and commit it while the partitions are still ours; forget the rest."""
        due = asyncio.run_coroutine_threadsafe(self._drained(), self._home).result(self._reading.drain_timeout + 1)
        if due:
            self._commit(due)
        self._lost(_consumer, partitions)

    def _lost(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        gone = {(tp.topic, tp.partition) for tp in partitions}
        self._home.call_soon_threadsafe(self._forget, gone)
        self._paused -= gone


def _known(number: int | None) -> int:
    assert number is not None, "a consumed record has a place"
    return number
