"""The ledger's judgement as a table, which standing may follow which, and entries as they stand on the topic."""

from __future__ import annotations

from itertools import product
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import registry
from streams.core.ledger import (
    FINAL,
    NEXT,
    SPENDS,
    Claim,
    Conflict,
    Copy,
    Done,
    Entry,
    Judgement,
    Park,
    Standing,
    judge,
    read_entry,
)
from streams.core.messages import State

PROPERTY = settings(deadline=None, database=None, max_examples=300)
ATTEMPT, REVISION = 3, 5
"""Of the entry in the tables below."""
S = Standing


def entry(standing: Standing) -> Entry:
    return Entry(standing=standing, revision=REVISION, content="same", attempt=ATTEMPT)


def copy(*, revision: int = REVISION, content: str = "same", attempts: int = 0, resend: bool = False) -> Copy:
    return Copy(revision=revision, content=content, attempts=attempts, resend_unknown=resend)


SAME: dict[Standing, tuple[Judgement, Judgement, Judgement, Judgement]] = {
    # standing: a copy from before, one that knows of every call, and both where twice is better than never
    S.INTENT: (Park(3), Park(3), Claim(4, risky=True), Claim(4, risky=True)),
    S.RELEASED: (Claim(3), Claim(3), Claim(3), Claim(3)),
    S.FAILED: (Done(""), Claim(4), Done(""), Claim(4)),
    S.UNKNOWN: (Done(""), Park(3), Done(""), Park(3)),
    S.SUPERSEDED: (Done(""), Done(""), Done(""), Done("")),
    **{final: (Done(""), Done(""), Done(""), Done("")) for final in (S.SENT, S.SIMULATED, S.SUPPRESSED, S.EXPIRED)},
}
LATER: dict[Standing, tuple[Judgement, Judgement]] = {
    # standing of the revision before: parked when unknown, and where twice is better than never
    S.INTENT: (Park(3), Claim(4, risky=True)),
    S.UNKNOWN: (Park(3), Claim(4, risky=True)),
    S.RELEASED: (Claim(3), Claim(3)),
    S.FAILED: (Claim(4), Claim(4)),
    S.SUPERSEDED: (Claim(4), Claim(4)),
    **{final: (Done(""), Done("")) for final in (S.SENT, S.SIMULATED, S.SUPPRESSED, S.EXPIRED)},
}


def alike(found: Judgement, wanted: Judgement) -> bool:
    """Why nothing is to be done is for people."""
    return isinstance(found, Done) if isinstance(wanted, Done) else found == wanted


@pytest.mark.parametrize("standing", Standing)
def test_a_copy_of_the_same_revision_is_judged_by_how_the_message_stands(standing: Standing) -> None:
    """A copy knows of as many calls as had begun when it was written; an older one than the last call is done."""
    for wanted, (resend, attempts) in zip(SAME[standing], product((False, True), (ATTEMPT - 1, ATTEMPT)), strict=True):
        found = judge(copy(attempts=attempts, resend=resend), entry(standing))
        assert alike(found, wanted), (attempts, resend, found)


@pytest.mark.parametrize("standing", Standing)
@pytest.mark.parametrize("content", ["same", "other"])
@pytest.mark.parametrize("attempts", [0, ATTEMPT])
def test_a_later_revision_is_begun_unless_one_before_it_may_have_been_sent(
    standing: Standing, content: str, attempts: int
) -> None:
    """Its content may well be another: that is what it was rendered again for."""
    for resend, wanted in zip((False, True), LATER[standing], strict=True):
        found = judge(copy(revision=6, content=content, attempts=attempts, resend=resend), entry(standing))
        assert alike(found, wanted), (resend, found)


@pytest.mark.parametrize("standing", Standing)
def test_an_earlier_revision_is_never_begun_again(standing: Standing) -> None:
    for content, attempts, resend in product(("same", "other"), (0, ATTEMPT, 99), (False, True)):
        earlier = copy(revision=4, content=content, attempts=attempts, resend=resend)
        assert isinstance(judge(earlier, entry(standing)), Done)


@pytest.mark.parametrize("standing", Standing)
def test_other_content_under_the_same_identity_and_revision_is_a_conflict_however_it_stands(standing: Standing) -> None:
    for attempts, resend in product((0, ATTEMPT), (False, True)):
        assert judge(copy(content="other", attempts=attempts, resend=resend), entry(standing)) == Conflict()


def test_what_nobody_has_begun_is_begun_as_the_first_attempt() -> None:
    for attempts, resend, revision in product((0, 7), (False, True), (0, 9)):
        assert judge(copy(revision=revision, attempts=attempts, resend=resend), None) == Claim(1)


COPIES = st.builds(copy, revision=st.integers(0, 9), content=st.sampled_from("ab"), attempts=st.integers(0, 9))
ENTRIES = st.builds(
    Entry,
    standing=st.sampled_from(Standing),
    revision=st.integers(0, 9),
    content=st.sampled_from("ab"),
    attempt=st.integers(0, 9),
)


@PROPERTY
@given(COPIES, ENTRIES)
def test_nothing_that_may_have_been_sent_is_begun(made: Copy, found: Entry) -> None:
    """Whatever the copy says: not after a final state, and not after a call whose end nobody saw."""
    if found.standing in FINAL | {S.INTENT, S.UNKNOWN}:
        assert not isinstance(judge(made, found), Claim)


@PROPERTY
@given(COPIES, ENTRIES)
def test_what_is_begun_has_an_attempt_that_no_call_had_before(made: Copy, found: Entry) -> None:
    judged = judge(made, found)
    if isinstance(judged, Claim):
        assert judged.attempt == found.attempt + (found.standing is not S.RELEASED)


def test_the_words_of_the_ledger_and_of_receipts_are_the_same() -> None:
    assert {state.name for state in State} == {standing.name for standing in FINAL}
    assert frozenset({S.INTENT, S.SIMULATED}) == SPENDS


def test_every_standing_has_a_row_of_what_may_follow_and_nothing_follows_a_final_one() -> None:
    assert set(NEXT) == {None, *Standing}
    assert all(NEXT[final] == frozenset() for final in FINAL)
    assert [before for before in NEXT if S.SENT in NEXT[before]] == [S.INTENT, S.UNKNOWN]
    assert [before for before in NEXT if S.RELEASED in NEXT[before]] == [S.INTENT, S.UNKNOWN]
    assert [before for before in NEXT if S.FAILED in NEXT[before]] == [S.INTENT], "a refusal needs a call"


@pytest.mark.parametrize("standing", Standing)
def test_what_the_judgement_lets_begin_the_table_lets_follow(standing: Standing) -> None:
    for revision, attempts, resend in product((REVISION, REVISION + 1), (0, ATTEMPT), (False, True)):
        judged = judge(copy(revision=revision, attempts=attempts, resend=resend), entry(standing))
        if isinstance(judged, Claim):
            assert S.INTENT in NEXT[standing]
        if isinstance(judged, Park):
            assert S.UNKNOWN in NEXT[standing]


# On the topic.


@PROPERTY
@given(ENTRIES)
def test_an_entry_comes_back_as_it_was_and_is_valid_under_its_schema(made: Entry) -> None:
    assert read_entry(made.encode()) == made
    assert list(registry.load().records["ledger"].violations(orjson.loads(made.encode()))) == []


def body(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = orjson.loads(entry(S.SENT).encode())
    return {name: value for name, value in (made | changes).items() if value != "none of it"}


def test_members_that_this_build_does_not_know_are_left_aside() -> None:
    assert read_entry(orjson.dumps(body(added={"later": 1}))) == entry(S.SENT)


NO_VALUE: tuple[Any, ...] = ("none of it", None, True, 1.5, [], {})
WRONG: list[dict[str, Any]] = [
    *({member: value} for member in body() for value in NO_VALUE),
    *({member: -1} for member in ("revision", "attempt")),
    *({member: "1"} for member in ("revision", "attempt")),
    {"standing": "sent"},
    {"standing": "name"},
    {"content": 5},
]


@pytest.mark.parametrize("changes", WRONG, ids=str)
def test_what_the_schema_refuses_the_reader_refuses_with_a_reason(changes: dict[str, Any]) -> None:
    wrong = body(**changes)
    assert list(registry.load().records["ledger"].violations(wrong)) != []
    assert isinstance(read_entry(orjson.dumps(wrong)), str)


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b"null", b"1", b"\xff", b'{"standing":"SENT","standing":"SENT"}'])
def test_what_is_no_object_is_no_entry(value: bytes) -> None:
    assert isinstance(read_entry(value), str)
