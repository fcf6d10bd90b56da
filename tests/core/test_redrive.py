"""A redriven record is judged as the inbound record that it once was; only our own topic can say what it was."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams import templates, topics
from streams.core.dead_letter import dead_letter
from streams.core.reasons import Reason, Rejected, Stage
from streams.core.records import Emit, Headers, Record
from streams.core.redrive import PREFIX, first_append
from streams.core.render import Renderer
from streams.topology import Topology, build_topology
from tests.builders import NOW_S, OTHER, TOPIC, claims, record, rules, token
from tests.driver import Tally, emitted, header

PROPERTY = settings(deadline=None, database=None, max_examples=200)
NOW_MS = NOW_S * 1000
LATER_S = NOW_S + 86_400
WHY = Rejected(Reason.TOKEN_UNKNOWN_KEY, "`kid` is not in the issuer's key set")


def topology() -> Topology:
    shipped = templates.load()
    return build_topology(rules(shipped=shipped), Renderer(shipped), Tally(), now=lambda: float(LATER_S))


def letter_of(original: Record, why: Rejected = WHY) -> Emit:
    return dead_letter(original, why, Stage.INGEST, failed_at_ms=NOW_MS + 7)


def redriven(letter: Emit, **changes: str | None) -> Record:
    """The letter's record as it stands on the redrive topic a day later; ``redrive_count="1"`` sets a header."""
    headers = dict(letter.headers)
    for name, text in changes.items():
        headers[PREFIX + name.replace("__", ".").replace("_", "-")] = None if text is None else text.encode()
    return replace(
        record(letter.value, topic=topics.REDRIVE, offset=99, headers=tuple(headers.items()), appended_s=LATER_S),
        key=letter.key,
        partition=2,
    )


HEADERS: Headers = (("traceparent", b"00-1"), ("mine", None), ("mine", b"2"))


def test_it_has_its_first_place_and_append_time_again() -> None:
    """Key, value and the producer's headers too; what we had added is gone; when it reached us is as it is."""
    original = record(b"token", offset=41, headers=HEADERS)
    on_redrive = replace(redriven(letter_of(original)), headers=letter_of(original).headers)
    assert first_append(on_redrive) == replace(original, received_ms=LATER_S * 1000)


@pytest.mark.parametrize(("count", "redrives"), [("0", 0), ("1", 1), ("12", 12), (None, 0), ("", 0), ("-1", 0)])
def test_it_says_how_often_it_was_tried_again(count: str | None, redrives: int) -> None:
    assert first_append(redriven(letter_of(record(b"x")), redrive_count=count)).redrives == redrives


def test_a_record_that_tells_nothing_stays_as_it_is() -> None:
    """So that it is refused: no issuer's topic is the redrive topic."""
    bare = record(token(), topic=topics.REDRIVE, offset=99)
    assert first_append(bare) == bare
    (letter,) = emitted(topology().process(bare))
    assert header(letter, "dlq.reason") == Reason.TOKEN_TOPIC


@pytest.mark.parametrize("text", [None, "", "x", "-5", "+5", "1.5", " 7", "1e3", "\u0663", "9" * 19])
@pytest.mark.parametrize("name", ["original__partition", "original__offset", "original__timestamp"])
def test_a_number_that_is_none_counts_as_not_told(name: str, text: str | None) -> None:
    on_redrive = redriven(letter_of(record(b"x", offset=41)), **{name: text})
    seen = first_append(on_redrive)
    member = {"original__partition": "partition", "original__offset": "offset"}.get(name, "appended_ms")
    assert getattr(seen, member) == getattr(on_redrive, member)
    assert seen.timestamp_ms == seen.appended_ms or member != "appended_ms"


def test_the_last_of_a_repeated_header_counts() -> None:
    """As for every reader of Kafka headers (`ProducerRecord.headers().lastHeader`)."""
    doubled = replace(
        record(b"x", topic=topics.REDRIVE),
        headers=(("dlq.original.topic", b"events.first"), ("dlq.original.topic", TOPIC.encode())),
    )
    assert first_append(doubled).topic == TOPIC


@PROPERTY
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [f"dlq.{name}" for name in ("original.topic", "original.offset", "original.timestamp", "redrive-count")]
            )
            | st.text(max_size=5),
            st.none() | st.binary(max_size=24),
        ),
        max_size=6,
    )
)
def test_no_header_raises_and_none_of_ours_is_left(headers: list[tuple[str, bytes | None]]) -> None:
    seen = first_append(record(b"x", topic=topics.REDRIVE, headers=tuple(headers)))
    assert [pair for pair in headers if not pair[0].startswith("dlq.")] == list(seen.headers)
    assert min(seen.offset, seen.partition, seen.redrives, seen.appended_ms) >= 0


def test_a_token_that_was_good_when_it_was_appended_is_good_a_day_later() -> None:
    """Its life is judged at its first append; on the inbound topic, at that time of day, it would be over."""
    good = record(token())
    produced = emitted(topology().process(redriven(letter_of(good))))
    assert [emit.topic for emit in produced] == [topics.RENDER]
    assert produced == emitted(topology().process(good))
    (late,) = emitted(topology().process(record(token(), appended_s=LATER_S)))
    assert header(late, "dlq.reason") == Reason.TOKEN_EXPIRED


def test_a_token_that_was_over_when_it_was_appended_does_not_become_good() -> None:
    over = record(token(), appended_s=NOW_S + 360)
    (letter,) = emitted(topology().process(redriven(letter_of(over))))
    assert header(letter, "dlq.reason") == Reason.TOKEN_EXPIRED


def test_without_a_first_append_time_the_redrives_own_counts() -> None:
    (letter,) = emitted(topology().process(redriven(letter_of(record(token())), original__timestamp=None)))
    assert header(letter, "dlq.reason") == Reason.TOKEN_EXPIRED


def test_the_first_topic_still_binds_the_issuer() -> None:
    elsewhere = record(token(), topic=f"events.{OTHER}")
    (letter,) = emitted(topology().process(redriven(letter_of(elsewhere))))
    assert header(letter, "dlq.reason") == Reason.TOKEN_TOPIC
    assert header(letter, "dlq.original.topic") == f"events.{OTHER}"


def test_what_fails_again_keeps_its_place_its_first_append_time_and_its_count() -> None:
    """However often it goes round: the letter speaks of the inbound record, and each name stands once."""
    original = record(token(claims(aud="other")), offset=41, headers=HEADERS)
    (letter,) = emitted(topology().process(original))
    for count in ("1", "2"):
        (letter,) = emitted(topology().process(redriven(letter, redrive_count=count)))
        told = {name: value for name, value in letter.headers if name.startswith(PREFIX)}
        assert told["dlq.reason"] == Reason.TOKEN_AUDIENCE.encode()
        assert told["dlq.original.topic"] == TOPIC.encode()
        assert (told["dlq.original.partition"], told["dlq.original.offset"]) == (b"0", b"41")
        assert told["dlq.original.timestamp"] == str(NOW_MS).encode()
        assert told["dlq.redrive-count"] == count.encode()
        names = [name for name, _ in letter.headers if name.startswith(PREFIX)]
        assert len(set(names)) == len(names)
    assert (letter.key, letter.value) == (original.key, original.value)


SPOOFED: dict[str, Any] = {
    "a first append in the past": ("dlq.original.timestamp", str(NOW_MS).encode()),
    "another topic": ("dlq.original.topic", f"events.{OTHER}".encode()),
    "another place": ("dlq.original.offset", b"7"),
    "a count": ("dlq.redrive-count", b"9"),
}


@pytest.mark.parametrize("spoofed", SPOOFED.values(), ids=SPOOFED)
@pytest.mark.parametrize("topic", [TOPIC, f"events.{OTHER}"])
def test_on_an_inbound_topic_such_headers_are_not_believed(spoofed: tuple[str, bytes], topic: str) -> None:
    """Anyone who may produce could else make an old token good, or move it to another issuer's topic."""
    late = record(token(), topic=topic, offset=5, headers=(spoofed,), appended_s=LATER_S)
    (letter,) = emitted(topology().process(late))
    expected = Reason.TOKEN_EXPIRED if topic == TOPIC else Reason.TOKEN_TOPIC
    assert header(letter, "dlq.reason") == expected
    told = dict(letter.headers)
    assert told["dlq.original.topic"] == topic.encode()
    assert told["dlq.original.offset"] == b"5"
    assert told["dlq.original.timestamp"] == str(LATER_S * 1000).encode()
    assert told["dlq.redrive-count"] == b"0"


def test_on_the_render_topic_only_the_count_is_believed() -> None:
    """An internal topic, whose records keep their own place and time; how often they were tried again is remembered."""
    (letter,) = emitted(
        topology().process(record(b"{", topic=topics.RENDER, headers=tuple(SPOOFED.values()), appended_s=LATER_S))
    )
    assert header(letter, "dlq.original.topic") == topics.RENDER
    assert header(letter, "dlq.original.timestamp") == str(LATER_S * 1000)
    assert header(letter, "dlq.redrive-count") == "9"


def test_what_was_cut_does_not_pass_for_whole_when_it_fails_again() -> None:
    """Length and fingerprint of the whole are all that is left of it."""
    cut = letter_of(record(bytes(5 * topics.MIB)))
    (again,) = emitted(topology().process(redriven(cut, redrive_count="1")))
    assert dict(again.headers).get("dlq.truncated") == dict(cut.headers)["dlq.truncated"]
