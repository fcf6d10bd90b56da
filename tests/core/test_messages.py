"""What travels between the steps, as JSON: it comes back as it was, and anything else is `UnreadableError`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import registry
from streams.core.messages import Message, Mode, Receipt, RenderOrder, State, UnreadableError, dispatch_id
from streams.core.reasons import Suppression
from tests.builders import NOW_S, message, order, route

PROPERTY = settings(deadline=None, database=None, max_examples=150)
Kind = type[RenderOrder] | type[Message] | type[Receipt]


def written(**changes: Any) -> Receipt:
    made: dict[str, Any] = {
        "route": route(),
        "state": State.SENT,
        "reason": None,
        "mode": Mode.LIVE,
        "attempt": 1,
        "provider": "smtp",
        "provider_id": "q-1",
        "at_ms": NOW_S * 1000,
        "flags": {"DISABLE_SEND": False},
    }
    return Receipt(**(made | changes))


RECORDS: dict[str, tuple[Kind, RenderOrder | Message | Receipt]] = {
    "render": (RenderOrder, order(locale="es-ES", timezone="Europe/Madrid", not_after_ms=1)),
    "dispatch": (Message, message()),
    "receipt": (Receipt, written(state=State.SUPPRESSED, reason=Suppression.STOP)),
}


def body(name: str) -> dict[str, Any]:
    made: dict[str, Any] = orjson.loads(RECORDS[name][1].encode())
    return made


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_comes_back_as_it_was(name: str) -> None:
    kind, value = RECORDS[name]
    assert kind.decode(value.encode()) == value


@PROPERTY
@given(
    st.dictionaries(st.text(max_size=5), st.text() | st.integers(-(2**53), 2**53) | st.none(), max_size=4), st.text()
)
def test_any_data_and_any_text_come_back_as_they_were(data: Mapping[str, Any], text: str) -> None:
    """Every text that UTF-8 can hold; nothing is normalised on the way."""
    sent = order(data=data, to=text)
    assert RenderOrder.decode(sent.encode()) == sent
    mail = message(parts={"text": text})
    assert Message.decode(mail.encode()) == mail


@pytest.mark.parametrize("name", RECORDS)
def test_members_that_this_build_does_not_know_are_left_aside(name: str) -> None:
    """A newer build may add some, in the record and in its route."""
    kind, value = RECORDS[name]
    more = body(name)
    more["added"] = {"later": 1}
    more["route"]["added"] = 7
    assert kind.decode(orjson.dumps(more)) == value


@pytest.mark.parametrize("value", [None, b"", b"null", b"[]", b"1", b'"text"', b"{", b"{}", b"\xff", b"NaN"])
@pytest.mark.parametrize("name", RECORDS)
def test_what_is_no_such_record_is_unreadable(name: str, value: bytes | None) -> None:
    with pytest.raises(UnreadableError, match=RECORDS[name][0].__name__):
        RECORDS[name][0].decode(value)


LATER = {"source": None, "revision": 0, "content": ""}
"""Members that records of the build before don't have, and what stands in for them."""


@pytest.mark.parametrize(
    ("name", "member"), [(name, member) for name in RECORDS for member in sorted(body(name)) if member not in LATER]
)
def test_a_record_that_lacks_a_member_is_unreadable(name: str, member: str) -> None:
    lacking = body(name)
    del lacking[member]
    with pytest.raises(UnreadableError):
        RECORDS[name][0].decode(orjson.dumps(lacking))


@pytest.mark.parametrize("member", sorted(body("dispatch")["route"].keys() - LATER.keys()))
def test_a_route_that_lacks_a_member_is_unreadable(member: str) -> None:
    lacking = body("dispatch")
    del lacking["route"][member]
    with pytest.raises(UnreadableError):
        Message.decode(orjson.dumps(lacking))


def test_a_record_of_the_build_before_is_read_with_what_stands_in_for_later_members() -> None:
    """A rolling upgrade: messages are under way while workers change."""
    old = body("dispatch")
    del old["source"], old["route"]["revision"], old["route"]["content"]
    read = Message.decode(orjson.dumps(old))
    assert {"source": read.source, "revision": read.route.revision, "content": read.route.content} == LATER
    assert list(registry.load().records["dispatch"].violations(old)) == []


OTHER_KINDS: tuple[Any, ...] = (None, True, 1, 1.5, "x", [], {})
"""One value of each kind of JSON."""


@pytest.mark.parametrize(("name", "member"), [(name, member) for name in RECORDS for member in sorted(body(name))])
def test_a_member_of_another_kind_is_unreadable(name: str, member: str) -> None:
    """What the record's schema under ``schemas/records/`` refuses at a member, the reader refuses."""
    schema, wrongly_read = registry.load().records[name], []
    for value in OTHER_KINDS:
        wrong = body(name) | {member: value}
        if not any(schema.violations(wrong)):
            continue
        try:
            RECORDS[name][0].decode(orjson.dumps(wrong))
        except UnreadableError:
            continue
        wrongly_read.append(value)
    assert wrongly_read == []


def test_a_part_that_is_no_text_is_unreadable() -> None:
    parts: tuple[Any, ...] = (None, 1, ["x"], {})
    for part in parts:
        with pytest.raises(UnreadableError):
            Message.decode(orjson.dumps(body("dispatch") | {"parts": {"text": part}}))


@pytest.mark.parametrize("value", [1.5, None, ["x"]])
@pytest.mark.parametrize("member", sorted(body("dispatch")["route"]))
def test_a_coordinate_of_another_kind_is_unreadable(member: str, value: Any) -> None:
    wrong = body("dispatch")
    wrong["route"][member] = value
    with pytest.raises(UnreadableError):
        Message.decode(orjson.dumps(wrong))


def test_the_error_quotes_nothing_of_the_record() -> None:
    with pytest.raises(UnreadableError) as caught:
        Message.decode(orjson.dumps(body("dispatch") | {"mode": "ana@example.org"}))
    assert "ana@" not in str(caught.value)


COORDINATES = ("event_id", "recipient_id", "channel", "template")
FOUR = st.tuples(*[st.text(max_size=6)] * 4)


def identity(values: tuple[str, ...]) -> str:
    return dispatch_id(**dict(zip(COORDINATES, values, strict=True)))


@PROPERTY
@given(FOUR, FOUR)
def test_two_messages_never_share_an_identity(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert (identity(one) == identity(other)) is (one == other)


@pytest.mark.parametrize("joint", ["", "/", ",", '","', "\0", "\x1f"])
def test_coordinates_are_not_joined_ambiguously(joint: str) -> None:
    """Moving text from one coordinate to its neighbour makes another message."""
    ids = {
        identity((f"a{joint}b", "c", "d", "e")),
        identity(("a", f"b{joint}c", "d", "e")),
        identity(("a", "b", f"c{joint}d", "e")),
    }
    assert len(ids) == 3


def test_an_identity_is_stable() -> None:
    """It names messages in topics and mails: a change would send everything again."""
    assert identity(("scholarship_agent/event-1", "student-7", "email", "new_match")) == route().dispatch_id
    assert route().dispatch_id == "766ab44017f877b4ed60f46c2547ad34"
