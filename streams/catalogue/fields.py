"""The members of an object schema as rows of a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

COMMON: Final = "urn:auto_com_center:common:"
WORDS: Final = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "`true` or `false`",
    "object": "object",
    "array": "list",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One member. ``path`` is such as ``award.amount`` or ``lines[].price``; ``kind`` says in words what it takes."""

    path: str
    required: bool
    kind: str
    description: str


def fields(schema: Mapping[str, Any], prefix: str = "") -> Iterator[Field]:
    """Every member of an object schema and of the objects within it; what it refers to is named, not unfolded."""
    for name, member in schema.get("properties", {}).items():
        path = prefix + name
        yield Field(
            path=path,
            required=name in schema.get("required", ()),
            kind=kind(member),
            description=member.get("description", ""),
        )
        yield from _within(member, path)


def _within(member: Mapping[str, Any], path: str) -> Iterator[Field]:
    if isinstance(member.get("items"), Mapping):
        yield from fields(member["items"], f"{path}[].")
    yield from fields(member, f"{path}.")


def kind(schema: Mapping[str, Any]) -> str:
    """What a value must be, in words and with its bounds."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(COMMON)
        return f"[{name}](README.md#{name})"
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    bounds = "".join(_bounds(schema))
    if schema["type"] == "array":
        return f"list{bounds} of {kind(schema['items'])}"
    if isinstance(schema.get("additionalProperties"), Mapping):
        bounds += f" with other members too: {kind(schema['additionalProperties'])}"
    return WORDS[schema["type"]] + bounds


def _bounds(schema: Mapping[str, Any]) -> Iterator[str]:
    if "format" in schema:
        yield f", `{schema['format']}`"
    if "pattern" in schema:
        yield f", `{schema['pattern']}`"
    for low, high, unit in (("minLength", "maxLength", " characters"), ("minimum", "maximum", "")):
        if low in schema:
            yield f", {schema[low]} to {schema[high]}{unit}"
        elif high in schema and "format" not in schema and "pattern" not in schema:
            yield f", at most {schema[high]}{unit}"
    if "maxItems" in schema:
        yield f" of {schema.get('minItems', 0)} to {schema['maxItems']}"
