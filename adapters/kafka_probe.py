"""Asks the brokers, again and again, whether they are there."""

from __future__ import annotations

import asyncio

import structlog
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

log = structlog.get_logger(__name__)


class KafkaProbe:
    """Whether the last question was answered in time."""

    def __init__(self, client: AdminClient, *, every: float, timeout: float) -> None:
        self._client = client
        self._every = every
        self._timeout = timeout
        self.reachable = False

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            reachable = await asyncio.to_thread(self._ask)
            if reachable != self.reachable:
                log.log(20 if reachable else 30, "kafka", reachable=reachable)
            self.reachable = reachable
            await asyncio.sleep(self._every)

    def _ask(self) -> bool:
        try:
            self._client.list_topics(topic="__consumer_offsets", timeout=self._timeout)
        except KafkaException:
            return False
        return True
