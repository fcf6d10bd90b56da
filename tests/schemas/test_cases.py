from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from schemas.compat import bundle, rules
from schemas.compat.compare import Outcome, compare
from schemas.compat.verdict import Verdict
from tests.schemas.cases import CASES, Case, Shown, Unproved, verdict

DIRECTIONS = [(case, "BACKWARD") for case in CASES] + [(case, "FORWARD") for case in CASES]
IDS = [f"{case.title}, {direction}" for case, direction in DIRECTIONS]
OFTEN_ENOUGH = 0.8


def plain(schema: Any) -> dict[str, Any]:
    return bundle.bundle(schema, {}).schema


def second_opinion(schema: Any) -> Any:
    """A validator of another project, in another language."""
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)


def judged(case: Case, direction: str) -> tuple[Any, Any, Any, Outcome]:
    """Writer, reader, what the table expects, and what the check says."""
    writer, reader = (case.older, case.newer) if direction == "BACKWARD" else (case.newer, case.older)
    expected = case.backward if direction == "BACKWARD" else case.forward
    return writer, reader, expected, compare(plain(writer), plain(reader))


@pytest.mark.parametrize(("case", "direction"), DIRECTIONS, ids=IDS)
def test_the_verdict_is_that_of_the_table(case: Case, direction: str) -> None:
    _, _, expected, outcome = judged(case, direction)
    assert outcome.verdict is verdict(expected)


@pytest.mark.parametrize(("case", "direction"), DIRECTIONS, ids=IDS)
def test_every_counterexample_is_one_for_another_validator_too(case: Case, direction: str) -> None:
    """Both the one in the table and the one that the check found."""
    writer, reader, expected, outcome = judged(case, direction)
    found = [reason.counterexample.instance for reason in outcome.reasons if reason.counterexample]
    assert bool(found) is isinstance(expected, Shown)
    for instance in [*found, *([expected.by] if isinstance(expected, Shown) else [])]:
        assert second_opinion(writer).is_valid(instance), instance
        assert not second_opinion(reader).is_valid(instance), instance


def test_the_table_is_large_and_no_verdict_in_it_is_open_without_a_reason() -> None:
    assert len(CASES) >= 60
    assert len({case.title for case in CASES}) == len(CASES)
    opens = [each for case in CASES for each in case[3:] if isinstance(each, Unproved)]
    assert all(each.reason for each in opens)
    assert len(opens) < len(CASES) / 10


def test_a_counterexample_is_found_for_most_of_what_is_not_proved() -> None:
    outcomes = [judged(case, direction)[3] for case, direction in DIRECTIONS]
    refused = [outcome for outcome in outcomes if outcome.verdict is not Verdict.COMPATIBLE]
    shown = [outcome for outcome in refused if outcome.verdict is Verdict.INCOMPATIBLE]
    assert len(shown) / len(refused) >= OFTEN_ENOUGH


@pytest.mark.parametrize("rule", rules.NARROWING, ids=lambda rule: rule.name)
def test_each_rule_names_what_its_own_example_breaks(rule: rules.Rule) -> None:
    outcome = compare(plain(rule.older), plain(rule.newer))
    assert [reason.rule for reason in outcome.reasons] == [rule.name]
    assert second_opinion(rule.older).is_valid(rule.shown_by)
    assert not second_opinion(rule.newer).is_valid(rule.shown_by)


def test_what_is_left_open_says_what_changed_and_why_it_is_open() -> None:
    outcome = compare({"pattern": "^a$"}, {"pattern": "^[ab]$"})
    assert [reason.rule for reason in outcome.reasons] == ["not_proved"]
    assert "/pattern" in outcome.reasons[0].message


def test_several_changes_are_each_shown() -> None:
    """Not the first alone, so that one run of CI tells all there is to mend."""
    older = {"properties": {"a": {"type": "string"}, "b": {"maximum": 9}}, "required": ["a"]}
    newer = {"properties": {"a": {"type": "integer"}, "b": {"maximum": 8}}, "required": ["a", "c"]}
    outcome = compare(older, newer)
    assert {(reason.rule, reason.reader_at) for reason in outcome.reasons} == {
        ("type_narrowed", "/properties/a/type"),
        ("range_narrowed", "/properties/b/maximum"),
        ("required_added", "/required/1"),
    }


HOSTILE: list[dict[str, Any]] = [
    {"minLength": 10**12},
    {"minItems": 10**12, "contains": {"minContains": 10**9}},
    {"minProperties": 10**12},
    {"type": "array", "contains": True, "minContains": 10**9, "maxContains": 10**9},
    {"type": "number", "multipleOf": 1e-300, "minimum": 1e300},
    {"type": "number", "minimum": -1e308, "maximum": 1e308},
    {"type": "string", "pattern": "(?<name>a)\\p{L}{3}(?=x)"},
    {"type": "string", "pattern": "^(a|b|ab)*c$"},
    {"$ref": "#"},
    {"allOf": [{"$ref": "#"}]},
    {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
    {"anyOf": [{"enum": [number]} for number in range(300)]},
    {"allOf": [{"anyOf": [{"minimum": n}, {"maxLength": n}, {"required": [str(n)]}]} for n in range(12)]},
    {"enum": []},
    {"properties": {"$ref": {"type": "string"}, "~/": {"const": "\ud7ff\u0000"}}, "required": ["$ref"]},
]


@pytest.mark.parametrize("schema", HOSTILE, ids=lambda schema: str(schema)[:40])
def test_a_schema_made_to_hurt_gets_a_verdict_too(schema: dict[str, Any]) -> None:
    """Huge bounds, references to nothing but themselves, patterns that Python can't read, many cases."""
    for other in ({}, {"type": "string"}, {"not": {"type": "string"}}, {**schema, "type": "object"}):
        for pair in ((schema, other), (other, schema)):
            assert compare(*(plain(each) for each in pair)).verdict in set(Verdict)


def test_a_counterexample_holds_no_more_than_it_needs() -> None:
    older = {"properties": {name: {"type": "string"} for name in "abcdef"}, "additionalProperties": False}
    newer = {**older, "properties": {**older["properties"], "c": {"type": "string", "maxLength": 3}}}  # type: ignore[dict-item] # a schema
    (reason,) = compare(older, newer).reasons
    assert reason.counterexample is not None
    assert set(reason.counterexample.instance) == {"c"}
    assert reason.counterexample.refused_at == "/c"
