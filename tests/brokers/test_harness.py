"""The brokers and the proxy that other tests stand on do what they promise."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import KafkaError

from adapters.processes import accepts
from tests.brokers.clients import connect, create_topic, ended, produce, read_correlation, values, versions_request
from tests.faults.proxy import PRODUCE, BlackHoleProxy, FrameCount

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.brokers.choose import RunningBroker
    from tests.brokers.kafka import KafkaBroker

pytestmark = pytest.mark.integration

# The broker is started by a thread that has ended when the process is killed.
PARENT = """
import threading, time
from adapters.embedded_broker import EmbeddedBroker
broker = EmbeddedBroker()
starter = threading.Thread(target=broker.start)
starter.start()
starter.join()
time.sleep(1)
print(broker.bootstrap, flush=True)
time.sleep(60)
"""


@pytest.fixture(scope="module")
def running_proxy(kafka_node: KafkaBroker) -> Iterator[BlackHoleProxy]:
    """A proxy before the Kafka node that is ours to break."""
    with BlackHoleProxy(kafka_node.proxied_port, kafka_node.proxied_target) as started:
        yield started


@pytest.fixture
def proxy(running_proxy: BlackHoleProxy) -> Iterator[BlackHoleProxy]:
    """The proxy, which loses nothing before and after each test."""
    yield running_proxy
    running_proxy.heal()


def test_a_record_that_the_broker_confirmed_can_be_read(broker: RunningBroker, topic_prefix: str) -> None:
    """Each kind of broker starts, answers, takes a record and gives it back."""
    create_topic(broker.bootstrap, topic_prefix + "records")

    assert produce(broker.bootstrap, topic_prefix + "records", b"one") is None

    assert values(broker.bootstrap, topic_prefix + "records", 1) == [b"one"]


def test_the_second_listener_keeps_clients_behind_the_proxy(proxy: BlackHoleProxy, topic_prefix: str) -> None:
    """A client that begins at the proxy produces and consumes through it, and nothing is dropped."""
    before = proxy.counts().get(PRODUCE, FrameCount())
    create_topic(proxy.bootstrap, topic_prefix + "records")

    assert produce(proxy.bootstrap, topic_prefix + "records", b"one") is None

    assert values(proxy.bootstrap, topic_prefix + "records", 1) == [b"one"]
    after = proxy.counts()[PRODUCE]
    # More than one, if a new topic's leader was not yet ready for it: the client tries again.
    assert after.requests > before.requests
    assert after.responses - before.responses == after.requests - before.requests
    assert after.dropped_requests == before.dropped_requests
    assert after.dropped_responses == before.dropped_responses


def test_a_record_whose_acknowledgement_is_lost_is_in_the_topic_all_the_same(
    kafka_process: KafkaBroker, proxy: BlackHoleProxy, topic_prefix: str
) -> None:
    """Dropping Produce responses lets the request through: the producer times out, the record is there."""
    create_topic(kafka_process.bootstrap, topic_prefix + "records")
    before = proxy.counts().get(PRODUCE, FrameCount())
    proxy.drop_responses({PRODUCE})

    error = produce(proxy.bootstrap, topic_prefix + "records", b"unacknowledged", seconds=3.0)

    assert error is not None
    assert error.code() == KafkaError._MSG_TIMED_OUT
    after = proxy.counts()[PRODUCE]
    assert after.dropped_responses > before.dropped_responses
    assert after.dropped_requests == before.dropped_requests
    assert values(kafka_process.bootstrap, topic_prefix + "records", 1) == [b"unacknowledged"]


def test_clients_get_through_again_once_a_black_hole_has_healed(proxy: BlackHoleProxy, topic_prefix: str) -> None:
    """What is produced into a black hole is lost; after heal() nothing is."""
    create_topic(proxy.bootstrap, topic_prefix + "records")
    proxy.black_hole()
    assert produce(proxy.bootstrap, topic_prefix + "records", b"lost", seconds=2.0) is not None

    proxy.heal()

    assert produce(proxy.bootstrap, topic_prefix + "records", b"kept") is None
    assert values(proxy.bootstrap, topic_prefix + "records", 1) == [b"kept"]


def test_a_proxy_that_refuses_cuts_all_and_accepts_none_until_it_heals(proxy: BlackHoleProxy) -> None:
    """refuse() ends the connections there are and closes the port; heal() opens it on the same port."""
    with connect(proxy.port) as client:
        client.sendall(versions_request(1))
        assert read_correlation(client) == 1
        proxy.refuse()
        assert ended(client)
    assert proxy.connections() == 0
    assert not accepts(proxy.port)

    proxy.heal()

    assert accepts(proxy.port)


def test_messages_that_come_in_pieces_on_many_connections_are_passed_on_whole(proxy: BlackHoleProxy) -> None:
    """A head cut anywhere is put together again, for each of 100 connections by itself."""
    clients = [connect(proxy.port) for _ in range(100)]
    for start in range(0, len(versions_request(0)), 3):
        for correlation, client in enumerate(clients):
            client.sendall(versions_request(correlation)[start : start + 3])

    answered = [read_correlation(client) for client in clients]

    for client in clients:
        client.close()
    assert answered == list(range(100))


def test_a_length_that_no_message_has_ends_the_connection(proxy: BlackHoleProxy) -> None:
    """A proxy that can't follow the stream cuts it instead of guessing."""
    with connect(proxy.port) as client:
        client.sendall(struct.pack(">ihhi", -1, 0, 0, 0))
        assert ended(client)


def test_a_killed_kafka_keeps_its_records_and_its_ports(kafka_process: KafkaBroker, topic_prefix: str) -> None:
    """After SIGKILL and restart() what was confirmed can be read, and more can be produced."""
    bootstrap = kafka_process.bootstrap
    create_topic(bootstrap, topic_prefix + "records")
    assert produce(bootstrap, topic_prefix + "records", b"before") is None

    kafka_process.kill()
    assert not kafka_process.running
    kafka_process.restart()

    assert kafka_process.bootstrap == bootstrap
    assert produce(bootstrap, topic_prefix + "records", b"after") is None
    assert values(bootstrap, topic_prefix + "records", 2) == [b"before", b"after"]


def test_a_paused_kafka_answers_nothing_until_it_is_resumed(kafka_process: KafkaBroker, topic_prefix: str) -> None:
    """SIGSTOP lets a producer time out; SIGCONT lets it go on."""
    create_topic(kafka_process.bootstrap, topic_prefix + "records")
    kafka_process.pause()
    assert produce(kafka_process.bootstrap, topic_prefix + "records", b"paused", seconds=2.0) is not None

    kafka_process.resume()

    assert produce(kafka_process.bootstrap, topic_prefix + "records", b"resumed") is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child whose parent was killed")
@pytest.mark.parametrize("broker", ["embedded"], indirect=True)
def test_a_broker_outlives_the_thread_that_started_it_but_not_its_process(
    broker: RunningBroker, tmp_path: Path
) -> None:
    """The kernel ends the broker when its parent is killed, and not before."""
    assert accepts(int(broker.bootstrap.rpartition(":")[2]))  # There is such a broker here, or we'd be skipped.
    parent = subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", PARENT],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    with parent:
        assert parent.stdout is not None
        port = int(parent.stdout.readline().rpartition(":")[2])
        assert accepts(port)
        parent.kill()

    deadline = time.monotonic() + 10.0
    while accepts(port) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not accepts(port)
