from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.compat import bundle, pointers
from schemas.compat.verdict import ABSENT

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def places(value: Any, pointer: str = "") -> list[str]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [pointer, *(place for step, each in inner for place in places(each, pointers.join(pointer, step)))]


@given(ANY)
def test_every_place_of_a_document_has_a_line_and_can_be_followed(document: Any) -> None:
    lines = pointers.lines(json.dumps(document, indent=1))
    assert set(lines) == set(places(document))
    assert all(pointers.follow(document, place) is not ABSENT for place in lines)
    assert list(lines.values()) == sorted(lines.values())


def test_a_line_is_where_the_member_begins() -> None:
    text = '{\n "a": {"b\\"": [1,\n\n  {"c": "{"}]},\n "d": 0}'
    assert pointers.lines(text) == {
        "": 1, "/a": 2, '/a/b"': 2, '/a/b"/0': 2, '/a/b"/1': 4, '/a/b"/1/c': 4, "/d": 5,
    }  # fmt: skip


def test_a_place_that_is_gone_has_the_line_of_what_held_it() -> None:
    known = {"": 1, "/a": 2}
    assert pointers.line_of(known, "/a/b/c") == 2
    assert pointers.line_of(known, "/z") == 1


SHARED = {"$id": "urn:s", "$defs": {"x": {"$anchor": "ex", "type": "string"}}, "properties": {"me": {"$ref": "#"}}}


@pytest.mark.parametrize(
    ("reference", "leads_to"),
    [
        ("#", "#"),
        ("#/$defs/own", "#/$defs/own"),
        ("#here", "#/$defs/own"),
        ("urn:own", "#"),
        ("urn:s", "#/$defs/shared.urn_s"),
        ("urn:s#/$defs/x", "#/$defs/shared.urn_s/$defs/x"),
        ("urn:s#ex", "#/$defs/shared.urn_s/$defs/x"),
    ],
)
def test_a_reference_becomes_a_pointer_within_the_bundle(reference: str, leads_to: str) -> None:
    document = {"$id": "urn:own", "$ref": reference, "$defs": {"own": {"$anchor": "here"}}}
    assert bundle.bundle(document, {"urn:s": SHARED}).schema["$ref"] == leads_to


def test_a_shared_document_keeps_its_own_references_and_its_home() -> None:
    made = bundle.bundle({"$ref": "urn:s"}, {"urn:s": SHARED})
    assert made.schema["$defs"]["shared.urn_s"]["properties"]["me"]["$ref"] == "#/$defs/shared.urn_s"
    assert made.home("/$defs/shared.urn_s/properties/me") == ("urn:s", "/properties/me")
    assert made.home("/properties/a") == ("", "/properties/a")


def test_an_address_may_be_relative_to_the_document() -> None:
    document = {"$id": "https://a.example/events/t/1.0.json", "$ref": "../../common/s.json"}
    shared = {"https://a.example/common/s.json": {"type": "string"}}
    assert bundle.bundle(document, shared).origins


@pytest.mark.parametrize("reference", ["urn:none", "#/nowhere", "#none", "urn:s#/none", "https://example.org/x.json"])
def test_a_reference_to_nothing_is_an_error_that_quotes_it(reference: str) -> None:
    with pytest.raises(bundle.UnresolvedReferenceError, match=r"none|nowhere|example"):
        bundle.bundle({"$ref": reference}, {"urn:s": SHARED})
