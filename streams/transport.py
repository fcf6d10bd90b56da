"""Our Faust transport: Faust's stock drain loop, with a commit that never passes an unacked record, and holds by topic.

What is overridden, and why, is in docs/decisions/0002-transport.md. Faust is pinned, since these are its internals.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiokafka
import structlog
from aiokafka import TopicPartition
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from faust.transport.consumer import RecordMap
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, AppT, Message
from yarl import URL

from streams.acks import CommitPoints
from streams.holds import Holds
from streams.intake import Intake

log = structlog.get_logger(__name__)
FAUST_LOG: Final = logging.getLogger("faust")
"""Services log their own life at INFO; that is Faust's, not an event of ours."""

IDLE_S = 0.1
"""How long a fetch waits when every assigned topic is held."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """What the transport needs beside Faust's own settings.

    ``client`` holds the settings of the aiokafka consumer; ``drain_timeout`` bounds, in seconds, the wait for outputs
    in flight on a revoke and at the end.
    """

    intake: Intake
    holds: Holds
    topic_prefix: str
    client: Mapping[str, Any]
    drain_timeout: float
    consumer: type[Consumer]


class _ConsumerThread(driver.AIOKafkaConsumerThread):
    """Builds the client ourselves, since Faust's reads uncommitted records."""

    consumer: Consumer
    logger = FAUST_LOG
    isolation_level = "read_committed"

    def _create_worker_consumer(self, _transport: driver.Transport) -> aiokafka.AIOKafkaConsumer:
        return aiokafka.AIOKafkaConsumer(
            partition_assignment_strategy=[RoundRobinPartitionAssignor],
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level=self.isolation_level,
            **self.consumer.wiring.client,
        )


class Consumer(driver.Consumer):
    """Faust's consumer, with our commit rule and our holds."""

    logger = FAUST_LOG

    def __init__(self, *args: Any, wiring: Wiring, **kwargs: Any) -> None:  # noqa: ANN401 - passed on to Faust
        self.wiring = wiring
        self.points = CommitPoints()
        self._delivered: dict[TP, int] = {}
        super().__init__(*args, **kwargs)
        self._deliver, self.callback = self.callback, self._noted

    async def _noted(self, message: Message) -> None:
        self._delivered[message.tp] = message.offset
        await self._deliver(message)

    def _new_consumer_thread(self) -> _ConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    # Holds: a held topic is left out of every fetch. An empty set must not reach aiokafka, where it means "all".
    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> RecordMap:  # noqa: ASYNC109
        flowing = {tp for tp in active_partitions or () if not self._held(tp)}
        if not flowing:
            await self.sleep(IDLE_S)
            return {}
        records: RecordMap = await super()._getmany(flowing, timeout)
        return records

    def _held(self, tp: TP) -> bool:
        return self.wiring.holds.holds(tp.topic.removeprefix(self.wiring.topic_prefix))

    # The commit rule: acks come in offset order from the publisher, so the last one is the point.
    def ack(self, message: Message) -> bool:
        """Called when all that came of a message is confirmed, and all before it is acked."""
        if message.acked or message.generation_id != self.app.consumer_generation_id:
            return False
        message.acked = True
        self._unacked_messages.discard(message)
        self.points.resolve((message.topic, message.partition), message.offset)
        self._n_acked += 1
        return True

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:  # noqa: ANN401 - Faust's union
        due = (TP(*partition) for partition in self.points.due())
        return (tp for tp in due if topics is None or tp in topics or tp.topic in topics)

    def _filter_committable_offsets(self, tps: Any) -> dict[TP, int]:  # noqa: ANN401 - an iterable of TP
        due = self.points.due()
        return {tp: due[tp.topic, tp.partition] for tp in tps if (tp.topic, tp.partition) in due}

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        done: bool = await super()._commit(offsets)
        if done:
            self.points.committed({(tp.topic, tp.partition): offset for tp, offset in offsets.items()})
        return done

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Offsets without a record (transaction markers, compaction) need no bookkeeping here."""

    async def on_task_error(self, exc: BaseException) -> None:
        """Faust restarts an agent that raised behind the record that it raised on: nothing after it may be acked."""
        self.wiring.intake.publisher.fail(f"an agent ended with {type(exc).__name__}")

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Finish what is in flight, commit it, and forget the rest, while the partitions are still ours."""
        if revoked and not self.app.should_stop:
            self.stop_flow()
            self.app.flow_control.suspend()
            await self._settle()
        self._forget(revoked)
        await super().on_partitions_revoked(revoked)
        log.info("agents_revoked", partitions=len(revoked))

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Begin with a clean slate: what was resolved since the revoke is read again."""
        self._forget(assigned)
        await super().on_partitions_assigned(assigned, generation_id)
        log.info("agents_assigned", partitions=len(assigned))

    def _forget(self, partitions: set[TP]) -> None:
        self.wiring.intake.forget()
        self.points.forget({(tp.topic, tp.partition) for tp in partitions})
        self._delivered.clear()

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Also where nothing was ever committed: aiokafka leaves those where a discarded fetch has put them."""
        committed: Mapping[TP, int] = await super().seek_to_committed()
        known = {(tp.topic, tp.partition) for tp, offset in committed.items() if offset is not None and offset >= 0}
        fresh = [tp for tp in self.assignment() if (tp.topic, tp.partition) not in known]
        if fresh:
            await self._thread.seek_to_beginning(*(TopicPartition(*tp) for tp in fresh))
        return committed

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust's own watch writes errors about held topics; ours is `streams.watchdog`."""

    async def on_stop(self) -> None:
        """The same at the end: what is confirmed is committed, the rest is read again by the next."""
        await self._settle()
        self.wiring.intake.forget()
        await super().on_stop()

    async def _settle(self) -> None:
        if not await self.wiring.intake.publisher.drain(self.wiring.drain_timeout):
            log.warning("drain_timed_out", in_flight=self.wiring.intake.publisher.in_flight)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.wiring.drain_timeout):
                await self.commit()
                if self.points.due():  # a commit that was under way took less than there is now
                    await self.commit()

    def waiting(self) -> dict[TP, int]:
        """Records that could be worked on and aren't done, by assigned partition that isn't held.

        By the fetch position and the last stable offset, so that transaction markers, expired records and open
        transactions don't count.
        """
        client = self._thread._consumer  # noqa: SLF001 - ours, see _ConsumerThread
        subscription = client._subscription.subscription if client is not None else None  # noqa: SLF001
        if client is None or subscription is None or subscription.assignment is None:
            return {}
        found = {}
        for tp in self.assignment():
            if self._held(tp):
                continue
            state = subscription.assignment.state_value(TopicPartition(tp.topic, tp.partition))
            unread = max((state.lso or 0) - state.position, 0) if state.has_valid_position else 0
            resolved = self.points.resolved((tp.topic, tp.partition)) or 0
            found[tp] = unread + (1 if self._delivered.get(tp, -1) >= resolved else 0)
        return found


class Transport(driver.Transport):
    """Hands `Wiring` to the consumer. Set on the app by the composition root."""

    def __init__(self, url: list[URL], app: AppT, wiring: Wiring) -> None:
        super().__init__(url, app)
        self.wiring = wiring

    def create_consumer(self, callback: Callable[..., Any], **kwargs: Any) -> Consumer:  # noqa: ANN401
        """Faust calls this once, when it builds its consumer."""
        return self.wiring.consumer(self, callback=callback, wiring=self.wiring, loop=self.loop, **kwargs)
