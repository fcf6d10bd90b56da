"""What is written when a turn ends: valid records, in the right partition, with headers that say how it went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
import pytest

from schemas import registry
from streams import topics
from streams.core import settle
from streams.core.dispatch import Conditions
from streams.core.flags import Flags
from streams.core.ledger import Standing, read_entry
from streams.core.messages import Category, Mode, Receipt, RenderOrder, Source, State, UnreadableError
from streams.core.ports import Delivered, Delivery, Refused, Unknown
from streams.core.reasons import Reason, Rejected, Stage, Suppression
from streams.core.records import Emit, Headers
from streams.core.retry import TIERS, Tier
from streams.core.settle import Settled, Turn
from tests.builders import ISSUER, NOW_S, message, record, route
from tests.driver import header

NOW_MS = NOW_S * 1000
TRACE: Headers = (("traceparent", b"00-1"),)
PARTITION = 2


def conditions(*, retries: bool = True, now_s: float = NOW_S) -> Conditions:
    return Conditions(mode=Mode.LIVE, flags=Flags(disable_send=False, retries_enabled=retries), now_s=now_s)


def turn(
    *, attempt: int = 1, headers: Headers = (), category: Category = Category.TRANSACTIONAL, **changes: Any
) -> Turn:
    mail = message(route=route(category=category, content="digest", revision=4), **changes)
    at = record(mail.encode(), topic=topics.DISPATCH[category], offset=9, headers=headers)
    return Turn(record=replace(at, partition=PARTITION), message=mail, attempt=attempt)


def told(emit: Emit) -> Mapping[str, bytes | None]:
    """The headers, each of which stands there once."""
    assert len({name for name, _ in emit.headers}) == len(emit.headers)
    return dict(emit.headers)


def entry_of(settled: Settled, of: Turn) -> tuple[Standing, int]:
    """The one posting: valid under its schema, beside the message's partition, under its identity."""
    (posting,) = settled.postings
    emit, category = posting.emit, of.message.route.category
    assert list(registry.load().records["ledger"].violations(orjson.loads(emit.value or b""))) == []
    assert read_entry(emit.value or b"") == posting.entry
    assert (emit.topic, emit.partition) == (topics.LEDGER[category], PARTITION)
    assert emit.key == posting.dispatch_id.encode() == of.message.route.dispatch_id.encode()
    assert (posting.entry.revision, posting.entry.content) == (4, "digest")
    return posting.entry.standing, posting.entry.attempt


def receipt_of(settled: Settled) -> Receipt:
    (emit,) = settled.emits
    assert (emit.topic, emit.key, emit.partition) == (topics.RECEIPTS, f"{ISSUER}/event-1".encode(), None)
    assert list(registry.load().records["receipt"].violations(orjson.loads(emit.value or b""))) == []
    written = Receipt.decode(emit.value)
    assert settled.outcome == written
    return written


FINAL: list[tuple[State, Suppression | None]] = [
    (State.SIMULATED, None),
    (State.EXPIRED, None),
    *((State.SUPPRESSED, why) for why in Suppression),
]


@pytest.mark.parametrize(("state", "why"), FINAL)
@pytest.mark.parametrize("category", Category)
def test_a_final_state_without_a_call_is_an_entry_and_a_receipt(
    state: State, why: Suppression | None, category: Category
) -> None:
    """The receipt names no provider and no attempt, says why, and hands the trace on and nothing else."""
    at = turn(headers=(*TRACE, ("attempts", b"2")), category=category)
    settled = settle.final(at, state, conditions(now_s=NOW_S + 0.5), reason=why)
    assert entry_of(settled, at)[0] is Standing[state.name]
    written = receipt_of(settled)
    assert (written.state, written.reason, written.route) == (state, why, at.message.route)
    assert (written.attempt, written.provider, written.provider_id) == (0, None, None)
    assert (written.mode, written.at_ms, written.flags["DISABLE_SEND"]) == (Mode.LIVE, NOW_MS + 500, False)
    assert settled.emits[0].headers == TRACE


@pytest.mark.parametrize("provider_id", ["q-1", None])
def test_what_was_sent_has_a_receipt_with_attempt_and_provider(provider_id: str | None) -> None:
    at = turn(attempt=3)
    settled = after(at, Delivered(provider="smtp", provider_id=provider_id))
    assert entry_of(settled, at) == (Standing.SENT, 3)
    written = receipt_of(settled)
    assert (written.state, written.reason, written.attempt) == (State.SENT, None, 3)
    assert (written.provider, written.provider_id) == ("smtp", provider_id)


def after(at: Turn, delivery: Delivery, *, retries: bool = True, draw: float = 0.5, scale: float = 1.0) -> Settled:
    return settle.after_call(at, delivery, conditions(retries=retries), draw=draw, scale=scale)


FOR_NOW = Refused(code="450", retryable=True)


@pytest.mark.parametrize(("attempt", "tier"), list(enumerate(TIERS, 1)))
@pytest.mark.parametrize("category", Category)
def test_a_transient_failure_waits_in_the_tier_of_its_attempt(attempt: int, tier: Tier, category: Category) -> None:
    """The very message, beside its partition; it says when it is due and of how many calls it knows."""
    before: Headers = (("not-before", b"1"), ("attempts", b"0"), ("x", b"1"), ("x", b"2"), *TRACE)
    at = turn(attempt=attempt, headers=before, category=category)
    settled = after(at, FOR_NOW, scale=0.1)
    assert entry_of(settled, at) == (Standing.FAILED, attempt)
    (emit,) = settled.emits
    assert (emit.topic, emit.partition) == (topics.RETRY[category][tier.name], PARTITION)
    assert (emit.key, emit.value) == (at.record.key, at.record.value)
    assert emit.headers[:3] == (("x", b"1"), ("x", b"2"), *TRACE)
    assert dict(emit.headers[3:]) == {
        "not-before": str(NOW_MS + int(tier.seconds * 50)).encode(),
        "attempts": str(attempt).encode(),
        "queued-at": str(NOW_MS).encode(),
    }
    assert settled.outcome is None, "it has not ended"


def test_what_waits_for_a_retry_is_not_held_any_more_and_was_queued_when_it_was_first() -> None:
    at = turn(headers=(("held-since", b"1"), ("held-for", b"kill_switch"), ("queued-at", b"77")))
    (emit,) = after(at, FOR_NOW).emits
    assert set(told(emit)) == {"not-before", "attempts", "queued-at"}
    assert told(emit)["queued-at"] == b"77"


def test_the_time_that_a_provider_names_is_a_floor() -> None:
    (emit,) = after(turn(), Refused(code="429", retryable=True, retry_after_s=400.0)).emits
    assert emit.topic == topics.RETRY["transactional"]["30m"]
    assert header(emit, "not-before") == str(NOW_MS + 400_000)


GIVEN_UP: list[tuple[str, int, bool, Delivery, Standing, Reason]] = [
    ("permanent", 1, True, Refused(code="550", retryable=False), Standing.FAILED, Reason.PROVIDER_REFUSED),
    ("transient, the last tier is over", 4, True, FOR_NOW, Standing.FAILED, Reason.PROVIDER_GAVE_UP),
    ("transient, retries are off", 1, False, FOR_NOW, Standing.FAILED, Reason.PROVIDER_GAVE_UP),
    ("unknown", 2, True, Unknown(what="deadline after DATA"), Standing.UNKNOWN, Reason.OUTCOME_UNKNOWN),
]


@pytest.mark.parametrize("row", GIVEN_UP, ids=[row[0] for row in GIVEN_UP])
def test_what_is_given_up_is_a_dead_letter_with_its_reason(
    row: tuple[str, int, bool, Delivery, Standing, Reason],
) -> None:
    """Of the dispatch stage, with the message untouched; it says how often it was tried, for us and for people."""
    _, attempt, retries, delivery, standing, reason = row
    before: Headers = (*TRACE, ("not-before", b"1"), ("attempts", b"1"), ("held-since", b"1"), ("queued-at", b"1"))
    at = turn(attempt=attempt, headers=(*before, ("held-for", b"x"), ("dlq.redrive-count", b"2")))
    settled = after(at, delivery, retries=retries)
    assert entry_of(settled, at) == (standing, attempt)
    (emit,) = settled.emits
    assert (emit.topic, emit.key, emit.value) == (topics.DEAD_LETTER, at.record.key, at.record.value)
    assert isinstance(settled.outcome, Rejected)
    assert settled.outcome.reason is reason
    what = getattr(delivery, "code", getattr(delivery, "what", ""))
    assert what in settled.outcome.detail
    assert told(emit) == {
        "traceparent": b"00-1",
        "attempts": str(attempt).encode(),
        "attempts-before": str(attempt).encode(),
        "dlq.reason": reason.encode(),
        "dlq.stage": Stage.DISPATCH.encode(),
        "dlq.detail": settled.outcome.detail.encode(),
        "dlq.original.topic": topics.DISPATCH_TRANSACTIONAL.encode(),
        "dlq.original.partition": b"2",
        "dlq.original.offset": b"9",
        "dlq.original.timestamp": str(NOW_MS).encode(),
        "dlq.attempts": str(attempt).encode(),
        "dlq.failed-at": str(NOW_MS).encode(),
        "dlq.redrive-count": b"2",
    }


def test_what_was_redriven_is_tried_as_often_as_the_first_time() -> None:
    """Who redrives after an outage has all tiers again, not one attempt; the count goes on all the same."""
    (letter,) = after(turn(attempt=4), FOR_NOW).emits
    redriven = tuple(each for each in letter.headers if not each[0].startswith("dlq."))

    ends = [after(turn(attempt=attempt, headers=redriven), FOR_NOW).emits[0] for attempt in (5, 6, 7, 8)]

    assert [emit.topic for emit in ends] == [*topics.RETRY[Category.TRANSACTIONAL].values(), topics.DEAD_LETTER]
    assert [header(emit, "attempts") for emit in ends] == ["5", "6", "7", "8"]
    assert [header(emit, "attempts-before") for emit in ends] == ["4", "4", "4", "8"]


def test_no_address_stands_in_a_dead_letter_beside_the_message_itself() -> None:
    for settled in (after(turn(), row[3], retries=row[2]) for row in GIVEN_UP):
        for emit in settled.emits:
            assert not any(b"ben@" in (value or b"") for _, value in emit.headers)


def test_what_was_begun_and_not_seen_to_end_is_parked() -> None:
    at = turn(attempt=2)
    settled = settle.parked(at, conditions())
    assert entry_of(settled, at) == (Standing.UNKNOWN, 2)
    (emit,) = settled.emits
    assert (header(emit, "dlq.reason"), header(emit, "attempts")) == (Reason.OUTCOME_UNKNOWN, "2")


def test_a_conflict_is_a_dead_letter_and_the_ledger_keeps_what_it_has() -> None:
    settled = settle.conflict(turn(attempt=0), conditions())
    assert settled.postings == ()
    assert header(settled.emits[0], "dlq.reason") == Reason.ID_CONFLICT


@pytest.mark.parametrize("value", [None, b"", b"garbage"])
def test_what_is_no_message_is_a_dead_letter_as_it_was(value: bytes | None) -> None:
    at = record(value, topic=topics.DISPATCH_TRANSACTIONAL, key=None, headers=(("x", None), ("not-before", b"1")))
    settled = settle.unreadable(at, Rejected(Reason.INTERNAL_ERROR, "no message"), conditions())
    assert settled.postings == ()
    (emit,) = settled.emits
    assert (emit.key, emit.value, emit.headers[0]) == (None, value, ("x", None))
    assert "not-before" not in told(emit)


def test_what_was_done_before_leaves_no_trace() -> None:
    assert settle.nothing() == Settled((), ())


@pytest.mark.parametrize("category", Category)
def test_what_is_set_aside_says_since_when_and_for_what(category: Category) -> None:
    """The ledger stays as it is; how often it was tried, and what is not ours, goes along."""
    at = turn(headers=(*TRACE, ("attempts", b"2")), category=category)
    settled = settle.set_aside(at, "kill_switch", conditions(now_s=NOW_S + 7))
    assert (settled.postings, settled.outcome) == ((), None)
    (emit,) = settled.emits
    assert (emit.topic, emit.partition) == (topics.HELD[category], PARTITION)
    assert (emit.key, emit.value) == (at.record.key, at.record.value)
    assert told(emit) == {
        "traceparent": b"00-1",
        "attempts": b"2",
        "held-since": str(NOW_MS + 7000).encode(),
        "held-for": b"kill_switch",
        "queued-at": str(NOW_MS).encode(),
    }


def test_moving_it_round_does_not_make_it_younger() -> None:
    """Neither what is held since, nor what an order to drop counts from; what it is held for may be another."""
    at = turn(headers=(("held-since", b"5"), ("held-for", b"paused"), ("queued-at", b"4")))
    (emit,) = settle.set_aside(at, "kill_switch", conditions()).emits
    assert told(emit) == {"held-since": b"5", "held-for": b"kill_switch", "queued-at": b"4"}


SOURCE = Source(occurred_at="2026-11-20T09:30:00Z", locale="es-ES", timezone=None, data={"a": 1})


def test_what_is_rendered_again_goes_back_as_its_next_revision() -> None:
    """With what it was made of, in the template's version of now; an attempt that did not begin is not counted."""
    at = turn(attempt=3, source=SOURCE, headers=(*TRACE, ("attempts", b"2")))
    settled = settle.rerendered(at, "2.0")
    assert entry_of(settled, at) == (Standing.SUPERSEDED, 2)
    (emit,) = settled.emits
    assert (emit.topic, emit.key, emit.partition, emit.headers) == (topics.RENDER, b"student-7", None, TRACE)
    assert list(registry.load().records["render"].violations(orjson.loads(emit.value or b""))) == []
    order = RenderOrder.decode(emit.value)
    assert (order.route.revision, order.route.template_version) == (5, "2.0")
    assert (order.route.dispatch_id, order.route.content) == (at.message.route.dispatch_id, "digest")
    assert (order.data, order.locale, order.occurred_at) == (SOURCE.data, "es-ES", SOURCE.occurred_at)
    assert (order.mode, order.appended_ms, order.to) == (at.message.mode, at.message.appended_ms, at.message.to)


def test_a_message_of_a_build_that_kept_nothing_cannot_be_rendered_again() -> None:
    with pytest.raises(UnreadableError, match="not kept"):
        settle.rerendered(turn(source=None), "2.0")
