"""The shipped schemas: closed, well named, with examples; and two validators agree on what they allow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from referencing import Registry as References
from referencing import Resource

from schemas import registry
from schemas.registry import CompiledSchema, SchemaLoadError
from streams import templates
from tests.builders import order

SHIPPED = registry.load()
VERSIONS = [(name, version) for name, versions in SHIPPED.events.items() for version in versions]
EXAMPLES = [
    (name, version, number)
    for name, version in VERSIONS
    for number in range(len(SHIPPED.events[name][version].examples))
]
COMMON = [json.loads(path.read_text("utf-8")) for path in sorted((registry.ROOT / "common").glob("*.json"))]


def schema(name: str, version: str) -> CompiledSchema:
    return SHIPPED.events[name][version]


@cache
def second_opinion(name: str, version: str) -> Any:
    """The same schema under the validator of another project, in another language."""
    resources = [(each["$id"], Resource.from_contents(each)) for each in COMMON]
    references: References[Any] = References().with_resources(resources)
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    return jsonschema.Draft202012Validator(schema(name, version).document, registry=references, format_checker=checker)


@pytest.mark.parametrize(("name", "version"), VERSIONS)
def test_every_event_schema_has_three_examples_of_its_own_type_and_version(name: str, version: str) -> None:
    examples = schema(name, version).examples
    assert len(examples) >= 3
    assert {(each["type"], each["version"]) for each in examples} == {(name, version)}
    assert len({json.dumps(each, sort_keys=True) for each in examples}) == len(examples)


@pytest.mark.parametrize(("name", "version", "number"), EXAMPLES)
def test_every_example_is_valid(name: str, version: str, number: int) -> None:
    example = schema(name, version).examples[number]
    assert list(schema(name, version).violations(example)) == []
    assert second_opinion(name, version).is_valid(example)


@pytest.mark.parametrize("path", sorted(registry.ROOT.rglob("*.json")), ids=lambda path: path.name)
def test_the_id_of_a_schema_is_where_it_lies(path: Path) -> None:
    place = path.relative_to(registry.ROOT).with_suffix("")
    document = json.loads(path.read_text("utf-8"))
    assert document["$id"] == ":".join(["urn:auto_com_center", *place.parts])
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object within an instance."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects(inner)


@pytest.mark.parametrize(("name", "version", "number"), EXAMPLES)
def test_closed_schemas_refuse_one_member_more_anywhere(name: str, version: str, number: int) -> None:
    """In every object of every example, except among the contacts, which may name channels that we don't know."""
    example = deepcopy(schema(name, version).examples[number])
    contacts = example["recipient"]["contacts"]
    for place in list(objects(example)):
        place["added_later"] = "x"
        valid = not list(schema(name, version).violations(example))
        assert valid is (place is contacts)
        del place["added_later"]


@pytest.mark.parametrize(("name", "version", "number"), EXAMPLES)
def test_a_required_member_is_required(name: str, version: str, number: int) -> None:
    example = schema(name, version).examples[number]
    for member in schema(name, version).document["required"]:
        lacking = {name: value for name, value in example.items() if name != member}
        assert list(schema(name, version).violations(lacking)), member


def test_every_open_string_and_list_has_a_bound() -> None:
    """What a producer may send is bounded by its schema, not only by the size of a token."""
    for name, version in VERSIONS:
        for part in objects(schema(name, version).document["properties"]["data"]):
            if part.get("type") == "string":
                assert "maxLength" in part, (name, version, part)
            if part.get("type") == "array":
                assert "maxItems" in part, (name, version, part)


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every path within an instance."""
    if path:
        yield path
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        yield from places(inner, (*path, step))


REMOVED = object()
VALUES = [
    *[REMOVED, None, True, False, 0, 1, -1, 100, 101, 1.0, 1.5, 2**53, 2**63, [], {}, [1], ["x"], {"x": 1}],
    *["", "x", "x" * 129, "x" * 5000, "1.0", "9.9", "new_match", "2026-02-30", "2026-12-01", "2026-13-01T00:00:00Z"],
    *["2026-12-01T00:00:00Z", "2026-12-01T00:00:00+01:00", "2026-12-01 ", "ana", "a b", "+34600123456", "+0", "USD"],
    *["usd", "http://a.example/", "https://a.example/x", "https://", "es-ES", "e", "Europe/Madrid", "\u0661"],
]


@settings(deadline=None, database=None, max_examples=400)
@given(st.sampled_from(EXAMPLES), st.data())
def test_another_validator_agrees_on_mutated_examples(example: tuple[str, str, int], data: st.DataObject) -> None:
    """`jsonschema-rs` (Rust) decides in production; `jsonschema` (Python) has nothing in common with it."""
    name, version, number = example
    mutated = deepcopy(schema(name, version).examples[number])
    for _ in range(data.draw(st.integers(1, 2))):
        *parents, last = data.draw(st.sampled_from(sorted(places(mutated), key=str)))
        value, place = data.draw(st.sampled_from(VALUES)), mutated
        for step in parents:
            place = place[step]  # type: ignore[index] # a path of this instance
        if value is REMOVED:
            del place[last]  # type: ignore[arg-type]
        else:
            place[last] = deepcopy(value)  # type: ignore[index]
    ours = not list(schema(name, version).violations(mutated))
    assert ours is second_opinion(name, version).is_valid(mutated)


def test_a_breach_names_the_place_and_the_keyword_and_no_value() -> None:
    example = deepcopy(schema("new_match", "1.0").examples[0])
    example["data"]["deadline"] = "ana@example.org"
    example["data"]["match_score"] = 101
    found = {(breach.pointer, breach.keyword) for breach in schema("new_match", "1.0").violations(example)}
    assert ("/data/match_score", "maximum") in found
    assert ("/data/deadline", "format") in found
    assert not any("ana@" in part for breach in found for part in breach)


def test_every_shipped_template_has_a_schema_with_its_variables() -> None:
    """A required variable is required by the latest schema of its event, an optional one is at least known there."""
    for template in templates.load().by_name.values():
        document = schema(template.event_type, SHIPPED.latest(template.event_type)).document
        data = document["properties"]["data"]
        assert set(template.required) <= set(data["required"])
        assert set(template.optional) <= set(data["properties"])


def test_versions_are_ordered_by_number() -> None:
    assert SHIPPED.latest("deadline_soon") == "1.1"
    assert sorted(["1.10", "1.9", "10.0", "2.0"], key=registry.version_key) == ["1.9", "1.10", "2.0", "10.0"]
    assert SHIPPED.versions("lottery_won") == {}


def test_records_are_open_so_that_a_newer_build_may_add_members() -> None:
    body = json.loads(order().encode())
    assert list(SHIPPED.records["render"].violations(body | {"added_later": 1})) == []
    assert list(SHIPPED.records["render"].violations(body | {"to": 1}))


BROKEN = [
    ("events/x/1.json", "{}", "no id"),
    ("events/x/1.0.json", "{", "not JSON"),
    ("events/x/1.0.json", "[]", "an object"),
    ("events/x/one.json", '{"$id": "urn:x"}', "<major>.<minor>"),
    ("events/x/01.0.json", '{"$id": "urn:x"}', "<major>.<minor>"),
    ("events/x/1.0.json", '{"$id": "urn:x", "type": "strnig"}', "1.0.json"),
    ("events/x/1.0.json", '{"$id": "urn:x", "$ref": "urn:elsewhere"}', "1.0.json"),
    ("events/x/1.0.json", '{"$id": "urn:x", "$ref": "https://example.org/x.json"}', "1.0.json"),
]


@pytest.mark.parametrize(("place", "text", "says"), BROKEN)
def test_a_schema_that_cannot_be_used_is_named_at_start(tmp_path: Path, place: str, text: str, says: str) -> None:
    """Nothing is fetched from elsewhere; the message names the file."""
    file = tmp_path / place
    file.parent.mkdir(parents=True)
    file.write_text(text, "utf-8")
    with pytest.raises(SchemaLoadError) as caught:
        registry.load(tmp_path)
    assert str(file) in str(caught.value)
    assert says in str(caught.value) or says == "no id"
