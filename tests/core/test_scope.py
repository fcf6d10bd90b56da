"""What an order is about: every form of scope, and the messages that it covers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.messages import Category
from streams.core.scope import Scope
from tests.builders import route

COVERED = route(template="new_match", template_version="1.2", category=Category.PROMOTIONAL, event_id="agent/event-1")


def scope(text: str) -> Scope:
    parsed = Scope.parse(text)
    assert isinstance(parsed, Scope), parsed
    return parsed


@pytest.mark.parametrize(
    ("text", "covers", "in_place"),
    [
        ("all", True, True),
        ("stage:dispatch", True, True),
        ("stage:ingest", False, True),
        ("stage:render", False, True),
        ("channel:email", True, False),
        ("channel:sms", False, False),
        ("category:promotional", True, False),
        ("category:transactional", False, False),
        ("type:new_match", True, False),
        ("type:new", False, False),
        ("template:new_match", True, False),
        ("template:new_match@1.2", True, False),
        ("template:new_match@1.1", False, False),
        ("template:new_match@1", False, False),
        ("template:other", False, False),
        ("issuer:agent", True, False),
        ("issuer:agen", False, False),
        ("issuer:agent/event-1", False, False),
    ],
)
def test_a_scope_covers_its_own_messages_and_no_others(text: str, covers: bool, in_place: bool) -> None:  # noqa: FBT001 - columns
    parsed = scope(text)
    assert (parsed.covers(COVERED), parsed.in_place) == (covers, in_place)
    assert str(parsed) == text


def test_an_issuer_in_front_of_another_covers_both() -> None:
    """`auto_com_center` covers `auto_com_center/ingress`: a stop is rather too wide than too narrow."""
    ingress: dict[str, Any] = {"event_id": "auto_com_center/ingress/jti-1"}
    assert scope("issuer:auto_com_center").covers(route(**ingress))
    assert scope("issuer:auto_com_center/ingress").covers(route(**ingress))
    assert not scope("issuer:ingress").covers(route(**ingress))


@pytest.mark.parametrize(
    "text",
    ["", "everything", "ALL", "all:", "all:x", "stage", "stage:", "stage:send", "channel:", "channel:a b", "channel:é",
     "category:other", "type:../x", "template:", "template:@1", "template:a@", "template:a@1@2", "issuer:",
     "issuer:a b", "issuer:a\n", "issuer:" + "x" * 201, " all", "topic:x"],
)  # fmt: skip
def test_a_text_that_is_no_scope_says_what_one_is(text: str) -> None:
    fault = Scope.parse(text)
    assert isinstance(fault, str)
    assert fault


@given(st.text())
def test_whatever_is_typed_is_a_scope_that_reads_back_or_a_fault(text: str) -> None:
    parsed = Scope.parse(text)
    assert str(parsed) == text if isinstance(parsed, Scope) else parsed
