"""Reads what waits for its turn, in every topic that may be held. For tools and looks: no group is joined.

What is held is what waits: nothing is committed before its turn has ended.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from adapters.kafka_backlog import Span, backlog
from adapters.kafka_reader import Place, TopicReader
from streams.core.records import Record
from streams.core.retention import Oldest, by_topic
from streams.inbound import from_kafka


class Retention(Protocol):
    """`adapters.kafka_admin.TopicAdmin`."""

    def retention_ms(self, name: str) -> int:
        """How long the broker keeps the records of a topic, without the deployment's prefix; -1 is for ever."""


Groups = Mapping[str, Sequence[str]]
"""Which group reads which topics; topics without the deployment's prefix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Of one deployment. ``client``: settings that every confluent-kafka client shares; ``timeout``: of one request.

    Every method raises `BrokerUnavailableError` if there is no answer.
    """

    client: Mapping[str, Any]
    admin: Retention
    groups: Groups
    prefix: str
    timeout: float

    def spans(self, names: Collection[str]) -> dict[Place, Span]:
        """Where these topics' waiting records stand, by full name and partition."""
        found: dict[Place, Span] = {}
        for group, topics in self.groups.items():
            meant = [self.prefix + topic for topic in topics if topic in names]
            if meant:
                found |= backlog(self.client, group, meant, timeout=self.timeout)
        return found

    def oldest(self, names: Collection[str] | None = None) -> tuple[Oldest, ...]:
        """By topic (all, if none are named), what waits there longest; nothing for a topic in which nothing waits."""
        spans = self.spans(self.topics if names is None else names)
        if not spans:
            return ()
        # Nothing but the first records is wanted.
        config = {**self.client, "fetch.message.max.bytes": 65_536, "queued.min.messages": 1}
        with closing(TopicReader(config, timeout=self.timeout)) as reader:
            heads = reader.heads({place: span.start for place, span in spans.items()}, seconds=self.timeout)
        keep = {topic: self.admin.retention_ms(topic.removeprefix(self.prefix)) for topic, _ in heads}
        return by_topic(
            Oldest(
                topic=topic.removeprefix(self.prefix),
                partition=partition,
                offset=head.offset() or 0,
                at_ms=head.timestamp()[1],
                records=spans[topic, partition].records,
                retention_ms=keep[topic],
            )
            for (topic, partition), head in heads.items()
        )

    @property
    def topics(self) -> tuple[str, ...]:
        """All that may be held."""
        return tuple(topic for topics in self.groups.values() for topic in topics)

    def reading(self, names: Collection[str], *, seconds: float) -> Reading:
        """To read all that waits in these topics, for at most so long."""
        return Reading(waiting=self, spans=self.spans(names), seconds=seconds)


@dataclass(slots=True, kw_only=True)
class Reading:
    """One reading of what waits. ``total``: how many records there are, at most; ``read``: how many were read so far.

    ``complete`` tells afterwards whether the time was enough for all.
    """

    waiting: Waiting
    spans: Mapping[Place, Span]
    seconds: float
    read: int = 0
    complete: bool = field(default=True)

    @property
    def total(self) -> int:
        """Markers of transactions count."""
        return sum(span.records for span in self.spans.values())

    def records(self) -> Iterator[Record]:
        """One by one, so that not all of them are held at once."""
        if not self.spans:
            return
        starts = {place: span.start for place, span in self.spans.items()}
        with closing(TopicReader(self.waiting.client, timeout=self.waiting.timeout)) as reader:
            made = partial(from_kafka, prefix=self.waiting.prefix)
            for message in reader.rest(starts, seconds=self.seconds):
                self.read += 1
                yield made(message)
            self.complete = reader.complete
