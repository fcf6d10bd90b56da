"""What must hold for any two schemas, and for any instance of one that is said to be compatible."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from schemas.compat import bundle, samples
from schemas.compat.check import check
from schemas.compat.compare import compare
from schemas.compat.verdict import Direction, Mode, Verdict
from tests.schemas.cases import CASES, PROVED, closed, opened
from tests.schemas.instances import instances
from tests.schemas.trees import event, tree

THOROUGH = settings.get_current_profile_name() == "thorough"
INSTANCES = 1000 if THOROUGH else 50
"""Generated for each proved change; `pytest --hypothesis-profile=thorough tests/schemas` takes the larger number."""
QUIETLY = settings(
    deadline=None, database=None, max_examples=INSTANCES, suppress_health_check=list(HealthCheck), derandomize=True
)

NAMES = st.sampled_from(["a", "b", "x_1"])
BOUNDS = st.integers(-2, 4)
LEAVES: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from([True, {}, {"type": "string"}, {"type": ["string", "null"]}, {"type": "boolean"}, {"const": "a"}]),
    st.builds(lambda kind, low, span: {"type": kind, "minimum": low, "maximum": low + span},
              st.sampled_from(["integer", "number"]), BOUNDS, st.integers(0, 4)),
    st.builds(lambda step: {"type": "integer", "multipleOf": step}, st.integers(1, 4)),
    st.builds(lambda low, span: {"type": "string", "minLength": low, "maxLength": low + span},
              st.integers(0, 2), st.integers(0, 2)),
    st.builds(lambda values: {"enum": values},
              st.lists(st.sampled_from(["a", "b", 0, 1, True, False, 1.5, None]), min_size=1, unique=True)),
    st.builds(lambda name: {"type": "string", "format": name}, st.sampled_from(["date", "date-time", "email", "uuid"])),
)  # fmt: skip


def larger(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Objects, arrays and combinations of smaller schemas."""
    properties = st.dictionaries(NAMES, inner, max_size=3)
    required = st.lists(NAMES, max_size=2, unique=True)
    several = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        st.builds(lambda p, r: {**closed(**p), "required": r}, properties, required),
        st.builds(lambda p, r: {**opened(**p), "required": r}, properties, required),
        st.builds(lambda p, extra: {**opened(**p), "additionalProperties": extra}, properties, inner),
        st.builds(lambda p, each: {**opened(**p), "patternProperties": {"^x": each}}, properties, inner),
        st.builds(lambda p: {**opened(**p), "dependentRequired": {"a": ["b"]}}, properties),
        st.builds(lambda each, low, unique: {"type": "array", "items": each, "minItems": low, "uniqueItems": unique},
                  inner, st.integers(0, 2), st.booleans()),
        st.builds(lambda first, rest: {"type": "array", "prefixItems": first, "items": rest}, several, inner),
        st.builds(lambda each: {"type": "array", "contains": each}, inner),
        st.builds(lambda each: {"anyOf": each}, several),
        st.builds(lambda each: {"oneOf": each}, several),
        st.builds(lambda each: {"allOf": each}, several),
        st.builds(lambda each: {"not": each}, inner),
        st.builds(lambda one, two, three: {"if": one, "then": two, "else": three}, inner, inner, inner),
        st.builds(lambda each: {"type": "object", "properties": {"a": each, "b": {"$ref": "#"}}}, inner),
    )  # fmt: skip


SCHEMAS = st.recursive(LEAVES, larger, max_leaves=6).filter(lambda schema: isinstance(schema, dict))
MEMBERS = st.dictionaries(NAMES, SCHEMAS)
PAIRS = st.one_of(
    st.tuples(SCHEMAS, SCHEMAS),
    # Pairs that have much in common, as versions do.
    st.builds(lambda p, more: (closed(**p), closed(**{**p, **more})), MEMBERS, MEMBERS),
    st.builds(lambda p, more: (opened(**p), opened(**{**p, **more})), MEMBERS, MEMBERS),
    st.builds(lambda one, two: (one, {"anyOf": [one, two]}), SCHEMAS, SCHEMAS),
    st.builds(lambda one, two: ({"allOf": [one, two]}, one), SCHEMAS, SCHEMAS),
)  # fmt: skip


def plain(schema: Any) -> dict[str, Any]:
    return bundle.bundle(schema, {}).schema


def second_opinion(schema: Any) -> Any:
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)


@QUIETLY
@given(SCHEMAS)
def test_a_schema_is_compatible_with_itself(schema: dict[str, Any]) -> None:
    assert compare(plain(schema), plain(schema)).verdict is Verdict.COMPATIBLE


@settings(QUIETLY, max_examples=8 * INSTANCES)
@given(PAIRS, st.data())
def test_no_instance_of_the_old_is_refused_where_the_answer_is_compatible(pair: Any, data: st.DataObject) -> None:
    older, newer = pair
    assume(compare(plain(older), plain(newer)).verdict is Verdict.COMPATIBLE)
    writes, reads = second_opinion(older), second_opinion(newer)
    for instance in samples.samples(plain(older)):
        assert reads.is_valid(instance) or not writes.is_valid(instance), instance
    for _ in range(5):
        instance = data.draw(instances(older))
        assert reads.is_valid(instance) or not writes.is_valid(instance), instance


@settings(QUIETLY, max_examples=4 * INSTANCES)
@given(PAIRS)
def test_an_instance_that_is_shown_is_valid_under_one_and_refused_by_the_other(pair: Any) -> None:
    older, newer = pair
    outcome = compare(plain(older), plain(newer))
    shown = [reason.counterexample for reason in outcome.reasons if reason.counterexample is not None]
    assert bool(shown) is (outcome.verdict is Verdict.INCOMPATIBLE)
    for each in shown:
        assert second_opinion(older).is_valid(each.instance)
        assert not second_opinion(newer).is_valid(each.instance)


@settings(QUIETLY, max_examples=2 * INSTANCES)
@given(PAIRS)
def test_backward_is_forward_seen_from_the_other_side(pair: Any) -> None:
    """And FULL is both, for whole folders, findings included."""
    older, newer = (event(data) for data in pair)
    before, after = tree({"events/t/1.0.json": older}), tree({"events/t/1.0.json": older, "events/t/1.1.json": newer})
    turned = tree({"events/t/1.0.json": newer}), tree({"events/t/1.0.json": newer, "events/t/1.1.json": older})

    backward, forward = (verdicts(check(before, after, mode)) for mode in (Mode.BACKWARD, Mode.FORWARD))
    assert backward == verdicts(check(*turned, Mode.FORWARD))
    assert forward == verdicts(check(*turned, Mode.BACKWARD))
    full = check(before, after, Mode.FULL)
    assert verdicts(full) == [*backward, *forward]
    assert {each.direction for each in full.compared} == set(Direction)


def verdicts(checked: Any) -> list[Verdict]:
    return [each.verdict for each in checked.compared]


GENERATED = [
    (case.title, older, newer)
    for case in CASES
    for older, newer, expected in ((case.older, case.newer, case.backward), (case.newer, case.older, case.forward))
    if expected is PROVED
]


@pytest.mark.parametrize(("title", "older", "newer"), GENERATED, ids=[title for title, _, _ in GENERATED])
def test_generated_instances_of_what_is_proved_stay_valid(title: str, older: Any, newer: Any) -> None:
    writes, reads = second_opinion(older), second_opinion(newer)
    seen: list[Any] = []

    @QUIETLY
    @given(instances(older).filter(writes.is_valid))
    def holds(instance: Any) -> None:
        seen.append(instance)
        assert reads.is_valid(instance), (title, instance)

    if older == {"not": {}}:  # no instance at all
        return
    holds()
    assert seen  # as many as asked for, or all there are
