"""Breakers at work: a topic is held, what was fetched of it waits in order and unacked, and an operator lets it go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import pytest

from streams.acks import Source
from streams.breakers import BREAKER, Breakers
from streams.core.breaker import Limits, Open, Why, opening_record
from streams.core.reasons import Reason, Rejected, Stage, Undecided
from streams.core.records import Emit, Record
from streams.holds import Holds
from streams.intake import Intake
from streams.publisher import Publisher, PublisherLimits
from streams.topics import DEAD_LETTER, REDRIVE, RENDER
from streams.topology import Outcome, Produced, Step, Topology
from tests.builders import TOPIC, record
from tests.driver import Tally
from tests.fakes import FakeProducer
from tests.topology.test_publisher import turns

OTHER = "events.other"
LIMITS = Limits(run=3, ratio=1.0, window=100, min_sample=100, min_failures=100)
NOW_MS = 1_790_000_000_000
OPENING = Open(why=Why.RUN, run=3, refused=3, seen=3)
GOOD, BAD, NEW = b"good", b"bad", b"new"


class Wanted:
    """Who would fetch keys."""

    def ask(self, issuer: str, kid: str) -> None:
        """Never mind."""


@dataclass(slots=True)
class Desk:
    """An intake with breakers, over a real publisher. A record's value says what becomes of it."""

    producer: FakeProducer
    publisher: Publisher
    holds: Holds = field(default_factory=Holds)
    written: list[tuple[bytes, bytes | None]] = field(default_factory=list)
    acked: list[tuple[int, int]] = field(default_factory=list)
    reason: Reason = Reason.TOKEN_SIGNATURE
    known: bool = False
    breakers: Breakers = field(init=False)
    intake: Intake = field(init=False)

    def __post_init__(self) -> None:
        ingest = Step(Stage.INGEST, self.decide)
        topology = Topology({TOPIC: ingest, OTHER: ingest, REDRIVE: ingest}, Tally())
        self.breakers = Breakers((TOPIC, OTHER), LIMITS, self.holds, self.write, now=lambda: NOW_MS / 1000)
        self.intake = Intake(topology, self.publisher, Wanted(), breakers=self.breakers)
        self.breakers.on_release = self.intake.look

    def write(self, key: bytes, value: bytes | None) -> None:
        self.written.append((key, value))

    def decide(self, at: Record) -> Outcome | Undecided:
        if at.value == BAD:
            return Rejected(self.reason, "")
        if at.value == NEW and not self.known:
            return Undecided("issuer", "kid")
        return Produced((Emit(topic=RENDER, key=None, value=b"%d/%d" % (at.partition, at.offset)),))

    async def take(self, values: list[bytes], *, first: int = 0, partition: int = 0, topic: str = TOPIC) -> None:
        """Hand over records of one partition; acks are noted for `TOPIC` alone."""
        for offset, value in enumerate(values, first):
            acked = self.acked if topic == TOPIC else []
            source = Source((topic, partition), offset, partial(acked.append, (partition, offset)))
            await self.intake.take(replace(record(value, topic=topic, offset=offset), partition=partition), source)

    def rendered(self) -> list[bytes | None]:
        return [each.value for each in self.producer.records if each.topic == RENDER]

    def letters(self) -> int:
        return sum(each.topic == DEAD_LETTER for each in self.producer.records)

    async def confirm_all(self) -> None:
        await self.producer.report(*range(len(self.producer.records)))

    def held(self) -> set[str]:
        return {topic for topic, reasons in self.holds.reasons().items() if BREAKER in reasons}


@asynccontextmanager
async def desk(*, max_in_flight: int = 100) -> AsyncIterator[Desk]:
    producer = FakeProducer()
    publisher = Publisher(producer, PublisherLimits(max_in_flight=max_in_flight, refused_for=30.0, stall_after=5.0))
    publisher.start()
    try:
        yield Desk(producer, publisher)
    finally:
        publisher.forget()
        await publisher.stop(1.0)


async def until(true: Callable[[], bool]) -> None:
    """Let the loop run until it is so; fails after two seconds."""
    async with asyncio.timeout(2):
        while not true():  # noqa: ASYNC110 - on what runs in this loop
            await asyncio.sleep(0)


def test_a_run_of_refusals_holds_the_topic_and_no_record_after_it_becomes_a_dead_letter() -> None:
    """The three of the run are dead letters and acked; what was fetched behind them is neither."""

    async def scenario() -> None:
        async with desk() as at:
            await at.take([GOOD, BAD, BAD, BAD, BAD, GOOD])
            await at.confirm_all()
            assert at.letters() == LIMITS.run
            assert at.rendered() == [b"0/0"]
            assert at.acked == [(0, 0), (0, 1), (0, 2), (0, 3)]
            assert at.held() == {TOPIC}
            assert at.written == [opening_record(TOPIC, replace(OPENING, seen=4))]

    asyncio.run(scenario())


def test_other_topics_and_redrives_flow_while_a_breaker_is_open() -> None:
    async def scenario() -> None:
        async with desk() as at:
            await at.take([BAD] * 4)
            await at.take([GOOD], topic=OTHER)
            await at.take([BAD] * 10 + [GOOD], topic=REDRIVE)
            assert at.rendered() == [b"0/0", b"0/10"]
            assert at.letters() == 3 + 10, "redrives are bounded by whoever orders them"
            assert at.held() == {TOPIC}

    asyncio.run(scenario())


def test_all_partitions_of_the_topic_count_and_all_of_them_wait() -> None:
    async def scenario() -> None:
        async with desk() as at:
            for partition in range(3):
                await at.take([BAD], partition=partition)
            for partition in range(3):
                await at.take([GOOD], first=1, partition=partition)
            assert (at.letters(), at.rendered()) == (3, [])

    asyncio.run(scenario())


@pytest.mark.parametrize("reason", list(Reason))
def test_every_refusal_counts(reason: Reason) -> None:
    """A bug of ours as well: the events are worth more in their topic."""

    async def scenario() -> None:
        async with desk() as at:
            at.reason = reason
            await at.take([BAD] * 3)
            assert at.held() == {TOPIC}

    asyncio.run(scenario())


def test_a_record_that_waits_for_its_key_counts_as_nothing() -> None:
    """Before there is a verdict there is no refusal; and while the topic is held for that, no breaker is to blame."""

    async def scenario() -> None:
        async with desk() as at:
            await at.take([BAD, BAD, NEW, BAD])
            assert at.held() == set()
            assert at.intake.waits(TOPIC)
            at.known = True
            at.intake.look()
            await until(lambda: not at.intake.waits(TOPIC))
            assert (at.rendered(), at.letters(), at.held()) == ([b"0/2"], 3, set()), "a good one breaks the run"

    asyncio.run(scenario())


def test_a_topic_that_is_let_go_flows_on_in_order_and_loses_nothing() -> None:
    async def scenario() -> None:
        async with desk() as at:
            await at.take([BAD, BAD, BAD, GOOD, GOOD])
            await at.take([GOOD], partition=1)
            assert not at.intake.waits(TOPIC), "it is not a key that it waits for"
            at.breakers.release(TOPIC, at_ms=NOW_MS)
            await until(lambda: not at.held())
            assert at.rendered() == [b"0/3", b"0/4", b"1/0"]
            await at.take([GOOD], first=5)
            await at.confirm_all()
            assert at.acked == [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (1, 0), (0, 5)]
            assert at.holds.reasons() == {}

    asyncio.run(scenario())


def test_a_topic_stays_held_until_what_waits_of_it_is_worked_off() -> None:
    """Or a whole backlog would be read into memory behind it."""

    async def scenario() -> None:
        async with desk(max_in_flight=3) as at:
            await at.take([BAD, BAD, BAD, GOOD])
            at.breakers.release(TOPIC, at_ms=NOW_MS)
            await turns()
            assert (at.rendered(), at.held()) == ([], {TOPIC}), "the publisher has no room"
            await at.confirm_all()
            await until(lambda: not at.held())
            assert at.rendered() == [b"0/3"]

    asyncio.run(scenario())


def test_a_topic_with_nothing_waiting_flows_at_once() -> None:
    async def scenario() -> None:
        async with desk() as at:
            await at.take([BAD] * 3)
            at.breakers.release(TOPIC, at_ms=NOW_MS)
            assert at.holds.reasons() == {}
            assert not at.breakers.holding(TOPIC)

    asyncio.run(scenario())


def test_a_topic_that_is_still_bad_is_stopped_again() -> None:
    """After no more than another run; the count began anew."""

    async def scenario() -> None:
        async with desk() as at:
            await at.take([BAD] * 20)
            at.breakers.release(TOPIC, at_ms=NOW_MS)
            await until(lambda: len(at.written) == 2)
            await turns()
            assert (at.letters(), at.held()) == (6, {TOPIC})
            assert at.written[1] == opening_record(TOPIC, OPENING)

    asyncio.run(scenario())


def test_what_waits_for_a_key_behind_a_breaker_that_was_let_go_waits_for_its_key_then() -> None:
    async def scenario() -> None:
        async with desk() as at:
            await at.take([BAD, BAD, BAD, NEW])
            at.breakers.release(TOPIC, at_ms=NOW_MS)
            await until(lambda: not at.held())
            assert at.intake.waits(TOPIC)
            at.known = True
            at.intake.look()
            await until(lambda: not at.intake.waits(TOPIC))
            assert at.rendered() == [b"0/3"]

    asyncio.run(scenario())


def test_partitions_taken_away_while_a_breaker_is_open_lose_nothing_and_leave_it_open() -> None:
    """Whoever has them next reads what waited again; here the same worker, which lets it wait again."""

    async def scenario() -> None:
        async with desk() as at:
            await at.take([BAD, BAD, BAD, GOOD])
            at.intake.forget()
            await at.take([BAD, GOOD], first=2)
            assert (at.letters(), at.rendered(), at.held()) == (3, [], {TOPIC})
            at.breakers.release(TOPIC, at_ms=NOW_MS)
            await until(lambda: not at.held())
            assert (at.letters(), at.rendered()) == (4, [b"0/3"])

    asyncio.run(scenario())
