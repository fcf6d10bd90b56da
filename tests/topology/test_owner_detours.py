"""An owner's turns that take a way round: retries, what is set aside, recalled or rendered again."""

from __future__ import annotations

from streams import topics
from streams.core.dispatch import Hold
from streams.core.messages import Source
from streams.core.reasons import Reason, Suppression
from streams.core.retry import TIERS
from tests.fakes import Ending
from tests.shift import DISPATCH, HELD, RETRY, Floor, mail, one_shift, play

# Retries.


def test_a_transient_failure_waits_in_its_tier_and_is_called_when_it_is_due() -> None:
    """Three times, in three tiers; then it is given up. No call is early."""
    floor = Floor()
    floor.sender.ending = Ending.REFUSED_FOR_NOW
    floor.queue(mail())

    async def scenario(at: Floor) -> None:
        shift = at.start()
        await shift.rest()
        for number, tier in enumerate(TIERS, 1):
            (waiting,) = at.broker.records[RETRY[tier.name]]
            due_s = int(dict(waiting.headers)["not-before"] or b"0") / 1000
            assert 0 <= due_s - at.clock.now <= tier.seconds
            at.clock.now = due_s - 0.002
            await shift.rest()
            assert len(at.sender.calls) == number
            at.clock.now = due_s + 0.001
            await shift.rest()
            assert len(at.sender.calls) == number + 1
        await shift.end()

    play(scenario, floor)
    (letter,) = floor.broker.letters()
    assert dict(letter.headers)["dlq.reason"] == Reason.PROVIDER_GAVE_UP.encode()
    assert floor.broker.standings(mail().route.dispatch_id) == ["INTENT", "FAILED"] * 4
    assert floor.broker.committed == {DISPATCH: 1, **{RETRY[tier.name]: 1 for tier in TIERS}}


def test_a_retry_spends_from_the_cap_like_any_other_call() -> None:
    floor = Floor(units=1)
    floor.queue(mail(1), topic=RETRY["30s"], headers=(("not-before", b"1"), ("attempts", b"1")))
    floor.queue(mail(2))
    play(one_shift, floor)
    assert [call.route for call in floor.sender.calls] == [mail(1).route], "what has waited longest goes first"


def test_a_record_whose_turn_has_come_and_that_is_not_due_hops_and_spends_nothing() -> None:
    floor = Floor(units=0)

    async def scenario(at: Floor) -> None:
        due_ms = int(at.clock.now * 1000) + 100_000
        at.queue(mail(), topic=RETRY["30s"], headers=(("not-before", b"%d" % due_ms), ("attempts", b"2")))
        shift = at.start()
        at.clock.now += 29.9
        await shift.rest()
        assert at.broker.records[RETRY["5m"]] == []
        at.clock.now += 0.1
        await shift.rest()
        (hopped,) = at.broker.records[RETRY["5m"]]
        told = dict(hopped.headers)
        assert (told["not-before"], told["attempts"]) == (b"%d" % due_ms, b"2")
        assert at.broker.committed == {RETRY["30s"]: 1}
        await shift.end()

    play(scenario, floor)
    assert floor.broker.entries() == []


# Narrow orders.


def test_what_a_narrow_switch_covers_is_set_aside_and_everything_else_goes_out() -> None:
    floor = Floor()
    floor.orders.aside.add("bad")
    floor.queue(mail(1, route__template="bad"), mail(2), mail(3, route__template="bad"))

    async def scenario(at: Floor) -> None:
        shift = at.start()
        await shift.rest()
        assert [call.route for call in at.sender.calls] == [mail(2).route]
        assert [dict(each.headers)["held-for"] for each in at.broker.records[HELD]] == [b"kill_switch"] * 2
        assert at.broker.committed == {DISPATCH: 3}, "what is held stays at the head of its own topic"
        at.orders.aside.clear()
        await shift.rest()
        await shift.end()

    play(scenario, floor)
    assert len(floor.sender.calls) == 3
    assert len(floor.broker.records[HELD]) == 2


def test_what_is_still_held_goes_behind_what_is_free_once_something_was_released() -> None:
    """It says since when it is held as before, and an order to drop that came before it moved reaches it."""
    floor = Floor()
    floor.orders.aside |= {"bad", "worse"}
    floor.queue(mail(1, route__template="bad"), mail(2, route__template="worse"))

    async def scenario(at: Floor) -> None:
        shift = at.start()
        await shift.rest()
        at.clock.now += 60.0
        at.orders.aside.remove("worse")
        at.orders.changed = int(at.clock.now * 1000)
        dropped_ms = int(at.clock.now * 1000)
        at.clock.now += 1.0
        await shift.rest()
        assert [call.route.template for call in at.sender.calls] == ["worse"]
        first, _, moved = at.broker.records[HELD]
        assert dict(moved.headers)["held-since"] == dict(first.headers)["held-since"]
        at.orders.dropped["bad"] = dropped_ms
        await shift.rest()
        await shift.end()

    play(scenario, floor)
    assert [receipt.reason for receipt in floor.broker.receipts()] == [None, Suppression.RECALLED]


def test_an_order_to_drop_reaches_what_waits_for_a_retry() -> None:
    """The failed call ended after the order came; the message was queued before it."""
    floor = Floor()
    floor.sender.ending = Ending.REFUSED_FOR_NOW
    floor.queue(mail())

    async def scenario(at: Floor) -> None:
        at.clock.now += 5.0
        shift = at.start()
        await shift.rest()
        assert len(at.sender.calls) == 1
        at.orders.dropped["new_match"] = int(at.clock.now * 1000) - 1000
        at.clock.now += 31.0
        await shift.rest()
        await shift.end()

    play(scenario, floor)
    assert len(floor.sender.calls) == 1
    assert [receipt.reason for receipt in floor.broker.receipts()] == [Suppression.RECALLED]


def test_a_recall_of_everything_takes_effect_when_the_stop_ends_and_nothing_of_it_goes_out() -> None:
    """While all dispatch is stopped nothing has a turn, not even one that would end a message."""
    floor = Floor(stopped=(Hold.KILL_SWITCH,))
    floor.queue(mail(1), mail(2))
    floor.queue(mail(3), topic=HELD)
    floor.clock.now += 1.0
    floor.orders.dropped["new_match"] = int(floor.clock.now * 1000)
    floor.clock.now += 1.0
    floor.queue(mail(4))

    async def scenario(at: Floor) -> None:
        shift = at.start()
        await shift.rest()
        assert (at.broker.entries(), at.broker.receipts(), at.broker.committed) == ([], [], {})
        at.stopped = ()
        await shift.rest()
        await shift.end()

    play(scenario, floor)
    assert [receipt.reason for receipt in floor.broker.receipts()].count(Suppression.RECALLED) == 3
    assert [call.route for call in floor.sender.calls] == [mail(4).route], "it was queued after the recall"


SOURCE = Source(occurred_at="2026-11-20T09:30:00Z", locale=None, timezone=None, data={})


def test_a_message_that_is_rendered_again_is_sent_once_as_its_next_revision() -> None:
    floor = Floor()
    floor.queue(mail(1, source=SOURCE))
    floor.clock.now += 1.0
    floor.orders.rendered_again["new_match"] = int(floor.clock.now * 1000)

    async def scenario(at: Floor) -> None:
        shift = at.start()
        await shift.rest()
        assert at.sender.calls == []
        (order,) = at.broker.records[topics.RENDER]
        assert b'"template_version":"2.0"' in (order.value or b"")
        at.queue(mail(1, source=SOURCE), mail(1, source=SOURCE, route__revision=1, route__template_version="2.0"))
        await shift.rest()
        await shift.end()

    play(scenario, floor)
    assert [call.route.template_version for call in floor.sender.calls] == ["2.0"]
    assert floor.broker.standings(mail().route.dispatch_id) == ["SUPERSEDED", "INTENT", "SENT"]
    assert [receipt.attempt for receipt in floor.broker.receipts()] == [1], "what did not begin is not counted"


def test_a_message_that_cannot_be_rendered_again_is_a_dead_letter_and_the_owner_goes_on() -> None:
    floor = Floor()
    floor.queue(mail(1))
    floor.orders.rendered_again["new_match"] = int(floor.clock.now * 1000) + 1

    async def scenario(at: Floor) -> None:
        shift = at.start()
        await shift.rest()
        at.clock.now += 1.0
        at.queue(mail(2))
        await shift.rest()
        await shift.end()

    play(scenario, floor)
    assert [call.route for call in floor.sender.calls] == [mail(2).route]
    (letter,) = floor.broker.letters()
    assert dict(letter.headers)["dlq.detail"] == b"UnreadableError"
