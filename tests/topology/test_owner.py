"""An owner's turns in good times: what is written when, what is called, and what counts for the cap."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
import pytest

from schemas import registry
from streams import topics
from streams.core.dispatch import Hold
from streams.core.messages import Mode, State
from streams.core.reasons import Reason, Suppression
from streams.core.records import Emit
from tests.fake_broker import LEDGER
from tests.shift import CALLS, DISPATCH, SPAN_MS, Floor, mail, mails, one_shift, play

SPAN_S = SPAN_MS / 1000


def test_a_message_is_claimed_called_and_settled_in_this_order() -> None:
    """The INTENT is alone in its transaction; outcome, receipt and offset are one."""
    floor = Floor()
    floor.queue(mail())
    seen: list[int] = []

    async def scenario(at: Floor) -> None:
        shift = at.start()

        async def look(_emits: Sequence[Emit]) -> None:
            seen.append(len(at.sender.calls))

        shift.ledger.before = look
        await shift.rest()
        await shift.end()

    play(scenario, floor)
    assert [[emit.topic for emit in one] for one in floor.broker.transactions] == [[LEDGER], [LEDGER, topics.RECEIPTS]]
    assert floor.broker.standings(mail().route.dispatch_id) == ["INTENT", "SENT"]
    assert seen == [0, 1], "called between the two"
    assert floor.broker.committed == {DISPATCH: 1}
    ((told, outcome),) = floor.observer.seen
    assert (told, outcome) == (mail(), floor.broker.receipts()[0])


def test_all_of_a_batch_are_claimed_together_and_settled_together_and_no_more_than_may_run_at_once() -> None:
    floor = Floor()
    floor.queue(*mails(12))
    play(one_shift, floor)
    assert [len(one) for one in floor.broker.transactions] == [5, 10, 5, 10, 2, 4]
    assert floor.sender.most == CALLS
    assert [call.route for call in floor.sender.calls] == [each.route for each in mails(12)]


def test_a_dry_run_simulates_in_one_transaction_without_a_claim() -> None:
    floor = Floor(mode=Mode.DRY_RUN)
    floor.queue(*mails(3))
    play(one_shift, floor)
    assert floor.sender.calls == []
    assert [entry.standing.value for _, entry in floor.broker.entries()] == ["SIMULATED"] * 3
    assert len(floor.broker.transactions) == 1
    assert {receipt.state for receipt in floor.broker.receipts()} == {State.SIMULATED}


def test_two_copies_in_one_batch_are_called_once_and_both_are_committed() -> None:
    floor = Floor()
    floor.queue(mail(1), mail(2), mail(1), mail(3), mail(2))
    play(one_shift, floor)
    assert [call.route for call in floor.sender.calls] == [each.route for each in mails(3)]
    assert floor.broker.committed == {DISPATCH: 5}
    assert len(floor.broker.receipts()) == 3


def test_the_same_identity_with_other_content_is_a_dead_letter_and_changes_nothing() -> None:
    floor = Floor()
    floor.queue(mail(1, route__content="a"), mail(1, route__content="b"))
    play(one_shift, floor)
    assert len(floor.sender.calls) == 1
    (letter,) = floor.broker.letters()
    assert dict(letter.headers)["dlq.reason"] == Reason.ID_CONFLICT.encode()
    assert floor.broker.standings(mail().route.dispatch_id) == ["INTENT", "SENT"]


@pytest.mark.parametrize("value", [None, b"", b"{}", b"\xff", b"a.b.c"])
def test_a_record_that_is_no_message_becomes_a_dead_letter_and_the_next_one_goes_out(value: bytes | None) -> None:
    floor = Floor()
    floor.raw(value)
    floor.queue(mail())
    play(one_shift, floor)
    (letter,) = floor.broker.letters()
    assert (letter.value, dict(letter.headers)["dlq.reason"]) == (value, Reason.INTERNAL_ERROR.encode())
    assert [call.route for call in floor.sender.calls] == [mail().route]
    assert floor.broker.committed == {DISPATCH: 2}
    assert floor.observer.seen[0][0] is None


def test_while_all_is_held_nothing_is_done_but_what_has_expired_ends() -> None:
    floor = Floor(stopped=(Hold.KILL_SWITCH,))
    floor.queue(mail(1, not_after_ms=1))
    floor.raw(b"garbage")
    floor.queue(mail(2))

    async def scenario(at: Floor) -> None:
        shift = at.start()
        await shift.rest()
        assert [receipt.state for receipt in at.broker.receipts()] == [State.EXPIRED]
        assert (at.sender.calls, at.broker.letters()) == ([], [])
        at.stopped = ()
        await shift.rest()
        await shift.end()

    play(scenario, floor)
    assert [call.route for call in floor.sender.calls] == [mail(2).route]
    assert len(floor.broker.letters()) == 1


# The cap.


def test_no_more_calls_begin_than_the_share_until_the_window_has_passed() -> None:
    floor = Floor(units=3)
    floor.queue(*mails(8))

    async def scenario(at: Floor) -> None:
        shift = at.start()
        counts = []
        for pause in (0.0, 61.9, 0.1, 62.0):
            at.clock.now += pause
            await shift.rest()
            counts.append(len(at.sender.calls))
        assert counts == [3, 3, 6, 8]
        await shift.end()

    play(scenario, floor)


def test_without_a_unit_nothing_is_claimed_and_what_spends_none_still_ends() -> None:
    """As long as it stands before what waits for one: a lane is in order."""
    floor = Floor(units=0)
    floor.queue(mail(1, not_after_ms=1), mail(2), mail(3, not_after_ms=1))
    play(one_shift, floor)
    assert [receipt.state for receipt in floor.broker.receipts()] == [State.EXPIRED]
    assert floor.broker.committed == {DISPATCH: 1}


def test_a_simulated_message_spends_a_unit_and_a_suppressed_one_does_not() -> None:
    for mode, suppressed, ended in ((Mode.DRY_RUN, None, 2), (Mode.LIVE, Suppression.STOP, 5)):
        floor = Floor(units=2, mode=mode, suppressed=suppressed)
        floor.queue(*mails(5))
        play(one_shift, floor)
        assert len(floor.broker.receipts()) == ended


@pytest.mark.parametrize("skew_s", [-300.0, 0.0, 300.0])
def test_a_new_owner_counts_what_the_one_before_spent_however_wrong_its_clock_is(skew_s: float) -> None:
    floor = Floor(units=3, skew_s=skew_s)
    floor.queue(*mails(9))

    async def scenario(at: Floor) -> None:
        first = at.start()
        await first.rest()
        await first.end()
        at.clock.now += 10.0
        second = at.start()
        await second.rest()
        assert len(at.sender.calls) == 3
        at.clock.now += 62.0
        await second.rest()
        assert len(at.sender.calls) == 6
        await second.end()

    play(scenario, floor)


@pytest.mark.parametrize("skew_s", [-300.0, 300.0])
def test_a_new_owner_does_not_wait_for_what_is_long_past_once_a_message_comes(skew_s: float) -> None:
    """The append time of what it reads tells it how late it is at the broker."""
    floor = Floor(units=3, skew_s=skew_s)
    floor.queue(*mails(3))

    async def scenario(at: Floor) -> None:
        await one_shift(at)
        at.clock.now += 1000.0
        at.queue(mail(4))
        await one_shift(at)
        assert len(at.sender.calls) == 4

    play(scenario, floor)


def test_a_new_owner_knows_the_brokers_time_from_the_share_that_it_writes() -> None:
    """A backlog from before an outage doesn't wait for what was spent long ago: its first record tells the time."""
    floor = Floor(units=3)
    floor.queue(*mails(6))

    async def scenario(at: Floor) -> None:
        await one_shift(at)
        at.clock.now += 1000.0
        second = at.start()
        await second.rest()
        assert len(at.sender.calls) == 6
        await second.end()

    play(scenario, floor)


def test_a_share_that_grew_at_a_restart_waits_until_what_others_spent_of_it_has_passed() -> None:
    """A restart with other settings must not have two partitions spend the same unit in one window."""
    floor = Floor(units=2)
    floor.queue(*mails(8))

    async def scenario(at: Floor) -> None:
        await one_shift(at)
        at.clock.now += SPAN_S * 3
        at.units = 5
        second = at.start()
        await second.rest()
        assert len(at.sender.calls) == 4, "no more than the share that was written last"
        at.clock.now += SPAN_S
        await second.rest()
        assert len(at.sender.calls) == 8
        await second.end()
        assert at.broker.shares() == [2, 5]

    play(scenario, floor)


def test_a_share_that_changes_while_the_owner_works_is_written_once() -> None:
    """Whoever takes the partition next has to know it."""
    floor = Floor(units=2)

    async def scenario(at: Floor) -> None:
        shift = at.start()
        await shift.rest()
        at.units = 1
        await shift.rest()
        at.queue(mail(1))
        await shift.rest()
        await shift.end()

    play(scenario, floor)
    assert floor.broker.shares() == [2, 1]


def test_the_record_of_a_share_is_valid_under_the_ledgers_schema() -> None:
    """It stands on the ledger, beside the entries."""
    floor = Floor(units=2)
    play(one_shift, floor)
    (value,) = [lying.value for lying in floor.broker.records[LEDGER]]
    assert list(registry.load().records["ledger"].violations(orjson.loads(value or b""))) == []
