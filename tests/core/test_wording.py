"""What a schema wanted, in words: keyword, limit and member are named, and no value of the data ever is."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest

from schemas import registry, wording
from tests.builders import event

NEW_MATCH = registry.load().versions("new_match")["1.0"]


def said(**changes: Any) -> list[str]:
    return [str(fault) for fault in NEW_MATCH.faults(event(**changes))]


PATTERN = "does not match pattern ^[a-z][a-z0-9_]{0,31}$"
CASES: list[tuple[dict[str, Any], str]] = [
    ({"data__details_url": None}, "/data: lacks `details_url`"),
    ({"data__foo": 1}, "/data: has the unknown member `foo`"),
    ({"foo": 1}, "/: has the unknown member `foo`"),
    ({"data__match_score": 101}, "/data/match_score: more than maximum 100"),
    ({"data__match_score": -1}, "/data/match_score: less than minimum 0"),
    ({"data__match_score": "92"}, "/data/match_score: not of type integer"),
    ({"data__scholarship_id": ""}, "/data/scholarship_id: shorter than minLength 1"),
    ({"data__scholarship_id": "s" * 129}, "/data/scholarship_id: longer than maxLength 128"),
    ({"data__deadline": "soon"}, "/data/deadline: not of format date"),
    ({"data__details_url": "http://x.example"}, "/data/details_url: does not match pattern ^https://"),
    ({"recipient": []}, "/recipient: not of type object"),
    (
        {"recipient__contacts": {"E-Mail": "x"}},
        "/recipient/contacts: has a member `E-Mail`, whose name is wrong: " + PATTERN,
    ),
]


@pytest.mark.parametrize(("changes", "text"), CASES, ids=[text for _, text in CASES])
def test_a_fault_names_the_keyword_its_limit_and_the_member(changes: dict[str, Any], text: str) -> None:
    assert said(**changes) == [text]


def test_several_unknown_members_are_named_one_by_one() -> None:
    assert said(data__a=1, data__b=2) == ["/data: has the unknown member `a`", "/data: has the unknown member `b`"]


def test_a_valid_event_has_no_faults() -> None:
    assert said() == []


def test_no_value_of_the_data_is_ever_named() -> None:
    """Whatever the keyword, and wherever the value stands."""
    secret = "ana.ruiz@example.org!"
    for member in event()["data"]:
        assert secret not in "".join(said(**{f"data__{member}": secret}))
        assert secret not in "".join(said(**{f"data__{member}": [secret]}))
    for contact in ("email", "sms"):
        assert secret not in "".join(said(recipient__contacts={contact: secret}))


def test_a_hostile_name_can_neither_write_on_the_terminal_nor_fill_it() -> None:
    (line,) = said(**{"data__\x1b[2J\n" + "x" * 1000: 1})
    assert line.isprintable()
    assert r"\x1b[2J\n" in line
    assert len(line) < 150


def test_a_keyword_without_words_of_its_own_is_named_all_the_same() -> None:
    """A schema may come to use any keyword of the draft."""
    error = next(jsonschema_rs.iter_errors({"not": {"type": "string"}}, "x"))
    assert [str(fault) for fault in wording.faults(error)] == ["/: breaks `not`"]


def test_what_a_schema_fixes_is_told() -> None:
    """The one version of this schema, and a list of choices."""
    assert [str(fault) for fault in NEW_MATCH.faults(event() | {"version": "9.9"})] == ["/version: not the const 1.0"]
    error = next(jsonschema_rs.iter_errors({"enum": ["a", 1, None]}, "x"))
    assert [str(fault) for fault in wording.faults(error)] == ["/: not in enum a, 1, null"]
