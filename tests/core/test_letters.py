"""Dead letters as data: what is read of one, which are meant, which a redrive takes, and how they are counted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams import topics
from streams.core.dead_letter import dead_letter
from streams.core.letter_choice import Filter, Left, choose, counts
from streams.core.letters import KEPT_MS, Letter, Place, read
from streams.core.reasons import Reason, Rejected, Stage
from streams.core.records import Record
from tests.builders import ISSUER, NOW_S, OTHER, TOPIC, claims, event, message, record, route, token

PROPERTY = settings(deadline=None, database=None, max_examples=200)
NOW_MS = NOW_S * 1000
ISSUERS = {TOPIC: ISSUER, f"events.{OTHER}": OTHER}
WHY = Rejected(Reason.SCHEMA_VIOLATION, "/data: required")


def on_topic(original: Record, why: Rejected = WHY, stage: Stage = Stage.INGEST, *, offset: int = 9) -> Record:
    """The original's dead letter as it stands on the topic."""
    emit = dead_letter(original, why, stage, failed_at_ms=NOW_MS + 500, attempts=2)
    letter = record(emit.value, topic=topics.DEAD_LETTER, offset=offset, key=emit.key, headers=emit.headers)
    return replace(letter, partition=1)


def letter(**changes: Any) -> Letter:
    made = read(on_topic(record(token())), ISSUERS)
    return replace(made, **changes)


def test_a_letter_of_ingest_tells_what_its_token_says() -> None:
    found = read(on_topic(record(token(), offset=41)), ISSUERS)
    assert found == Letter(
        place=Place(1, 9),
        at_ms=NOW_MS,
        failed_at_ms=NOW_MS + 500,
        stage="ingest",
        reason="schema_violation",
        detail="/data: required",
        origin=f"{TOPIC}[0]@41",
        to=topics.REDRIVE,
        issuer=ISSUER,
        event_id=f"{ISSUER}/event-1",
        event_type="new_match",
        dispatch_id="",
        template="",
        template_version="",
        attempts=2,
        redrives=0,
        truncated="",
    )


def test_a_letter_of_dispatch_tells_what_its_message_says() -> None:
    mail = message(route=route(event_id=f"{OTHER}/a/b"))
    found = read(on_topic(record(mail.encode(), topic=topics.HELD["transactional"]), stage=Stage.DISPATCH), ISSUERS)
    assert (found.issuer, found.event_id, found.dispatch_id) == (OTHER, f"{OTHER}/a/b", mail.route.dispatch_id)
    assert (found.template, found.template_version) == ("new_match", "1.0")
    assert found.to == topics.DISPATCH_TRANSACTIONAL
    assert found.names() == {"1@9", f"{OTHER}/a/b", mail.route.dispatch_id}


@pytest.mark.parametrize(
    ("stage", "origin", "partition", "to"),
    [
        (Stage.INGEST, TOPIC, 0, topics.REDRIVE),
        (Stage.INGEST, topics.RENDER, 0, ""),
        (Stage.RENDER, topics.RENDER, 0, topics.RENDER),
        (Stage.RENDER, TOPIC, 0, ""),
        (Stage.DISPATCH, topics.DISPATCH_PROMOTIONAL, 0, topics.DISPATCH_PROMOTIONAL),
        (Stage.DISPATCH, topics.DISPATCH_PROMOTIONAL, 1, ""),
        (Stage.DISPATCH, topics.RETRY["transactional"]["5m"], 2, topics.DISPATCH_TRANSACTIONAL),
        (Stage.DISPATCH, topics.RETRY["transactional"]["5m"], 3, ""),
        (Stage.DISPATCH, "comms.elsewhere", 0, ""),
    ],
)
def test_where_it_goes_back_to_follows_from_its_stage_and_its_topic(
    stage: Stage, origin: str, partition: int, to: str
) -> None:
    """Nowhere, if the headers can't be ours."""
    original = replace(record(b"x", topic=origin), partition=partition)
    assert read(on_topic(original, stage=stage), ISSUERS).to == to


def test_an_issuer_that_nobody_registered_is_the_one_whose_topic_it_came_from() -> None:
    stranger = token(claims(iss="someone"))
    assert read(on_topic(record(stranger)), ISSUERS).issuer == ISSUER
    assert read(on_topic(record(b"no token", topic=f"events.{OTHER}")), ISSUERS).issuer == OTHER
    assert read(on_topic(record(b"no token", topic="events.gone")), ISSUERS).issuer == ""


@pytest.mark.parametrize("kind", ["ana@example.org", "new\x1b[2Jmatch", "", 7, None, "x" * 65])
def test_a_type_that_is_no_name_is_left_out(kind: Any) -> None:
    """It may be an address, or something that writes on a terminal."""
    body = {**event(), "type": kind}
    assert read(on_topic(record(token(claims(body)))), ISSUERS).event_type == ""


def test_an_id_that_would_write_on_a_terminal_is_left_out() -> None:
    assert read(on_topic(record(token(claims(jti="a\x1b[2J")))), ISSUERS).event_id == ""


HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["dlq.stage", "dlq.reason", "dlq.failed-at", "dlq.original.topic", "dlq.original.partition"]),
        st.none() | st.binary(max_size=40) | st.sampled_from([b"ingest", b"dispatch", b"9" * 18, TOPIC.encode()]),
    ),
    max_size=6,
)


@PROPERTY
@given(HEADERS, st.none() | st.binary(max_size=60) | st.sampled_from([b'{"route":7}', b'{"route":{}}', b"[]"]))
def test_whatever_stands_on_the_topic_is_read(headers: Any, value: bytes | None) -> None:
    """And is filtered and counted; nothing in it can write on a terminal."""
    found = read(record(value, topic=topics.DEAD_LETTER, headers=tuple(headers)), ISSUERS)
    assert Filter().takes(found)
    assert sum(counts([found])["hour"].values()) == 1
    assert all(text.isprintable() for text in (found.stage, found.reason, found.origin, found.event_id))


def test_the_time_left_counts_from_the_append() -> None:
    assert letter().seconds_left(NOW_MS) == 72 * 3600
    assert letter().seconds_left(NOW_MS + KEPT_MS - 1) == 0
    assert letter().seconds_left(NOW_MS + 2 * KEPT_MS) == 0


TAKEN: list[tuple[str, dict[str, set[str]], bool]] = [
    ("nothing named", {}, True),
    ("its reason", {"reason": {"schema_violation"}}, True),
    ("its reason among others", {"reason": {"schema_violation", "no_channel"}}, True),
    ("another reason", {"reason": {"no_channel"}}, False),
    ("its stage", {"stage": {"ingest"}}, True),
    ("another stage", {"stage": {"render"}}, False),
    ("its type", {"type": {"new_match"}}, True),
    ("another type", {"type": {"welcome"}}, False),
    ("its issuer", {"issuer": {ISSUER}}, True),
    ("another issuer", {"issuer": {OTHER}}, False),
    ("its template", {"template": {"new_match"}}, True),
    ("its template and version", {"template": {"new_match@1.0"}}, True),
    ("another version", {"template": {"new_match@1.1"}}, False),
    ("its place", {"id": {"1@9"}}, True),
    ("its event", {"id": {f"{ISSUER}/event-1"}}, True),
    ("its message", {"id": {"d" * 32}}, True),
    ("another place", {"id": {"1@8"}}, False),
    ("no id", {"id": {""}}, False),
    ("reason and type", {"reason": {"schema_violation"}, "type": {"new_match"}}, True),
    ("reason, but not type", {"reason": {"schema_violation"}, "type": {"welcome"}}, False),
]


@pytest.mark.parametrize(("named", "takes"), [row[1:] for row in TAKEN], ids=[row[0] for row in TAKEN])
def test_a_filter_means_any_of_each_kind_and_all_kinds_together(named: dict[str, set[str]], takes: bool) -> None:  # noqa: FBT001 - a column
    one = letter(template="new_match", template_version="1.0", dispatch_id="d" * 32)
    assert Filter(named={row: frozenset(wanted) for row, wanted in named.items()}).takes(one) is takes


@pytest.mark.parametrize(
    ("since", "until", "takes"), [(0, 1, True), (0, 0, False), (1, 2, False), (-5, 5, True), (-5, -1, False)]
)
def test_a_filter_takes_from_since_on_and_before_until(since: int, until: int, takes: bool) -> None:  # noqa: FBT001 - a column
    assert Filter(since_ms=NOW_MS + since, until_ms=NOW_MS + until).takes(letter()) is takes


def test_a_filter_says_in_words_what_it_means() -> None:
    assert str(Filter()) == "all"
    asked = Filter(named={"reason": frozenset({"b", "a"}), "type": frozenset()}, since_ms=NOW_MS)
    assert str(asked) == "reason=a,b since=2026-09-21T14:13:20Z"


LEFT: list[tuple[Left, Letter]] = [
    (Left.REDRIVEN, letter(place=Place(0, 1))),
    (Left.TRUNCATED, letter(place=Place(0, 2), truncated="kept 65536 of 5000000 bytes")),
    (Left.UNKNOWN, letter(place=Place(0, 3), reason="outcome_unknown")),
    (Left.FOREIGN, letter(place=Place(0, 4), to="")),
]
MARKED = frozenset({"0@1"})


@pytest.mark.parametrize(("why", "one"), LEFT)
def test_what_can_not_or_need_not_be_redriven_is_left_with_its_reason(why: Left, one: Letter) -> None:
    choice = choose([one, letter()], MARKED, most=10, again=False)
    assert choice.letters == (letter(),)
    assert choice.left == ((one, why),)
    assert choice.refused() == {why.value: 1}


def test_what_was_redriven_is_taken_again_on_request_only() -> None:
    marked = letter(place=Place(0, 1))
    assert choose([marked], MARKED, most=10, again=True).letters == (marked,)


def test_the_oldest_are_taken_first_and_the_rest_is_left() -> None:
    """What is left for another reason doesn't count against the limit."""
    old, older = letter(place=Place(0, 8), at_ms=NOW_MS - 1), letter(place=Place(0, 9), at_ms=NOW_MS - 2)
    choice = choose([letter(), old, older, LEFT[1][1]], frozenset(), most=2, again=False)
    assert choice.letters == (older, old)
    assert choice.refused() == {"beyond --max": 1, "truncated": 1}


def test_letters_are_counted_by_each_kind_the_most_frequent_first() -> None:
    later = letter(at_ms=NOW_MS + 3_600_000, reason="no_channel")
    found = counts([letter(), later, later])
    assert list(found["reason"].items()) == [("no_channel", 2), ("schema_violation", 1)]
    assert list(found["hour"].items()) == [("2026-09-21T14:00Z", 1), ("2026-09-21T15:00Z", 2)]
    assert found["template"] == {"unknown": 3}
    assert counts([], ["reason"]) == {"reason": {}}
