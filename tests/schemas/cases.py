"""Our own table of changes: two schemas, and for each direction `PROVED`, an instance that refutes, or why neither.

An instance of BACKWARD is valid under the older schema and not under the newer; one of FORWARD the reverse. Tests check
each with a validator that has nothing in common with the one in use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from schemas.compat.verdict import Schema, Verdict


class Proved(NamedTuple):
    """Every instance was shown to stay valid."""


class Unproved(NamedTuple):
    """Neither proved nor refuted."""

    reason: str


@dataclass(frozen=True)
class Shown:
    """An instance that refutes."""

    by: Any


PROVED: Final = Proved()


class Case(NamedTuple):
    """One row."""

    title: str
    older: dict[str, Any]
    newer: dict[str, Any]
    backward: Proved | Unproved | Shown
    forward: Proved | Unproved | Shown


def verdict(expected: Proved | Unproved | Shown) -> Verdict:
    """What the check must say."""
    match expected:
        case Proved():
            return Verdict.COMPATIBLE
        case Unproved():
            return Verdict.UNPROVED
        case Shown():
            return Verdict.INCOMPATIBLE


def opened(**properties: Schema) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def closed(required: tuple[str, ...] = (), **properties: Schema) -> dict[str, Any]:
    return {**opened(**properties), "required": list(required), "additionalProperties": False}


STR, INT, NUM, NULL = {"type": "string"}, {"type": "integer"}, {"type": "number"}, {"type": "null"}
OBJ, ARR = {"type": "object"}, {"type": "array"}
TREE = {"type": "object", "properties": {"child": {"$ref": "#"}, "v": INT}, "additionalProperties": False}
WIDER_TREE = {"type": "object", "properties": {"child": {"$ref": "#"}, "v": NUM}, "additionalProperties": False}
LIST = {"$ref": "#/$defs/l", "$defs": {"l": {"type": "object", "properties": {"next": {"$ref": "#/$defs/l"}}}}}
BOUNDED_LIST = {
    "$ref": "#/$defs/l",
    "$defs": {"l": {"type": "object", "properties": {"next": {"$ref": "#/$defs/l"}}, "maxProperties": 3}},
}
IF_A_THEN_B = {"if": {"required": ["a"]}, "then": {"required": ["b"]}}
WHEN = "2026-01-31T12:00:00Z"

CASES: Final = [
    # the same, and words only
    Case("nothing changes", closed(a=STR), closed(a=STR), PROVED, PROVED),
    Case("words for readers change", {**STR, "title": "A"}, {**STR, "description": "B"}, PROVED, PROVED),
    Case("a default is added", STR, {**STR, "default": "x"}, PROVED, PROVED),
    Case("the order of an enum", {"enum": ["a", "b"]}, {"enum": ["b", "a"]}, PROVED, PROVED),
    Case("a definition is inlined", {"$ref": "#/$defs/s", "$defs": {"s": STR}}, STR, PROVED, PROVED),
    Case("a definition gets another name", {"$ref": "#/$defs/s", "$defs": {"s": STR}},
         {"$ref": "#/$defs/t", "$defs": {"t": STR}}, PROVED, PROVED),
    # format
    Case("format added", STR, {**STR, "format": "date"}, Shown("x"), PROVED),
    Case("format removed", {**STR, "format": "date"}, STR, PROVED, Shown("x")),
    Case("format narrowed", {**STR, "format": "date-time"}, {**STR, "format": "date"},
         Shown(WHEN), Shown("2026-01-31")),
    Case("uri to uri-reference", {**STR, "format": "uri"}, {**STR, "format": "uri-reference"},
         Unproved("that every URI is a URI reference (RFC 3986, 4.1) is not known to the library"), Shown("/a")),
    Case("a format that nobody knows", {**STR, "format": "x-a"}, {**STR, "format": "x-b"},
         Unproved("validators accept anything under it, but a reader with its own checker may not"),
         Unproved("the same")),
    # type
    Case("null is no longer allowed", {"type": ["string", "null"]}, STR, Shown(None), PROVED),
    Case("string to integer", STR, INT, Shown("x"), Shown(0)),
    Case("integer to number", INT, NUM, PROVED, Shown(0.5)),
    Case("an integer is written as 1.0", INT, {"type": "number", "multipleOf": 1}, PROVED, PROVED),
    Case("anything to string", {}, STR, Shown(0), PROVED),
    Case("the chain {a: string} → {}", opened(a=STR), {}, PROVED, Shown(0)),
    Case("the chain {} → {a: integer}", {}, opened(a=INT), Shown(0), PROVED),
    Case("the chain {a: string} → {a: integer}", opened(a=STR), opened(a=INT), Shown({"a": "x"}), Shown({"a": 0})),
    Case("nothing is allowed any more", STR, {"not": {}}, Shown("x"), PROVED),
    # numbers
    Case("minimum raised", {**INT, "minimum": 0}, {**INT, "minimum": 1}, Shown(0), PROVED),
    Case("maximum lowered", {**INT, "maximum": 9}, {**INT, "maximum": 8}, Shown(9), PROVED),
    Case("minimum becomes exclusive", {**NUM, "minimum": 0}, {**NUM, "exclusiveMinimum": 0}, Shown(0), PROVED),
    Case("an exclusive bound of integers, written otherwise", {**INT, "exclusiveMinimum": 0}, {**INT, "minimum": 1},
         PROVED, PROVED),
    Case("multipleOf 4 to 2", {**INT, "multipleOf": 4}, {**INT, "multipleOf": 2}, PROVED, Shown(2)),
    Case("multipleOf 2 to 3", {**INT, "multipleOf": 2}, {**INT, "multipleOf": 3}, Shown(2), Shown(3)),
    Case("a range that steps over the gap", {**INT, "minimum": 3, "maximum": 5, "multipleOf": 4}, {"const": 4},
         PROVED, PROVED),
    # strings
    Case("maxLength lowered", {**STR, "maxLength": 10}, {**STR, "maxLength": 5}, Shown("xxxxxx"), PROVED),
    Case("maxLength of a long string lowered", {**STR, "maxLength": 100_000}, {**STR, "maxLength": 50_000},
         Shown("x" * 50_001), PROVED),
    Case("minLength added", STR, {**STR, "minLength": 1}, Shown(""), PROVED),
    Case("pattern added", STR, {**STR, "pattern": "^a"}, Shown("x"), PROVED),
    Case("pattern widened", {**STR, "pattern": "^a$"}, {**STR, "pattern": "^[ab]$"},
         Unproved("the library does not compare regular languages"), Shown("b")),
    Case("pattern narrowed", {**STR, "pattern": "^[0-9]{4}$"}, {**STR, "pattern": "^2[0-9]{3}$"}, Shown("1000"),
         Unproved("the library does not compare regular languages")),
    # const and enum
    Case("const to enum with it", {"const": "a"}, {"enum": ["a", "b"]}, PROVED, Shown("b")),
    Case("a value leaves the enum", {"enum": ["a", "b"]}, {"enum": ["a"]}, Shown("b"), PROVED),
    Case("const changes", {"const": 1}, {"const": 2}, Shown(1), Shown(2)),
    Case("an enum becomes its type", {"enum": ["a", "b"]}, STR, PROVED, Shown("x")),
    Case("1 and true are two values", {"const": 1}, {"const": True}, Shown(1), Shown(by=True)),
    Case("0 and false are two values", {"enum": [0]}, {"enum": [False]}, Shown(0), Shown(by=False)),
    Case("1 and 1.0 are one value", {"enum": [1]}, {"enum": [1.0]}, PROVED, PROVED),
    # members
    Case("optional property added to a closed model", closed(a=STR), closed(a=STR, b=STR), PROVED, Shown({"b": "x"})),
    Case("optional property removed from a closed model", closed(a=STR, b=STR), closed(a=STR),
         Shown({"b": "x"}), PROVED),
    Case("optional property added to an open model", opened(a=STR), opened(a=STR, b=STR), Shown({"b": 0}), PROVED),
    Case("optional property removed from an open model", opened(a=STR, b=STR), opened(a=STR), PROVED, Shown({"b": 0})),
    Case("any property added to an open model", opened(a=STR), opened(a=STR, b={}), PROVED, PROVED),
    Case("required property added to a closed model", closed(a=STR), closed(("b",), a=STR, b=STR), Shown({}),
         Shown({"b": "x"})),
    Case("required [a] to [b]", {**OBJ, "required": ["a"]}, {**OBJ, "required": ["b"]},
         Shown({"a": 0}), Shown({"b": 0})),
    Case("required becomes optional", closed(("a",), a=STR), closed(a=STR), PROVED, Shown({})),
    Case("a default does not excuse a required property", closed(a=STR), closed(("a",), a={**STR, "default": "x"}),
         Shown({}), PROVED),
    Case("an open model is closed", opened(a=STR), closed(a=STR), Shown({"extra": 0}), PROVED),
    Case("a property is renamed", closed(a=STR), closed(b=STR), Shown({"a": "x"}), Shown({"b": "x"})),
    Case("a nested property is narrowed", closed(o=closed(a=STR)), closed(o=closed(a={**STR, "maxLength": 3})),
         Shown({"o": {"a": "xxxx"}}), PROVED),
    Case("a property that fits the additional ones", {**OBJ, "additionalProperties": STR},
         {**OBJ, "properties": {"a": STR}, "additionalProperties": STR}, PROVED, PROVED),
    Case("additional ones narrowed", {**OBJ, "additionalProperties": NUM}, {**OBJ, "additionalProperties": INT},
         Shown({"a": 0.5}), PROVED),
    Case("a false property stays away", closed(a=STR, b=False), closed(a=STR), PROVED, PROVED),
    Case("patternProperties narrowed", {"patternProperties": {"^x": NUM}}, {"patternProperties": {"^x": INT}},
         Shown({"x": 0.5}), PROVED),
    Case("patternProperties added to an open model", OBJ, {**OBJ, "patternProperties": {"^x": INT}}, Shown({"x": "a"}),
         PROVED),
    Case("a property moves to patternProperties", closed(x_1=INT),
         {**OBJ, "patternProperties": {"^x_": INT}, "additionalProperties": False}, PROVED, Shown({"x_2": 0})),
    Case("propertyNames added", OBJ, {**OBJ, "propertyNames": {"pattern": "^[a-z]+$"}}, Shown({"A": 0}), PROVED),
    Case("a nested list of objects is narrowed", closed(l={**ARR, "items": closed(("n",), n=INT)}),
         closed(l={**ARR, "items": closed(("n",), n={**INT, "minimum": 0})}), Shown({"l": [{"n": -1}]}), PROVED),
    Case("maxProperties lowered", {**OBJ, "maxProperties": 2}, {**OBJ, "maxProperties": 1},
         Shown({"a": 0, "b": 0}), PROVED),
    Case("dependentRequired added", OBJ, {**OBJ, "dependentRequired": {"a": ["b"]}}, Shown({"a": 0}), PROVED),
    Case("dependentRequired removed", {**OBJ, "dependentRequired": {"a": ["b"]}}, OBJ, PROVED, Shown({"a": 0})),
    Case("dependentSchemas added", OBJ, {**OBJ, "dependentSchemas": {"a": {"properties": {"b": STR}}}},
         Shown({"a": 0, "b": 0}), PROVED),
    Case("unevaluatedProperties: one more evaluated", {"allOf": [opened(a=STR)], "unevaluatedProperties": False},
         {"allOf": [opened(a=STR, b=STR)], "unevaluatedProperties": False}, PROVED, Shown({"b": "x"})),
    Case("unevaluatedProperties added", {"allOf": [opened(a=STR)]},
         {"allOf": [opened(a=STR)], "unevaluatedProperties": False}, Shown({"extra": 0}), PROVED),
    # items
    Case("items narrowed", {**ARR, "items": NUM}, {**ARR, "items": INT}, Shown([0.5]), PROVED),
    Case("maxItems lowered", {**ARR, "maxItems": 2}, {**ARR, "maxItems": 1}, Shown([0, 0]), PROVED),
    Case("maxItems of a long list lowered", {**ARR, "items": STR, "maxItems": 500},
         {**ARR, "items": STR, "maxItems": 400},
         Shown(["x"] * 401), PROVED),
    Case("uniqueItems added", ARR, {**ARR, "uniqueItems": True}, Shown([0, 0]), PROVED),
    Case("uniqueItems of at most one item", {**ARR, "maxItems": 1}, {**ARR, "maxItems": 1, "uniqueItems": True},
         PROVED, PROVED),
    Case("prefixItems: one more place in an open list",
         {**ARR, "prefixItems": [STR]}, {**ARR, "prefixItems": [STR, INT]},
         Shown(["x", "x"]), PROVED),
    Case("prefixItems: one more place in a closed list", {**ARR, "prefixItems": [STR], "items": False},
         {**ARR, "prefixItems": [STR, INT], "items": False}, PROVED, Shown(["x", 0])),
    Case("prefixItems: places change", {**ARR, "prefixItems": [STR, INT]}, {**ARR, "prefixItems": [INT, STR]},
         Shown(["x"]), Shown([0])),
    Case("contains widened", {**ARR, "contains": INT}, {**ARR, "contains": NUM}, PROVED, Shown([0.5])),
    Case("contains added", ARR, {**ARR, "contains": INT}, Shown([]), PROVED),
    Case("maxContains added", {**ARR, "contains": INT}, {**ARR, "contains": INT, "maxContains": 1},
         Shown([0, 0]), PROVED),
    # combinations
    Case("oneOf: two alternatives overlap", {"oneOf": [INT, STR]}, {"oneOf": [INT, NUM, STR]}, Shown(0), Shown(0.5)),
    Case("oneOf to anyOf", {"oneOf": [INT, NUM]}, {"anyOf": [INT, NUM]}, PROVED, Shown(0)),
    Case("anyOf: an alternative less", {"anyOf": [STR, NULL]}, {"anyOf": [STR]}, Shown(None), PROVED),
    Case("anyOf: another order", {"anyOf": [STR, NULL]}, {"anyOf": [NULL, STR]}, PROVED, PROVED),
    Case("allOf folded", {"allOf": [{"minimum": 0}, {"maximum": 9}]}, {"minimum": 0, "maximum": 9}, PROVED, PROVED),
    Case("if/then added", OBJ, {**OBJ, **IF_A_THEN_B}, Shown({"a": 0}), PROVED),
    Case("if/then is dependentRequired", {**OBJ, **IF_A_THEN_B},
         {**OBJ, "dependentRequired": {"a": ["b"]}}, PROVED, PROVED),
    Case("else added", IF_A_THEN_B, {**IF_A_THEN_B, "else": {"required": ["c"]}}, Shown({}), PROVED),
    Case("not widened", {"not": INT}, {"not": NUM}, Shown(0.5), PROVED),
    # references
    Case("a $ref cycle, the same", TREE, TREE, PROVED, PROVED),
    Case("a $ref cycle, widened", TREE, WIDER_TREE, PROVED, Shown({"v": 0.5})),
    Case("a $ref cycle, deeper bound", LIST, BOUNDED_LIST, Shown({"a": 0, "b": 0, "c": 0, "d": 0}), PROVED),
    Case("a $ref cycle, unrolled once", TREE,
         {**TREE, "properties": {"child": {**TREE, "properties": {"child": {"$ref": "#"}, "v": INT}}, "v": INT}},
         PROVED, PROVED),
    Case("what a $ref leads to is narrowed", {"$defs": {"s": STR}, "properties": {"a": {"$ref": "#/$defs/s"}}},
         {"$defs": {"s": {**STR, "maxLength": 1}}, "properties": {"a": {"$ref": "#/$defs/s"}}},
         Shown({"a": "xx"}), PROVED),
]  # fmt: skip
