"""Lag as the broker tells it: offsets before ends, never negative, from the first record where nothing is committed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from adapters.kafka_admin import BrokerUnavailableError
from adapters.kafka_lag import GroupLag, Lag

Place = tuple[str, int]
AWAY = KafkaException(KafkaError(KafkaError._TRANSPORT))
DENIED = KafkaException(KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED, "no right to the group"))


@dataclass(slots=True)
class FakeBroker:
    """What stands where: ``ends`` and ``firsts`` by place, ``committed`` by group and place."""

    ends: Mapping[Place, int]
    committed: Mapping[tuple[str, Place], int] = field(default_factory=dict)
    firsts: Mapping[Place, int] = field(default_factory=dict)
    fault: Exception | None = None
    asked: list[str] = field(default_factory=list)
    clients: list[FakeClient] = field(default_factory=list)

    def connect(self, config: dict[str, Any]) -> Consumer:
        self.clients.append(FakeClient(self, config))
        return cast("Consumer", self.clients[-1])


@dataclass(slots=True)
class FakeClient:
    """A consumer that never joins its group."""

    broker: FakeBroker
    config: dict[str, Any]
    closed: bool = False

    def list_topics(self, *, timeout: float) -> Any:
        del timeout
        if self.broker.fault is AWAY:
            raise AWAY
        topics: dict[str, SimpleNamespace] = {}
        for topic, partition in self.broker.ends:
            topics.setdefault(topic, SimpleNamespace(partitions={})).partitions[partition] = None
        return SimpleNamespace(topics=topics)

    def committed(self, places: Sequence[TopicPartition], *, timeout: float) -> list[TopicPartition]:
        del timeout
        if self.broker.fault is not None:
            raise self.broker.fault
        group = self.config["group.id"]
        self.broker.asked.append(group)
        known = self.broker.committed
        return [
            TopicPartition(tp.topic, tp.partition, known.get((group, (tp.topic, tp.partition)), -1001)) for tp in places
        ]

    def offsets_for_times(self, places: Sequence[TopicPartition], *, timeout: float) -> list[TopicPartition]:
        del timeout
        which = self.broker.ends if places[0].offset == OFFSET_END else self.broker.firsts
        self.broker.asked.append("ends" if which is self.broker.ends else "firsts")
        return [TopicPartition(tp.topic, tp.partition, which[tp.topic, tp.partition]) for tp in places]

    def close(self) -> None:
        self.closed = True


def lag_of(broker: FakeBroker) -> GroupLag:
    return GroupLag({"bootstrap.servers": "kafka-1", "logger": object()}, "kafka-1:9092", connect=broker.connect)


def look(broker: FakeBroker, groups: Mapping[str, Sequence[str]]) -> tuple[Lag, ...]:
    return lag_of(broker).look(groups)


def test_each_groups_topics_are_told_with_offsets_that_were_asked_for_before_the_ends() -> None:
    broker = FakeBroker(
        ends={("a", 0): 10, ("a", 1): 5, ("b", 0): 7},
        committed={("one", ("a", 0)): 4, ("one", ("a", 1)): 5, ("two", ("b", 0)): 1},
    )
    found = {(lag.group, lag.topic, lag.partition): lag.records for lag in look(broker, {"one": ["a"], "two": ["b"]})}
    assert found == {("one", "a", 0): 6, ("one", "a", 1): 0, ("two", "b", 0): 6}
    assert broker.asked == ["one", "ends", "two", "ends"], "nobody asks for first records where all is committed"


def test_what_was_never_committed_lags_from_the_first_record_that_still_stands() -> None:
    broker = FakeBroker(ends={("a", 0): 10, ("a", 1): 3}, firsts={("a", 1): 2}, committed={("one", ("a", 0)): 9})
    assert [(lag.committed, lag.records) for lag in look(broker, {"one": ["a"]})] == [(9, 1), (2, 1)]


def test_a_lag_is_never_negative() -> None:
    """A topic that was made anew has offsets from before in its group."""
    (lag,) = look(FakeBroker(ends={("a", 0): 3}, committed={("one", ("a", 0)): 9}), {"one": ["a"]})
    assert lag.records == 0


def test_a_client_is_kept_for_the_next_look_commits_nothing_and_is_let_go_at_the_end() -> None:
    """And it logs nothing: nobody polls it, so it would keep what it has to say for ever."""
    broker = FakeBroker(ends={("a", 0): 3}, firsts={("a", 0): 0})
    lag = lag_of(broker)
    assert lag.look({"one": ["a"]}) == lag.look({"one": ["a"]})
    (client,) = broker.clients
    assert (client.config["enable.auto.commit"], client.config["log_level"]) == (False, 0)
    assert "logger" not in client.config
    assert not client.closed
    lag.close()
    assert client.closed


FAULTS: dict[str, tuple[FakeBroker, str]] = {
    "away": (FakeBroker({("a", 0): 1}, fault=AWAY), "no broker answers at kafka-1:9092 (_TRANSPORT): check KAFKA_BOO"),
    "no topics": (FakeBroker(ends={("b", 0): 1}), "topics are missing (a): run `comcenter topics apply`"),
    "no right": (FakeBroker({("a", 0): 1}, fault=DENIED), "can't tell the lag of one: no right to the group"),
}


@pytest.mark.parametrize(("cluster", "why"), FAULTS.values(), ids=FAULTS)
def test_what_cannot_be_told_is_said_with_what_to_look_at(cluster: FakeBroker, why: str) -> None:
    with pytest.raises(BrokerUnavailableError) as raised:
        look(cluster, {"one": ["a"]})
    assert str(raised.value).startswith(why)
