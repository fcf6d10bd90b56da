"""A second way to a proof, for what the canonical form leaves unknown, such as recursive schemas.

A schema is the conjunction of its keywords, and `properties`, `items`, `allOf`, `anyOf` and the like grow when the
schemas in them grow. So where two schemas have the same shape, it is enough that each part covers its counterpart, and
the parts are small enough for the canonical form. Recursion is by induction over the instance: a pair of references may
be taken as proved below a member or an item, never at the same place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from schemas.compat import pointers, proof
from schemas.compat.proof import Answer
from schemas.compat.verdict import Schema

Counterparts: TypeAlias = list[tuple[Schema, Schema]]
"""A reader's part each, and the writer's that it must cover."""

_DEFINITIONS: Final = frozenset({"$defs", "definitions", "$anchor"})
_BELOW: Final = frozenset(
    {"items", "additionalProperties", "properties", "patternProperties", "prefixItems", "propertyNames"}
)
_HERE: Final = frozenset({"allOf", "anyOf"})
_GROWING: Final = _BELOW | _HERE | {"$ref"}
_COUPLED: Final = frozenset(
    {
        # What these allow depends on their siblings, or shrinks when a part grows.
        *("contains", "dependentSchemas", "else", "if", "maxContains", "minContains", "not", "oneOf", "then"),
        *("unevaluatedItems", "unevaluatedProperties", "$dynamicRef", "$dynamicAnchor"),
    }
)
_IN_PLACE: Final = _HERE | {"$ref", "oneOf", "if", "not", "dependentSchemas", "$dynamicRef"}


@dataclass(frozen=True, slots=True)
class Induction:
    """The two documents, and the pairs of references under way: at this place of the instance, and at those above."""

    reader: dict[str, Any]
    writer: dict[str, Any]
    here: frozenset[tuple[str, str]] = frozenset()
    above: frozenset[tuple[str, str]] = frozenset()

    def below(self) -> Induction:
        """For what is smaller than the instance here."""
        return replace(self, here=frozenset(), above=self.above | self.here)


def covers(reader: dict[str, Any], writer: dict[str, Any]) -> bool:
    """Whether ``reader`` surely allows all that ``writer`` allows; ``False`` proves nothing."""
    return _covers(reader, writer, Induction(reader, writer))


def _covers(reader: Schema, writer: Schema, now: Induction) -> bool:
    if writer is False or reader is True or reader == {}:
        return True
    if reader is False:
        return False
    writer = {} if writer is True else writer
    assert isinstance(reader, dict)
    assert isinstance(writer, dict)
    if _standalone(reader) and _standalone(writer) and proof.covers(reader, writer).answer is Answer.YES:
        return True
    if "$ref" in reader or "$ref" in writer:
        return _references(_alone(reader), _alone(writer), now)
    return _keywords(_unevaluated_as_additional(reader), _unevaluated_as_additional(writer), now)


def _references(reader: dict[str, Any], writer: dict[str, Any], now: Induction) -> bool:
    if "$ref" not in reader and "$ref" not in writer:  # they stood beside other keywords
        return _keywords(reader, writer, now)
    met = (str(reader), str(writer))  # each text means one thing in its document, so these pairs are finite in number
    if met in now.above:
        return True
    if met in now.here:
        return False
    return _covers(_target(reader, now.reader), _target(writer, now.writer), replace(now, here=now.here | {met}))


def _alone(schema: dict[str, Any]) -> dict[str, Any]:
    """A reference beside other keywords is one more part of them."""
    rest = {name: value for name, value in schema.items() if name not in _DEFINITIONS | {"$ref"}}
    if "$ref" not in schema or not rest:
        return schema
    return {**rest, "allOf": [*rest.get("allOf", []), {"$ref": schema["$ref"]}]}


def _target(schema: dict[str, Any], root: dict[str, Any]) -> Schema:
    found: Schema = pointers.follow(root, schema["$ref"].removeprefix("#")) if "$ref" in schema else schema
    return found


def _keywords(reader: dict[str, Any], writer: dict[str, Any], now: Induction) -> bool:
    if (reader.keys() | writer.keys()) & _COUPLED:
        return False
    ours, theirs = _assertions(reader), _assertions(writer)
    if proof.covers(ours, theirs).answer is not Answer.YES:
        return False
    if reader.get("patternProperties", {}).keys() != writer.get("patternProperties", {}).keys():
        return False
    names = reader.get("propertyNames", True), writer.get("propertyNames", True)
    inner = [names, *_members(reader, writer), *_items(reader, writer)]
    if not all(_covers(mine, other, now.below()) for mine, other in inner):
        return False
    return all(_branches(reader, writer, name, now) for name in _HERE & reader.keys())


def _assertions(schema: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in schema.items() if name not in _GROWING | _DEFINITIONS}


def _standalone(schema: dict[str, Any]) -> bool:
    """Whether it means the same wherever it stands; a property of such a name makes us more careful, no more."""
    text = str(schema)
    return "$ref" not in text and "$dynamicRef" not in text


def _unevaluated_as_additional(schema: dict[str, Any]) -> dict[str, Any]:
    """The same in simpler keywords: with no schema beside it at the same place, "unevaluated" means "additional"."""
    if schema.keys() & _IN_PLACE or "contains" in schema:
        return schema
    made = dict(schema)
    for name, simple in (("unevaluatedProperties", "additionalProperties"), ("unevaluatedItems", "items")):
        if name in made and simple not in made:
            made[simple] = made.pop(name)
    return made


def _members(reader: dict[str, Any], writer: dict[str, Any]) -> Counterparts:
    """For each declared name, what the reader asks of it against all that the writer asks; then the rest."""
    patterns = reader.get("patternProperties", {}), writer.get("patternProperties", {})
    names = reader.get("properties", {}).keys() | writer.get("properties", {}).keys()
    pairs: Counterparts = [
        (ours, {"allOf": theirs} if len(theirs) > 1 else theirs[0])
        for name in sorted(names)
        for theirs in [_asked(writer, name)]
        for ours in _asked(reader, name)
    ]
    pairs += [(patterns[0][name], patterns[1][name]) for name in patterns[0]]
    return [*pairs, (reader.get("additionalProperties", True), writer.get("additionalProperties", True))]


def _asked(schema: dict[str, Any], name: str) -> list[Schema]:
    """The schemas that a member of this name must satisfy, at least one."""
    found = [schema["properties"][name]] if name in schema.get("properties", {}) else []
    found += [each for pattern, each in schema.get("patternProperties", {}).items() if proof.matches(pattern, name)]
    return found or [schema.get("additionalProperties", True)]


def _items(reader: dict[str, Any], writer: dict[str, Any]) -> Counterparts:
    """Counterparts among items, place by place; then the rest."""
    ours, theirs = reader.get("prefixItems", []), writer.get("prefixItems", [])
    rest = reader.get("items", True), writer.get("items", True)
    count = max(len(ours), len(theirs))
    filled = [[*each, *([after] * (count - len(each)))] for each, after in zip((ours, theirs), rest, strict=True)]
    return [*zip(filled[0], filled[1], strict=True), rest]


def _branches(reader: dict[str, Any], writer: dict[str, Any], name: str, now: Induction) -> bool:
    """Branch by branch; or each branch of `allOf` covers all that the writer says."""
    ours, theirs = reader[name], writer.get(name, [])
    if len(ours) == len(theirs):
        return all(_covers(mine, other, now) for mine, other in zip(ours, theirs, strict=True))
    return name == "allOf" and all(_covers(mine, writer, now) for mine in ours)
