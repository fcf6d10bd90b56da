"""The story of one event, told from what the topics hold: its own steps, in order, whatever else lies there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streams import templates, topics
from streams.core import retry, settle
from streams.core.dead_letter import dead_letter
from streams.core.dispatch import Conditions
from streams.core.flags import Flags
from streams.core.messages import Category, Message, Mode, State
from streams.core.ports import Delivered
from streams.core.reasons import Reason, Rejected, Stage, Suppression
from streams.core.records import Emit, Record
from streams.core.render import Renderer
from streams.core.settle import Turn
from streams.explain import Step, event_id_of, story
from streams.topology import build_topology
from tests.builders import ISSUER, NOW_S, TOPIC, claims, event, message, order, record, route, rules, token
from tests.driver import Tally, emitted

EVENT = f"{ISSUER}/event-1"


def lying(emit: Emit, *, after_ms: int = 0, offset: int = 0) -> Record:
    """A record of ours as it lies in its topic."""
    at = NOW_S * 1000 + after_ms
    return replace(
        record(emit.value, topic=emit.topic, key=emit.key, headers=emit.headers, offset=offset),
        timestamp_ms=at,
        appended_ms=at,
    )


def whole_way(*, mode: Mode = Mode.LIVE, jti: str = "event-1") -> list[Record]:
    """What every topic holds of one event that went all the way."""
    shipped = templates.load()
    topology = build_topology(rules(shipped=shipped, mode=mode), Renderer(shipped), Tally())
    records = [record(token(claims(jti=jti)), offset=41)]
    for step in (topology.process, topology.process):
        records += [lying(emit) for emit in emitted(step(records[-1]))]
    turn, conditions = turn_of(records[-1]), at(mode)
    taken = Delivered(provider="fake", provider_id=None)
    settled = (
        settle.after_call(turn, taken, conditions, draw=0.0, scale=1.0)
        if mode is Mode.LIVE
        else settle.final(turn, State.SIMULATED, conditions)
    )
    return records + [lying(emit) for emit in settled.emits]


def at(mode: Mode) -> Conditions:
    return Conditions(mode=mode, flags=Flags(disable_send=False), now_s=NOW_S)


def turn_of(waiting: Record) -> Turn:
    return Turn(record=waiting, message=Message.decode(waiting.value), attempt=1)


def whats(steps: list[Step]) -> list[str]:
    return [step.what for step in steps]


STORY = [
    "queued",
    "verified and valid; to be rendered with new_match@1.0 for email",
    "rendered with new_match@1.0 for email; waiting for dispatch",
]


@pytest.mark.parametrize(
    ("mode", "end"), [(Mode.LIVE, "sent on email (mode live)"), (Mode.DRY_RUN, "simulated on email (mode dry_run)")]
)
def test_an_event_that_went_all_the_way_is_told_step_by_step(mode: Mode, end: str) -> None:
    """All within one millisecond, and read in any order: the order of the pipeline decides."""
    records = whole_way(mode=mode)
    for shuffled in (records, records[::-1], records[2:] + records[:2]):
        assert whats(story(EVENT, shuffled)) == [*STORY, end]


def test_a_step_says_where_it_lies_and_when() -> None:
    first = story(EVENT, whole_way())[0]
    assert first.place == f"{TOPIC}[0]@41"
    assert first.at == "2026-09-21T14:13:20.000+00:00"


def test_only_the_steps_of_the_event_asked_for_are_told() -> None:
    mine, others = whole_way(), whole_way(jti="event-2") + whole_way(jti="event-10")
    assert story(EVENT, others + mine) == story(EVENT, mine)
    assert story(f"{ISSUER}/event", others + mine) == []
    assert story(EVENT, []) == []


def test_time_comes_before_the_order_of_the_pipeline() -> None:
    """An event that came twice is told twice, one after the other."""
    first, second = whole_way(), [replace(each, timestamp_ms=each.timestamp_ms + 9) for each in whole_way()]
    told = whats(story(EVENT, second + first))
    assert told[:4] == told[4:]
    assert told[:3] == STORY


REASONS = [
    (record(token(claims(aud="x"))), Stage.INGEST, Reason.TOKEN_AUDIENCE),
    (record(order().encode(), topic=topics.RENDER), Stage.RENDER, Reason.RENDER_FAILED),
    (record(message().encode(), topic=topics.DISPATCH_TRANSACTIONAL), Stage.DISPATCH, Reason.PROVIDER_REFUSED),
]


@pytest.mark.parametrize(("original", "stage", "reason"), REASONS, ids=[str(row[1]) for row in REASONS])
def test_a_dead_letter_of_any_stage_is_told_with_its_reason(original: Record, stage: Stage, reason: Reason) -> None:
    letter = dead_letter(original, Rejected(reason, "so it was"), stage, failed_at_ms=NOW_S * 1000)
    records = [original, lying(letter)]
    assert whats(story(EVENT, records))[-1] == f"given up at {stage}: {reason} (so it was)"
    assert len(story(EVENT, records)) == 2


def test_a_dead_letter_that_was_cut_or_is_garbage_belongs_to_no_event() -> None:
    for value in (None, b"", b"garbage", b"a.b.c", token()[:40]):
        letter = dead_letter(record(value), Rejected(Reason.TOKEN_MALFORMED, ""), Stage.INGEST, failed_at_ms=0)
        assert event_id_of(lying(letter)) is None


def test_a_redriven_event_is_told_along_with_what_came_of_it() -> None:
    """`comms.redrive` holds the token again, as the inbound topic did."""
    redriven = replace(record(token(), topic=topics.REDRIVE, offset=5), timestamp_ms=NOW_S * 1000 + 50)
    told = story(EVENT, [*whole_way(), redriven])
    assert len(told) == 5
    assert told[-1].place == f"{topics.REDRIVE}[0]@5"


def test_a_suppression_is_told_with_its_reason() -> None:
    mail = message(route=route(category=Category.PROMOTIONAL))
    turn = turn_of(record(mail.encode(), topic=topics.DISPATCH_PROMOTIONAL))
    settled = settle.final(turn, State.SUPPRESSED, at(Mode.DRY_RUN), reason=Suppression.PROMO_DISABLED)
    assert whats(story(EVENT, map(lying, settled.emits))) == ["suppressed: promo_disabled on email (mode dry_run)"]


def test_a_message_that_waits_for_a_retry_or_was_set_aside_is_told_with_why() -> None:
    turn = turn_of(record(message().encode(), topic=topics.DISPATCH_TRANSACTIONAL))
    waiting = settle.waiting(turn, retry.TIERS[0], NOW_S * 1000 + 9)
    (aside,) = settle.set_aside(turn, "kill_switch", at(Mode.LIVE)).emits
    assert whats(story(EVENT, [lying(waiting, after_ms=1), lying(aside, after_ms=2)])) == [
        "failed for now, after 1 attempts; to be tried again",
        "set aside: kill_switch",
    ]


@pytest.mark.parametrize("topic", [TOPIC, topics.REDRIVE, topics.RENDER, topics.DISPATCH_PROMOTIONAL, topics.RECEIPTS])
@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"x",
        b"..",
        b"a.b.c",
        b"[]",
        b"null",
        b'"x"',
        b'{"route":1}',
        b'{"route":{"event_id":1}}',
        b"\xff.\xff",
    ],
)
def test_what_cannot_be_read_belongs_to_no_event(topic: str, value: bytes | None) -> None:
    """Someone who looks for one event must not stumble over what lies beside it."""
    beside = record(value, topic=topic)
    assert event_id_of(beside) is None
    assert story(EVENT, [beside]) == []


def test_an_event_is_found_by_its_unverified_token_in_the_inbound_topic_only() -> None:
    """A token in another topic says nothing, and a route in an inbound topic neither."""
    assert event_id_of(record(token())) == EVENT
    assert event_id_of(record(token(), topic=topics.RENDER)) is None
    assert event_id_of(record(order().encode())) is None
    assert event_id_of(record(token(claims(event("deadline_soon"), jti="a/b")))) == f"{ISSUER}/a/b"
