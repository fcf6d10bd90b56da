"""How far groups have come in their topics: what is committed, and where the topics end.

Asked by consumers that never join their group. The admin client has a question of its own for it, and ends the process
with a segmentation fault where a group's coordinator is not there yet, or moves:
https://github.com/confluentinc/librdkafka/issues/5040.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaException, TopicPartition

from adapters.kafka_admin import BrokerUnavailableError
from adapters.kafka_reader import Place

QUIET: Final = {"log_level": 0}
"""Nobody polls these clients, so nobody would fetch what they log; what is wrong comes with the answers."""


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


class GroupLag:
    """Keeps one client for each group. ``timeout``: seconds for each question. Not for two threads at once."""

    def __init__(
        self,
        config: Mapping[str, Any],
        bootstrap: str,
        *,
        timeout: float = 10.0,
        connect: Callable[[dict[str, Any]], Consumer] = Consumer,
    ) -> None:
        self._config = {name: value for name, value in config.items() if name != "logger"} | QUIET
        self._bootstrap = bootstrap
        self._timeout = timeout
        self._connect = connect
        self._clients: dict[str, Consumer] = {}

    def close(self) -> None:
        """Let go of the connections."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    def look(self, groups: Mapping[str, Sequence[str]]) -> tuple[Lag, ...]:
        """Every partition of each group's topics. Offsets are asked for before the ends, so no lag is negative.

        Raises:
            BrokerUnavailableError: no answer, no right to it, or a topic is missing.
        """
        return tuple(lag for group, topics in groups.items() for lag in self._look(group, topics))

    def _look(self, group: str, topics: Sequence[str]) -> list[Lag]:
        client = self._client(group)
        places = self._places(client, topics)
        try:
            committed = _told(client.committed([TopicPartition(*place) for place in places], timeout=self._timeout))
            firsts = self._offsets(client, places - committed.keys(), OFFSET_BEGINNING)
            ends = self._offsets(client, places, OFFSET_END)
        except KafkaException as error:
            raise BrokerUnavailableError(f"can't tell the lag of {group}: {error.args[0].str()}") from None
        starts = firsts | committed
        return [
            Lag(group=group, topic=place[0], partition=place[1], committed=starts[place], end=ends[place])
            for place in sorted(places)
        ]

    def _client(self, group: str) -> Consumer:
        if group not in self._clients:
            self._clients[group] = self._connect({**self._config, "group.id": group, "enable.auto.commit": False})
        return self._clients[group]

    def _places(self, client: Consumer, topics: Iterable[str]) -> set[Place]:
        try:
            known = client.list_topics(timeout=self._timeout).topics
        except KafkaException as error:
            why = error.args[0].name()
            raise BrokerUnavailableError(
                f"no broker answers at {self._bootstrap} ({why}): check KAFKA_BOOTSTRAP and the network"
            ) from None
        missing = sorted(topic for topic in topics if topic not in known)
        if missing:
            raise BrokerUnavailableError(f"topics are missing ({', '.join(missing)}): run `comcenter topics apply`")
        return {(topic, partition) for topic in topics for partition in known[topic].partitions}

    def _offsets(self, client: Consumer, places: Iterable[Place], which: int) -> dict[Place, int]:
        """The first offsets, or the ends: times that ListOffsets has for both."""
        asked = [TopicPartition(*place, which) for place in sorted(places)]
        return _told(client.offsets_for_times(asked, timeout=self._timeout)) if asked else {}


def _told(found: Iterable[TopicPartition]) -> dict[Place, int]:
    """Without those that have none.

    Raises:
        KafkaException: one can't be told.
    """
    known = {}
    for tp in found:
        if tp.error is not None:
            raise KafkaException(tp.error)
        if tp.offset >= 0:
            known[tp.topic, tp.partition] = tp.offset
    return known
