"""Partitions that are taken away, errors and a failed publisher: what waits is neither lost nor acked."""

from __future__ import annotations

import asyncio

import pytest

from streams.core.reasons import Stage
from streams.core.records import Record
from streams.topology import Outcome
from tests.builders import TOPIC
from tests.driver import Tally
from tests.topology.test_intake import KNOWN, desk, until
from tests.topology.test_publisher import turns


class BrokenTally(Tally):
    """An observer with a bug."""

    def processed(self, _stage: Stage, record: Record, _outcome: Outcome) -> None:
        raise RuntimeError(record.topic)


def test_partitions_taken_away_while_records_wait_lose_nothing_and_ack_nothing() -> None:
    """Whoever has them next reads them again from the last ack: here the same worker."""

    async def scenario() -> None:
        async with desk() as at:
            await at.take(0)
            await at.take(1, b"new")
            await at.take(2)
            at.intake.forget()
            await at.confirm_all()
            assert at.acked == []
            assert not at.intake.waits(TOPIC)
            assert at.waits_told == [True, False], "so that the topic is let go for whoever has it next"
            at.intake.forget()
            assert at.waits_told == [True, False]
            at.keys.add(b"new")
            at.intake.look()
            await turns()
            assert at.produced() == [b"0/0"], "what was forgotten is not produced later"
            for offset in range(3):
                await at.take(offset, [KNOWN, b"new", KNOWN][offset])
            assert at.produced() == [b"0/0", b"0/0", b"0/1", b"0/2"]
            await at.producer.report(1, 2, 3)
            assert at.acked == [(0, 0), (0, 1), (0, 2)]

    asyncio.run(scenario())


@pytest.mark.parametrize("again", [b"new", b"other"])
def test_partitions_taken_away_while_the_line_is_tried_again_lose_nothing_and_ack_nothing(again: bytes) -> None:
    """The line waits for room; the partition comes back, and its records wait in a line of their own."""

    async def scenario() -> None:
        async with desk(max_in_flight=1) as at:
            for offset in range(3):
                await at.take(offset, b"new")
            at.keys.add(b"new")
            at.intake.look()
            await at.producer.until(1)
            await turns()
            at.intake.forget()
            at.keys.clear()
            await at.take(0, again)  # read again, and undecided
            await turns()
            assert at.intake.waits(TOPIC)
            await at.producer.report(0)
            assert at.acked == []
            assert at.produced() == [b"0/0"]
            at.keys |= {again}
            at.intake.look()
            await at.producer.until(2)
            await at.producer.report(1)
            assert at.produced() == [b"0/0", b"0/0"]
            assert at.acked == [(0, 0)]
            await until(lambda: not at.intake.waits(TOPIC))

    asyncio.run(scenario())


def test_an_error_while_trying_again_is_the_end_of_the_publisher() -> None:
    """Else what waits would wait for ever, without a word."""

    async def scenario() -> None:
        async with desk(tally=BrokenTally()) as at:
            await at.take(0, b"new")
            at.keys.add(b"new")
            at.intake.look()
            await until(lambda: at.why_failed() != "")
            assert at.why_failed() == "trying again ended with RuntimeError"
            assert (at.acked, at.produced()) == ([], [])

    asyncio.run(scenario())


def test_a_publisher_that_failed_keeps_what_waits() -> None:
    """On the way out nothing is skipped."""

    async def scenario() -> None:
        async with desk() as at:
            await at.take(0, b"new")
            await at.take(1)
            at.publisher.fail("the broker refuses")
            at.keys.add(b"new")
            at.intake.look()
            await turns(20)
            assert at.produced() == []
            assert at.acked == []
            assert at.intake.waits(TOPIC)

    asyncio.run(scenario())
