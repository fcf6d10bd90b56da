"""Looks from time to time at the oldest record of a topic, and says how long the broker will keep it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Final, Protocol

import structlog
from confluent_kafka import KafkaException

from adapters.kafka_admin import BrokerUnavailableError
from adapters.kafka_reader import Place

log = structlog.get_logger(__name__)

FOREVER: Final = -1


class Stamped(Protocol):
    """A record as far as its time is concerned: `confluent_kafka.Message`."""

    def timestamp(self) -> tuple[int, int]:
        """Its kind, and milliseconds since the epoch."""


class Reader(Protocol):
    """`adapters.kafka_reader.TopicReader`."""

    def firsts(self, topics: Sequence[str], *, seconds: float) -> Mapping[Place, Stamped]:
        """The first record that still stands in each partition."""

    def close(self) -> None:
        """Let go of the connections."""


class Admin(Protocol):
    """`adapters.kafka_admin.TopicAdmin`."""

    @property
    def prefix(self) -> str:
        """Before every topic's name."""

    def retention_ms(self, name: str) -> int:
        """How long the broker keeps the records of a topic."""


class OldestRecord:
    """Between two looks, and while no broker answers, what is known counts down."""

    def __init__(
        self,
        reader: Callable[[], Reader],
        admin: Admin,
        topic: str,
        *,
        every: float,
        timeout: float,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._reader = reader
        self._admin = admin
        self._topic = topic
        self._every = every
        self._timeout = timeout
        self._now = now
        self._gone_at: tuple[float, ...] = ()

    def seconds_left(self) -> tuple[float, ...]:
        """Until the broker may delete the oldest record, 0 if it may by now; nothing where there is no record.

        A lower bound: Kafka deletes whole segments, once they are closed.
        """
        return tuple(max(at - self._now(), 0.0) for at in self._gone_at)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                self._gone_at = await asyncio.to_thread(self.look)
            except (BrokerUnavailableError, KafkaException, TimeoutError) as error:
                log.warning("oldest_unknown", topic=self._topic, error=type(error).__name__, why=str(error))
            await asyncio.sleep(self._every)

    def look(self) -> tuple[float, ...]:
        """When the oldest record may be deleted, in seconds since the epoch; nothing if none is, ever.

        Raises:
            BrokerUnavailableError: no answer.
        """
        retention_ms = self._admin.retention_ms(self._topic)
        with closing(self._reader()) as reader:
            firsts = reader.firsts([self._admin.prefix + self._topic], seconds=self._timeout)
        if retention_ms == FOREVER or not firsts:
            return ()
        return (min(first.timestamp()[1] for first in firsts.values()) / 1000 + retention_ms / 1000,)
