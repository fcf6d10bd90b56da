"""Small topics of ours as a log: followed from the beginning in a thread, and written to without a source record.

For what every worker must know (keys, heartbeats), not for the pipeline: there is no group, and nothing is committed.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog
from confluent_kafka import (
    OFFSET_BEGINNING,
    TIMESTAMP_LOG_APPEND_TIME,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

log = structlog.get_logger(__name__)

POLL_S: Final = 0.1
BATCH: Final = 500
RETRY_S: Final = 1.0
METADATA_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One record of a followed topic. ``timestamp_ms`` is what the record carries; None as value is a tombstone."""

    key: bytes | None
    value: bytes | None
    partition: int
    offset: int
    timestamp_ms: int
    broker_time: bool
    """Whether that is the broker's append time, and not what the producer says."""


class TopicFollower:
    """Reads one topic from its beginning and goes on. ``on_entry`` is called in the event loop, in partition order."""

    def __init__(
        self,
        config: Mapping[str, Any],
        topic: str,
        on_entry: Callable[[Entry], None],
        *,
        connect: Callable[[dict[str, Any]], Consumer] = Consumer,
        retry_s: float = RETRY_S,
    ) -> None:
        self._config = {
            "isolation.level": "read_committed",
            **config,
            "group.id": "comcenter.follower",  # librdkafka wants one; nothing is ever committed under it
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }
        self._topic = topic
        self._on_entry = on_entry
        self._connect = connect
        self._retry_s = retry_s
        self._died_of = ""
        self._said = ""
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._follow, name=f"follow {topic}", daemon=True)
        self._loop: asyncio.AbstractEventLoop
        self._caught_up = asyncio.Event()
        self._reached: dict[int, int] = {}
        """The offset after the last record read of each partition; the thread's."""

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin; call from the running loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def caught_up(self, seconds: float) -> bool:
        """Wait until all that stood in the topic was read, at most so long; whether it was."""
        try:
            await asyncio.wait_for(self._caught_up.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def is_caught_up(self) -> bool:
        """Whether all that stood in the topic when it began was read."""
        return self._caught_up.is_set()

    def fault(self) -> str:
        """Why it reads no more although nobody stopped it; empty while it does, and after a stop."""
        return f"the reader of {self._topic} ended with {self._died_of}" if self._died_of else ""

    async def stop(self) -> None:
        """End the thread."""
        self._closing.set()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join, 2.0)

    # From here on: in the thread.

    def _follow(self) -> None:
        try:
            while not self._closing.is_set():
                self._read(self._connect(self._config))
        except Exception as error:  # noqa: BLE001 - whatever it is, a thread that dies unseen is worse
            self._died_of = type(error).__name__
            log.error("follower", topic=self._topic, error=self._died_of)

    def _read(self, consumer: Consumer) -> None:
        """Until it is closed, or fails: then a new client goes on where this one was."""
        try:
            open_places = self._begin(consumer)
            while not self._closing.is_set():
                self._hand_over(_next(consumer), open_places)
                self._between(consumer)
        except KafkaException as error:
            self._say(error.args[0].name())
            self._closing.wait(self._retry_s)
        finally:
            consumer.close()

    def _between(self, consumer: Consumer) -> None:
        """Between two reads; for those that ask more of a topic."""

    def _begin(self, consumer: Consumer) -> set[int]:
        while not self._closing.is_set():
            partitions = self._partitions(consumer)
            if partitions:
                starts = {number: self._reached.get(number, OFFSET_BEGINNING) for number in partitions}
                consumer.assign([TopicPartition(self._topic, number, start) for number, start in starts.items()])
                return partitions
            self._closing.wait(self._retry_s)
        return set()

    def _partitions(self, consumer: Consumer) -> set[int]:
        """Empty if they can't be told: no broker, no such topic, or no right to it."""
        try:
            found = consumer.list_topics(self._topic, METADATA_S).topics[self._topic]
        except KafkaException as error:
            self._say(error.args[0].name())
            return set()
        if found.error is not None or not found.partitions:
            self._say(found.error.name() if found.error is not None else "no partitions")
        return set(found.partitions)

    def _say(self, error: str) -> None:
        """What is tried again each second is logged when it changes."""
        if error != self._said:
            log.warning("follower", topic=self._topic, error=error)
        self._said = error

    def _hand_over(self, messages: list[Message], open_places: set[int]) -> None:
        entries = []
        for message in messages:
            fault = message.error()
            if fault is None:
                entries.append(_entry(message))
                self._reached[entries[-1].partition] = entries[-1].offset + 1
                self._said = ""
            elif fault.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the end; the code has no public name
                open_places.discard(message.partition() or 0)
                self._reached[message.partition() or 0] = message.offset() or 0
                self._said = ""
            else:
                self._say(fault.name())
        if self._loop.is_closed():
            return
        if entries:
            self._loop.call_soon_threadsafe(self._take, entries)
        if not open_places:
            self._loop.call_soon_threadsafe(self._caught_up.set)

    def _take(self, entries: list[Entry]) -> None:
        for entry in entries:
            self._on_entry(entry)


def _next(consumer: Consumer) -> list[Message]:
    """What has come, at once: `consume` alone would wait for a whole batch until its time is over."""
    first = consumer.poll(POLL_S)
    return [] if first is None else [first, *consumer.consume(BATCH, 0)]


def _entry(message: Message) -> Entry:
    key, value = message.key(), message.value()
    kind, timestamp_ms = message.timestamp()
    return Entry(
        key=key.encode() if isinstance(key, str) else key,
        value=value.encode() if isinstance(value, str) else value,
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        timestamp_ms=timestamp_ms,
        broker_time=kind == TIMESTAMP_LOG_APPEND_TIME,
    )


class TopicWriter:
    """Writes small records. What the broker doesn't take is logged: the writer says it again by itself later."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._producer = Producer(dict(config))

    def put(self, topic: str, key: bytes, value: bytes | None) -> None:
        """Hand one record over; a value of None is a tombstone. Does not wait."""
        try:
            self._producer.produce(topic, key=key, value=value, on_delivery=_report)
        except (BufferError, KafkaException) as error:
            log.warning("not_written", topic=topic, error=type(error).__name__)
        self._producer.poll(0)

    def close(self, seconds: float) -> None:
        """Wait for what was handed over, at most so long."""
        self._producer.flush(seconds)


def _report(error: KafkaError | None, message: Message) -> None:
    if error is not None:
        log.warning("not_written", topic=message.topic(), error=error.name())
