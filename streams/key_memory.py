"""Keys seen, on ``comms.keys``: what every worker knows of them, before and after its own life."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

import structlog

from streams import topics
from streams.core.keyring import SeenKey, key_record, key_record_key, read_key_record

log = structlog.get_logger(__name__)


class Writer(Protocol):
    """`adapters.kafka_log.TopicWriter`."""

    def put(self, topic: str, key: bytes, value: bytes | None) -> None:
        """Hand one record over."""


class KeyMemory:
    """Writes to the topic, and reads what stands there."""

    def __init__(self, writer: Writer, *, prefix: str, now: Callable[[], float] = time.time) -> None:
        self._writer = writer
        self._topic = prefix + topics.KEYS
        self._now = now

    def remember(self, issuer: str, seen: SeenKey) -> None:
        """Write down what is known of a key."""
        self._writer.put(self._topic, *key_record(issuer, seen))

    def forget(self, issuer: str, kid: str) -> None:
        """Let go of it: compaction removes what a tombstone follows."""
        self._writer.put(self._topic, key_record_key(issuer, kid), None)

    def read(self, value: bytes | None, recall: Callable[[str, SeenKey], None]) -> None:
        """Hand a record's key to ``recall``. What can't be read is logged and left alone: a fetch will do."""
        if value is None:
            return
        told = read_key_record(value, now_ms=int(self._now() * 1000))
        if isinstance(told, str):
            log.warning("key_record_ignored", why=told)
        else:
            recall(*told)
