"""Instances that a schema probably allows: small, few, the same each time. Whoever uses one asks a validator first.

It follows the keywords that say what to build and leaves `not` and the like to the validator's verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, TypeAlias

from schemas.compat import pointers, scalars, texts
from schemas.compat.verdict import ABSENT, Schema

Step: TypeAlias = str | int
"""A member's name or an item's index."""

PER_NODE: Final = 10
"""Samples of one part of a schema; more finds little more, and costs by the product."""
LARGEST: Final = 2_000
"""Items or members of a sampled container, at most."""
DEPTH: Final = 8
"""Levels of nesting; deeper, a recursive schema is left unsampled."""
TYPES: Final = ("integer", "string", "boolean", "null", "number", "array", "object")
ABOUT: Final = {
    "object": ("properties", "required", "additionalProperties", "patternProperties", "propertyNames", "minProperties",
               "maxProperties", "dependentRequired", "dependentSchemas", "unevaluatedProperties"),
    "array": ("items", "prefixItems", "contains", "minItems", "maxItems", "uniqueItems", "unevaluatedItems"),
    "string": ("pattern", "format", "minLength", "maxLength"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}  # fmt: skip
"""Keywords that speak of one type, and say nothing of the others."""
_MERGED_MAPS: Final = frozenset({"properties", "patternProperties", "$defs"})


@dataclass(frozen=True, slots=True)
class Wish:
    """A value to be put at a place, whatever the schema would have there."""

    path: tuple[Step, ...]
    value: Any

    def beneath(self, step: Step) -> Wish | None:
        """The rest of the wish below ``step``, if it leads there."""
        return Wish(self.path[1:], self.value) if self.path and self.path[0] == step else None


def samples(schema: Schema, wish: Wish | None = None) -> Iterator[Any]:
    """A few instances of a self-contained schema, the smallest first; with ``wish`` granted where it can be."""
    yield from islice(_Sampling(schema).of(schema, wish, 0), 60)


def merged(left: dict[str, Any], right: Schema) -> dict[str, Any]:
    """Both at once, as far as keywords can be laid together; where they can't, the right one wins."""
    if not isinstance(right, dict):
        return left if right else {**left, "enum": []}
    made = {**left, **right}
    for name in _MERGED_MAPS & left.keys() & right.keys():
        made[name] = {**left[name], **right[name]}
        for key in left[name].keys() & right[name].keys():
            if isinstance(left[name][key], dict):
                made[name][key] = merged(left[name][key], right[name][key])
    if "required" in left and "required" in right:
        made["required"] = list(dict.fromkeys([*left["required"], *right["required"]]))
    return made


class _Sampling:
    def __init__(self, root: Schema) -> None:
        self.root = root

    def of(self, schema: Schema, wish: Wish | None, depth: int) -> Iterator[Any]:
        """Samples of one part; ``PER_NODE`` below the root."""
        if wish is not None and not wish.path:
            yield wish.value
            return
        if schema is False or depth > DEPTH:
            return
        node = {} if schema is True else schema
        for flat in islice(self.flattened(node, 0), PER_NODE):
            yield from self.flat(flat, wish, depth)

    def few(self, schema: Schema, wish: Wish | None, depth: int) -> list[Any]:
        return list(islice(self.of(schema, wish, depth), PER_NODE))

    def flattened(self, node: dict[str, Any], hops: int) -> Iterator[dict[str, Any]]:
        """The node with references followed, `allOf` laid together and one alternative chosen, for each alternative."""
        for name in ("$ref", "allOf", "anyOf", "oneOf"):
            if name in node and hops < DEPTH:
                rest = {key: value for key, value in node.items() if key != name}
                for choice in self.choices(name, node[name]):
                    combined = rest
                    for part in choice:
                        combined = merged(combined, part)
                    yield from self.flattened(combined, hops + 1)
                return
        yield node

    def choices(self, name: str, value: Any) -> list[list[Schema]]:  # noqa: ANN401 - a keyword's value
        if name == "$ref":
            target = pointers.follow(self.root, str(value).removeprefix("#"))
            return [] if target is ABSENT else [[target]]
        return [value] if name == "allOf" else [[each] for each in value]

    def flat(self, node: dict[str, Any], wish: Wish | None, depth: int) -> Iterator[Any]:
        if wish is None and "const" in node:
            yield node["const"]
        elif wish is None and "enum" in node:
            yield from node["enum"]
        else:
            for name in _types(node, wish):
                yield from self.typed(name, node, wish, depth)

    def typed(self, name: str, node: dict[str, Any], wish: Wish | None, depth: int) -> Iterator[Any]:
        match name:
            case "object":
                yield from self.objects(node, wish, depth)
            case "array":
                yield from self.arrays(node, wish, depth)
            case _:
                yield from scalars.scalars(name, node)

    def objects(self, node: dict[str, Any], wish: Wish | None, depth: int) -> Iterator[dict[str, Any]]:
        """The least, the fullest, then each member's further values in turn."""
        pool = {name: self.few(each, _beneath(wish, name), depth + 1) for name, each in self.members(node, wish)}
        pool = {name: values for name, values in pool.items() if values}
        needed = set(node.get("required", ())) | ({str(wish.path[0])} if wish else set())
        least = {name: values[0] for name, values in pool.items() if name in needed}
        least |= dict.fromkeys(sorted(needed - pool.keys()), "x")
        full = {name: values[0] for name, values in pool.items() if name != "extra"} | least
        for made in (least, full):
            while len(made) < min(node.get("minProperties", 0), LARGEST):
                made[f"x{len(made)}"] = next(iter(self.few(node.get("additionalProperties", True), None, depth + 1)), 0)
        yield least
        yield full
        declared = node.get("properties", {})
        for name, values in sorted(pool.items(), key=lambda item: item[0] in declared):  # undeclared ones first
            for value in values:
                yield least | {name: value}
                yield full | {name: value}
            yield {other: value for other, value in full.items() if other != name}

    def members(self, node: dict[str, Any], wish: Wish | None) -> Iterator[tuple[str, Schema]]:
        """Names that a member could have, each with the schema of its value."""
        declared: dict[str, Schema] = node.get("properties", {})
        yield from declared.items()
        for pattern, each in node.get("patternProperties", {}).items():
            yield from ((name, each) for name in islice(texts.matching(pattern), 1) if name not in declared)
        rest = node.get("additionalProperties", True)
        names: Iterable[Any] = ()
        if isinstance(node.get("propertyNames"), dict):
            names = self.few({"type": "string", **node["propertyNames"]}, None, DEPTH - 1)
        known = {*declared, *node.get("required", ())}
        others = [*node.get("required", ()), *(name for name in names if name not in known)]
        if wish is not None:
            others.append(str(wish.path[0]))
        if rest is not False and not names:
            others.append("extra")
        yield from ((name, rest) for name in dict.fromkeys(others) if name not in declared)

    def arrays(self, node: dict[str, Any], wish: Wish | None, depth: int) -> Iterator[list[Any]]:
        """As short as may be, one longer, as long as may be, one beyond; items all alike, or each another."""
        prefix: list[Schema] = node.get("prefixItems", [])
        least = max(node.get("minItems", 0), int(wish.path[0]) + 1 if wish else 0)
        if least > LARGEST:
            return
        yield from self.holding(node, depth)
        most = min(node.get("maxItems", max(least, len(prefix)) + 2), LARGEST)
        firsts = [self.few(each, _beneath(wish, at), depth + 1) for at, each in enumerate(prefix)]
        rest = self.few(node.get("items", True), None, depth + 1)
        granted = self.few(node.get("items", True), _beneath(wish, wish.path[0]), depth + 1) if wish else []
        for length in sorted({least, len(prefix), least + 1, most, most + 1}):
            pools = [firsts[at] if at < len(firsts) else rest for at in range(length)]
            if wish is not None and len(firsts) <= int(wish.path[0]) < length:
                pools[int(wish.path[0])] = granted
            if all(pools):
                yield [pool[0] for pool in pools]
                yield [pool[at % len(pool)] for at, pool in enumerate(pools)]
                for at, pool in enumerate(pools[:3]):
                    yield from ([*[p[0] for p in pools[:at]], v, *[p[0] for p in pools[at + 1 :]]] for v in pool[1:])

    def holding(self, node: dict[str, Any], depth: int) -> Iterator[list[Any]]:
        """Lists that `contains` is about: just enough of it, and at its bounds one more."""
        held = self.few(node["contains"], None, depth + 1) if "contains" in node else []
        wanted = min(node.get("minContains", 1), LARGEST) if held else 0
        for count in sorted({wanted, wanted + 1, min(node.get("maxContains", 0), LARGEST)} if held else ()):
            yield from ([each] * count for each in held)
            yield [
                *(held[at % len(held)] for at in range(count)),
                *self.few(node.get("items", True), None, depth + 1)[:1],
            ]


def _beneath(wish: Wish | None, step: Step) -> Wish | None:
    return wish.beneath(step) if wish else None


def _types(node: dict[str, Any], wish: Wish | None) -> Iterable[str]:
    """The types to build: those that are said, else those that the keywords are about, else all."""
    if wish is not None:
        return ("array",) if isinstance(wish.path[0], int) else ("object",)
    said = node.get("type", TYPES)
    if isinstance(said, str):
        return (said,)
    return sorted(said, key=lambda name: not any(keyword in node for keyword in ABOUT.get(name, ())))
