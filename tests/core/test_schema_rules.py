"""The rules for authors of schemas: each is broken once, and says where and what to change."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from schemas import registry, validation
from schemas.formats import FORMATS
from schemas.rules import RULES
from schemas.validation import Problem

EVENT = "events/new_match/1.0.json"
SOUND: dict[str, Any] = json.loads((registry.ROOT / EVENT).read_text("utf-8"))
Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """One shipped event type and what is common, free to be broken."""
    for part in ("common", "events/new_match"):
        shutil.copytree(registry.ROOT / part, tmp_path / part)
    return tmp_path


def problems(tree: Path, place: str, content: str | bytes) -> list[Problem]:
    """What is wrong when this stands there."""
    file = tree / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(validation.validate(tree).problems)


def at(*steps: str | int, **members: Any) -> Change:
    """Sets members of the object at a path; None removes one. ``ref`` stands for ``$ref``."""

    def change(document: dict[str, Any]) -> None:
        place: Any = document
        for step in steps:
            place = place[step]
        for name, value in members.items():
            key = name.replace("ref", "$ref") if name.startswith("ref") else name
            place.pop(key, None)
            if value is not None:
                place[key] = value

    return change


DATA = ("properties", "data", "properties")
D = "/properties/data/properties"
TIMES = [f"2026-11-2{n}T00:00:00Z" for n in range(3)]
BAD: list[tuple[str, str, Change]] = [
    ("identity", "/$id", lambda document: document.update({"$id": "urn:elsewhere"})),
    ("identity", "/$schema", lambda document: document.update({"$schema": "http://json-schema.org/draft-07/schema#"})),
    ("identity", "/properties/type", at("properties", "type", const="other")),
    ("identity", "/properties/version", at("properties", version={"enum": ["1.0", "1.1"]})),
    ("identity", "/required", at(required=["version", "occurred_at", "recipient", "data"])),
    ("keyword", f"{D}/deadline/maxLenght", at(*DATA, "deadline", maxLenght=10)),
    ("keyword", f"{D}/award/patternProperties", at(*DATA, "award", patternProperties={"^x": {"type": "null"}})),
    ("keyword", "/properties/data/$anchor", at("properties", "data", **{"$anchor": "data"})),
    ("format", f"{D}/deadline/format", at(*DATA, "deadline", format="uuid")),
    ("format", f"{D}/deadline/format", at(*DATA, "deadline", format="day")),
    ("pattern", f"{D}/details_url/pattern", at(*DATA, "details_url", pattern="^https://\\w+")),
    ("pattern", f"{D}/details_url/pattern", at(*DATA, "details_url", pattern="^(?=https)")),
    ("reference", "/properties/recipient/$ref", at("properties", "recipient", ref="https://example.org/x.json")),
    ("reference", "/properties/recipient/$ref", at("properties", "recipient", ref="urn:auto_com_center:records:x")),
    ("reference", "", at("properties", "recipient", ref="urn:auto_com_center:common:recipients")),
    ("reference", "", at("properties", "recipient", ref="#/$defs/recipient")),
    ("reference", "", at(ref="#")),
    ("closed", "", at(additionalProperties=None)),
    ("closed", f"{D}/award", at(*DATA, "award", additionalProperties=True)),
    ("closed", f"{D}/award", at(*DATA, "award", additionalProperties={"type": "integer", "minimum": 0, "maximum": 1})),
    ("closed", f"{D}/award/oneOf/0", at(*DATA, award={"oneOf": [{"type": "object"}], "description": "Open."})),
    ("bounded", f"{D}/deadline", at(*DATA, "deadline", maxLength=None)),
    ("bounded", f"{D}/match_score", at(*DATA, "match_score", maximum=None)),
    ("bounded", f"{D}/deadline", at(*DATA, deadline={"description": "Anything."})),
    ("bounded", f"{D}/deadline", at(*DATA, deadline={"type": "array", "items": {"const": 1}, "description": "Many."})),
    ("bounded", f"{D}/deadline", at(*DATA, deadline=True)),
    ("bounded", "/$defs/a", at(**{"$defs": {"a": {"minLength": 1}}})),
    ("bounded", f"{D}/deadline", at(*DATA, deadline={"type": "array", "maxItems": 1, "description": "Any."})),
    ("described", "/title", at(title=" ")),
    ("described", "/description", at(description=None)),
    ("described", f"{D}/award/properties/amount", at(*DATA, "award", "properties", "amount", description=None)),
    ("examples", "/examples", at(examples=SOUND["examples"][:2])),
    ("examples", "/examples", at(examples=[*SOUND["examples"], SOUND["examples"][0]])),
    ("examples", "/examples", at(examples=[SOUND["examples"][0] | {"occurred_at": each} for each in TIMES])),
    ("examples", "/examples", at(examples=[SOUND["examples"][1] | {"occurred_at": each} for each in TIMES])),
    ("examples", "/examples", at(examples=None)),
    ("example", "/examples/1/data/match_score", at("examples", 1, "data", match_score=101)),
    ("example", "/examples/0/occurred_at", at("examples", 0, occurred_at="2026-11-20")),
    ("example", "/examples/0", at("examples", 0, added_later=1)),
    ("metaschema", "/properties/data/type", at("properties", "data", type="objekt")),
    ("metaschema", f"{D}/deadline/maxLength", at(*DATA, "deadline", maxLength=-1)),
    ("metaschema", f"{D}/details_url/pattern", at(*DATA, "details_url", pattern="^https://[")),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "pointer", "change"), BAD, ids=[f"{rule} {pointer}" for rule, pointer, _ in BAD])
def test_a_broken_rule_is_named_with_its_place(tree: Path, rule: str, pointer: str, change: Change) -> None:
    """File, JSON pointer, rule, and a word on what to change."""
    document = deepcopy(SOUND)
    change(document)
    found = problems(tree, EVENT, json.dumps(document))
    assert (EVENT, pointer, rule) in [(problem.file, problem.pointer, problem.rule) for problem in found]
    assert {problem.file for problem in found} == {EVENT}
    assert all(problem.message for problem in found)


def test_every_rule_is_broken_once() -> None:
    """Those that need a valid schema, and the others."""
    assert {rule for rule, _, _ in BAD} == {rule.name for rule in RULES} | {"metaschema", "example"}


def rows(title: str) -> list[list[str]]:
    """The table under a heading of docs/schemas.md, cell by cell."""
    text = (Path(__file__).parents[2] / "docs/schemas.md").read_text("utf-8")
    section = text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return [line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("| `")]


def test_the_page_explains_every_rule() -> None:
    """Those of the table, and what is looked at before and after them."""
    named = [row[0].strip(" `") for row in rows("Rules for authors")]
    others = {"place", "json", "metaschema", "example", "validators"}
    assert sorted(named) == sorted({rule.name for rule in RULES} | others)


def test_the_page_lists_the_formats_that_there_are() -> None:
    listed = [[cell.strip(" `") for cell in row] for row in rows("Formats")]
    assert listed == [[name, each.source, each.example] for name, each in FORMATS.items()]


FILES = [
    ("events/new_match/1.1.json", "", "json"),
    ("events/new_match/1.1.json", "[]", "json"),
    ("events/new_match/1.1.json", "true", "json"),
    ("events/new_match/1.1.json", '{"a": 1, "a": 2}', "json"),
    ("events/new_match/1.1.json", '{"a": NaN}', "json"),
    ("events/new_match/1.1.json", '{"title": "\\ud800"}', "json"),
    ("events/new_match/1.1.json", b"\xff\xfe{}", "json"),
    ("events/new_match/1.1.json", '{"not": ' * 5000 + "true" + "}" * 5000, "json"),
    ("events/new_match/1.1.json", '{"not": ' * 70 + "true" + "}" * 70, "json"),
    ("events/new_match/1.1.json", '{"minimum": 1' + "0" * 5000 + "}", "json"),
    ("events/new_match/v1.json", "{}", "place"),
    ("events/new_match/01.0.json", "{}", "place"),
    ("events/new_match.json", "{}", "place"),
    ("events/New-Match/1.0.json", "{}", "place"),
    ("events/new_match/1.0/more.json", "{}", "place"),
    ("records/old/render.json", "{}", "place"),
    ("common/bad.json", '{"type": 1}', "metaschema"),
]


@pytest.mark.parametrize(("place", "content", "rule"), FILES)
def test_a_file_that_is_no_schema_is_named(tree: Path, place: str, content: str | bytes, rule: str) -> None:
    """And the others are checked all the same."""
    found = problems(tree, place, content)
    assert [(problem.file, problem.rule) for problem in found] == [(place, rule)]


WILD: list[dict[str, Any]] = [
    {"properties": {"data": True, "type": True}, "examples": [1, None, {"data": 5}]},
    {"properties": {"data": {"properties": {"a~/b": {"type": "string"}}}}, "required": ["data"]},
    {"type": ["object", "null"], "oneOf": [True, {"properties": {}}], "items": False},
    {"if": {"properties": {"a": {}}}, "then": {"required": ["a"]}, "$ref": "#"},
    {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
    {},
]


@pytest.mark.parametrize("document", WILD)
def test_an_odd_schema_is_judged_and_crashes_nothing(tree: Path, document: dict[str, Any]) -> None:
    found = problems(tree, "events/odd/1.0.json", json.dumps(document))
    assert {problem.file for problem in found} == {"events/odd/1.0.json"}
    assert "identity" in {problem.rule for problem in found}


CLOSED: list[dict[str, Any]] = [
    {"unevaluatedProperties": False, "allOf": [{"properties": {"a": {"const": 1}}}]},
    {"additionalProperties": False, "if": {"properties": {"amount": {"const": 1}}}, "then": {"required": ["currency"]}},
    {"additionalProperties": {"const": 1}, "propertyNames": {"pattern": "^[a-z]$"}, "maxProperties": 3},
]


@pytest.mark.parametrize("members", CLOSED)
def test_there_are_three_ways_to_close_an_object(tree: Path, members: dict[str, Any]) -> None:
    """What judges the same object in parts is closed by the whole."""
    document = deepcopy(SOUND)
    at(*DATA, "award", additionalProperties=None)(document)
    at(*DATA, "award", **members)(document)
    assert "closed" not in {problem.rule for problem in problems(tree, EVENT, json.dumps(document))}
