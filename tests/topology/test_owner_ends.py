"""How an owner ends when its time is short: what it waits for, what it settles all the same, and what it leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from streams.core.messages import Message
from streams.core.ports import Delivered, Delivery, Refused
from streams.core.reasons import Reason
from streams.core.records import Emit
from streams.leaving import Leaving
from tests.fake_broker import FakeBroker
from tests.shift import CALLS, DISPATCH, Floor, Shift, intents, mails, one_shift, play


class TakesSome:
    """A sender whose provider answers the first calls, and none after them; one may know better when it is cut off."""

    def __init__(self, answered: int, *, told: Delivery | None = None) -> None:
        self.begun: list[Message] = []
        self._answered = answered
        self._told = told

    async def send(self, message: Message) -> Delivery:
        self.begun.append(message)
        if len(self.begun) <= self._answered:
            return Delivered(provider="fake", provider_id=None)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if self._told is not None:
                return self._told
            raise
        raise AssertionError("nobody opens it")


def cut_off(sender: TakesSome) -> Floor:
    """One batch whose calls don't all come back, and an end that waits for none of them."""

    async def scenario(at: Floor) -> None:
        at.queue(*mails(CALLS + 1))
        shift = at.start()
        shift.owner._desk = replace(shift.owner._desk, senders={"email": sender})
        await shift.rest()
        shift.owner.stop()
        shift.owner.cut()
        await shift.task

    return play(scenario)


def standings(broker: FakeBroker) -> list[str]:
    return [entry.standing.value for _, entry in broker.entries()]


def test_a_call_that_is_cut_off_parks_its_own_message_and_no_other() -> None:
    """Of the five that were begun three have an answer, and go by it; the sixth was not begun."""
    sender = TakesSome(3)
    floor = cut_off(sender)
    assert len(sender.begun) == CALLS
    assert standings(floor.broker) == ["INTENT"] * CALLS + ["SENT"] * 3 + ["UNKNOWN"] * 2
    assert [dict(letter.headers)["dlq.reason"] for letter in floor.broker.letters()] == [
        Reason.OUTCOME_UNKNOWN.encode()
    ] * 2
    assert floor.broker.committed == {DISPATCH: CALLS}
    play(one_shift, floor)
    assert standings(floor.broker)[2 * CALLS :] == ["INTENT", "SENT"], "only the sixth was left to the next owner"


def test_a_sender_that_knows_that_nothing_was_sent_parks_nothing() -> None:
    """Cut off before the content went out: that is a failure, and it comes again."""
    floor = cut_off(TakesSome(4, told=Refused(code="ended", retryable=True)))
    assert standings(floor.broker) == ["INTENT"] * CALLS + ["SENT"] * 4 + ["FAILED"]
    assert floor.broker.letters() == []


def test_one_that_is_told_to_stop_while_it_reads_its_ledger_stops_at_once() -> None:
    """Nothing was begun, so there is nothing to wait for."""

    async def scenario(at: Floor) -> None:
        at.queue(*mails(1))
        shift = at.start()
        taking = asyncio.Event()

        async def never(_learn: object) -> Sequence[object]:
            taking.set()
            await asyncio.Event().wait()
            return []

        shift.ledger.take = never  # type: ignore[method-assign,assignment]
        await taking.wait()
        shift.owner.stop()
        await shift.task
        assert (shift.owner.over, shift.ledger.closed) == (True, True)

    floor = play(scenario)
    assert floor.sender.calls == []
    assert floor.broker.transactions == []


async def leave(shift: Shift, seconds: float) -> None:
    leaving = Leaving("transactional")
    leaving.add(shift.owner, shift.task)
    await leaving.wait(seconds)


def test_whoever_leaves_waits_for_calls_that_come_back_in_time() -> None:
    async def scenario(at: Floor) -> None:
        at.queue(*mails(CALLS))
        at.sender.door = asyncio.Event()
        shift = at.start()
        await shift.rest()
        leaving = asyncio.ensure_future(leave(shift, 60))
        await shift.rest()
        assert not leaving.done()
        at.sender.door.set()
        await leaving
        assert shift.task.done()

    floor = play(scenario)
    assert standings(floor.broker) == ["INTENT"] * CALLS + ["SENT"] * CALLS


def test_whoever_leaves_cuts_calls_off_when_the_time_is_over_and_tells_what_became_of_them() -> None:
    async def scenario(at: Floor) -> None:
        at.queue(*mails(2))
        at.sender.door = asyncio.Event()
        shift = at.start()
        await shift.rest()
        await leave(shift, 0)
        assert shift.task.done()

    floor = play(scenario)
    assert standings(floor.broker) == ["INTENT"] * 2 + ["UNKNOWN"] * 2


def test_an_owner_whose_ledger_takes_nothing_ends_all_the_same() -> None:
    """Its INTENTs stay, and whoever is next parks them."""

    async def scenario(at: Floor) -> None:
        at.queue(*mails(1))
        shift = at.start()

        async def stuck(emits: Sequence[Emit]) -> None:
            if not intents(emits):
                await asyncio.Event().wait()

        shift.ledger.before = stuck
        await shift.rest()
        await leave(shift, 0)
        await asyncio.gather(shift.task, return_exceptions=True)
        assert shift.task.cancelled()

    floor = play(scenario)
    assert standings(floor.broker) == ["INTENT"]
