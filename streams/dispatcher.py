"""The dispatcher of one category: the only step that can't be undone. Reads its topics and hands records to the owners.

A `mode.Service` in the Faust app, with a confluent-kafka consumer and group of its own. One owner per partition
(`streams.owner`) decides, claims, calls and settles; this room fetches, pauses what must wait, and sees to it that a
partition has one owner at a time. The library's calls block, so they run in one thread; all else is in the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage
from mode import Service

from streams.blocking import BlockingThread
from streams.core.messages import Message, UnreadableError
from streams.core.reasons import Reason, Rejected
from streams.core.records import Record
from streams.inbound import from_kafka
from streams.lanes import Item
from streams.leaving import SETTLE_S, Leaving
from streams.ledger import Commit, FencedError
from streams.owner import Owner
from streams.transport import FAUST_LOG

log = structlog.get_logger(__name__)

POLL_S: Final = 0.1
BATCH: Final = 500
LEAVE_S: Final = 1.0
"""Time to leave the group; where no broker answers, it finds out by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What is read, and how. ``topics``: logical names, co-partitioned; ``asleep``: of those, what is not read now."""

    topics: Sequence[str]
    prefix: str
    at_revoke: float
    """Seconds that calls in flight have when partitions are taken away."""
    at_stop: float
    """Seconds that they have when the worker ends."""
    fenced_for: float
    """Seconds within which the group has told a worker that it lost a partition."""
    look: Callable[[], None]
    """Called before each poll, in the loop: the gate sets the holds by what is true now."""
    asleep: Callable[[str], bool] = lambda _topic: False


class Dispatcher(Service):
    """One category's."""

    logger = FAUST_LOG

    def __init__(
        self, consumer: Callable[[], Consumer], owner: Callable[[int], Owner], reading: Reading, *, name: str
    ) -> None:
        super().__init__()
        self._new_consumer = consumer
        self._new_owner = owner
        self._reading = reading
        self.name = name
        self._thread = BlockingThread(f"dispatcher-{name}")
        self._idle = asyncio.Event()
        self._idle.set()
        self._ending: asyncio.Future[None] | None = None
        self._left = False
        self._consumer: Consumer | None = None
        self._paused: set[tuple[str, int]] = set()
        self.owners: dict[int, Owner] = {}
        self._running: dict[int, asyncio.Task[None]] = {}
        self.reached: dict[tuple[str, int], int] = {}
        """The offset behind what was fetched, by topic and partition; nothing where nothing was fetched yet."""
        self.assigned = False
        """Whether the group has ever said which partitions are ours, be it none."""
        self._leaving = Leaving(name)
        self.turns = 0  # grows while the loop lives, whether or not there is something to read
        self.failed = ""
        self._home: asyncio.AbstractEventLoop

    async def on_start(self) -> None:
        """Join the group."""
        self._home = asyncio.get_running_loop()
        consumer = self._consumer = self._new_consumer()
        names = [self._reading.prefix + name for name in self._reading.topics]
        await self._thread.run(
            partial(consumer.subscribe, names, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)
        )

    @Service.task
    async def _run(self) -> None:
        self._idle.clear()
        try:
            while not self._left:
                self.turns += 1
                self._reading.look()
                self._hand_out(await self._thread.run(partial(self._poll, self._to_pause())))
        finally:
            self._idle.set()

    @property
    def topics(self) -> Sequence[str]:
        """What it reads, by logical names."""
        return self._reading.topics

    def _hand_out(self, records: Sequence[Record]) -> None:
        for record in records:
            owner = self.owners.get(record.partition)
            if owner is not None:
                owner.lanes[record.topic].add([_item(record)])
        for owner in self.owners.values():
            owner.wake()

    def _to_pause(self) -> set[tuple[str, int]]:
        """What must not be fetched now: no owner is ready, its lane is full, or the topic is asleep."""
        names = self._reading.topics
        return {
            (topic, partition)
            for partition, owner in self.owners.items()
            for topic in names
            if self._ending or not owner.ready or owner.lanes[topic].full or self._reading.asleep(topic)
        }

    async def _own(self, partition: int, owner: Owner, group: object) -> None:
        try:
            await owner.run(partial(self._commit_of, partition, group))
        except FencedError as error:
            log.error("owner_fenced", category=self.name, partition=partition, error=str(error))
            self._home.call_later(self._reading.fenced_for, self._left_alone, partition, owner)
        except Exception as error:  # the end of the worker: whoever starts next reads everything again
            self.failed = f"the owner of {self.name}[{partition}] ended with {type(error).__name__}: {error}"
            log.exception("owner_failed", category=self.name, partition=partition)

    def _left_alone(self, partition: int, owner: Owner) -> None:
        """Still ours, and fenced: the broker did it, since a transaction took too long. Nobody would take it again."""
        if self.owners.get(partition) is owner:
            self.failed = f"{self.name}[{partition}] was fenced, and no other worker has it"

    def _commit_of(self, partition: int, group: object, points: Mapping[str, int]) -> Commit:
        prefix = self._reading.prefix
        offsets = [TopicPartition(prefix + topic, partition, point) for topic, point in points.items()]
        return Commit(offsets, group)

    def _take_over(self, partitions: set[int], group: object) -> None:
        for partition in partitions:
            owner = self.owners[partition] = self._new_owner(partition)
            self._running[partition] = asyncio.ensure_future(self._own(partition, owner, group))
        log.info("dispatch_assigned", category=self.name, partitions=sorted(partitions))

    async def _give_up(self, partitions: set[int], seconds: float) -> None:
        """Begin nothing more there, and settle the calls in flight while the partitions are still ours."""
        for partition in partitions & self.owners.keys():
            self._leaving.add(self.owners.pop(partition), self._running.pop(partition))
        await self._leaving.wait(seconds)

    def finish(self) -> asyncio.Future[None]:
        """Begin nothing more, from now on; done when calls in flight are settled, within their bound, and we left."""
        if self._ending is None:
            self._ending = asyncio.ensure_future(self._finish())
        return self._ending

    async def on_stop(self) -> None:
        """As `finish`."""
        await self.finish()

    async def _finish(self) -> None:
        await self._give_up(set(self.owners), self._reading.at_stop)
        self._left = True
        try:
            async with asyncio.timeout(LEAVE_S):
                await self._idle.wait()
                if self._consumer is not None:
                    await self._thread.run(self._consumer.close)
        except TimeoutError:
            log.warning("dispatcher_stop_timed_out", category=self.name)
        self._thread.close()

    # From here on: in the thread. Owners belong to the loop, and are only asked there.

    def _poll(self, to_pause: set[tuple[str, int]]) -> list[Record]:
        consumer = self._consumer
        assert consumer is not None, "started before it is read"
        self._apply_pauses(consumer, to_pause)
        records = []
        # What has come, at once: `consume` alone would wait for a whole batch until its time is over.
        first = consumer.poll(POLL_S)
        for message in [] if first is None else [first, *consumer.consume(BATCH, 0)]:
            records += self._record(message)
        return records

    def _record(self, message: KafkaMessage) -> list[Record]:
        error = message.error()
        if error is None:
            record = from_kafka(message, prefix=self._reading.prefix)
            self.reached[record.topic, record.partition] = record.offset + 1
            return [record]
        if error.fatal():
            raise KafkaException(error)
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the end; the code has no public name
            # Beyond the last record, where markers of transactions stand behind it.
            place = ((message.topic() or "").removeprefix(self._reading.prefix), message.partition() or 0)
            self.reached[place] = message.offset() or 0
            return []
        log.warning("dispatch_consumer", category=self.name, error=error.name())
        return []

    def _apply_pauses(self, consumer: Consumer, to_pause: set[tuple[str, int]]) -> None:
        prefix = self._reading.prefix
        assigned = {(tp.topic.removeprefix(prefix), tp.partition) for tp in consumer.assignment()}
        pause, resume = (to_pause & assigned) - self._paused, (self._paused & assigned) - to_pause
        if pause:
            consumer.pause([TopicPartition(prefix + topic, partition) for topic, partition in pause])
        if resume:
            consumer.resume([TopicPartition(prefix + topic, partition) for topic, partition in resume])
        self._paused = to_pause & assigned

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Take the partitions and pause them all: nothing is read before the ledger is."""
        prefix = self._reading.prefix
        consumer.assign(partitions)
        consumer.pause(partitions)
        self._paused = {(tp.topic.removeprefix(prefix), tp.partition) for tp in partitions}
        taken = {tp.partition for tp in partitions}
        for place in self._paused:
            self.reached.pop(place, None)
        # Asked here, in the consumer's thread: in the loop the call would wait for a callback that waits for the loop.
        # And an owner commits in the name of the generation that made it one, never of a later one.
        group = consumer.consumer_group_metadata()
        asyncio.run_coroutine_threadsafe(self._taking_over(taken, group), self._home).result()

    async def _taking_over(self, partitions: set[int], group: object) -> None:
        if self._ending is None:  # else they stay paused, until whoever is next has them
            self._take_over(partitions, group)
        self.assigned = True

    def _revoked(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Settle what is in flight while the partitions are still ours; forget the rest."""
        gone = {tp.partition for tp in partitions}
        seconds = self._reading.at_revoke
        giving_up = asyncio.run_coroutine_threadsafe(self._give_up(gone, seconds), self._home)
        try:
            giving_up.result(seconds + 2 * SETTLE_S)
        except TimeoutError:  # stopped meanwhile, or overloaded; whoever is next fences what is left
            log.warning("give_up_timed_out", category=self.name, partitions=sorted(gone))
        self._paused = set()

    def _lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Too late to settle in the group's name; the ledger is still told, unless another owner has fenced us."""
        self._revoked(consumer, partitions)


def _item(record: Record) -> Item:
    try:
        return Item(record, Message.decode(record.value))
    except UnreadableError as error:
        return Item(record, Rejected(Reason.INTERNAL_ERROR, str(error)))
