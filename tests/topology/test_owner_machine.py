"""The real owner under any sequence of crashes, take-overs, stops, endings, retries and time, on a fake broker."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from streams import topics
from streams.core.dispatch import Hold
from streams.core.ledger import FINAL, NEXT, Entry, Standing
from streams.core.messages import Message, Mode
from streams.core.records import Emit
from streams.ledger import FencedError
from tests.fake_broker import LEDGER, CrashedError
from tests.fakes import Ending
from tests.ledger_model import again, identity
from tests.shift import BEGIN_S, Floor, Shift, intents, mail

CALLS: Final = 2
UNITS: Final = 3
POINTS: Final = ("before the claim", "after the claim", "in the call", "before it is settled", "after it is settled")
ENDINGS: Final = (*[Ending.TAKEN] * 3, Ending.SILENT, Ending.REFUSED_FOR_NOW, Ending.REFUSED_FOR_EVER)
RISKY: Final = (Ending.TAKEN, Ending.SILENT)


class Provider:
    """Remembers when each call began and whether it may have been sent; can be made to crash its caller, or to wait."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self.begun: list[tuple[str, int]] = []
        self.risks: Counter[str] = Counter()
        self.faults: list[str] = []  # not raised: an owner takes what a sender raises for an outcome

    async def send(self, message: Message) -> Any:
        dispatch_id, ending = message.route.dispatch_id, self._floor.sender.ending
        broker, now_ms = self._floor.broker, int(self._floor.clock.now * 1000)
        if dict(broker.entries())[dispatch_id].standing in FINAL:
            self.faults.append("called after a final state")
        claims = [each for each in broker.records[LEDGER] if intents([each]) and each.key == dispatch_id.encode()]
        if now_ms - claims[-1].appended_ms > BEGIN_S * 1000:
            self.faults.append("called too late")
        self.begun.append((dispatch_id, now_ms))
        self.risks[dispatch_id] += ending in RISKY or self._floor.sender.bug is not None
        return await self._floor.sender.send(message)


class OwnerMachine(RuleBasedStateMachine):
    """Workers come and go over one partition. Each rule lets the present one work until it rests, or is gone."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.floor = Floor(units=UNITS)
        self.provider = Provider(self.floor)
        self.numbers = 0
        self.deaths = 0
        self.late: list[Shift] = []

    @initialize()
    def begin(self) -> None:
        self.do(self.start)

    def do(self, what: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.loop.run_until_complete(what())

    async def start(self) -> None:
        self.shift = self.floor.start(calls=CALLS)
        desk = self.shift.owner._desk
        self.shift.owner._desk = replace(desk, senders={"email": self.provider})
        await self.shift.rest()

    async def work(self) -> None:
        await self.shift.rest()

    # What happens.

    @rule(count=st.integers(1, 4), copies=st.integers(1, 2))
    def produce(self, count: int, copies: int) -> None:
        """New messages, in as many copies."""
        for _ in range(count):
            self.numbers += 1
            self.floor.queue(*[mail(self.numbers)] * copies)
        self.do(self.work)

    @rule(ending=st.sampled_from(ENDINGS))
    def ends(self, ending: Ending) -> None:
        """From now on calls end so."""
        self.floor.sender.ending = ending

    @rule(seconds=st.sampled_from([1.0, 15.0, 31.0, 62.0, 301.0, 1801.0]))
    def time_passes(self, seconds: float) -> None:
        self.floor.clock.now += seconds
        self.do(self.work)

    @rule(mode=st.sampled_from([Mode.LIVE, Mode.LIVE, Mode.DRY_RUN]))
    def mode_changes(self, mode: Mode) -> None:
        self.floor.mode = mode

    @rule(held=st.booleans())
    def switch(self, held: bool) -> None:  # noqa: FBT001 - drawn
        self.floor.stopped = (Hold.KILL_SWITCH,) if held else ()
        self.do(self.work)

    @rule(aside=st.booleans())
    def narrow_switch(self, aside: bool) -> None:  # noqa: FBT001 - drawn
        self.floor.orders.aside = {"new_match"} if aside else set()
        self.floor.orders.changed = int(self.floor.clock.now * 1000)
        self.floor.clock.now += 0.01
        self.do(self.work)

    @rule(point=st.sampled_from(POINTS), count=st.integers(1, 4))
    def crash(self, point: str, count: int) -> None:
        """The worker is gone at that point, if it gets there; the next one takes over."""
        self.do(lambda: self.crashing(point, count))

    async def crashing(self, point: str, count: int) -> None:
        async def gone(emits: Sequence[Emit]) -> None:
            if intents(emits) is ("claim" in point):
                raise CrashedError

        ledger, sender = self.shift.ledger, self.floor.sender
        if point.startswith("before"):
            ledger.before = gone
        elif point.startswith("after"):
            ledger.after = gone
        else:
            sender.bug = CrashedError()
        for _ in range(count):
            self.numbers += 1
            self.floor.queue(mail(self.numbers))
        await self.shift.rest()
        self.deaths += 1
        if not self.shift.task.done():
            self.shift.task.cancel()
        await asyncio.gather(self.shift.task, return_exceptions=True)
        sender.bug = None
        await self.start()

    @rule(jump=st.sampled_from([0.0, 1.0, 3.0, 30.0]), where=st.sampled_from(["claimed", "calling"]))
    def freeze(self, jump: float, where: str) -> None:
        """The worker stands still, another takes over, and then it goes on: SIGSTOP, SIGCONT."""
        self.do(lambda: self.freezing(jump, where))

    async def freezing(self, jump: float, where: str) -> None:
        thawed, old = asyncio.Event(), self.shift

        async def still(emits: Sequence[Emit]) -> None:
            if intents(emits):
                await thawed.wait()

        if where == "claimed":
            old.ledger.after = still
        else:
            self.floor.sender.door = thawed
        self.numbers += 1
        self.floor.queue(mail(self.numbers))
        await old.rest()
        self.floor.clock.now += jump
        self.deaths += 1
        self.floor.sender.door = None
        await self.start()
        written = len(self.floor.broker.transactions)
        thawed.set()
        await old.rest()
        old.owner.stop()
        (ended,) = await asyncio.gather(old.task, return_exceptions=True)
        assert ended is None or isinstance(ended, FencedError)
        assert len(self.floor.broker.transactions) == written

    @rule()
    def restart(self) -> None:
        """In good order: nothing is parked for it."""

        async def orderly() -> None:
            await self.shift.end()
            assert all(entry.standing is not Standing.INTENT for entry in self.table().values())
            await self.start()

        self.do(orderly)

    @precondition(lambda self: self.floor.broker.letters())
    @rule(which=st.integers(0, 9))
    def redrive(self, which: int) -> None:
        """Any dead letter that ever was, also one that was redriven before."""
        letters = self.floor.broker.letters()
        self.floor.broker.append(again(letters[which % len(letters)]))
        self.do(self.work)

    # What must hold.

    def table(self) -> dict[str, Entry]:
        return dict(self.floor.broker.entries())

    @invariant()
    def no_call_begins_late_or_after_the_end(self) -> None:
        assert self.provider.faults == []

    @invariant()
    def no_message_is_sent_twice(self) -> None:
        assert all(count <= 1 for count in self.provider.risks.values())

    @invariant()
    def the_cap_holds_over_all_workers(self) -> None:
        """In any 60 seconds at the provider."""
        times = [at_ms for _, at_ms in self.provider.begun]
        assert all(sum(at <= other < at + 60_000 for other in times) <= UNITS for at in times)

    @invariant()
    def one_standing_follows_another_by_the_rules(self) -> None:
        before: dict[str, Standing] = {}
        for dispatch_id, entry in self.floor.broker.entries():
            assert entry.standing in NEXT[before.get(dispatch_id)]
            before[dispatch_id] = entry.standing

    @invariant()
    def no_more_are_parked_than_calls_may_run_at_once(self) -> None:
        first_parked = [
            dispatch_id
            for dispatch_id, entry in self.table().items()
            if entry.standing is Standing.UNKNOWN and self.provider.risks[dispatch_id] == 0
        ]
        assert len(first_parked) <= CALLS * self.deaths

    @invariant()
    def no_offset_passes_a_message_that_stands_nowhere(self) -> None:
        """What is committed is final, waits elsewhere, or is a dead letter."""
        broker, table = self.floor.broker, self.table()
        elsewhere = {identity(each) for each in broker.letters()}
        for topic, lying in broker.records.items():
            if topic in (topics.DEAD_LETTER, topics.RECEIPTS, topics.RENDER) or topic.startswith("comms.ledger"):
                continue
            at = broker.committed.get(topic, 0)
            elsewhere |= {identity(each) for each in lying[at:]}
        for lying in (broker.records[topic][:at] for topic, at in dict(broker.committed).items()):
            for each in lying:
                entry = table.get(identity(each))
                assert (entry is not None and entry.standing in FINAL) or identity(each) in elsewhere

    def teardown(self) -> None:
        """With time, and without orders, every message ends: sent, simulated or a dead letter."""

        async def last() -> None:
            self.floor.stopped, self.floor.orders.aside = (), set()
            self.floor.orders.changed = int(self.floor.clock.now * 1000)
            self.floor.sender.ending = Ending.TAKEN
            for _ in range(self.numbers + 5):
                self.floor.clock.now += 1801.0
                await self.shift.rest()
            await self.shift.end()

        if hasattr(self, "shift"):
            self.do(last)
            table, letters = self.table(), {identity(each) for each in self.floor.broker.letters()}
            for number in range(1, self.numbers + 1):
                dispatch_id = mail(number).route.dispatch_id
                assert table[dispatch_id].standing in FINAL or dispatch_id in letters
        self.loop.close()


@pytest.fixture(autouse=True, scope="module")
def _nothing_left_over() -> None:
    """Hypothesis parses this file; a coroutine that is collected meanwhile makes Python 3.11's parser fail.

    Source: https://github.com/python/cpython/issues/106905.
    """
    gc.collect()


TestOwner = OwnerMachine.TestCase
TestOwner.settings = settings(deadline=None, database=None, max_examples=40, stateful_step_count=25)
