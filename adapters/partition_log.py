"""Reads one partition of a topic from its beginning to its end, with progress in the log."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

log = structlog.get_logger(__name__)

BATCH: Final = 1000
POLL_S: Final = 0.2
TELL_EVERY_S: Final = 5.0
TELL_EVERY_RECORDS: Final = 100_000

OnRecord = Callable[[bytes | None, bytes | None, int], None]
"""Gets key, value and append time (milliseconds) of one record."""


def read_all(
    config: Mapping[str, Any],
    topic: str,
    partition: int,
    on_record: OnRecord,
    stop: Callable[[], bool],
    *,
    connect: Callable[[dict[str, Any]], Consumer] = Consumer,
) -> None:
    """Hand over every committed record; returns at the end.

    Ends early when ``stop`` says so. Waits while no broker answers.
    """
    consumer = connect(
        {
            **config,
            "group.id": "comcenter.ledger",  # librdkafka wants one; nothing is ever committed under it
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
        }
    )
    try:
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])
        _to_the_end(consumer, on_record, stop, Progress(topic, partition))
    finally:
        consumer.close()


class Progress:
    """Says how far it has come: every `TELL_EVERY_S` or `TELL_EVERY_RECORDS`, whichever is first, and at the end."""

    def __init__(self, topic: str, partition: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log.bind(topic=topic, partition=partition)
        self._clock = clock
        self._begun = self._told_at = clock()
        self._told = self.count = 0

    def look(self) -> None:
        """Say it if it is time."""
        if self.count - self._told >= TELL_EVERY_RECORDS or self._clock() - self._told_at >= TELL_EVERY_S:
            self._told, self._told_at = self.count, self._clock()
            self._tell("ledger_reading")

    def end(self) -> None:
        """Say that it is read."""
        self._tell("ledger_read")

    def _tell(self, event: str) -> None:
        self._log.info(event, records=self.count, seconds=round(self._clock() - self._begun, 2))


def _to_the_end(consumer: Consumer, on_record: OnRecord, stop: Callable[[], bool], progress: Progress) -> None:
    while not stop():
        for message in consumer.consume(BATCH, POLL_S):
            fault = message.error()
            if fault is None:
                key, value = message.key(), message.value()
                on_record(_bytes(key), _bytes(value), message.timestamp()[1])
                progress.count += 1
            elif fault.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the end; the code has no public name
                progress.end()
                return
            elif fault.fatal():
                raise KafkaException(fault)
        progress.look()


def _bytes(part: str | bytes | None) -> bytes | None:
    return part.encode() if isinstance(part, str) else part
