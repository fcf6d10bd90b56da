"""Keys seen, on ``comms.keys``: what every worker knows of them, before and after its own life."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

import structlog

from streams import topics
from streams.core.keyring import SeenKey, key_record, key_record_key, read_key_record, read_key_record_key

log = structlog.get_logger(__name__)


class Writer(Protocol):
    """`adapters.kafka_log.TopicWriter`."""

    def put(self, topic: str, key: bytes, value: bytes | None) -> None:
        """Hand one record over."""


class Recalling(Protocol):
    """Who knows keys: `adapters.keysets.KeySets`."""

    def recall(self, issuer: str, seen: SeenKey) -> None:
        """Another worker, or one before us, saw this key."""

    def let_go(self, issuer: str, kid: str) -> None:
        """A tombstone: this key verifies nothing any more, unless a fetch still shows it."""


class KeyMemory:
    """Writes to the topic, and reads what stands there."""

    def __init__(
        self, writer: Writer, *, prefix: str, is_read: Callable[[], bool], now: Callable[[], float] = time.time
    ) -> None:
        self._writer = writer
        self._topic = prefix + topics.KEYS
        self._is_read = is_read
        self._now = now

    def remember(self, issuer: str, seen: SeenKey) -> None:
        """Write down what is known of a key."""
        self._writer.put(self._topic, *key_record(issuer, seen))

    def forget(self, issuer: str, kid: str) -> None:
        """Let go of it: compaction removes what a tombstone follows."""
        self._writer.put(self._topic, key_record_key(issuer, kid), None)

    def is_read(self) -> bool:
        """Whether all that stood in the topic at the start was read."""
        return self._is_read()

    def read(self, key: bytes | None, value: bytes | None, keys: Recalling) -> None:
        """Tell ``keys`` what a record says. What can't be read is logged and left alone: a fetch will do."""
        if value is None:
            forgotten = read_key_record_key(key)
            if forgotten is not None:
                keys.let_go(*forgotten)
            return
        told = read_key_record(value, now_ms=int(self._now() * 1000))
        if isinstance(told, str):
            log.warning("key_record_ignored", why=told)
        elif key != key_record_key(told[0], told[1].key.kid):
            # Compaction goes by that key: this one would neither replace what it speaks of nor fall to its tombstone.
            log.warning("key_record_ignored", why="the record's key is not that of the issuer and kid in its value")
        else:
            keys.recall(*told)
