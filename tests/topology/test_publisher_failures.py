"""The publisher when the broker refuses, is late or is gone: it waits, tries again, and in the end says `failed`."""

from __future__ import annotations

import asyncio

import pytest
from confluent_kafka import KafkaError

from streams.acks import Source
from streams.publisher import REFUSALS, RETRY_S
from tests.topology.test_publisher import REFUSAL, TIMED_OUT, desk, emit, turns


def test_a_refused_output_is_produced_again_and_acked_when_it_is_taken() -> None:
    """The same record, and the source behind it waits."""

    async def scenario() -> None:
        async with desk() as at:
            await at.publish(0)
            await at.publish(1)
            await at.producer.report(0, error=REFUSAL)
            await at.producer.report(1)
            assert (at.acked, at.why_failed()) == ([], "")
            await at.producer.until(3)
            assert at.producer.records[2].value == b"0/0"
            await at.producer.report(2)
            assert at.acked == [(0, 0), (0, 1)]

    asyncio.run(scenario())


def test_a_topic_refused_for_too_long_is_the_end() -> None:
    """One refusal and one retry fit into the time; the second refusal comes after it."""

    async def scenario() -> None:
        async with desk(refused_for=RETRY_S / 2) as at:
            await at.publish(0)
            await at.producer.report(0, error=REFUSAL)
            assert at.why_failed() == ""
            await at.producer.until(2)
            await at.producer.report(1, error=REFUSAL)
            assert at.why_failed() == "output to comms.render was not confirmed: TOPIC_AUTHORIZATION_FAILED"
            assert at.acked == []

    asyncio.run(scenario())


@pytest.mark.parametrize("code", sorted(REFUSALS))
def test_what_an_operator_can_mend_is_no_failure_at_once(code: int) -> None:
    """Also when the library says so at the call itself."""

    async def scenario() -> None:
        async with desk() as at:
            at.producer.refuses = code
            await at.publish(0)
            await turns()
            assert (at.why_failed(), at.acked, at.publisher.in_flight) == ("", [], 1)

    asyncio.run(scenario())


def test_partitions_taken_away_end_the_retries() -> None:
    async def scenario() -> None:
        async with desk() as at:
            await at.publish(0)
            await at.producer.report(0, error=REFUSAL)
            at.publisher.forget()
            await asyncio.sleep(RETRY_S * 1.2)  # past the time at which it would have been tried again
            assert len(at.producer.records) == 1

    asyncio.run(scenario())


FATAL = [TIMED_OUT, KafkaError._FATAL, KafkaError._PURGE_QUEUE, KafkaError.INVALID_MSG, KafkaError._AUTHENTICATION]


@pytest.mark.parametrize("code", FATAL)
def test_an_output_that_was_not_confirmed_ends_it_and_nothing_is_acked_any_more(code: int) -> None:
    """Not even what the broker confirms afterwards: beyond the gap no offset may be committed."""

    async def scenario() -> None:
        async with desk() as at:
            await at.publish(0)
            await at.publish(1)
            await at.publish(3, partition=1)
            await at.producer.report(1, error=code)
            assert KafkaError(code).name() in at.why_failed()
            await at.producer.report(0, 2)
            assert at.acked == []

    asyncio.run(scenario())


def test_a_fault_elsewhere_can_end_it_and_nothing_is_acked_any_more() -> None:
    """Such as an agent that died: the first reason stays."""

    async def scenario() -> None:
        async with desk() as at:
            await at.publish(0)
            at.publisher.fail("an agent ended with KeyError")
            at.publisher.fail("and so on")
            await at.producer.report(0)
            assert (at.acked, at.why_failed()) == ([], "an agent ended with KeyError")

    asyncio.run(scenario())


def test_an_ack_that_raises_is_the_end_and_nothing_is_acked_any_more() -> None:
    """`CommitPoints` raises when some order was lost; unheard, the records behind it would go on to be committed."""

    def out_of_order() -> None:
        raise ValueError

    async def scenario() -> None:
        async with desk() as at:
            asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
            await at.publisher.publish(Source(("events.x", 0), 0, out_of_order), [emit(0)])
            await at.publish(1)
            await at.producer.report(0)
            await at.producer.report(1)
            assert at.acked == []
            assert "ValueError" in at.why_failed()

    asyncio.run(scenario())


def test_after_a_failure_publish_waits_for_ever() -> None:
    """So that an agent can't go on to the next record, with outputs or without."""

    async def scenario() -> None:
        async with desk() as at:
            await at.publish(0)
            await at.producer.report(0, error=TIMED_OUT)
            waiting = [asyncio.create_task(at.publish(n, outputs=n - 1)) for n in (1, 2)]
            await at.producer.settled()
            assert not any(task.done() for task in waiting)
            assert len(at.producer.records) == 1
            assert at.acked == []
            for task in waiting:
                task.cancel()

    asyncio.run(scenario())


def test_a_failure_while_publish_waits_for_room_is_not_slept_through() -> None:
    """The one that waits inside the call gives up without producing; nothing is acked."""

    async def scenario() -> None:
        async with desk() as at:
            await at.publish(0)
            at.producer.full = True
            waiting = asyncio.create_task(at.publish(1))
            await turns()
            await at.producer.report(0, error=TIMED_OUT)
            at.producer.full = False
            await turns()
            assert len(at.producer.records) == 1
            assert at.acked == []
            waiting.cancel()

    asyncio.run(scenario())


def test_drain_returns_when_all_is_acked() -> None:
    async def scenario() -> None:
        async with desk() as at:
            assert await at.publisher.drain(0.0)
            await at.publish(0, outputs=2)
            draining = asyncio.create_task(at.publisher.drain(5.0))
            await at.producer.report(0)
            assert not draining.done()
            await at.producer.report(1)
            assert await asyncio.wait_for(draining, 1)

    asyncio.run(scenario())


def test_drain_gives_up_after_its_bound_and_says_so() -> None:
    async def scenario() -> None:
        async with desk() as at:
            await at.publish(0)
            assert not await at.publisher.drain(0.02)
            assert not await at.publisher.drain(0.0)
            assert at.publisher.in_flight == 1

    asyncio.run(scenario())


def test_drain_does_not_wait_for_a_publisher_that_has_failed() -> None:
    async def scenario() -> None:
        async with desk() as at:
            await at.publish(0)
            draining = asyncio.create_task(at.publisher.drain(60.0))
            await turns()
            await at.producer.report(0, error=TIMED_OUT)
            assert not await asyncio.wait_for(draining, 1)

    asyncio.run(scenario())


def test_a_publisher_is_stalled_while_its_oldest_output_is_unconfirmed_for_too_long() -> None:
    async def scenario() -> None:
        async with desk(stall_after=0.02) as at:
            assert not at.publisher.stalled()
            await at.publish(0)
            assert not at.publisher.stalled()
            await asyncio.sleep(0.04)
            assert at.publisher.stalled()
            await at.producer.report(0)
            assert not at.publisher.stalled()

    asyncio.run(scenario())
