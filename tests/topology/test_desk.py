"""The desk: what it asks of senders, and what it makes of their answers and of records that it can't read."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import orjson
import pytest

from streams import topics
from streams.core.messages import Message, Receipt
from streams.core.plan import Finish
from streams.core.ports import Delivered, Delivery, Refused, Unknown
from streams.core.reasons import Reason, Rejected
from streams.core.settle import Turn
from streams.desk import Desk
from streams.dispatcher import _item
from tests.builders import NOW_S, message, record, route
from tests.driver import header
from tests.fakes import FakeSender
from tests.shift import DISPATCH, Floor


def sent_by(desk: Desk, mail: Message) -> Delivery:
    return asyncio.run(desk.send(mail))


def test_each_channel_has_its_own_sender() -> None:
    mail, text = FakeSender(), FakeSender()
    desk = replace(Floor().desk(), senders={"email": mail, "sms": text})
    sent_by(desk, message(route=route(channel="sms"), parts={"text": "Hi"}))
    assert (len(mail.calls), len(text.calls)) == (0, 1)


def test_how_long_a_provider_took_is_told_whether_it_answered_or_not() -> None:
    floor = Floor()
    floor.clock._step = 0.5
    sent_by(floor.desk(), message())
    floor.sender.bug = RuntimeError()
    sent_by(floor.desk(), message())
    assert floor.observer.calls == [("email", 0.5), ("email", 0.5)]


def test_a_call_that_is_cancelled_is_no_outcome() -> None:
    """The worker ends: its INTENT stays open, and whoever comes next knows that nobody knows."""
    floor = Floor()
    floor.sender.bug = asyncio.CancelledError()
    with pytest.raises(asyncio.CancelledError):
        sent_by(floor.desk(), message())


@pytest.mark.parametrize("bug", [KeyError("ben@example.org"), RuntimeError(), TimeoutError(), OSError("ben@")])
def test_what_a_sender_raises_is_an_outcome_that_nobody_knows(bug: Exception) -> None:
    floor = Floor()
    floor.sender.bug = bug
    assert sent_by(floor.desk(), message()) == Unknown(what=f"the sender failed: {type(bug).__name__}")


@pytest.mark.parametrize("senders", [{}, {"sms": FakeSender()}])
def test_a_channel_without_a_sender_is_refused_for_good_and_no_provider_is_timed(
    senders: dict[str, FakeSender],
) -> None:
    floor = Floor()
    found = sent_by(replace(floor.desk(), senders=senders), message())
    assert isinstance(found, Refused)
    assert not found.retryable
    assert "email" in found.code
    assert floor.observer.calls == []
    assert all(sender.calls == [] for sender in senders.values())


def test_a_receipt_says_when_the_call_ended() -> None:
    """A call takes time; the conditions are asked anew after it."""
    floor = Floor()
    desk, turn = floor.desk(), Turn(record=record(message().encode(), topic=DISPATCH), message=message(), attempt=1)
    floor.clock.now += 1.5
    settled = desk.after_call(turn, Delivered(provider="smtp", provider_id=None))
    assert isinstance(settled.outcome, Receipt)
    assert settled.outcome.at_ms == NOW_S * 1000 + 1500


@pytest.mark.parametrize("changes", [{"parts": {"text": 5}}, {"sender": None}, {"not_after_ms": "x"}])
def test_a_message_of_the_wrong_kind_reaches_no_sender(changes: dict[str, Any]) -> None:
    at = record(orjson.dumps(orjson.loads(message().encode()) | changes), topic=DISPATCH)
    found = Floor().desk().plan(_item(at), DISPATCH, None)
    assert isinstance(found, Finish)
    (emit,) = found.settled.emits
    assert (emit.topic, emit.value, header(emit, "dlq.reason")) == (
        topics.DEAD_LETTER,
        at.value,
        Reason.INTERNAL_ERROR,
    )


def test_a_bug_of_ours_is_a_dead_letter_that_names_its_kind_and_quotes_nothing() -> None:
    """Whatever raises where a turn is planned: here, the suppression list."""
    floor = Floor()

    def bug(_route: object) -> None:
        raise KeyError("ben@example.org")

    desk = replace(floor.desk(), conditions=lambda: replace(floor.conditions(), suppressed=bug))
    at = record(message().encode(), topic=DISPATCH)
    found = desk.plan(_item(at), DISPATCH, None)
    assert isinstance(found, Finish)
    (emit,) = found.settled.emits
    assert (header(emit, "dlq.reason"), header(emit, "dlq.detail")) == (Reason.INTERNAL_ERROR, "KeyError")
    assert emit.value == at.value


def test_what_ended_is_told_with_its_message_and_what_only_waits_is_not() -> None:
    floor = Floor()
    desk, at = floor.desk(), record(message().encode(), topic=DISPATCH)
    turn = Turn(record=at, message=message(), attempt=1)
    desk.observe(_item(at), desk.after_call(turn, Refused(code="450", retryable=True)))
    assert floor.observer.seen == []
    desk.observe(_item(at), desk.after_call(turn, Refused(code="550", retryable=False)))
    ((told, outcome),) = floor.observer.seen
    assert told == message()
    assert isinstance(outcome, Rejected)
    assert outcome.reason is Reason.PROVIDER_REFUSED
