"""Follows a topic of orders, and confirms several times a second that it was read to its end.

Nothing that arrives says that nothing else is missing; only the broker can, when it is asked where the end is now.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from adapters.kafka_log import Entry, TopicFollower

log = structlog.get_logger(__name__)

ASK_S: Final = 1.0
CLIENT: Final = {
    # An order counts when it was appended. A transaction of somebody else that is left open must not hide it.
    "isolation.level": "read_uncommitted",
    # One connection carries fetches and questions, and a broker answers in turn: a long fetch would delay each answer.
    "fetch.wait.max.ms": 100,
    # After an outage orders must come soon.
    "reconnect.backoff.max.ms": 1000,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Who is told, in the event loop: each record, the end of each batch, and each confirmation.

    ``confirmed`` gets the monotonic time at which the question was put to the broker whose answer was: this is the end.
    """

    entry: Callable[[Entry], None]
    batch: Callable[[], None]
    confirmed: Callable[[float], None]


class ConfirmedFollower(TopicFollower):
    """A `TopicFollower` that asks for the end every so many seconds."""

    def __init__(self, config: Mapping[str, Any], topic: str, listener: Listener, *, every: float) -> None:
        super().__init__({**config, **CLIENT}, topic, listener.entry)
        self._listener = listener
        self._every = every
        self._ask_at = 0.0
        self._whole = True

    def _take(self, entries: list[Entry]) -> None:
        """A record that could not be taken leaves a gap, and nothing is confirmed beyond it."""
        taken = False
        try:
            super()._take(entries)
            taken = True
        finally:
            self._whole = self._whole and taken
        self._listener.batch()

    def _confirm(self, asked_at: float) -> None:
        if self._whole:
            self._listener.confirmed(asked_at)

    # In the thread.

    def _between(self, consumer: Consumer) -> None:
        asked_at = time.monotonic()
        if asked_at < self._ask_at:
            return
        if self._at_the_end(consumer):
            self._ask_at = asked_at + self._every  # else again after the next read
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._confirm, asked_at)

    def _at_the_end(self, consumer: Consumer) -> bool:
        if not self._reached:
            return False
        try:
            ends = {
                number: consumer.get_watermark_offsets(TopicPartition(self._topic, number), ASK_S, cached=False)
                for number in self._reached
            }
        except KafkaException as error:
            log.warning("end_unknown", topic=self._topic, error=error.args[0].name())
            return False
        # Not equal: the embedded broker tells too low an end when the last batch has several records.
        return all(end is not None and end[1] <= self._reached[number] for number, end in ends.items())
