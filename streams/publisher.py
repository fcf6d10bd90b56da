"""The publisher: produces what came of a source record, and acks the source once the broker has confirmed all of it.

It never goes on past output that isn't confirmed. A refused topic is tried again for a while; a confirmation that does
not come in time, or a producer that is beyond repair, is the end of the process: `failed` says so, nothing is acked any
more, and `publish` waits for ever, so that no record is skipped on the way out.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

import structlog
from confluent_kafka import KafkaError, KafkaException

from streams.acks import AckOrder, Pending, Source
from streams.core.records import Emit

log = structlog.get_logger(__name__)

POLL_S: Final = 0.1
RETRY_S: Final = 0.5
REFUSALS: Final = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001 - librdkafka's local codes have no public name
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
        KafkaError.MSG_SIZE_TOO_LARGE,
    }
)
"""What an operator can mend while we wait: rights, a missing topic, a topic whose limit is below the table's."""


class Producer(Protocol):
    """What we use of `confluent_kafka.Producer`."""

    @property
    def produce(self) -> Callable[..., None]:
        """Queue one record (topic, key, value, headers, partition); its ``on_delivery`` is called from `poll`."""

    def poll(self, timeout: float, /) -> int:
        """Serve delivery reports for up to ``timeout`` seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherLimits:
    """Bounds, in records and seconds; `config.settings` says why they are what they are."""

    max_in_flight: int
    refused_for: float
    stall_after: float


@dataclass(frozen=True, slots=True)
class _Sent:
    pending: Pending
    emit: Emit
    epoch: int
    first_refused: float | None = None


class Publisher:
    """Delivery-confirmed producing for one consumer's records. Used from the event loop's thread only."""

    def __init__(self, producer: Producer, limits: PublisherLimits, *, topic_prefix: str = "") -> None:
        self._producer = producer
        self._limits = limits
        self._prefix = topic_prefix
        self._order = AckOrder()
        self._epoch = 0
        self._reports: deque[tuple[_Sent, KafkaError | None]] = deque()
        self._settled = asyncio.Event()
        self._retries: set[asyncio.Task[None]] = set()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve_reports, name="publisher", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.failed: asyncio.Future[str] | None = None

    def start(self) -> None:
        """Begin to serve delivery reports; call from the running loop."""
        self._loop = asyncio.get_running_loop()
        self.failed = self._loop.create_future()
        self._thread.start()

    @property
    def resolved(self) -> int:
        """Sources acked since the start."""
        return self._order.resolved

    @property
    def in_flight(self) -> int:
        """Sources whose outputs aren't all confirmed."""
        return self._order.open_sources

    def stalled(self) -> bool:
        """Whether the broker has left the oldest output unconfirmed for too long, or refuses outputs."""
        oldest = self._order.oldest()
        return oldest is not None and self._now() - oldest > self._limits.stall_after

    async def publish(self, source: Source, emits: Sequence[Emit]) -> None:
        """Produce what came of ``source``; it is acked later, in order. Waits only while too much is in flight."""
        epoch = self._epoch
        while self._order.open_sources >= self._limits.max_in_flight or self._has_failed():
            self._settled.clear()
            await self._settled.wait()
        if epoch != self._epoch:
            return  # taken away while waiting: whoever has the partition now reads the record again
        pending = self._order.open(source, len(emits), since=self._now())
        for emit in emits:
            await self._produce(_Sent(pending, emit, epoch))

    async def _produce(self, sent: _Sent) -> None:
        emit = sent.emit
        placed: dict[str, Any] = {} if emit.partition is None else {"partition": emit.partition}
        while sent.epoch == self._epoch and not self._has_failed():
            try:
                self._producer.produce(
                    self._prefix + emit.topic,
                    key=emit.key,
                    value=emit.value,
                    headers=list(emit.headers),
                    on_delivery=partial(self._report, sent),
                    **placed,
                )
            except BufferError:  # librdkafka's queue is full of bytes: wait for confirmations to make room
                self._settled.clear()
                await self._settled.wait()
            except KafkaException as error:
                self._reports.append((sent, error.args[0]))
                self._wake()
                return
            else:
                return

    def _report(self, sent: _Sent, error: KafkaError | None, _message: object) -> None:
        self._reports.append((sent, error))  # in the polling thread: only hand it over

    def _serve_reports(self) -> None:
        while not self._closing.is_set():
            self._producer.poll(POLL_S)
            if self._reports:
                self._wake()

    def _wake(self) -> None:
        assert self._loop is not None, "start() comes first"
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        while self._reports:
            sent, error = self._reports.popleft()
            if sent.epoch != self._epoch or self._has_failed():
                continue
            if error is None:
                self._confirm(sent.pending)
            else:
                self._not_delivered(sent, error)
        self._settled.set()

    def _confirm(self, pending: Pending) -> None:
        try:
            self._order.confirm(pending)
        except ValueError as error:  # an ack that came out of order: what comes after it must not be acked
            self.fail(f"an ack failed: {type(error).__name__}: {error}")

    def _not_delivered(self, sent: _Sent, error: KafkaError) -> None:
        now = self._now()
        first = sent.first_refused if sent.first_refused is not None else now
        if error.code() in REFUSALS and now - first < self._limits.refused_for:
            if sent.first_refused is None:
                log.warning("output_refused", topic=sent.emit.topic, error=error.name())
            again = _Sent(sent.pending, sent.emit, sent.epoch, first)
            assert self._loop is not None, "start() comes first"
            self._loop.call_later(RETRY_S, self._again, again)
            return
        self.fail(f"output to {sent.emit.topic} was not confirmed: {error.name()}")

    def _again(self, sent: _Sent) -> None:
        task = asyncio.ensure_future(self._produce(sent))
        self._retries.add(task)
        task.add_done_callback(self._retries.discard)

    def fail(self, why: str) -> None:
        """The end: from here on nothing is produced or acked, and whoever publishes waits until the process is gone."""
        assert self.failed is not None, "start() comes first"
        if not self.failed.done():
            log.error("publisher_failed", why=why)
            self.failed.set_result(why)

    def _has_failed(self) -> bool:
        return self.failed is not None and self.failed.done()

    def _now(self) -> float:
        return self._loop.time() if self._loop is not None else 0.0

    async def drain(self, timeout: float) -> bool:  # noqa: ASYNC109 - a bound on several waits, not one cancel scope
        """Wait until all that is in flight is confirmed and acked, at most ``timeout`` seconds; whether it was."""
        deadline = self._now() + timeout
        while self._order.open_sources and not self._has_failed():
            left = deadline - self._now()
            if left <= 0:
                return False
            self._settled.clear()
            try:
                await asyncio.wait_for(self._settled.wait(), left)
            except TimeoutError:
                return False
        return not self._order.open_sources

    def forget(self) -> None:
        """Partitions were taken away: drop every source in flight, and whatever is confirmed of it later."""
        self._epoch += 1
        self._order.forget()
        self._settled.set()

    async def stop(self, timeout: float) -> None:  # noqa: ASYNC109 - as in drain
        """Wait for records in flight, then end the thread. What is not confirmed stays unacked."""
        if not self._has_failed():
            await self.drain(timeout)
        self._closing.set()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join, timeout)
