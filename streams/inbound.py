"""From a client library's message to the core's `Record`. A producer's time is never believed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME
from confluent_kafka import Message as KafkaMessage
from faust.types import Message as FaustMessage

from streams import steady
from streams.core.records import Headers, Record

_FAUST_LOG_APPEND_TIME: Final = 1
"""Kafka's ``timestampType`` for the broker's append time (https://kafka.apache.org/documentation/#recordbatch)."""


def from_faust(message: FaustMessage, *, prefix: str = "", now: Callable[[], float] = steady.now) -> Record:
    """A message of Faust's consumer. ``prefix`` is taken off the topic's name."""
    headers = message.headers or ()
    return _record(
        place=(message.topic.removeprefix(prefix), message.partition, message.offset),
        content=(message.key, message.value),
        headers=tuple(headers.items()) if isinstance(headers, Mapping) else tuple(headers),
        timestamp_ms=round((message.timestamp or 0) * 1000),
        by_broker=message.timestamp_type == _FAUST_LOG_APPEND_TIME,
        received_ms=round(now() * 1000),
    )


def from_kafka(message: KafkaMessage, *, prefix: str = "", now: Callable[[], float] = steady.now) -> Record:
    """A message of confluent-kafka's consumer. ``prefix`` is taken off the topic's name."""
    kind, timestamp_ms = message.timestamp()
    value, key = message.value(), message.key()
    return _record(
        place=((message.topic() or "").removeprefix(prefix), message.partition() or 0, message.offset() or 0),
        content=(_bytes(key), _bytes(value)),
        headers=_headers(message.headers()),
        timestamp_ms=timestamp_ms,
        by_broker=kind == TIMESTAMP_LOG_APPEND_TIME,
        received_ms=round(now() * 1000),
    )


def _headers(headers: dict[str, str | bytes | None] | list[tuple[str, str | bytes | None]] | None) -> Headers:
    pairs = headers.items() if isinstance(headers, dict) else headers or ()
    return tuple((name, _bytes(value)) for name, value in pairs)


def _bytes(part: str | bytes | None) -> bytes | None:
    return part.encode() if isinstance(part, str) else part


def _record(
    *,
    place: tuple[str, int, int],
    content: tuple[bytes | None, bytes | None],
    headers: Headers,
    timestamp_ms: int,
    by_broker: bool,
    received_ms: int,
) -> Record:
    topic, partition, offset = place
    key, value = content
    return Record(
        topic=topic,
        partition=partition,
        offset=offset,
        key=key,
        value=value,
        headers=headers,
        timestamp_ms=timestamp_ms,
        appended_ms=timestamp_ms if by_broker else received_ms,
        received_ms=received_ms,
    )
