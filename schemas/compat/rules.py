"""What may go wrong when a schema changes: one row each, with a change that breaks it and an instance that shows it.

`comcenter schema rules` prints this table. To add a rule, add a row; a test runs every row's example.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from schemas.compat.verdict import Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A way in which a reader's schema refuses what a writer's allows, and what to do about it."""

    name: str
    keywords: tuple[str, ...]  # the reader's keywords whose change it names
    says: str  # {what} is the value or name that changed
    way_out: str
    older: Schema
    newer: Schema
    shown_by: Any  # an instance of `older` that `newer` refuses


_BUMP: Final = "or publish it as a new major version"

NARROWING: Final[tuple[Rule, ...]] = (
    Rule(name="type_narrowed", keywords=("type",),
         says="a type that the writer may use is refused", way_out=f"list the old type as well, {_BUMP}",
         older={"type": ["string", "null"]}, newer={"type": "string"}, shown_by=None),
    Rule(name="value_removed", keywords=("const", "enum"),
         says="a value that the writer may use is no longer listed", way_out=f"keep the value in the list, {_BUMP}",
         older={"enum": ["a", "b"]}, newer={"enum": ["a"]}, shown_by="b"),
    Rule(name="format_narrowed", keywords=("format",),
         says="the format refuses strings that the writer may use",
         way_out=f"drop the format here and add a property that has it, {_BUMP}",
         older={"format": "date-time"}, newer={"format": "date"}, shown_by="2026-01-31T12:00:00Z"),
    Rule(name="pattern_changed", keywords=("pattern",),
         says="the pattern refuses strings that the writer may use", way_out=f"widen the pattern, {_BUMP}",
         older={"pattern": "^[a-z]+$"}, newer={"pattern": "^[a-m]+$"}, shown_by="z"),
    Rule(name="length_narrowed", keywords=("minLength", "maxLength"),
         says="strings that the writer may use are too long or too short", way_out=f"keep the old bound, {_BUMP}",
         older={"maxLength": 10}, newer={"maxLength": 5}, shown_by="xxxxxx"),
    Rule(name="range_narrowed", keywords=("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"),
         says="numbers that the writer may use are out of range", way_out=f"keep the old bound, {_BUMP}",
         older={"minimum": 0}, newer={"minimum": 1}, shown_by=0),
    Rule(name="multiple_changed", keywords=("multipleOf",),
         says="numbers that the writer may use are no such multiple",
         way_out=f"take a divisor of the old step, {_BUMP}",
         older={"multipleOf": 2}, newer={"multipleOf": 4}, shown_by=2),
    Rule(name="required_added", keywords=("required",),
         says="{what} is required, and the writer may leave it out (a `default` fills in nothing)",
         way_out=f"make it optional, {_BUMP}",
         older={"properties": {"a": {"type": "string"}}},
         newer={"properties": {"a": {"type": "string"}}, "required": ["a"]}, shown_by={}),
    Rule(name="dependency_added", keywords=("dependentRequired", "dependentSchemas"),
         says="a member now asks for others, which the writer may leave out", way_out=f"make them optional, {_BUMP}",
         older={}, newer={"dependentRequired": {"a": ["b"]}}, shown_by={"a": 0}),
    Rule(name="property_removed", keywords=(),
         says="{what} is no longer known, and the model is closed",
         way_out=f"keep it as an optional property, {_BUMP}",
         older={"properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "additionalProperties": False},
         newer={"properties": {"a": {"type": "string"}}, "additionalProperties": False}, shown_by={"b": "x"}),
    Rule(name="property_added_to_open_model", keywords=("properties", "patternProperties"),
         says="{what} is declared, and the writer's open model allows anything under that name",
         way_out=f"close the model first (`additionalProperties: false`, in a new major version), {_BUMP}",
         older={"properties": {"a": True}}, newer={"properties": {"a": True, "b": {"type": "string"}}},
         shown_by={"b": 0}),
    Rule(name="model_closed", keywords=("additionalProperties", "unevaluatedProperties"),
         says="members that the writer may add are refused", way_out=f"leave the model as open as it was, {_BUMP}",
         older={"properties": {"a": True}}, newer={"properties": {"a": True}, "additionalProperties": False},
         shown_by={"extra": 0}),
    Rule(name="names_narrowed", keywords=("propertyNames", "minProperties", "maxProperties"),
         says="names or a number of members that the writer may use are refused",
         way_out=f"keep the old bound, {_BUMP}",
         older={"maxProperties": 2}, newer={"maxProperties": 1}, shown_by={"x0": 0, "x1": 0}),
    Rule(name="items_narrowed", keywords=("items", "prefixItems", "unevaluatedItems"),
         says="items that the writer may use are refused", way_out=f"leave the items as they were, {_BUMP}",
         older={"prefixItems": [{"type": "string"}]}, newer={"prefixItems": [{"type": "string"}], "items": False},
         shown_by=["x", 0]),
    Rule(name="item_count_narrowed", keywords=("minItems", "maxItems"),
         says="lists that the writer may use are too long or too short", way_out=f"keep the old bound, {_BUMP}",
         older={"maxItems": 2}, newer={"maxItems": 1}, shown_by=[0, 0]),
    Rule(name="uniqueness_added", keywords=("uniqueItems",),
         says="the writer may repeat an item", way_out=f"let the reader drop repeated items itself, {_BUMP}",
         older={"type": "array"}, newer={"type": "array", "uniqueItems": True}, shown_by=[0, 0]),
    Rule(name="contains_narrowed", keywords=("contains", "minContains", "maxContains"),
         says="lists that the writer may use lack an item, or have too many of it",
         way_out=f"keep the old rule, {_BUMP}",
         older={"contains": {"type": "number"}}, newer={"contains": {"type": "integer"}}, shown_by=[0.5]),
    Rule(name="alternatives_changed", keywords=("anyOf", "oneOf"),
         says="an alternative is gone or narrower, or two of a `oneOf` now overlap",
         way_out=f"keep the old alternatives, and `anyOf` instead of `oneOf` where two may hold, {_BUMP}",
         older={"oneOf": [{"type": "integer"}, {"type": "string"}]},
         newer={"oneOf": [{"type": "integer"}, {"type": "number"}, {"type": "string"}]}, shown_by=0),
    Rule(name="condition_changed", keywords=("if", "then", "else", "not", "allOf"),
         says="a condition refuses what the writer may use", way_out=f"drop the condition, {_BUMP}",
         older={}, newer={"if": {"required": ["a"]}, "then": {"required": ["b"]}}, shown_by={"a": 0}),
    Rule(name="nothing_allowed", keywords=("false",),
         says="what the writer may use here is refused altogether", way_out=f"allow what was allowed, {_BUMP}",
         older={"properties": {"a": True}}, newer={"properties": {"a": False}}, shown_by={"a": 0}),
)  # fmt: skip
"""Rules of instances; the message speaks of a writer's and a reader's schema, so that each serves both directions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRule:
    """A rule of the registry itself: what is published stays as it is."""

    name: str
    says: str
    way_out: str
    example: str


FILES: Final[tuple[FileRule, ...]] = (
    FileRule(name="published_file_changed",
             says="a published version was edited; who reads by it does not know",
             way_out="undo the edit, and publish the change as a new version (title, description, examples may change)",
             example="events/welcome/1.0.json: maxLength 10 becomes 20"),
    FileRule(name="version_removed",
             says="a published version is gone; events of it may be on their way, as long as a topic keeps them",
             way_out="put it back; or waive this until the last such event is gone",
             example="events/welcome/1.0.json is deleted"),
    FileRule(name="version_gap",
             says="a version is missing before this one",
             way_out="number versions without gaps: 1.0, 1.1, 2.0",
             example="events/welcome/1.2.json is added after 1.0"),
    FileRule(name="record_removed",
             says="the schema of an internal record is gone; workers of the last release still read and write it",
             way_out="put it back; or waive this until no worker of the last release runs",
             example="records/dispatch.json is deleted"),
    FileRule(name="not_proved",
             says="neither proved nor refuted: {what}",
             way_out="write the change in simpler keywords; or have someone look at it and waive it, with the reason",
             example='a pattern becomes another: `"^a$"` → `"^[ab]$"`'),
    FileRule(name="waiver_expired",
             says="the waiver of a finding that is still there has expired",
             way_out="mend the finding, or renew the waiver with its reason",
             example="expires = 2026-01-31, and it is later"),
)  # fmt: skip

BY_NAME: Final = {rule.name: rule for rule in NARROWING}
FILE_RULES: Final = {rule.name: rule for rule in FILES}
_BY_KEYWORD: Final = {keyword: rule for rule in NARROWING for keyword in rule.keywords}


def of_keyword(keyword: str) -> Rule:
    """The rule that names a narrowing of this keyword; of one with no row, that something refuses."""
    return _BY_KEYWORD.get(keyword, BY_NAME["condition_changed"])
