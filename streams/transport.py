"""Our Faust transport: Faust's stock drain loop, with a commit that never passes an unacked record, and holds by topic.

What is overridden, and why, is in docs/decisions/0002-transport.md. Faust is pinned, since these are its internals.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiokafka
import structlog
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from faust.transport.consumer import RecordMap
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, AppT, Message
from yarl import URL

from streams.acks import CommitPoints
from streams.holds import Holds
from streams.publisher import Publisher

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

    publisher: Publisher
    holds: Holds
    topic_prefix: str
    client: Mapping[str, Any]
    drain_timeout: float
    consumer: type[Consumer]


class _ConsumerThread(driver.AIOKafkaConsumerThread):
    """Builds the client ourselves, since Faust's reads uncommitted records."""

    consumer: Consumer
    logger = FAUST_LOG

    def _create_worker_consumer(self, _transport: driver.Transport) -> aiokafka.AIOKafkaConsumer:
        return aiokafka.AIOKafkaConsumer(
            partition_assignment_strategy=[RoundRobinPartitionAssignor],
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            **self.consumer.wiring.client,
        )


class Consumer(driver.Consumer):
    """Faust's consumer, with our commit rule and our holds."""

    logger = FAUST_LOG

    def __init__(self, *args: Any, wiring: Wiring, **kwargs: Any) -> None:  # noqa: ANN401 - passed on to Faust
        self.wiring = wiring
        self.points = CommitPoints()
        super().__init__(*args, **kwargs)

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
        self.wiring.publisher.fail(f"an agent ended with {type(exc).__name__}")

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Finish what is in flight, commit it, and forget the rest, while the partitions are still ours."""
        if revoked and not self.app.should_stop:
            self.stop_flow()
            self.app.flow_control.suspend()
            await self._settle()
        self.wiring.publisher.forget()
        self.points.forget({(tp.topic, tp.partition) for tp in revoked})
        await super().on_partitions_revoked(revoked)

    async def on_stop(self) -> None:
        """The same at the end: what is confirmed is committed, the rest is read again by the next."""
        await self._settle()
        self.wiring.publisher.forget()
        await super().on_stop()

    async def _settle(self) -> None:
        drained = await self.wiring.publisher.drain(self.wiring.drain_timeout)
        if not drained:
            log.warning("drain_timed_out", in_flight=self.wiring.publisher.in_flight)
        await self.commit()

    def waiting(self) -> dict[TP, int]:
        """Records that are in the broker and not resolved, by assigned partition that isn't held."""
        backlog = {}
        for tp in self.assignment():
            end = self.highwater(tp)
            if end is None or self._held(tp):
                continue
            read = self.points.resolved((tp.topic, tp.partition))
            start = read if read is not None else self._committed_offset[tp] or 0
            if end > start:
                backlog[tp] = end - start
        return backlog


class Transport(driver.Transport):
    """Hands `Wiring` to the consumer. Set on the app by the composition root."""

    def __init__(self, url: list[URL], app: AppT, wiring: Wiring) -> None:
        super().__init__(url, app)
        self.wiring = wiring

    def create_consumer(self, callback: Callable[..., Any], **kwargs: Any) -> Consumer:  # noqa: ANN401
        """Faust calls this once, when it builds its consumer."""
        return self.wiring.consumer(self, callback=callback, wiring=self.wiring, loop=self.loop, **kwargs)
