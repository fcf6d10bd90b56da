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


def read_all(
    config: Mapping[str, Any],
    topic: str,
    partition: int,
    on_record: Callable[[bytes | None, bytes | None, int], None],
    stop: Callable[[], bool],
) -> None:
    """Hand over key, value and append time (milliseconds) of every committed record; returns at the end.

    Ends early when ``stop`` says so. Waits while no broker answers.
    """
    consumer = Consumer(
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
        _to_the_end(consumer, topic, partition, on_record, stop)
    finally:
        consumer.close()


def _to_the_end(
    consumer: Consumer,
    topic: str,
    partition: int,
    on_record: Callable[[bytes | None, bytes | None, int], None],
    stop: Callable[[], bool],
) -> None:
    begun = told = time.monotonic()
    count = 0
    while not stop():
        for message in consumer.consume(BATCH, POLL_S):
            fault = message.error()
            if fault is None:
                key, value = message.key(), message.value()
                on_record(_bytes(key), _bytes(value), message.timestamp()[1])
                count += 1
            elif fault.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the end; the code has no public name
                log.info(
                    "ledger_read", topic=topic, partition=partition, records=count, seconds=round(_since(begun), 2)
                )
                return
            elif fault.fatal():
                raise KafkaException(fault)
        if _since(told) >= TELL_EVERY_S:
            told = time.monotonic()
            log.info("ledger_reading", topic=topic, partition=partition, records=count)


def _since(moment: float) -> float:
    return time.monotonic() - moment


def _bytes(part: str | bytes | None) -> bytes | None:
    return part.encode() if isinstance(part, str) else part
