"""Makes a broker look like the topic table, says where it doesn't, and tells whether the broker is there at all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType  # type: ignore[attr-defined] # re-exported


class BrokerUnavailableError(RuntimeError):
    """The broker didn't answer in time; the message says which, and what to check."""


class TopicRow(Protocol):
    """A row of the topic table, as far as the broker is concerned."""

    @property
    def name(self) -> str:
        """Without the prefix."""

    @property
    def partitions(self) -> int:
        """How many."""

    @property
    def fixed(self) -> bool:
        """Whether more than that is wrong, too."""

    def config(self) -> dict[str, str]:
        """Settings by Kafka's names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One place where the broker is not as the table says."""

    topic: str
    what: str
    wanted: str
    found: str


@dataclass(frozen=True, slots=True)
class TopicAdmin:
    """Topics of one deployment. ``timeout``: seconds for each request."""

    client: AdminClient
    bootstrap: str
    prefix: str = ""
    replication: int = -1
    timeout: float = 10.0

    def apply(self, table: Iterable[TopicRow]) -> tuple[str, ...]:
        """Create what is missing; returns the names that were created. Existing topics are left as they are.

        Raises:
            BrokerUnavailableError: no answer, or the broker refuses.
        """
        existing = self._partitions()
        missing = [
            NewTopic(
                self.prefix + row.name,
                num_partitions=row.partitions,
                replication_factor=self.replication,
                config=row.config(),
            )
            for row in table
            if self.prefix + row.name not in existing
        ]
        if not missing:
            return ()
        created = self.client.create_topics(missing, request_timeout=self.timeout, operation_timeout=self.timeout)
        return tuple(name for name, future in created.items() if self._created(name, future))

    def _created(self, name: str, future: Any) -> bool:  # noqa: ANN401 - the library's future has no type
        try:
            future.result(self.timeout)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:  # somebody else was faster
                return False
            raise BrokerUnavailableError(f"topic {name} could not be created: {error.args[0].str()}") from None
        return True

    def missing(self, table: Iterable[TopicRow]) -> tuple[str, ...]:
        """The topics that aren't there. Needs no more than the right to describe topics.

        Raises:
            BrokerUnavailableError: no answer.
        """
        existing = self._partitions()
        return tuple(self.prefix + row.name for row in table if self.prefix + row.name not in existing)

    def parted(self, table: Iterable[TopicRow]) -> tuple[Difference, ...]:
        """The topics whose number of partitions must not differ from the table, and does. Needs no more than `missing`.

        Raises:
            BrokerUnavailableError: no answer.
        """
        existing = self._partitions()
        fixed = [row for row in table if row.fixed and self.prefix + row.name in existing]
        found = (_partition_difference(self.prefix + row.name, row, existing[self.prefix + row.name]) for row in fixed)
        return tuple(difference for differences in found for difference in differences)

    def check(self, table: Iterable[TopicRow]) -> tuple[Difference, ...]:
        """Compare partitions, retention, cleanup, timestamp type and size with the broker.

        Raises:
            BrokerUnavailableError: no answer.
        """
        rows = list(table)
        existing = self._partitions()
        present = [row for row in rows if self.prefix + row.name in existing]
        configs = self._configs([self.prefix + row.name for row in present])
        differences = [
            Difference(topic=self.prefix + row.name, what="topic", wanted="present", found="missing")
            for row in rows
            if row not in present
        ]
        for row in present:
            name = self.prefix + row.name
            differences += _partition_difference(name, row, existing[name])
            differences += [
                Difference(topic=name, what=key, wanted=wanted, found=configs[name].get(key, "unset"))
                for key, wanted in row.config().items()
                if configs[name].get(key) != wanted
            ]
        return tuple(differences)

    def retention_ms(self, name: str) -> int:
        """How long the broker keeps the records of a topic, whatever the table says; -1 is for ever.

        Raises:
            BrokerUnavailableError: no answer, or one that doesn't say.
        """
        found = self._configs([self.prefix + name])[self.prefix + name].get("retention.ms")
        if found is None:
            raise BrokerUnavailableError(f"the broker doesn't say how long it keeps {self.prefix + name}")
        return int(found)

    def _partitions(self) -> dict[str, int]:
        try:
            metadata = self.client.list_topics(timeout=self.timeout)
        except KafkaException as error:
            raise BrokerUnavailableError(
                f"no broker answers at {self.bootstrap} ({error.args[0].name()}): check KAFKA_BOOTSTRAP and the network"
            ) from None
        return {name: len(topic.partitions) for name, topic in metadata.topics.items() if topic.error is None}

    def _configs(self, names: list[str]) -> dict[str, dict[str, str]]:
        if not names:
            return {}
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        found = {}
        try:
            for resource, future in self.client.describe_configs(resources, request_timeout=self.timeout).items():
                found[resource.name] = {key: entry.value for key, entry in future.result(self.timeout).items()}
        except KafkaException as error:
            raise BrokerUnavailableError(f"topic settings can't be read: {error.args[0].str()}") from None
        return found


def _partition_difference(name: str, row: TopicRow, found: int) -> list[Difference]:
    """More partitions than the table says are welcome, except where a change would part keys."""
    if found == row.partitions or (found > row.partitions and not row.fixed):
        return []
    return [Difference(topic=name, what="partitions", wanted=str(row.partitions), found=str(found))]
