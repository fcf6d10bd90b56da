"""The shipped schemas: fit to be used, closed, and one with templates and producers; and what can't be loaded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from config import producers
from config.settings import HERE
from schemas import registry, validation
from schemas.files import Kind
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

CONTRACT = {
    *("deadline_soon", "new_match", "welcome", "password_reset", "payment_receipt"),
    *("application_submitted", "application_received", "scholarship_created", "weekly_digest"),
}


def schema(name: str, version: str) -> CompiledSchema:
    return SHIPPED.events[name][version]


def test_every_shipped_schema_keeps_every_rule_and_its_examples_are_valid() -> None:
    """As `comcenter schema validate` has it: two validators, metaschema, rules."""
    report = validation.validate(registry.ROOT)
    assert report.problems == ()
    assert report.files == sum(1 for kind in Kind for _ in (registry.ROOT / kind).rglob("*.json"))
    assert report.examples == len(EXAMPLES) >= 3 * len(VERSIONS)


def test_every_event_type_of_the_contract_is_there() -> None:
    """Each may be sent by somebody, and each has its texts."""
    rows = producers.read(HERE / "producers.toml", production=True)
    assert set().union(*(row.types for row in rows)) == set(SHIPPED.events)
    assert {template.event_type for template in templates.load().by_name.values()} == set(SHIPPED.events)
    assert set(SHIPPED.events) >= CONTRACT


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
        assert set(template.optional) <= set(data["properties"]) - set(data["required"])


def test_the_sample_of_a_template_is_valid_data_of_its_event() -> None:
    for template in templates.load().by_name.values():
        latest = schema(template.event_type, SHIPPED.latest(template.event_type))
        assert list(latest.violations(latest.example() | {"data": template.sample})) == [], template.name


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
    ("events/x/1.0.json", '{"$id": "urn:x", "format": "emial"}', "1.0.json"),
    ("events/x/1.0.json", '{"$id": "urn:x", "$ref": "urn:elsewhere"}', "1.0.json"),
    ("events/x/1.0.json", '{"$id": "urn:x", "$ref": "https://example.org/x.json"}', "1.0.json"),
]


@pytest.mark.parametrize(("place", "text", "says"), BROKEN)
def test_a_schema_that_cannot_be_used_is_named_at_start(tmp_path: Path, place: str, text: str, says: str) -> None:
    """The message names the file."""
    file = tmp_path / place
    file.parent.mkdir(parents=True)
    file.write_text(text, "utf-8")
    with pytest.raises(SchemaLoadError) as caught:
        registry.load(tmp_path)
    assert str(file) in str(caught.value)
    assert says in str(caught.value) or says == "no id"


def test_a_reference_reads_no_file(tmp_path: Path) -> None:
    """It is there, and would do as a schema; the same refusal keeps references from the network."""
    (tmp_path / "other.json").write_text('{"type": "string"}', "utf-8")
    file = tmp_path / "events/x/1.0.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"$id": "urn:x", "$ref": (tmp_path / "other.json").as_uri()}), "utf-8")
    with pytest.raises(SchemaLoadError, match="Retrieval is disabled"):
        registry.load(tmp_path)
