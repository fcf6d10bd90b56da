"""One redrive: each dead letter goes back in the transaction of its mark, at a rate, until the end or until told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest

from adapters.kafka_admin import BrokerUnavailableError
from streams import topics
from streams.core.dead_letter import dead_letter
from streams.core.letters import Place
from streams.core.reasons import Reason, Rejected, Stage
from streams.core.records import Emit, Record
from streams.core.redrive import redriven
from streams.core.redrive_job import Job, JobState, Redrives
from streams.ledger import FencedError
from streams.redriver import Redriver, Work
from tests.builders import TOPIC, record
from tests.core.test_redrive_job import job
from tests.fakes import SteppedClock

WHY = Rejected(Reason.INTERNAL_ERROR, "a bug")


@dataclass(slots=True)
class FakeTransactions:
    """What was committed, one list per transaction. ``fenced_at``: the write that finds another one in its place."""

    written: list[list[Emit]] = field(default_factory=list)
    after: Callable[[int], None] = lambda _count: None
    fenced_at: int = 10**6

    async def write(self, emits: Sequence[Emit]) -> list[int]:
        if len(self.written) >= self.fenced_at:
            raise FencedError
        self.written.append(list(emits))
        self.after(len(self.written))
        return [0] * len(emits)

    def told(self) -> Redrives:
        """What the topic tells of it."""
        found = Redrives()
        for emit in (emit for emits in self.written for emit in emits if emit.topic == topics.REDRIVES):
            found.read(emit.key, emit.value)
        return found

    def back(self) -> list[bytes | None]:
        """The values that went back."""
        return [emit.value for emits in self.written for emit in emits if emit.topic == topics.REDRIVE]


def letters(count: int) -> Iterator[Record]:
    for index in range(count):
        emit = dead_letter(record(f"{index}".encode(), topic=TOPIC), WHY, Stage.INGEST, failed_at_ms=0)
        yield replace(record(emit.value, topic=topics.DEAD_LETTER, offset=index, headers=emit.headers), partition=1)


def work(originals: Iterator[Record], *, rate: int = 2, besides: tuple[Place, ...] = ()) -> Work:
    return Work(originals=originals, make=redriven, rate=rate, besides=besides)


def redriver(
    transactions: FakeTransactions, redrives: Redrives | None = None, tell: Callable[[Job], None] = lambda _job: None
) -> Redriver:
    """Time goes on only where it waits."""
    clock = SteppedClock()

    async def sleep(seconds: float) -> None:
        clock.now += seconds

    return Redriver(transactions, redrives or Redrives(), tell=tell, now=clock, sleep=sleep)


def test_each_goes_back_in_the_transaction_of_its_mark_and_of_the_heartbeat() -> None:
    """Two a second: five take three transactions, after the one that begins and before the one that ends."""
    transactions = FakeTransactions()
    ended = asyncio.run(redriver(transactions).run(job(total=5, done=0), work(letters(5))))
    assert (ended.state, ended.done) == (JobState.FINISHED, 5)
    begin, *middle, end = transactions.written
    assert [emit.key for emit in begin] == [emit.key for emit in end] == [b"job", b"job:j1"]
    assert [[emit.key for emit in emits if emit.topic == topics.REDRIVES] for emits in middle] == [
        [b"1@0", b"1@1", b"job"],
        [b"1@2", b"1@3", b"job"],
        [b"1@4", b"job"],
    ]
    assert [[emit.value for emit in emits if emit.topic == topics.REDRIVE] for emits in middle] == [
        [b"0", b"1"],
        [b"2", b"3"],
        [b"4"],
    ]
    assert transactions.told().last == ended
    assert {mark.to for mark in transactions.told().marks.values()} == {topics.REDRIVE}


def test_a_wish_to_end_is_obeyed_before_the_next_one() -> None:
    """What was not redriven has no mark, and what has a mark was redriven."""
    redrives, transactions = Redrives(), FakeTransactions()
    transactions.after = lambda count: redrives.cancelled.add("j1") if count == 2 else None
    ended = asyncio.run(redriver(transactions, redrives).run(job(total=9, done=0), work(letters(9))))
    assert (ended.state, ended.done) == (JobState.CANCELLED, 2)
    assert transactions.back() == [b"0", b"1"]
    assert set(transactions.told().marks) == {"1@0", "1@1"}


def test_a_wish_to_end_another_one_changes_nothing() -> None:
    ended = asyncio.run(redriver(FakeTransactions(), Redrives(cancelled={"j0"})).run(job(done=0), work(letters(3))))
    assert (ended.state, ended.done) == (JobState.FINISHED, 3)


def test_a_signal_ends_it_as_cancelled() -> None:
    transactions = FakeTransactions()
    runner = redriver(transactions)
    transactions.after = lambda count: runner.stop() if count == 2 else None
    ended = asyncio.run(runner.run(job(total=9, done=0), work(letters(9))))
    assert (ended.state, ended.done) == (JobState.CANCELLED, 2)


def test_one_that_is_fenced_writes_nothing_more() -> None:
    transactions = FakeTransactions(fenced_at=2)
    with pytest.raises(FencedError):
        asyncio.run(redriver(transactions).run(job(total=9, done=0), work(letters(9))))
    assert transactions.back() == [b"0", b"1"]


def test_one_that_can_not_read_on_says_that_it_failed() -> None:
    """What it had done stays done, and counted."""

    def broken() -> Iterator[Record]:
        yield from letters(2)
        raise BrokerUnavailableError("no answer")

    transactions = FakeTransactions()
    with pytest.raises(BrokerUnavailableError):
        asyncio.run(redriver(transactions).run(job(total=9, done=0), work(broken())))
    last = transactions.told().last
    assert last is not None
    assert (last.state, last.done, len(transactions.told().marks)) == (JobState.FAILED, 2, 2)


def test_what_is_about_the_same_is_marked_with_the_first_one_only() -> None:
    transactions = FakeTransactions()
    asyncio.run(redriver(transactions).run(job(done=0), work(letters(2), rate=1, besides=(Place(0, 7),))))
    keys = [[emit.key for emit in emits] for emits in transactions.written]
    assert [b"0@7" in each for each in keys] == [False, True, False, False]


def test_it_is_as_slow_as_it_was_told() -> None:
    """Six at two a second take three steps, a second apart; each step is told."""
    heard: list[Job] = []
    asyncio.run(redriver(FakeTransactions(), tell=heard.append).run(job(done=0), work(letters(6))))
    assert [each.done for each in heard] == [2, 4, 6]
    for earlier, later in pairwise(heard):
        assert 1000 <= later.at_ms - earlier.at_ms <= 1100
