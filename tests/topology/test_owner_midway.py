"""Orders, stops and time that come in the middle of a turn: between the claim and the call, or during it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from streams import topics
from streams.core.dispatch import Hold
from streams.core.messages import Mode, Source
from streams.core.reasons import Reason, Suppression
from streams.core.records import Emit
from tests.shift import BEGIN_S, CALLS, DISPATCH, Floor, Shift, intents, mail, mails, one_shift, play

ID = mail().route.dispatch_id


def after_claim(shift: Shift, act: Callable[[], object]) -> None:
    """Something happens between the claim and the call, once."""
    done: list[bool] = []

    async def hook(emits: Sequence[Emit]) -> None:
        if intents(emits) and not done:
            done.append(True)
            act()

    shift.ledger.after = hook


def between(floor: Floor, act: Callable[[Floor, Shift], object], count: int = 3) -> Floor:
    """A shift over so many messages, with something between the first claim and its calls."""

    async def scenario(at: Floor) -> None:
        at.queue(*mails(count))
        shift = at.start()
        after_claim(shift, lambda: act(at, shift))
        await shift.rest()
        if not shift.task.done():
            await shift.end()

    return play(scenario, floor)


def test_a_worker_that_was_stopped_between_claim_and_call_does_not_call_late() -> None:
    """It lets its units go, and takes the messages up again in their order: SIGSTOP, then SIGCONT."""

    def jump(at: Floor, _shift: Shift) -> None:
        at.clock.now += BEGIN_S + 0.1

    floor = between(Floor(units=3), jump)
    assert [call.route for call in floor.sender.calls] == [each.route for each in mails(3)]
    assert floor.broker.standings(ID) == ["INTENT", "RELEASED", "INTENT", "SENT"]
    assert floor.broker.committed == {DISPATCH: 3}


def test_a_call_that_is_just_in_time_begins() -> None:
    def jump(at: Floor, _shift: Shift) -> None:
        at.clock.now += BEGIN_S

    assert between(Floor(), jump).broker.standings(ID) == ["INTENT", "SENT"]


def test_a_switch_thrown_between_claim_and_call_stops_the_call_and_loses_nothing() -> None:
    """Released, put back in order, and sent once the switch is lifted; the units are there again at once."""
    floor = Floor(units=3)

    async def scenario(at: Floor) -> None:
        at.queue(*mails(3))
        shift = at.start()

        def throw() -> None:
            at.stopped = (Hold.KILL_SWITCH,)

        after_claim(shift, throw)
        await shift.rest()
        assert at.sender.calls == []
        assert at.broker.standings(ID) == ["INTENT", "RELEASED"]
        assert at.broker.committed == {}
        at.stopped = ()
        await shift.rest()
        await shift.end()

    play(scenario, floor)
    assert [call.route for call in floor.sender.calls] == [each.route for each in mails(3)]


SOURCE = Source(occurred_at="2026-11-20T09:30:00Z", locale=None, timezone=None, data={})


def _drop(at: Floor) -> None:
    at.orders.dropped["new_match"] = int(at.clock.now * 1000) + 1


def _rerender(at: Floor) -> None:
    at.orders.rendered_again["new_match"] = int(at.clock.now * 1000) + 1


def _aside(at: Floor) -> None:
    at.orders.aside.add("new_match")


def _dry(at: Floor) -> None:
    at.mode = Mode.DRY_RUN


def _suppress(at: Floor) -> None:
    at.suppressed = Suppression.STOP


def _expire(at: Floor) -> None:
    at.clock.now += 1.0


CHANGES: list[tuple[Callable[[Floor], object], list[str], str, int]] = [
    # what comes between, how the message stands after its INTENT, where it lies, units that are spent in the end
    (_drop, ["RELEASED", "SUPPRESSED"], topics.RECEIPTS, 0),
    (_suppress, ["RELEASED", "SUPPRESSED"], topics.RECEIPTS, 0),
    (_expire, ["RELEASED", "EXPIRED"], topics.RECEIPTS, 0),
    (_dry, ["RELEASED", "SIMULATED"], topics.RECEIPTS, 1),
    (_rerender, ["RELEASED", "SUPERSEDED"], topics.RENDER, 0),
    (_aside, ["RELEASED"], topics.HELD["transactional"], 0),
]


@pytest.mark.parametrize(("change", "standings", "topic", "spent"), CHANGES, ids=[row[0].__name__ for row in CHANGES])
def test_whatever_changes_between_claim_and_call_counts(
    change: Callable[[Floor], object], standings: list[str], topic: str, spent: int
) -> None:
    """No call begins, the unit of the claim comes back, and the message is where it belongs."""

    async def scenario(at: Floor) -> None:
        at.queue(mail(source=SOURCE, not_after_ms=int(at.clock.now * 1000) + 500))
        shift = at.start()
        after_claim(shift, lambda: change(at))
        await shift.rest()
        assert shift.owner.room() == 4 - spent
        await shift.end()

    floor = play(scenario, Floor(units=4))
    assert floor.sender.calls == []
    assert floor.broker.standings(ID) == ["INTENT", *standings]
    assert len(floor.broker.records[topic]) == 1
    assert floor.broker.committed == {DISPATCH: 1}


def test_a_bug_at_the_second_look_is_a_dead_letter_and_no_claim_stays_open() -> None:
    """Here: a message that is to be rendered again, of a build that did not keep what it was made of."""
    floor = between(Floor(), lambda at, _shift: _rerender(at), count=1)
    assert floor.sender.calls == []
    assert floor.broker.standings(ID) == ["INTENT", "RELEASED"]
    (letter,) = floor.broker.letters()
    assert dict(letter.headers)["dlq.reason"] == Reason.INTERNAL_ERROR.encode()


def test_nothing_is_written_between_the_second_look_and_the_calls() -> None:
    """What is released waits for the outcomes: else a call would begin later than it may, and behind an order."""
    floor = Floor()
    looks = iter([(), (), (Hold.KILL_SWITCH,)])  # at the claim of two messages, and then at the first of them
    calls_before: list[int] = []

    async def scenario(at: Floor) -> None:
        at.queue(*mails(2))
        shift = at.start()
        real = at.conditions
        shift.owner._desk = replace(shift.owner._desk, conditions=lambda: replace(real(), stopped=next(looks, ())))

        async def note(_emits: Sequence[Emit]) -> None:
            calls_before.append(len(at.sender.calls))

        shift.ledger.before = note
        await shift.rest()
        await shift.end()

    play(scenario, floor)
    assert floor.broker.standings(ID) == ["INTENT", "RELEASED", "INTENT", "SENT"]
    assert calls_before == [0, 1, 1, 2]


# Stopping.


def test_stop_waits_for_the_calls_in_flight_settles_them_and_begins_nothing_more() -> None:
    floor = Floor()

    async def scenario(at: Floor) -> None:
        at.queue(*mails(9))
        at.sender.door = asyncio.Event()
        shift = at.start()
        await shift.rest()
        assert len(at.sender.calls) == CALLS
        shift.owner.stop()
        await shift.rest()
        assert not shift.task.done()
        at.sender.door.set()
        await shift.task
        assert not shift.owner.ready
        assert (shift.owner.over, shift.ledger.closed) == (True, True)

    play(scenario, floor)
    assert len(floor.sender.calls) == CALLS
    assert len(floor.broker.receipts()) == CALLS
    assert floor.broker.committed == {DISPATCH: CALLS}


def test_a_stop_between_claim_and_call_releases() -> None:
    floor = between(Floor(), lambda _at, shift: shift.owner.stop())
    assert floor.sender.calls == []
    assert [entry.standing.value for _, entry in floor.broker.entries()] == ["INTENT"] * 3 + ["RELEASED"] * 3
    assert floor.broker.committed == {}
    play(one_shift, floor)
    assert len(floor.sender.calls) == 3
