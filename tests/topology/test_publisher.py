"""The publisher against a producer that confirms on command: nothing is acked before everything is confirmed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from confluent_kafka import KafkaError

from streams.acks import Source
from streams.core.records import Emit
from streams.publisher import RETRY_S, Publisher, PublisherLimits
from tests.fakes import FakeProducer

OUT = "comms.render"
REFUSAL = KafkaError.TOPIC_AUTHORIZATION_FAILED
TIMED_OUT = KafkaError._MSG_TIMED_OUT


@dataclass(slots=True)
class Desk:
    """A publisher, its producer, and the sources acked so far."""

    publisher: Publisher
    producer: FakeProducer
    acked: list[tuple[int, int]] = field(default_factory=list)

    def source(self, offset: int, partition: int = 0) -> Source:
        return Source(("events.x", partition), offset, lambda: self.acked.append((partition, offset)))

    async def publish(self, offset: int, outputs: int = 1, *, partition: int = 0) -> None:
        await self.publisher.publish(self.source(offset, partition), [emit(offset, n) for n in range(outputs)])

    def why_failed(self) -> str:
        future = self.publisher.failed
        return future.result() if future is not None and future.done() else ""


def emit(offset: int, number: int = 0) -> Emit:
    return Emit(topic=OUT, key=b"k", value=f"{offset}/{number}".encode())


@asynccontextmanager
async def desk(
    kind: type[Publisher] = Publisher,
    *,
    max_in_flight: int = 100,
    refused_for: float = 30.0,
    stall_after: float = 5.0,
    prefix: str = "",
) -> AsyncIterator[Desk]:
    producer = FakeProducer()
    limits = PublisherLimits(max_in_flight=max_in_flight, refused_for=refused_for, stall_after=stall_after)
    publisher = kind(producer, limits, topic_prefix=prefix)
    publisher.start()
    try:
        yield Desk(publisher, producer)
    finally:
        publisher.forget()
        await publisher.stop(1.0)


async def turns(count: int = 5) -> None:
    """Let everything that is ready in the loop run."""
    for _ in range(count):
        await asyncio.sleep(0)


def assert_acks_only_after_confirmation(publisher_class: type[Publisher]) -> None:
    """Sources are acked once all that came of them is confirmed, in offset order per partition, each once."""

    async def scenario() -> None:
        async with desk(publisher_class) as at:
            for offset in range(3):
                await at.publish(offset, outputs=2)  # records 0,1  2,3  4,5
            await at.publish(7, outputs=1, partition=1)  # record 6
            await at.producer.settled()
            assert at.acked == [], "acked before anything was confirmed"
            await at.producer.report(2, 3)
            assert at.acked == [], "acked before the offset ahead of it"
            await at.producer.report(0)
            assert at.acked == [], "acked with one of two outputs confirmed"
            await at.producer.report(6)
            assert at.acked == [(1, 7)], "one partition does not wait for another"
            await at.producer.report(1)
            assert at.acked == [(1, 7), (0, 0), (0, 1)]
            await at.producer.report(5, 4)
            assert at.acked == [(1, 7), (0, 0), (0, 1), (0, 2)]
            assert (at.publisher.in_flight, at.publisher.resolved) == (0, 4)

    asyncio.run(scenario())


class AcksBeforeConfirmed(Publisher):
    """A planted bug: acks when the outputs are handed to the library, as Faust does by itself."""

    async def publish(self, source: Source, emits: Sequence[Emit]) -> None:
        await super().publish(source, emits)
        source.ack()


class AcksAfterTheFirst(Publisher):
    """A planted bug: one confirmed output of several is taken for all."""

    async def publish(self, source: Source, emits: Sequence[Emit]) -> None:
        await super().publish(source, emits[:1])
        await super().publish(Source(("", -1), 0, lambda: None), emits[1:])


def test_a_source_is_acked_only_after_all_its_outputs_are_confirmed() -> None:
    assert_acks_only_after_confirmation(Publisher)


@pytest.mark.parametrize("broken", [AcksBeforeConfirmed, AcksAfterTheFirst])
def test_a_publisher_that_acks_before_confirmation_is_caught(broken: type[Publisher]) -> None:
    with pytest.raises(AssertionError):
        assert_acks_only_after_confirmation(broken)


def test_what_is_produced_is_the_emit_with_the_deployments_prefix() -> None:
    """Key, value, headers with repetitions; a partition only where the emit names one."""

    async def scenario() -> None:
        async with desk(prefix="blue.") as at:
            headers = (("a", b"1"), ("a", None))
            named = Emit(topic=OUT, key=b"k", value=b"v", headers=headers, partition=2)
            await at.publisher.publish(at.source(0), [named, emit(0)])
            first, second = at.producer.records
            assert (first.topic, first.key, first.value, first.partition) == (f"blue.{OUT}", b"k", b"v", 2)
            assert first.headers == [("a", b"1"), ("a", None)]
            assert second.partition is None

    asyncio.run(scenario())


def test_a_source_without_outputs_is_acked_in_its_turn() -> None:
    async def scenario() -> None:
        async with desk() as at:
            await at.publish(0)
            await at.publish(1, outputs=0)
            await at.producer.settled()
            assert at.acked == []
            await at.producer.report(0)
            assert at.acked == [(0, 0), (0, 1)]

    asyncio.run(scenario())


def test_publish_waits_while_too_much_is_in_flight_and_a_confirmation_lets_it_go_on() -> None:
    async def scenario() -> None:
        async with desk(max_in_flight=2) as at:
            await at.publish(0)
            await at.publish(1)
            third = asyncio.create_task(at.publish(2))
            await at.producer.report(1)  # confirmed, but behind offset 0: still in flight
            assert not third.done()
            assert len(at.producer.records) == 2
            await at.producer.report(0)
            await asyncio.wait_for(third, 1)
            assert at.acked == [(0, 0), (0, 1)]
            assert at.producer.records[2].value == b"2/0"

    asyncio.run(scenario())


def test_a_full_queue_makes_publish_wait_for_confirmations() -> None:
    """BufferError is back-pressure, not a failure: the record is produced once there is room, and once only."""

    async def scenario() -> None:
        async with desk() as at:
            await at.publish(0)
            at.producer.full = True
            waiting = asyncio.create_task(at.publish(1))
            await turns()
            assert not waiting.done()
            at.producer.full = False
            await at.producer.report(0)
            await asyncio.wait_for(waiting, 1)
            assert [record.value for record in at.producer.records] == [b"0/0", b"1/0"]
            assert at.acked == [(0, 0)]

    asyncio.run(scenario())


def test_taking_partitions_away_while_publish_waits_drops_the_record() -> None:
    """Whoever has the partition now reads it again: it is not produced, not acked, and publish returns."""

    async def scenario() -> None:
        async with desk(max_in_flight=1) as at:
            await at.publish(0)
            waiting = asyncio.create_task(at.publish(1))
            await turns()
            at.publisher.forget()
            await asyncio.wait_for(waiting, 1)
            assert len(at.producer.records) == 1
            assert at.acked == []
            assert at.publisher.in_flight == 0

    asyncio.run(scenario())


def test_taking_partitions_away_ends_the_wait_for_room() -> None:
    async def scenario() -> None:
        async with desk() as at:
            at.producer.full = True
            waiting = asyncio.create_task(at.publish(0))
            await turns()
            at.publisher.forget()
            await asyncio.wait_for(waiting, 1)
            assert at.producer.records == []

    asyncio.run(scenario())


def test_what_is_confirmed_after_the_partitions_were_taken_away_changes_nothing() -> None:
    """Not the old sources, and not the new ones of the same offsets."""

    async def scenario() -> None:
        async with desk() as at:
            await at.publish(0)
            at.publisher.forget()
            await at.publish(0)
            await at.producer.report(0)
            assert at.acked == []
            await at.producer.report(1)
            assert at.acked == [(0, 0)]
            assert at.publisher.resolved == 1

    asyncio.run(scenario())


def test_a_failure_of_a_forgotten_record_does_not_end_the_process() -> None:
    async def scenario() -> None:
        async with desk() as at:
            await at.publish(0)
            at.publisher.forget()
            await at.producer.report(0, error=TIMED_OUT)
            assert at.why_failed() == ""

    asyncio.run(scenario())


def test_stop_waits_for_what_is_in_flight() -> None:
    async def scenario() -> None:
        async with desk() as at:
            await at.publish(0)
            stopping = asyncio.create_task(at.publisher.stop(5.0))
            await turns()
            assert not stopping.done()
            at.producer.tell(0)
            await asyncio.wait_for(stopping, 5)
            assert at.acked == [(0, 0)]

    asyncio.run(scenario())


def test_retries_are_soon_enough_to_be_tested() -> None:
    """The tests of refusals wait for real: they count on a pause well below a second."""
    assert RETRY_S <= 0.5
