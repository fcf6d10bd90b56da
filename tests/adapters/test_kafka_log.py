"""A follower that can't read says why, once, and one that dies is noticed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from structlog.testing import capture_logs

from adapters.kafka_log import Entry, TopicFollower

TOPIC = "comms.keys"
DENIED = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)
MISSING = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)


@dataclass(slots=True)
class Place:
    """What a broker says of one topic."""

    error: KafkaError | None = None
    partitions: dict[int, object] = field(default_factory=dict)


@dataclass(slots=True)
class Metadata:
    topics: dict[str, Place]


class FakeConsumer:
    """Answers with these in turn, and then as ``last`` does; an exception is raised."""

    def __init__(self, *answers: Place | Exception) -> None:
        self._answers: Iterator[Place | Exception] = iter(answers)
        self.assigned: list[Any] = []
        self.closed = False
        self.bug: Exception | None = None

    def list_topics(self, topic: str, _seconds: float) -> Metadata:
        answer = next(self._answers, Place(partitions={0: object()}))
        if isinstance(answer, Exception):
            raise answer
        return Metadata({topic: answer})

    def assign(self, places: list[Any]) -> None:
        self.assigned = places

    def poll(self, _seconds: float) -> None:
        if self.bug is not None:
            raise self.bug

    def close(self) -> None:
        self.closed = True


async def becomes(true: Callable[[], bool]) -> None:
    """Wait for what a thread does; fails after five seconds."""
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - no event of the loop tells
            await asyncio.sleep(0.001)


def followed(consumer: FakeConsumer, until: Callable[[TopicFollower], bool]) -> tuple[TopicFollower, list[Any]]:
    """A follower over this consumer, stopped once it is so; and what was logged."""

    async def scenario() -> TopicFollower:
        made: Any = consumer
        follower = TopicFollower({}, TOPIC, ignored, connect=lambda _config: made, retry_s=0.001)
        follower.start()
        await becomes(lambda: until(follower))
        await follower.stop()
        return follower

    def ignored(_entry: Entry) -> None:
        raise AssertionError("nothing is read")

    with capture_logs() as logged:
        return asyncio.run(scenario()), logged


def test_what_keeps_it_from_reading_is_logged_whenever_it_changes() -> None:
    """No right, no topic, no broker; each of them lasts, and is said once."""
    away = KafkaException(KafkaError(KafkaError._TRANSPORT))
    consumer = FakeConsumer(*[Place(DENIED)] * 3, *[Place(MISSING)] * 2, away, away, Place(), Place(), Place(DENIED))
    _, logged = followed(consumer, lambda _: bool(consumer.assigned))
    assert [(entry["event"], entry["log_level"], entry["topic"], entry["error"]) for entry in logged] == [
        ("follower", "warning", TOPIC, error)
        for error in (
            "TOPIC_AUTHORIZATION_FAILED",
            "UNKNOWN_TOPIC_OR_PART",
            "_TRANSPORT",
            "no partitions",
            "TOPIC_AUTHORIZATION_FAILED",
        )
    ]
    assert consumer.closed


def test_one_that_dies_says_so_and_one_that_is_stopped_does_not() -> None:
    """The worker asks, and ends: a worker that no longer hears of keys must not go on as if it did."""
    consumer = FakeConsumer()
    consumer.bug = RuntimeError("secret")
    died, logged = followed(consumer, lambda follower: follower.fault() != "")
    assert died.fault() == "the reader of comms.keys ended with RuntimeError"
    assert [(entry["event"], entry["log_level"], entry["error"]) for entry in logged] == [
        ("follower", "error", "RuntimeError")
    ]
    assert consumer.closed
    stopped, _ = followed(well := FakeConsumer(), lambda _: bool(well.assigned))
    assert stopped.fault() == ""


def test_one_that_cannot_even_begin_is_noticed_as_well() -> None:
    async def scenario() -> str:
        follower = TopicFollower({"no.such.setting": 1}, TOPIC, lambda _entry: None)
        follower.start()
        await becomes(lambda: follower.fault() != "")
        assert not follower.is_caught_up()
        await follower.stop()
        return follower.fault()

    assert asyncio.run(scenario()) == "the reader of comms.keys ended with KafkaException"
