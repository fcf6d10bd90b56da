"""Plain clients for tests of the brokers themselves: one record in, records out, and bare sockets."""

from __future__ import annotations

import socket
import struct
import time

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from adapters.processes import HOST

ANSWER_SECONDS = 20.0
SOCKET_SECONDS = 10.0
API_VERSIONS = 18
_NO_CLIENT_ID = -1
_RESPONSE_HEAD = struct.Struct(">ii")


def create_topic(bootstrap: str, topic: str) -> None:
    """Create a topic of one partition."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for created in admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)]).values():
        created.result(ANSWER_SECONDS)


def produce(bootstrap: str, topic: str, value: bytes, seconds: float = ANSWER_SECONDS) -> KafkaError | None:
    """Produce one record; the error that it ended with, at the latest after `seconds`."""
    outcomes: list[KafkaError | None] = []
    producer = Producer({"bootstrap.servers": bootstrap, "message.timeout.ms": int(seconds * 1000), "log_level": 0})
    producer.produce(topic, value, on_delivery=lambda error, _message: outcomes.append(error))
    producer.flush(seconds + ANSWER_SECONDS)
    (outcome,) = outcomes
    return outcome


def values(bootstrap: str, topic: str, count: int) -> list[bytes]:
    """The first values of a topic's only partition, as many as come within 20 s."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "unused", "log_level": 0})
    consumer.assign([TopicPartition(topic, 0, 0)])
    read: list[bytes] = []
    deadline = time.monotonic() + ANSWER_SECONDS
    while len(read) < count and time.monotonic() < deadline:
        for message in consumer.consume(count, 0.5):
            value = message.value()
            if message.error() is None and isinstance(value, bytes):
                read.append(value)
    consumer.close()
    return read


def connect(port: int) -> socket.socket:
    """A connection to a port of 127.0.0.1 that sends each piece as it is."""
    client = socket.create_connection((HOST, port), timeout=SOCKET_SECONDS)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def versions_request(correlation: int) -> bytes:
    """A whole ApiVersions request, version 0."""
    body = struct.pack(">hhih", API_VERSIONS, 0, correlation, _NO_CLIENT_ID)
    return struct.pack(">i", len(body)) + body


def read_correlation(client: socket.socket) -> int:
    """Read one whole response; its correlation id."""
    length, correlation = _RESPONSE_HEAD.unpack(read_exactly(client, _RESPONSE_HEAD.size))
    read_exactly(client, length + 4 - _RESPONSE_HEAD.size)
    return int(correlation)


def read_exactly(client: socket.socket, size: int) -> bytes:
    """Read that many bytes; raises ConnectionError when there are fewer."""
    read = b""
    while len(read) < size:
        piece = client.recv(size - len(read))
        if not piece:
            raise ConnectionError(f"{len(read)} of {size} bytes")
        read += piece
    return read


def ended(client: socket.socket) -> bool:
    """Whether the other side ends the connection, without another byte, within 10 s."""
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True
