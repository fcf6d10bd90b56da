"""What goes back of a dead letter: the original as it was, to the step that gave it up, and what comes of it there."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams import topics
from streams.core.dead_letter import dead_letter
from streams.core.dispatch import Conditions
from streams.core.flags import Flags
from streams.core.ledger import Resolution
from streams.core.messages import Mode
from streams.core.ports import Refused
from streams.core.reasons import Reason, Rejected, Stage
from streams.core.records import Emit, Headers, Record
from streams.core.redrive import counted, first_append, redriven, resolution
from streams.core.retry import ATTEMPTS
from streams.core.settle import Settled, Turn, after_call, unreadable
from tests.builders import NOW_S, TOPIC, message, record
from tests.driver import header

PROPERTY = settings(deadline=None, database=None, max_examples=200)
WHY = Rejected(Reason.INTERNAL_ERROR, "a bug")
LIVE = Conditions(mode=Mode.LIVE, flags=Flags(disable_send=False), now_s=NOW_S)
ORIGIN = {Stage.INGEST: TOPIC, Stage.RENDER: topics.RENDER, Stage.DISPATCH: topics.RETRY["transactional"]["30s"]}
BACK = {Stage.INGEST: topics.REDRIVE, Stage.RENDER: topics.RENDER, Stage.DISPATCH: topics.DISPATCH_TRANSACTIONAL}
PART = st.none() | st.binary(max_size=60)
HEADERS = st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), PART), max_size=5)


def letter(original: Record, stage: Stage, *, attempts: int = 1) -> Record:
    """The original's dead letter as it stands on the topic."""
    return appended(dead_letter(original, WHY, stage, failed_at_ms=NOW_S * 1000, attempts=attempts))


def appended(emit: Emit, *, offset: int = 77) -> Record:
    made = record(emit.value, topic=emit.topic, offset=offset, key=emit.key, headers=emit.headers)
    return replace(made, partition=emit.partition or 0)


def own(headers: Headers) -> Headers:
    return tuple(each for each in headers if not each[0].startswith("dlq."))


@PROPERTY
@given(st.sampled_from(Stage), PART, PART, HEADERS, st.integers(0, 2))
def test_key_value_and_headers_of_the_original_go_back_byte_for_byte(
    stage: Stage, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]], partition: int
) -> None:
    """In their order and with their repetitions; of ours only what the step must know."""
    original = replace(
        record(value, topic=ORIGIN[stage], offset=41, key=key, headers=tuple(headers)), partition=partition
    )
    back = redriven(letter(original, stage))
    assert (back.topic, back.key, back.value) == (BACK[stage], key, value)
    assert own(back.headers) == own(original.headers)
    assert header(back, "dlq.redrive-count") == "1"
    ours = {name for name, _ in back.headers if name.startswith("dlq.")}
    first = {f"dlq.original.{name}" for name in ("topic", "partition", "offset", "timestamp")}
    assert ours == {"dlq.redrive-count"} | (first if stage is Stage.INGEST else set())
    assert back.partition == (partition if stage is Stage.DISPATCH else None)


def test_one_of_ingest_is_seen_as_it_was_at_first() -> None:
    original = replace(record(b"token", offset=41, headers=(("mine", b"1"),)), partition=2)
    seen = first_append(replace(appended(redriven(letter(original, Stage.INGEST))), received_ms=NOW_S * 1000))
    assert seen == replace(original, redrives=1)


@pytest.mark.parametrize("stage", list(Stage))
def test_each_redrive_counts_one_more(stage: Stage) -> None:
    """Also where the second failure has another place than the first."""
    once = appended(redriven(letter(record(b"x", topic=ORIGIN[stage]), stage)))
    seen = first_append(once) if stage is Stage.INGEST else counted(once)
    twice = redriven(letter(seen, stage))
    assert header(twice, "dlq.redrive-count") == "2"


def letter_of(settled: Settled) -> Emit:
    (found,) = [emit for emit in settled.emits if emit.topic == topics.DEAD_LETTER]
    return found


def test_a_redriven_message_that_fails_again_says_how_often_it_was_tried() -> None:
    """After a call, and where it could not be read."""
    mail = message()
    again = record(mail.encode(), topic=topics.DISPATCH_TRANSACTIONAL, headers=(("dlq.redrive-count", b"3"),))
    refused = Refused(code="550", retryable=False)
    called = after_call(Turn(record=again, message=mail, attempt=2), refused, LIVE, draw=0.0, scale=1.0)
    assert header(letter_of(called), "dlq.redrive-count") == "3"
    assert header(letter_of(unreadable(again, WHY, LIVE)), "dlq.redrive-count") == "3"


def test_an_operators_word_goes_with_it_and_names_the_attempt() -> None:
    """Once, whatever stood there before; and only that word."""
    before: Headers = ((ATTEMPTS, b"1"), ("resolve", b"resend"), ("resolve-because", b"old"), ("traceparent", b"00"))
    parked = letter(record(b"{}", topic=ORIGIN[Stage.DISPATCH], headers=before), Stage.DISPATCH, attempts=4)
    back = redriven(parked, resolved=Resolution.SENT, because="seen in the log")
    assert own(back.headers) == (
        ("traceparent", b"00"),
        (ATTEMPTS, b"4"),
        ("resolve", b"sent"),
        ("resolve-because", b"seen in the log"),
    )
    assert resolution(appended(back)) is Resolution.SENT
    assert resolution(appended(redriven(parked))) is Resolution.OPEN


@pytest.mark.parametrize("said", [None, b"", b"SENT", b"yes", b"\xff"])
def test_a_word_that_is_none_says_nothing(said: bytes | None) -> None:
    assert resolution(record(b"{}", headers=(("resolve", said),))) is Resolution.OPEN


@pytest.mark.parametrize("retryable", [True, False])
def test_an_operators_word_does_not_outlive_its_attempt(retryable: bool) -> None:  # noqa: FBT001 - a column
    """What is tried again after it, or given up, is not settled by it."""
    mail = message()
    word: Headers = (("resolve", b"resend"), ("resolve-because", b"so"))
    turn = Turn(record=record(mail.encode(), headers=word), message=mail, attempt=2)
    settled = after_call(turn, Refused(code="450", retryable=retryable), LIVE, draw=0.0, scale=1.0)
    (emit,) = settled.emits
    assert not {"resolve", "resolve-because"} & {name for name, _ in emit.headers}
