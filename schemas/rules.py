"""The rules for authors: what a schema of ours must be beyond a valid one, as rows. ``docs/schemas.md`` explains them.

Each check yields the JSON pointers that break its rule, with what to change. It gets a file that is a valid schema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from schemas.files import Kind, SchemaFile
from schemas.formats import FORMATS
from schemas.reference import DIALECT, keywords
from schemas.walk import Node, held, pointer, walk

MIN_EXAMPLES: Final = 3
Found = Iterator[tuple[str, str]]

_NOT_PORTABLE: Final = re.compile(r"\\[dDwWsSbBpPkuxc1-9]|\(\?")
"""What regular expressions of different languages take differently, or some not at all."""
_NOT_USED: Final[Mapping[str, str]] = {
    "patternProperties": "name each member, or use `propertyNames` with `additionalProperties`",
    "$dynamicRef": "use `$ref`",
    "$dynamicAnchor": "use `$defs`",
    "$anchor": "refer by pointer: `#/$defs/<name>`",
    "$vocabulary": "leave it out",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row: a stable name, where it applies, why there is such a rule, and the check."""

    name: str
    kinds: frozenset[Kind]
    why: str
    check: Callable[[SchemaFile, Mapping[str, Any]], Found]


def _identity(file: SchemaFile, document: Mapping[str, Any]) -> Found:
    if document.get("$schema") != DIALECT:
        yield "/$schema", f"must be {DIALECT}"
    if document.get("$id") != file.id:
        yield "/$id", f"must be {file.id}, as the file lies there"
    if file.kind is Kind.EVENT:
        for member, value in (("type", file.name), ("version", file.version)):
            if document.get("properties", {}).get(member) != {"const": value}:
                yield f"/properties/{member}", f'must be {{"const": "{value}"}}, as the file lies there'
            if member not in document.get("required", ()):
                yield "/required", f"must list `{member}`"


def _keywords(_file: SchemaFile, document: Mapping[str, Any]) -> Found:
    known = keywords()
    for node in walk(document):
        for keyword in node.schema:
            if keyword not in known:
                yield (
                    f"{node.pointer}/{keyword}",
                    "is no keyword of draft 2020-12, so it would be ignored: mend or drop it",
                )
            elif keyword in _NOT_USED:
                yield f"{node.pointer}/{keyword}", f"is not used here: {_NOT_USED[keyword]}"


def _formats(_file: SchemaFile, document: Mapping[str, Any]) -> Found:
    for node in walk(document):
        if node.schema.get("format", "date") not in FORMATS:
            yield (
                f"{node.pointer}/format",
                f"has no agreed meaning here; use one of {', '.join(FORMATS)}, or a `pattern`",
            )


def _patterns(_file: SchemaFile, document: Mapping[str, Any]) -> Found:
    for node in walk(document):
        if found := _NOT_PORTABLE.search(str(node.schema.get("pattern", ""))):
            yield f"{node.pointer}/pattern", f"`{found[0]}` differs from language to language: write out the characters"


def _references(_file: SchemaFile, document: Mapping[str, Any]) -> Found:
    for node in walk(document):
        target = str(node.schema.get("$ref", "#"))
        if not target.startswith(("#", "urn:auto_com_center:common:")):
            yield f"{node.pointer}/$ref", "leads out: refer to `#/$defs/…` or `urn:auto_com_center:common:<name>`"


def _closed(_file: SchemaFile, document: Mapping[str, Any]) -> Found:
    for node in walk(document):
        if _is_object(node.schema) and not any(_is_object(each) for each in node.around):
            fault = _open(node.schema)
            if fault:
                yield node.pointer, fault


def _is_object(schema: Mapping[str, Any]) -> bool:
    return "object" in _types(schema) or "properties" in schema


def _open(schema: Mapping[str, Any]) -> str:
    if False in (schema.get("additionalProperties"), schema.get("unevaluatedProperties")):
        return ""
    if isinstance(schema.get("additionalProperties"), Mapping):
        lacking = [keyword for keyword in ("propertyNames", "maxProperties") if keyword not in schema]
        return f"is a map without bounds: add {' and '.join(f'`{k}`' for k in lacking)}" if lacking else ""
    return 'is open: add "additionalProperties": false'


def _types(schema: Mapping[str, Any]) -> Iterable[str]:
    types = schema.get("type", ())
    return (types,) if isinstance(types, str) else types


_BOUNDS: Final = {
    "string": ("maxLength",),
    "array": ("maxItems",),
    "integer": ("minimum", "maximum"),
    "number": ("minimum", "maximum"),
}
_TELLS_TYPE: Final = frozenset({"type", "const", "enum", "$ref", "allOf", "anyOf", "oneOf"})
_HOLDS_VALUES: Final = ("properties", "items", "prefixItems", "additionalProperties", "$defs")


def _bounded(_file: SchemaFile, document: Mapping[str, Any]) -> Found:
    for node in walk(document):
        yield from _anything(node)
        if "const" in node.schema or "enum" in node.schema:
            continue
        for bound in (bound for kind in _types(node.schema) for bound in _BOUNDS.get(kind, ())):
            if bound not in node.schema:
                yield node.pointer, f"has no bound: add `{bound}`"


def _anything(node: Node) -> Found:
    """Values of which nothing at all is said."""
    for keyword in _HOLDS_VALUES:
        for steps, schema in held(keyword, node.schema.get(keyword)):
            if schema is True or (isinstance(schema, Mapping) and _TELLS_TYPE.isdisjoint(schema)):
                yield node.pointer + pointer(steps), "takes anything: give it a `type`"
    if "array" in _types(node.schema) and "items" not in node.schema:
        yield node.pointer, "takes any items: add `items`"


def _described(file: SchemaFile, document: Mapping[str, Any]) -> Found:
    for member in ("title", "description"):
        if not str(document.get(member, "")).strip():
            yield f"/{member}", "is missing: the pages for readers are made from it"
    if file.kind is Kind.EVENT:
        yield from (
            (node.pointer, "has no `description`: the pages for readers are made from it")
            for node in walk(document)
            if node.pointer.startswith("/properties/data/") and _undescribed(node)
        )


def _undescribed(node: Node) -> bool:
    return node.via == "properties" and not str(node.schema.get("description", "")).strip()


def _examples(_file: SchemaFile, document: Mapping[str, Any]) -> Found:
    examples = document.get("examples", [])
    if len({json.dumps(each, sort_keys=True) for each in examples}) < max(MIN_EXAMPLES, len(examples)):
        yield "/examples", f"must be at least {MIN_EXAMPLES}, no two the same"
    data = _mapping(document.get("properties", {}).get("data"))
    members, required = set(data.get("properties", ())), set(data.get("required", ()))
    given = [set(_mapping(_mapping(each).get("data"))) for each in examples]
    if members not in given:
        yield "/examples", "one must have every member of `data`"
    if required not in given:
        yield "/examples", "one must have only the required members of `data`"


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


EVERYWHERE: Final = frozenset(Kind)
FROM_OUTSIDE: Final = frozenset({Kind.COMMON, Kind.EVENT})
"""Records stay open, since a newer build may add members: they come from ourselves."""

RULES: Final = (
    Rule(name="identity", kinds=EVERYWHERE, check=_identity, why="a file says the same as its place"),
    Rule(name="keyword", kinds=EVERYWHERE, check=_keywords, why="a misspelt keyword checks nothing, without a word"),
    Rule(name="format", kinds=EVERYWHERE, check=_formats, why="every validator must take a format for the same"),
    Rule(name="pattern", kinds=EVERYWHERE, check=_patterns, why="every language must read a pattern the same"),
    Rule(name="reference", kinds=EVERYWHERE, check=_references, why="a check must not depend on another server"),
    Rule(
        name="closed", kinds=FROM_OUTSIDE, check=_closed, why="a misspelt member is refused, and a new one can be added"
    ),
    Rule(name="bounded", kinds=FROM_OUTSIDE, check=_bounded, why="what a producer may send has a size"),
    Rule(name="described", kinds=FROM_OUTSIDE, check=_described, why="the pages for readers are made from it"),
    Rule(name="examples", kinds=frozenset({Kind.EVENT}), check=_examples, why="pages, tools and tests use them"),
)
