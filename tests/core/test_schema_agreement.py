"""`jsonschema-rs` (Rust) decides in production; `jsonschema` (Python) has nothing in common with it. They agree."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import reference, registry
from schemas.formats import CHECKS, FORMATS

SHIPPED = registry.load()
RECORDS = [("records", name) for name in SHIPPED.records]
EVENTS = [(name, version) for name, versions in SHIPPED.events.items() for version in versions]
EXAMPLES = [(key, number) for key in EVENTS for number in range(len(SHIPPED.events[key[0]][key[1]].examples))]
COMMON = {
    document["$id"]: document
    for path in sorted((registry.ROOT / "common").glob("*.json"))
    if (document := json.loads(path.read_text("utf-8")))
}


def ours(key: tuple[str, str]) -> registry.CompiledSchema:
    return SHIPPED.records[key[1]] if key[0] == "records" else SHIPPED.events[key[0]][key[1]]


@cache
def second_opinion(key: tuple[str, str]) -> Any:
    return reference.validator(ours(key).document, COMMON)


def agreed(key: tuple[str, str], instance: Any) -> bool:
    """Whether it is valid, as both say."""
    valid = not any(ours(key).violations(instance))
    assert bool(second_opinion(key).is_valid(instance)) == valid
    return valid


class Tight:
    """Makes instances of a schema of ours at its bounds; a spoilt one has here and there what it should not have."""

    def __init__(self, draw: st.DrawFn, *, spoilt: bool) -> None:
        self._draw = draw
        self._spoilt = spoilt

    def instance(self, schema: Mapping[str, Any]) -> Any:
        """A value that the schema is to take, or any other."""
        if self._goes_wrong():
            return self._draw(STRANGERS)
        if "$ref" in schema:
            return self.instance(COMMON[schema["$ref"]])
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._draw(st.sampled_from(schema["enum"]))
        kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
        return getattr(self, self._draw(st.sampled_from(kinds)))(schema)

    def _goes_wrong(self) -> bool:
        return self._spoilt and self._draw(st.sampled_from([False] * 11 + [True]))

    def null(self, _schema: Mapping[str, Any]) -> None:
        return None

    def boolean(self, _schema: Mapping[str, Any]) -> Any:
        return self._draw(st.sampled_from([0, "true"]) if self._goes_wrong() else st.booleans())

    def integer(self, schema: Mapping[str, Any]) -> int | float:
        low, high = schema.get("minimum", 0), schema.get("maximum", 2**53)
        number: int = self._draw(
            st.sampled_from([low - 1, high + 1]) if self._goes_wrong() else st.sampled_from([low, low + 1, high])
        )
        return float(number) if self._draw(st.booleans()) else number

    def string(self, schema: Mapping[str, Any]) -> str:
        length = schema.get("maxLength", 40)
        good = TEXTS | st.sampled_from(["é" * length, "\U0001f600" * length, "a"])
        wrong = st.sampled_from(["", "a" * (length + 1), *NEAR])
        if "format" in schema:
            good, wrong = st.sampled_from(GOOD[schema["format"]]), st.sampled_from(BAD[schema["format"]])
        elif "pattern" in schema:
            good = st.from_regex(schema["pattern"], fullmatch=True, alphabet=st.characters(codec="ascii"))
        return self._draw(wrong if self._goes_wrong() else good)

    def array(self, schema: Mapping[str, Any]) -> list[Any]:
        low, high = schema.get("minItems", 0), schema.get("maxItems", 3)
        length = self._draw(
            st.sampled_from([low - 1, high + 1] if self._goes_wrong() else [low, min(low + 1, high), high])
        )
        return [self.instance(schema["items"])] * max(length, 0)

    def object(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        members = schema.get("properties", {})
        required = schema.get("required", [])
        names = [name for name in members if self._draw(st.booleans()) or (name in required and not self._goes_wrong())]
        made = {name: self.instance(members[name]) for name in names}
        if self._goes_wrong():
            made[self._draw(st.sampled_from(["added_later", "Email", "x\n", "", "push"]))] = self._draw(STRANGERS)
        return made


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
STRANGERS: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, False, 0, 1, -1, 1.0, 0.5, 10**19, 10**400, 1e300, "", "x", [], [None], {}, {"id": 1}]
)
NEAR = [
    "USD\n",
    "usd",
    "\u0661\u0661\u0661\u0661",
    "4242\n",
    "https://",
    "+34600123456\n",
    "es-ES\n",
    "Europe/Madrid\n",
]
GOOD: Mapping[str, list[str]] = {
    "date": ["2026-12-01", "2024-02-29", "0000-02-29", "9999-12-31"],
    "date-time": [
        *["2026-11-20T09:30:00Z", "2026-11-20t09:30:00.123456789z", "2026-11-20T09:30:00-23:59"],
        *["2026-12-31T23:59:60Z", "2027-01-01T00:59:60+01:00"],
    ],
    "email": ["ana@example.org", "a@b", '"a b"@c.d', "a@[127.0.0.1]", "a@[IPv6:::1]", "o'hara+x@xn--bcher-kva.example"],
    "uri": ["https://a.example/", "https://a", "https://a.example:80/%41?b=c&d#e"],
}
BAD: Mapping[str, list[str]] = {
    "date": ["2026-02-29", "20-6-01-01", "2026-1-1", "2026-12-01\n", "", "\u0662026-01-01", "2026-00-01"],
    "date-time": [
        *["2026-11-20T09:30:00+24:00", "2026-11-20T09:30:00", "2026-12-31T22:59:60Z", "202.-11-20T09:30:00Z", "x"],
        *["2026-11-20 09:30:00Z", "2026-11-20T09:30:00Z\n", "2026-11-20T09:30:00,5Z"],
    ],
    "email": ["@b", "a@", "a..b@c.d", "a@xn--a.d", "a@b\n", "é@b.c", "a b@c.d", '"a"b@c.d', "a@[1.2.3]", "a@c_d.e"],
    "uri": ["https://a.example/ü", "https://a\n", "//a", "https://a/%zz", "https://a b", "/a", ""],
}
SPELLINGS = {name: GOOD[name] + BAD[name] for name in FORMATS}


@st.composite
def instances(draw: st.DrawFn) -> tuple[tuple[str, str], Any]:
    key = draw(st.sampled_from(EVENTS + RECORDS))
    return key, Tight(draw, spoilt=draw(st.booleans())).instance(ours(key).document)


@settings(deadline=None, database=None, max_examples=600)
@given(instances())
def test_another_validator_agrees_on_instances_made_from_the_schema(made: tuple[tuple[str, str], Any]) -> None:
    """Events and internal records, at and beyond every bound."""
    key, instance = made
    agreed(key, instance)


def test_the_instances_made_are_of_both_kinds() -> None:
    """Else the property above would say little."""
    seen = {True: 0, False: 0}

    @settings(deadline=None, database=None, max_examples=200, derandomize=True)
    @given(instances())
    def count(made: tuple[tuple[str, str], Any]) -> None:
        seen[agreed(*made)] += 1

    count()
    assert min(seen.values()) >= 10


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every path within an instance."""
    if path:
        yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in children:
        yield from places(inner, (*path, step))


REMOVED = object()
VALUES: list[Any] = [
    *[REMOVED, None, True, 0, 1, -1, 100, 101, 1.5, 10**19, "", "x" * 64, "x" * 129, [], ["x"] * 21, {}, {"a": 1}],
    *("2026-02-29", "2026-12-01", "ana", "a b", "+34600123456", "+0", "USD", "USD\n", "es-ES", "Europe/Madrid\n"),
    *(spelling for spellings in SPELLINGS.values() for spelling in spellings),
]


@settings(deadline=None, database=None, max_examples=400)
@given(st.sampled_from(EXAMPLES), st.data())
def test_another_validator_agrees_on_mutated_examples(
    example: tuple[tuple[str, str], int], data: st.DataObject
) -> None:
    """One or two places of a valid event hold something else."""
    key, number = example
    mutated = deepcopy(ours(key).examples[number])
    for _ in range(data.draw(st.integers(1, 2))):
        *parents, last = data.draw(st.sampled_from(sorted(places(mutated), key=str)))
        value, place = data.draw(st.sampled_from(VALUES)), mutated
        for step in parents:
            place = place[step]  # type: ignore[index] # a path of this instance
        if value is REMOVED:
            del place[last]  # type: ignore[arg-type]
        else:
            place[last] = deepcopy(value)  # type: ignore[index]
    agreed(key, mutated)


@pytest.mark.parametrize("name", FORMATS)
def test_both_validators_assert_a_format_by_our_check(name: str) -> None:
    """On texts alone: a format says nothing of other values."""
    document = {"$id": "urn:x", "format": name}
    rust = registry.compile_schema(document, jsonschema_rs.Registry([]))
    python = reference.validator(document, {})
    good: list[Any] = [FORMATS[name].example, *GOOD[name], 5, None, []]
    for value, wanted in [*((each, True) for each in good), *((each, False) for each in BAD[name])]:
        assert (not any(rust.violations(value)), python.is_valid(value)) == (wanted, wanted), value


GRAINS = {
    "date": ["2026", "0000", "2024", "-", "01", "02", "12", "13", "28", "29", "30", "31", "00", "\n", "\u0662"],
    "date-time": ["2024-02-29", "T", "t", " ", "00:00:00", "23:59:60", "24:00:00", ".5", "Z", "+01:00", "-23:59"],
    "email": ["a", "Z9", ".", "-", "_", "+", "@", '"', "\\", " ", "\t", "[", "]", "IPv6:", "::1", "127.0.0.1", "é"],
    "uri": ["https:", "//", "a", "/", "?", "#", "%41", "%4", "[::1]", "[", "@", ":80", "é", " ", "<", "urn:"],
}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
@settings(deadline=None, database=None, max_examples=300)
@given(data=st.data())
def test_our_check_of_a_format_is_no_laxer_than_the_one_of_jsonschema_rs(name: str, data: st.DataObject) -> None:
    """Stricter it is where that one errs: other bytes for digits in dates, host names that only look encoded."""
    value = "".join(data.draw(st.lists(st.sampled_from(GRAINS[name]), max_size=7)))
    theirs = jsonschema_rs.Draft202012Validator({"format": name}, validate_formats=True).is_valid(value)
    if theirs and name in ("date", "date-time") and not re.match(r"[0-9]{4}", value, re.ASCII):
        theirs = False  # it takes a year of any bytes
    assert CHECKS[name](value) is theirs


LAX = [
    ("date", "20-6-01-01"),
    ("date", "--01-01-01"),
    ("date-time", "202.-11-20T09:30:00Z"),
    ("email", "a@xn--80ak6aa92ec.d"),
]


@pytest.mark.parametrize(("name", "value"), LAX)
def test_what_jsonschema_rs_takes_by_mistake_is_refused_at_run_time(name: str, value: str) -> None:
    rust = registry.compile_schema({"$id": "urn:x", "format": name}, jsonschema_rs.Registry([]))
    assert [breach.keyword for breach in rust.violations(value)] == ["format"]  # type: ignore[arg-type]
