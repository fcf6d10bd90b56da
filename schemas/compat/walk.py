"""What differs between a writer's and a reader's schema, where the difference may make the reader refuse something.

The walk decides nothing: it names places and fragments. It follows both schemas side by side, through references.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from schemas.compat import pointers, rules, texts
from schemas.compat.keywords import same
from schemas.compat.rules import Rule
from schemas.compat.samples import Step
from schemas.compat.verdict import ABSENT, Schema

LOWER: Final = frozenset({"minLength", "minItems", "minProperties", "minimum", "exclusiveMinimum"})
UPPER: Final = frozenset({"maxLength", "maxItems", "maxProperties", "maximum", "exclusiveMaximum"})
_DESCENDED: Final = frozenset({"properties", "patternProperties", "items", "prefixItems", "allOf", "anyOf", "oneOf"})
_NO_ASSERTIONS: Final = frozenset({"$defs", "definitions", "$anchor", "$dynamicAnchor", "$ref"})
_CLOSING: Final = ("additionalProperties", "unevaluatedProperties")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A place in both schemas, and how an instance gets there."""

    writer_at: str = ""
    reader_at: str = ""
    path: tuple[Step, ...] = ()
    closed_by: tuple[str, ...] = ()  # the reader's keywords, here or above, that refuse unknown members

    def into(self, *steps: str | int, path: tuple[Step, ...] = ()) -> Spot:
        """One level deeper in both; below a member or item nothing above closes the model any more."""
        return replace(
            self,
            writer_at=pointers.join(self.writer_at, *steps),
            reader_at=pointers.join(self.reader_at, *steps),
            path=self.path + path,
            closed_by=() if path else self.closed_by,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A difference that may narrow; fragments, and the schemas around them, to look for an instance."""

    rule: Rule
    what: str
    writer_at: str
    reader_at: str
    refused_by: tuple[str, ...]  # pointers to the reader's keywords that would refuse
    path: tuple[Step, ...]
    writer_part: Any
    reader_part: Any
    writer: Schema  # the whole node, for samples at `path`
    reader: Schema


def changes(writer: dict[str, Any], reader: dict[str, Any]) -> list[Change]:
    """Every difference of two self-contained schemas that may narrow, inner before outer."""
    return list(_Walk(writer, reader).node(writer, reader, Spot()))


class _Walk:
    def __init__(self, writer: dict[str, Any], reader: dict[str, Any]) -> None:
        self.roots = (writer, reader)
        self.seen: set[tuple[str, str]] = set()

    def node(self, writer: Schema, reader: Schema, spot: Spot) -> Iterator[Change]:
        writer, writer_at = _resolved(self.roots[0], writer, spot.writer_at)
        reader, reader_at = _resolved(self.roots[1], reader, spot.reader_at)
        spot = replace(spot, writer_at=writer_at, reader_at=reader_at)
        if (writer_at, reader_at) in self.seen or writer is False:
            return
        self.seen.add((writer_at, reader_at))
        if reader is False:
            yield _change("false", "", spot, (writer, reader), (writer, reader), refused_by=(reader_at,))
        elif isinstance(reader, dict):
            yield from self.keywords({} if isinstance(writer, bool) else writer, reader, spot)

    def keywords(self, writer: dict[str, Any], reader: dict[str, Any], spot: Spot) -> Iterator[Change]:
        closing = tuple(pointers.join(spot.reader_at, name) for name in _CLOSING if reader.get(name, True) is not True)
        spot = replace(spot, closed_by=spot.closed_by + closing)
        if "$ref" in reader:  # beside other keywords
            yield from self.node(_only_reference(writer), {"$ref": reader["$ref"]}, spot.into("$ref"))
        for keyword in sorted(reader, key=lambda name: name not in _DESCENDED):
            if keyword in _DESCENDED:
                yield from self.descend(keyword, writer, reader, spot)
            elif keyword == "additionalProperties" and isinstance(writer.get(keyword), dict) and reader[keyword]:
                yield from self.node(writer[keyword], reader[keyword], spot.into(keyword, path=("extra",)))
            elif _narrows(keyword, writer, reader):
                yield from _assertion(keyword, writer, reader, spot)
        yield from _removed_properties(writer, reader, spot)

    def descend(self, keyword: str, writer: dict[str, Any], reader: dict[str, Any], spot: Spot) -> Iterator[Change]:
        theirs, ours = writer.get(keyword, ABSENT), reader[keyword]
        if isinstance(ours, dict) and keyword in {"properties", "patternProperties"}:
            yield from self.members(keyword, writer, reader, spot)
        elif keyword == "items":
            if isinstance(theirs, dict) and isinstance(ours, dict):
                first = len(reader.get("prefixItems", ()))
                yield from self.node(theirs, ours, spot.into(keyword, path=(first,)))
            elif ours is not True and not same(theirs, ours):
                yield _change(keyword, "", spot, (theirs, ours), (writer, reader))
        elif isinstance(ours, list):
            yield from self.listed(keyword, writer, reader, spot)

    def members(self, keyword: str, writer: dict[str, Any], reader: dict[str, Any], spot: Spot) -> Iterator[Change]:
        theirs = writer.get(keyword, {})
        for name, schema in reader[keyword].items():
            step = name if keyword == "properties" else texts.first_match(name)
            if name in theirs:
                yield from self.node(theirs[name], schema, spot.into(keyword, name, path=(step,)))
            elif writer.get("additionalProperties", True) is not False and schema is not True:
                deeper = spot.into(keyword, name, path=(step,))
                at = (deeper.reader_at,)
                around = (writer.get("additionalProperties", True), schema)
                yield _change(keyword, name, deeper, (ABSENT, schema), around, refused_by=at, exact=True)

    def listed(self, keyword: str, writer: dict[str, Any], reader: dict[str, Any], spot: Spot) -> Iterator[Change]:
        theirs, ours = writer.get(keyword, []), reader[keyword]
        # Alternatives have no places of their own: paired only where their number is the same.
        paired = (
            zip(theirs, ours, strict=False) if keyword not in {"anyOf", "oneOf"} or len(theirs) == len(ours) else ()
        )
        for at, (left, right) in enumerate(paired):
            yield from self.node(left, right, spot.into(keyword, at, path=(at,) if keyword == "prefixItems" else ()))
        if not same(theirs, ours):
            part = theirs if keyword in writer else ABSENT
            yield _change(keyword, "", spot, (part, ours), (writer, reader))


def _assertion(keyword: str, writer: dict[str, Any], reader: dict[str, Any], spot: Spot) -> Iterator[Change]:
    parts, around = (writer.get(keyword, ABSENT), reader[keyword]), (writer, reader)
    if keyword == "required":
        at = (pointers.join(spot.reader_at, keyword),)
        for number, name in enumerate(reader[keyword]):
            if name not in writer.get(keyword, ()):
                found = _change(keyword, name, spot, parts, around, refused_by=at)
                yield replace(found, reader_at=pointers.join(found.reader_at, number))
    elif keyword in {"if", "then", "else"}:
        if keyword != next(name for name in ("if", "then", "else") if not same(writer.get(name), reader.get(name))):
            return  # told once
        refusing = tuple(pointers.join(spot.reader_at, name) for name in ("then", "else"))
        yield _change(keyword, "", spot, parts, around, refused_by=refusing)
    else:
        yield _change(keyword, keyword, spot, parts, around)


def _removed_properties(writer: dict[str, Any], reader: dict[str, Any], spot: Spot) -> Iterator[Change]:
    if not spot.closed_by:
        return
    for name, schema in writer.get("properties", {}).items():
        if name not in reader.get("properties", {}) and schema is not False:
            yield Change(
                rule=rules.BY_NAME["property_removed"],
                what=name,
                writer_at=pointers.join(spot.writer_at, "properties", name),
                reader_at=pointers.join(spot.reader_at, "properties", name),
                refused_by=spot.closed_by,
                path=(*spot.path, name),
                writer_part=schema,
                reader_part=ABSENT,
                writer=schema,
                reader=False,
            )


def _change(  # noqa: PLR0913 - one row of a table
    keyword: str,
    name: str,
    spot: Spot,
    parts: tuple[Any, Any],
    around: tuple[Schema, Schema],
    *,
    refused_by: tuple[str, ...] = (),
    exact: bool = False,
) -> Change:
    steps = () if exact or keyword == "false" else (keyword,)
    at = pointers.join(spot.reader_at, *steps)
    return Change(
        rule=rules.of_keyword(keyword),
        what=name or keyword,
        writer_at=pointers.join(spot.writer_at, *steps),
        reader_at=at,
        refused_by=refused_by or (at,),
        path=spot.path,
        writer_part=parts[0],
        reader_part=parts[1],
        writer=around[0],
        reader=around[1],
    )


def _narrows(keyword: str, writer: dict[str, Any], reader: dict[str, Any]) -> bool:
    """Whether the reader's keyword may refuse what the writer's allows; bounds that only widen don't."""
    theirs, ours = writer.get(keyword, ABSENT), reader[keyword]
    if keyword in _NO_ASSERTIONS or same(theirs, ours):
        return False
    if ours is True:
        return keyword == "uniqueItems"
    if keyword in LOWER and isinstance(theirs, int | float):
        return bool(theirs < ours)
    if keyword in UPPER and isinstance(theirs, int | float):
        return bool(theirs > ours)
    return True


def _resolved(root: dict[str, Any], node: Schema, at: str) -> tuple[Schema, str]:
    """The schema that stands for a node which is nothing but a reference, and where it is."""
    hops = 0
    while isinstance(node, dict) and node.keys() == {"$ref"} and hops < len(root) + 50:
        at = node["$ref"].removeprefix("#")
        node = pointers.follow(root, at)
        hops += 1
    return node, at


def _only_reference(node: dict[str, Any]) -> Schema:
    return {"$ref": node["$ref"]} if "$ref" in node else node
