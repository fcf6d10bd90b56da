"""What can't be decided yet waits, and its partition behind it: in order, and no ack passes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from streams.acks import Source
from streams.core.reasons import Reason, Rejected, Stage, Undecided
from streams.core.records import Emit, Record
from streams.core.token import Producer
from streams.gate import GATE_RED, Auth, Fresh, Gate1
from streams.holds import Holds
from streams.intake import Intake
from streams.publisher import Publisher, PublisherLimits
from streams.topology import Outcome, Produced, Step, Topology
from tests.builders import TOPIC, record
from tests.driver import Tally
from tests.fakes import FakeKeyState, FakeProducer
from tests.topology.test_publisher import turns

OUT = "comms.render"
KNOWN = b"known"


@dataclass(slots=True)
class Wanted:
    """Who would fetch keys: remembers what it was asked for."""

    asked: list[tuple[str, str]] = field(default_factory=list)

    def ask(self, issuer: str, kid: str) -> None:
        self.asked.append((issuer, kid))


@dataclass(slots=True)
class Desk:
    """An intake over a real publisher. A record's value is the kid that it names; ``keys`` are those that are known."""

    producer: FakeProducer
    publisher: Publisher
    keys: set[bytes | None] = field(default_factory=lambda: {KNOWN})
    absent: set[bytes | None] = field(default_factory=set)
    wanted: Wanted = field(default_factory=Wanted)
    acked: list[tuple[int, int]] = field(default_factory=list)
    waits_told: list[bool] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    look: Callable[[], None] = lambda: None
    intake: Intake = field(init=False)

    def __post_init__(self) -> None:
        step = Step(Stage.INGEST, self.decide, self.lacks)
        topology = Topology(dict.fromkeys((TOPIC, "events.b"), step), self.tally)
        self.intake = Intake(topology, self.publisher, self.wanted, on_wait=self.told)

    def lacks(self, at: Record) -> Undecided | None:
        found = self.decide(at)
        return found if isinstance(found, Undecided) else None

    def told(self) -> None:
        self.waits_told.append(self.intake.waits(TOPIC))
        self.look()

    def decide(self, at: Record) -> Outcome | Undecided:
        if at.value in self.absent:
            return Rejected(Reason.TOKEN_UNKNOWN_KEY, "")
        if at.value not in self.keys:
            return Undecided("issuer", (at.value or b"").decode())
        return Produced((Emit(topic=OUT, key=None, value=b"%d/%d" % (at.partition, at.offset)),))

    async def take(self, offset: int, kid: bytes = KNOWN, *, partition: int = 0, topic: str = TOPIC) -> None:
        """Hand a record over. Source partitions carry the deployment's prefix, records don't."""
        made = replace(record(kid, topic=topic, offset=offset), partition=partition)
        source = Source((f"blue.{topic}", partition), offset, lambda: self.acked.append((partition, offset)))
        await self.intake.take(made, source)

    def produced(self) -> list[bytes | None]:
        return [each.value for each in self.producer.records if each.topic == OUT]

    async def confirm_all(self) -> None:
        await self.producer.report(*range(len(self.producer.records)))

    def why_failed(self) -> str:
        failed = self.publisher.failed
        return failed.result() if failed is not None and failed.done() else ""


@asynccontextmanager
async def desk(*, max_in_flight: int = 100, tally: Tally | None = None) -> AsyncIterator[Desk]:
    producer = FakeProducer()
    publisher = Publisher(producer, PublisherLimits(max_in_flight=max_in_flight, refused_for=30.0, stall_after=5.0))
    publisher.start()
    try:
        yield Desk(producer, publisher, tally=tally or Tally())
    finally:
        publisher.forget()
        await publisher.stop(1.0)


async def until(true: Callable[[], bool]) -> None:
    """Let the loop run until it is so; fails after two seconds."""
    async with asyncio.timeout(2):
        while not true():  # noqa: ASYNC110 - on what runs in this loop
            await asyncio.sleep(0)


def test_what_can_be_decided_passes_at_once_and_nothing_is_told() -> None:
    async def scenario() -> None:
        async with desk() as at:
            await at.take(0)
            assert at.produced() == [b"0/0"]
            assert (at.wanted.asked, at.waits_told) == ([], [])
            assert not at.intake.waits(TOPIC)
            await at.confirm_all()
            assert at.acked == [(0, 0)]

    asyncio.run(scenario())


def test_a_record_whose_key_is_unknown_waits_and_asks_for_it() -> None:
    """Nothing is produced, nothing is acked, and the gate is told, so that it holds the topic."""

    async def scenario() -> None:
        async with desk() as at:
            await at.take(0, b"new")
            await at.producer.settled()
            assert at.producer.records == []
            assert (at.acked, at.publisher.in_flight) == ([], 0)
            assert at.wanted.asked == [("issuer", "new")]
            assert at.waits_told == [True]
            assert at.intake.waits(TOPIC)
            assert not at.intake.waits("events.b")
            assert at.tally.seen == [], "no verdict, nothing to count"

    asyncio.run(scenario())


def test_later_records_of_the_partition_wait_behind_it_and_other_partitions_flow() -> None:
    """Nor does an ack pass it: what was before is acked, what is behind is not even begun."""

    async def scenario() -> None:
        async with desk() as at:
            await at.take(0)
            await at.take(1, b"new")
            await at.take(2)
            await at.take(7, partition=1)
            await at.take(7, partition=0, topic="events.b")
            assert at.produced() == [b"0/0", b"1/7", b"0/7"]
            await at.confirm_all()
            assert at.acked == [(0, 0), (1, 7), (0, 7)]

    asyncio.run(scenario())


def test_once_keys_were_fetched_what_waited_is_decided_in_order() -> None:
    """And acked in order; the gate is told that nothing waits any more; each record is counted once."""

    async def scenario() -> None:
        async with desk() as at:
            for offset, kid in enumerate([b"new", KNOWN, b"bad", KNOWN]):
                await at.take(offset, kid)
            await at.take(4, b"new", partition=1)
            at.keys.add(b"new")
            at.absent.add(b"bad")
            at.intake.look()
            await until(lambda: not at.intake.waits(TOPIC))
            assert at.produced() == [b"0/0", b"0/1", b"0/3", b"1/4"]
            assert [each.topic for each in at.producer.records][2] == "comms.dead-letter"
            assert at.waits_told == [True, True, False]
            assert len(at.tally.seen) == 5
            await at.producer.report(1, 2, 3, 4)
            assert at.acked == [(1, 4)]
            await at.producer.report(0)
            assert at.acked == [(1, 4), (0, 0), (0, 1), (0, 2), (0, 3)]
            await at.take(5)
            assert at.produced()[-1] == b"0/5", "the line is gone"

    asyncio.run(scenario())


def test_what_still_cannot_be_decided_stays_and_so_does_all_behind_it() -> None:
    """One partition's wait is not another's."""

    async def scenario() -> None:
        async with desk() as at:
            for offset, kid in enumerate([b"new", KNOWN, b"later", KNOWN]):
                await at.take(offset, kid)
            await at.take(0, b"never", partition=1)
            at.keys.add(b"new")
            at.intake.look()
            await until(lambda: len(at.waits_told) == 3)
            assert at.produced() == [b"0/0", b"0/1"]
            assert at.intake.waits(TOPIC)
            assert at.wanted.asked[3:] == [("issuer", "later"), ("issuer", "never")]
            await at.confirm_all()
            assert at.acked == [(0, 0), (0, 1)]
            at.keys |= {b"later", b"never"}
            at.intake.look()
            await until(lambda: not at.intake.waits(TOPIC))
            assert at.produced() == [b"0/0", b"0/1", b"0/2", b"0/3", b"1/0"]

    asyncio.run(scenario())


def test_a_look_while_nothing_waits_does_nothing() -> None:
    async def scenario() -> None:
        async with desk() as at:
            at.intake.look()
            await turns()
            assert at.waits_told == []

    asyncio.run(scenario())


def test_what_comes_while_the_line_is_tried_again_stays_behind_it() -> None:
    """The line waits for room at the publisher, and its partition's records go on arriving."""

    async def scenario() -> None:
        async with desk(max_in_flight=1) as at:
            await at.take(0, b"new")
            await at.take(1)
            at.keys.add(b"new")
            at.intake.look()
            await at.producer.until(1)
            await asyncio.wait_for(at.take(2), 1)
            for index in range(3):
                await at.producer.until(index + 1)
                assert at.intake.waits(TOPIC) or index == 2
                await at.producer.report(index)
            await until(lambda: not at.intake.waits(TOPIC))
            assert at.produced() == [b"0/0", b"0/1", b"0/2"]
            assert at.acked == [(0, 0), (0, 1), (0, 2)]

    asyncio.run(scenario())


def test_a_fetch_while_the_line_is_tried_again_is_not_missed() -> None:
    """The first partition was found wanting before the fetch, the second keeps the publisher busy meanwhile."""

    async def scenario() -> None:
        async with desk(max_in_flight=1) as at:
            await at.take(0, b"late")
            for offset in range(2):
                await at.take(offset, b"new", partition=1)
            at.keys.add(b"new")
            at.intake.look()
            await at.producer.until(1)
            await turns()
            at.keys.add(b"late")
            at.intake.look()
            for index in range(3):
                await at.producer.until(index + 1)
                await at.producer.report(index)
            await until(lambda: not at.intake.waits(TOPIC))
            assert at.produced() == [b"1/0", b"1/1", b"0/0"]

    asyncio.run(scenario())


def test_the_topic_is_held_while_a_record_of_it_waits_and_no_longer() -> None:
    """By gate 1, which is GREEN all the while: one topic's wait is nobody else's."""

    async def scenario() -> None:
        async with desk() as at:
            holds, keys = Holds(), FakeKeyState(keys={"auth", "a", "b"}, ages={"auth": 1.0})
            bound = [
                Producer(issuer=issuer, service=issuer, topic=topic, types=frozenset())
                for issuer, topic in (("a", TOPIC), ("b", "events.b"))
            ]
            auth = Auth(keys_of="auth", probe=lambda: Fresh(1.0, ""), fresh_for=60.0)
            gate = Gate1(bound, keys, auth, holds, waits=at.intake.waits)
            at.look = gate.apply
            await at.take(0, b"new")
            assert dict(holds.reasons()) == {TOPIC: {GATE_RED}}
            at.intake.look()
            await until(lambda: len(at.waits_told) == 2)
            assert holds.holds(TOPIC), "still unknown"
            at.keys.add(b"new")
            at.intake.look()
            await until(lambda: len(at.waits_told) == 3)
            assert holds.reasons() == {}
            assert gate.state().green

    asyncio.run(scenario())
