"""How far groups have come in their topics: what is committed, and where the topics end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined] # re-exported

from adapters.kafka_admin import BrokerUnavailableError
from adapters.kafka_reader import Place

FIRST: Final = OffsetSpec.earliest()  # type: ignore[no-untyped-call] # the library has no types here
END: Final = OffsetSpec.latest()  # type: ignore[no-untyped-call] # as above


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """One partition: where its group goes on (the first record, if it has never committed), and where it ends."""

    group: str
    topic: str
    partition: int
    committed: int
    end: int

    @property
    def records(self) -> int:
        """How many offsets lie between; markers of transactions are among them."""
        return max(self.end - self.committed, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLag:
    """Asks a broker. ``timeout``: seconds for each of its four questions."""

    client: AdminClient
    bootstrap: str
    timeout: float = 10.0

    def look(self, groups: Mapping[str, Sequence[str]]) -> tuple[Lag, ...]:
        """Every partition of each group's topics. Offsets are asked for before the ends, so no lag is negative.

        Raises:
            BrokerUnavailableError: no answer, no right to it, or a topic is missing.
        """
        try:
            places = self._places({topic for topics in groups.values() for topic in topics})
            wanted = {group: [place for place in places if place[0] in topics] for group, topics in groups.items()}
            committed = self._committed(wanted)
            fresh = {place for group, found in wanted.items() for place in found if (group, place) not in committed}
            firsts, ends = self._offsets(fresh, FIRST), self._offsets(places, END)
        except (KafkaException, TimeoutError) as error:
            raise BrokerUnavailableError(f"can't tell the groups' lag: {_why(error)}") from None
        return tuple(
            Lag(
                group=group,
                topic=place[0],
                partition=place[1],
                committed=committed.get((group, place), firsts.get(place, 0)),
                end=ends[place],
            )
            for group, found in wanted.items()
            for place in found
        )

    def _places(self, topics: Iterable[str]) -> list[Place]:
        try:
            known = self.client.list_topics(timeout=self.timeout).topics
        except KafkaException as error:
            raise BrokerUnavailableError(
                f"no broker answers at {self.bootstrap} ({_why(error)}): check KAFKA_BOOTSTRAP and the network"
            ) from None
        missing = sorted(topic for topic in topics if topic not in known)
        if missing:
            raise BrokerUnavailableError(f"topics are missing ({', '.join(missing)}): run `comcenter topics apply`")
        return [(topic, partition) for topic in sorted(topics) for partition in sorted(known[topic].partitions)]

    def _committed(self, wanted: Mapping[str, Sequence[Place]]) -> dict[tuple[str, Place], int]:
        """Without those that were never committed. One request per group, all of them under way at once."""
        asked = [
            self.client.list_consumer_group_offsets(
                [ConsumerGroupTopicPartitions(group, [TopicPartition(*place) for place in places])],
                request_timeout=self.timeout,
            )
            for group, places in wanted.items()
        ]
        found = {}
        for futures in asked:
            for group, future in futures.items():
                for tp in future.result(self.timeout).topic_partitions:
                    if tp.offset >= 0:
                        found[group, (tp.topic, tp.partition)] = tp.offset
        return found

    def _offsets(self, places: Iterable[Place], which: Any) -> dict[Place, int]:  # noqa: ANN401 - the library's specs
        wanted = {TopicPartition(*place): which for place in places}
        if not wanted:
            return {}
        asked = self.client.list_offsets(wanted, request_timeout=self.timeout)
        return {(tp.topic, tp.partition): future.result(self.timeout).offset for tp, future in asked.items()}


def _why(error: Exception) -> str:
    return str(error.args[0].name()) if isinstance(error, KafkaException) else "no answer in time"
