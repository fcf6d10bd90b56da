"""What waits, as it is read from outside a group: from its commits, or the beginning, to the end."""

from __future__ import annotations

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from adapters.kafka_admin import BrokerUnavailableError
from streams import topics
from streams.waiting import Waiting
from streams.wiring.waiting import open_waiting
from tests.world import INBOUND, Centre

pytestmark = [pytest.mark.best_broker, pytest.mark.timeout(60)]


def waiting(centre: Centre) -> Waiting:
    return open_waiting(centre.settings(), centre.bootstrap, [INBOUND, "events.nobody"])


def commit(centre: Centre, partition: int, offset: int) -> None:
    """As the group's only member would have."""
    group = Consumer({"bootstrap.servers": centre.bootstrap, "group.id": f"{centre.prefix}comcenter.ingest"})
    group.commit(offsets=[TopicPartition(centre.prefix + INBOUND, partition, offset)], asynchronous=False)
    group.close()


def test_what_is_not_committed_waits_and_what_the_broker_has_deleted_does_not(centre: Centre) -> None:
    """A group that has never committed has all before it; a topic that is missing is none."""
    assert waiting(centre).oldest() == ()
    centre.produce([centre.event(str(number)) for number in range(5)])
    (first,) = waiting(centre).oldest()
    assert (first.topic, first.records, first.offset) == (INBOUND, 5, 0)
    assert first.retention_ms == topics.DAY_MS * 7

    commit(centre, first.partition, 3)

    (first,) = waiting(centre).oldest()
    assert (first.records, first.place) == (2, f"{first.partition}@3")
    reading = waiting(centre).reading([INBOUND], seconds=10)
    assert [record.offset for record in reading.records()] == [3, 4]
    assert (reading.total, reading.read, reading.complete) == (2, 2, True)
    assert waiting(centre).oldest([topics.RENDER]) == ()
    admin = AdminClient({"bootstrap.servers": centre.bootstrap})
    for deleted in admin.delete_records([TopicPartition(centre.prefix + INBOUND, first.partition, 4)]).values():
        deleted.result(10)
    (first,) = waiting(centre).oldest()
    assert (first.records, first.offset) == (1, 4)
    commit(centre, first.partition, 5)
    assert waiting(centre).oldest() == ()


def test_a_reading_that_has_no_time_says_that_it_is_not_complete(centre: Centre) -> None:
    centre.produce([centre.event("one")])
    reading = waiting(centre).reading([INBOUND], seconds=0.0)
    assert list(reading.records()) == []
    assert not reading.complete


def test_without_a_broker_nothing_is_told(centre: Centre) -> None:
    """Rather than that nothing waits."""
    centre.extra["KAFKA_PROBE_TIMEOUT"] = "0.2"
    with pytest.raises(BrokerUnavailableError, match="can't tell how far"):
        open_waiting(centre.settings(), "127.0.0.1:1", [INBOUND]).oldest()
