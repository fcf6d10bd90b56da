"""The office: one message from record to receipt or dead letter, with senders that end as they are told."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from schemas import registry
from streams import topics
from streams.core.dispatch import Conditions
from streams.core.flags import Flags
from streams.core.messages import Category, Message, Mode, Receipt, State
from streams.core.ports import Delivery, Sender
from streams.core.reasons import Reason, Rejected, Stage, Suppression
from streams.core.records import Emit, Headers
from streams.dispatcher import Office
from tests.builders import ISSUER, NOW_S, message, record, route
from tests.driver import header
from tests.fakes import Ending, FakeDispatchObserver, FakeSender

TOPIC = topics.DISPATCH_TRANSACTIONAL
GARBAGE: list[bytes | None] = [None, b"", b"null", b"[]", b"{}", b"\xff", b'{"route":{}}', b"a.b.c"]


@dataclass(slots=True)
class Post:
    """An office with one sender for e-mail, and what it told its observer."""

    sender: FakeSender = field(default_factory=FakeSender)
    mode: Mode = Mode.LIVE
    promo: bool = False
    senders: Mapping[str, Sender] | None = None
    observer: FakeDispatchObserver = field(default_factory=FakeDispatchObserver)

    def dispatch(self, value: bytes | None, *, offset: int = 0, headers: Headers = ()) -> Emit:
        """The one record that comes of one."""
        conditions = Conditions(
            mode=self.mode, flags=Flags(disable_send=False, promo_sends=self.promo), now_s=NOW_S + 1.0
        )
        senders = {"email": self.sender} if self.senders is None else self.senders
        office = Office(senders=senders, conditions=lambda: conditions, observer=self.observer)
        (emit,) = asyncio.run(office.dispatch(record(value, topic=TOPIC, offset=offset, headers=headers)))
        return emit


def receipt_of(emit: Emit) -> Receipt:
    """What was written down, valid under its schema."""
    assert emit.topic == topics.RECEIPTS
    assert list(registry.load().records["receipt"].violations(orjson.loads(emit.value or b""))) == []
    return Receipt.decode(emit.value)


def test_in_live_a_message_is_sent_once_and_a_receipt_says_so() -> None:
    """Keyed by the event, with the trace handed on and who took it."""
    post = Post()
    mail = message()

    emit = post.dispatch(mail.encode(), headers=(("traceparent", b"00-1"), ("x", b"1")))

    assert post.sender.calls == [mail]
    written = receipt_of(emit)
    assert (written.state, written.attempt, written.mode) == (State.SENT, 1, Mode.LIVE)
    assert (written.provider, written.provider_id) == ("fake", "fake-1")
    assert (emit.key, emit.headers) == (f"{ISSUER}/event-1".encode(), (("traceparent", b"00-1"),))
    assert written.flags["DISABLE_SEND"] is False
    assert post.observer.seen == [(mail, written)]
    ((channel, seconds),) = post.observer.calls
    assert channel == "email"
    assert 0 <= seconds < 60


NOT_SENT: list[tuple[str, Post, Message, State, Suppression | None]] = [
    ("dry run", Post(mode=Mode.DRY_RUN), message(), State.SIMULATED, None),
    ("appended in a dry run", Post(), message(mode=Mode.DRY_RUN), State.SIMULATED, None),
    ("too late", Post(), message(not_after_ms=NOW_S * 1000 + 1000), State.EXPIRED, None),
    (
        "promotional while those are off",
        Post(),
        message(route=route(category=Category.PROMOTIONAL)),
        State.SUPPRESSED,
        Suppression.PROMO_DISABLED,
    ),
]


@pytest.mark.parametrize(("post", "mail", "state", "why"), [row[1:] for row in NOT_SENT], ids=[r[0] for r in NOT_SENT])
def test_a_message_that_may_not_go_out_ends_without_a_call(
    post: Post, mail: Message, state: State, why: Suppression | None
) -> None:
    written = receipt_of(post.dispatch(mail.encode()))
    assert (post.sender.calls, post.observer.calls) == ([], [])
    assert (written.state, written.reason, written.attempt, written.provider) == (state, why, 0, None)


def test_promotional_messages_go_out_once_they_are_on() -> None:
    post = Post(promo=True)
    mail = message(route=route(category=Category.PROMOTIONAL), not_after_ms=NOW_S * 1000 + 1001)
    assert receipt_of(post.dispatch(mail.encode())).state is State.SENT
    assert len(post.sender.calls) == 1


ENDINGS = {
    Ending.REFUSED_FOR_EVER: Reason.PROVIDER_REFUSED,
    Ending.REFUSED_FOR_NOW: Reason.PROVIDER_GAVE_UP,
    Ending.AWAY: Reason.PROVIDER_GAVE_UP,
    Ending.CUT: Reason.OUTCOME_UNKNOWN,
    Ending.SILENT: Reason.OUTCOME_UNKNOWN,
}


def assert_dead_letter(emit: Emit, reason: Reason, value: bytes | None) -> None:
    """One dead letter of the dispatch stage with the message itself in it."""
    assert emit.topic == topics.DEAD_LETTER
    assert header(emit, "dlq.reason") == reason
    assert header(emit, "dlq.stage") == Stage.DISPATCH
    assert header(emit, "dlq.original.topic") == TOPIC
    assert header(emit, "dlq.failed-at") == str(NOW_S * 1000 + 1000)
    assert (emit.key, emit.value) == (b"student-7", value)
    assert "ben@" not in header(emit, "dlq.detail")


@pytest.mark.parametrize(("ending", "reason"), ENDINGS.items())
def test_a_call_that_fails_becomes_a_dead_letter_with_its_reason(ending: Ending, reason: Reason) -> None:
    """And is not repeated here: what may have been sent must not be sent again by itself."""
    post = Post(FakeSender(ending))
    value = message().encode()
    assert_dead_letter(post.dispatch(value), reason, value)
    assert len(post.sender.calls) == 1
    ((_, outcome),) = post.observer.seen
    assert isinstance(outcome, Rejected)
    assert outcome.reason is reason


@pytest.mark.parametrize("value", GARBAGE)
def test_garbage_becomes_a_dead_letter_and_the_next_message_goes_out(value: bytes | None) -> None:
    post = Post()
    assert_dead_letter(post.dispatch(value), Reason.INTERNAL_ERROR, value)
    assert post.sender.calls == []
    assert post.observer.seen[0][0] is None
    assert receipt_of(post.dispatch(message().encode(), offset=1)).state is State.SENT


@pytest.mark.parametrize("bug", [KeyError("ben@example.org"), RuntimeError(), TimeoutError(), OSError("ben@")])
def test_a_sender_that_raises_makes_a_dead_letter_and_the_next_message_goes_out(bug: Exception) -> None:
    """A bug is caught in one place; what it says may quote the message, so only its kind is kept."""
    post = Post(FakeSender(bug=bug))
    value = message().encode()
    emit = post.dispatch(value)
    assert_dead_letter(emit, Reason.INTERNAL_ERROR, value)
    assert header(emit, "dlq.detail") == type(bug).__name__
    post.sender.bug = None
    assert receipt_of(post.dispatch(value, offset=1)).state is State.SENT
    assert [type(outcome) for _, outcome in post.observer.seen] == [Rejected, Receipt]


@pytest.mark.parametrize("senders", [{}, {"sms": FakeSender()}])
def test_a_channel_without_a_sender_is_refused_and_no_other_sender_is_asked(senders: Mapping[str, FakeSender]) -> None:
    post = Post(senders=senders)
    value = message().encode()
    emit = post.dispatch(value)
    assert_dead_letter(emit, Reason.PROVIDER_REFUSED, value)
    assert "email" in header(emit, "dlq.detail")
    assert all(sender.calls == [] for sender in senders.values())


def test_a_channel_without_a_sender_does_not_matter_in_a_dry_run() -> None:
    assert receipt_of(Post(mode=Mode.DRY_RUN, senders={}).dispatch(message().encode())).state is State.SIMULATED


def test_each_channel_has_its_own_sender() -> None:
    mail, text = FakeSender(), FakeSender()
    post = Post(senders={"email": mail, "sms": text})
    post.dispatch(message(route=route(channel="sms"), parts={"text": "Hi"}).encode())
    assert (len(mail.calls), len(text.calls)) == (0, 1)


class Stopped:
    """A sender in the middle of whose call the worker is told to end."""

    async def send(self, _message: Message) -> Delivery:
        raise asyncio.CancelledError


def test_a_call_that_is_cancelled_is_no_outcome() -> None:
    """Nothing is written and nobody is told: the record stays unacked."""
    post = Post(senders={"email": Stopped()})
    with pytest.raises(asyncio.CancelledError):
        post.dispatch(message().encode())
    assert post.observer.seen == []


def test_the_receipt_holds_the_conditions_after_the_call() -> None:
    """A call takes time: its receipt says when it ended."""
    moments = iter([NOW_S + 1.0, NOW_S + 2.5])

    def conditions() -> Conditions:
        return Conditions(mode=Mode.LIVE, flags=Flags(disable_send=False), now_s=next(moments))

    office = Office(senders={"email": FakeSender()}, conditions=conditions, observer=FakeDispatchObserver())
    (emit,) = asyncio.run(office.dispatch(record(message().encode(), topic=TOPIC)))
    assert receipt_of(emit).at_ms == NOW_S * 1000 + 2500


@pytest.mark.parametrize("changes", [{"parts": {"text": 5}}, {"sender": None}, {"not_after_ms": "x"}])
def test_a_message_of_the_wrong_kind_reaches_no_sender(changes: dict[str, Any]) -> None:
    post = Post()
    value = orjson.dumps(orjson.loads(message().encode()) | changes)
    assert_dead_letter(post.dispatch(value), Reason.INTERNAL_ERROR, value)
    assert post.sender.calls == []
