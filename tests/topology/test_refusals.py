"""An issuer's own refusals: whose a dead letter is, and what is told of it."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from streams import topics
from streams.core.dead_letter import TRUNCATED_BYTES, dead_letter
from streams.core.reasons import Reason, Rejected, Stage
from streams.core.records import Record
from streams.refusals import Refusal, refusals
from tests import forge
from tests.builders import ISSUER, NOW_S, OTHER, TOPIC, claims, event, message, producers, record, token

OTHERS_TOPIC = f"events.{OTHER}"


def letter(
    value: bytes | None,
    reason: Reason = Reason.TOKEN_AUDIENCE,
    *,
    topic: str = TOPIC,
    stage: Stage = Stage.INGEST,
    at_s: float = NOW_S,
    offset: int = 41,
) -> Record:
    """A dead letter as it lies in its topic."""
    original = record(value, topic=topic, offset=offset)
    made = dead_letter(original, Rejected(reason, "so it was"), stage, failed_at_ms=int(at_s * 1000))
    return replace(record(made.value, topic=made.topic, headers=made.headers), timestamp_ms=int(at_s * 1000))


def of(issuer: str, *letters: Record) -> list[Refusal]:
    return refusals(issuer, producers(), letters)


def test_a_refusal_says_when_why_and_which_record_it_was() -> None:
    assert of(ISSUER, letter(token())) == [
        Refusal(
            failed_at="2026-09-21T14:13:20.000+00:00",
            topic=TOPIC,
            partition=0,
            offset=41,
            reason="token_audience",
            detail="so it was",
            event_id=f"{ISSUER}/event-1",
        )
    ]


def test_the_issuer_that_a_token_names_sees_it_wherever_it_was_produced() -> None:
    """Its own token on another's topic is its own refusal, and not the other's."""
    astray = letter(token(), Reason.TOKEN_TOPIC, topic=OTHERS_TOPIC)
    assert [one.topic for one in of(ISSUER, astray)] == [OTHERS_TOPIC]
    assert of(OTHER, astray) == []


UNREADABLE = {
    "null": None,
    "empty": b"",
    "text": b"hello",
    "three segments of nothing": b"a.b.c",
    "cut before its payload's end": token()[:200],
    "no issuer": token(claims(iss=None)),
    "an issuer that nobody is": token(claims(iss="scholarship_agnet")),
    "an issuer that is no text": forge.sign(forge.header(), claims() | {"iss": 7}),
}


@pytest.mark.parametrize("value", UNREADABLE.values(), ids=list(UNREADABLE))
def test_what_names_nobody_belongs_to_whoever_produces_to_its_topic(value: bytes | None) -> None:
    """Or a mistyped `iss` would be seen by nobody."""
    found = of(ISSUER, letter(value, Reason.TOKEN_MALFORMED))
    assert [one.reason for one in found] == ["token_malformed"]
    assert of(OTHER, letter(value, Reason.TOKEN_MALFORMED)) == []


def test_a_dead_letter_that_was_cut_to_fit_is_still_listed() -> None:
    original = record(b"x" * (5 * 1024 * 1024))
    made = dead_letter(original, Rejected(Reason.TOKEN_TOO_LARGE, ""), Stage.INGEST, failed_at_ms=0)
    assert len(made.value or b"") == TRUNCATED_BYTES
    found = of(ISSUER, record(made.value, topic=made.topic, headers=made.headers))
    assert [one.reason for one in found] == ["token_too_large"]


def test_what_was_given_up_later_is_no_refusal() -> None:
    """From render on it is ours to mend, not the producer's; and records of other topics are not dead letters."""
    later = letter(message().encode(), Reason.PROVIDER_REFUSED, topic=TOPIC, stage=Stage.DISPATCH)
    assert of(ISSUER, later, record(token())) == []
    assert topics.DEAD_LETTER != TOPIC


def test_refusals_are_told_oldest_first_whatever_order_they_were_read_in() -> None:
    letters = [letter(token(), at_s=NOW_S + after, offset=after) for after in (3, 1, 2)]
    assert [one.offset for one in of(ISSUER, *letters)] == [1, 2, 3]


@pytest.mark.parametrize("jti", ["", "j" * 129, "\x1b[2Jgone", "two\nlines"])
def test_a_jti_that_is_none_is_not_told(jti: str) -> None:
    """A token that nobody verified must not write on a terminal."""
    (found,) = of(ISSUER, letter(token(claims(jti=jti)), Reason.TOKEN_CLAIMS))
    assert found.event_id is None


def test_neither_token_nor_address_nor_body_is_told() -> None:
    value = token(claims(event(recipient__contacts={"email": "ana.ruiz@example.org"})))
    told = str(asdict(of(ISSUER, letter(value))[0]))
    assert "example.org" not in told
    assert value.decode()[:20] not in told
    assert "student-7" not in told


def test_headers_that_a_producer_forged_say_nothing() -> None:
    """`dlq.*` of the original are taken off before ours are added; here: a dead letter with a wrong number in it."""
    forged = replace(letter(token()), headers=(*letter(token()).headers, ("dlq.original.offset", b"\xb2\x00x")))
    assert of(ISSUER, forged)[0].offset == 0
