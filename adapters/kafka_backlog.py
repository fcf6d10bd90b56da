"""How far a group has come with its topics, against where they end. Asked from outside: the group is never joined."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from adapters.kafka_admin import BrokerUnavailableError
from adapters.kafka_reader import Place

MOVED: Final = frozenset({KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE})
AGAIN_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Span:
    """Offsets of one partition: the next one to have its turn, and the one after the last record."""

    start: int
    end: int

    @property
    def records(self) -> int:
        """How many stand between, at most: markers of transactions count."""
        return self.end - self.start


def backlog(config: Mapping[str, Any], group: str, topics: Sequence[str], *, timeout: float) -> dict[Place, Span]:
    """What ``group`` has not committed of these topics, by partition, where there is anything.

    A topic that is missing has none. The group's offsets are read before the ends, so no span is negative. What the
    broker has deleted is in none.

    Raises:
        BrokerUnavailableError: no answer within ``timeout`` seconds.
    """
    with _asking(config, group) as consumer:
        known = consumer.list_topics(timeout=timeout).topics
        places = [TopicPartition(name, number) for name in topics if name in known for number in known[name].partitions]
        begun = {(each.topic, each.partition): each.offset for each in consumer.committed(places, timeout=timeout)}
        spans = {}
        for place, offset in begun.items():
            low, end = _standing(consumer, place, timeout)
            spans[place] = Span(max(offset, low), end)
    return {place: span for place, span in spans.items() if span.records > 0}


def _standing(consumer: Consumer, place: Place, timeout: float) -> tuple[int, int]:
    """First offset and end. A partition that has just got another leader is asked again, by what is known then."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            return consumer.get_watermark_offsets(TopicPartition(*place), timeout=timeout)
        except KafkaException as error:
            if error.args[0].code() not in MOVED or time.monotonic() > deadline:
                raise
        time.sleep(AGAIN_S)
        consumer.list_topics(place[0], timeout=timeout)


@contextmanager
def _asking(config: Mapping[str, Any], group: str) -> Iterator[Consumer]:
    consumer = Consumer({**config, "group.id": group, "enable.auto.commit": False})
    try:
        yield consumer
    except KafkaException as error:
        raise BrokerUnavailableError(f"can't tell how far {group} has come: {error.args[0].str()}") from None
    finally:
        consumer.close()
