"""Instances of a schema at random, for properties: most are valid, the rest are left out by who asks.

It shares nothing with `schemas/compat/samples.py`, whose instances are few and always the same.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from schemas.compat import pointers
from schemas.compat.texts import FORMATS

NAMES = st.sampled_from(["a", "b", "c", "x_1", "x", "extra", "A", "v"])
SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 12), st.sampled_from([0.5, 1.0, -1.5, 4.0]), st.text(max_size=4)
)
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=4
)
TYPES = ("object", "array", "string", "integer", "number", "boolean", "null")
IN_PLACE = ("allOf", "anyOf", "oneOf", "then", "else")
DEPTH = 5


@st.composite
def instances(draw: st.DrawFn, schema: Any, root: Any = None, depth: int = 0) -> Any:
    """An instance of a self-contained schema, or something like it."""
    root = schema if root is None else root
    if not isinstance(schema, dict) or depth > DEPTH:
        return draw(ANYTHING)
    if "$ref" in schema:
        return draw(instances(pointers.follow(root, schema["$ref"].removeprefix("#")), root, depth + 1))
    branches = [part for name in IN_PLACE for part in parts(schema.get(name))]
    descends = draw(st.booleans())
    if branches and descends:
        return draw(instances({**rest(schema), **as_object(draw(st.sampled_from(branches)))}, root, depth + 1))
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return draw(st.sampled_from(schema["enum"])) if schema["enum"] else draw(ANYTHING)
    return draw(typed(schema, root, depth))


def parts(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def rest(schema: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in schema.items() if name not in IN_PLACE}


def as_object(schema: Any) -> dict[str, Any]:
    return schema if isinstance(schema, dict) else {}


@st.composite
def typed(draw: st.DrawFn, schema: dict[str, Any], root: Any, depth: int) -> Any:
    said = schema.get("type", TYPES)
    match draw(st.sampled_from([said] if isinstance(said, str) else list(said))):
        case "object":
            return draw(objects(schema, root, depth))
        case "array":
            return draw(arrays(schema, root, depth))
        case "string":
            return draw(strings(schema))
        case "integer":
            return draw(st.integers(-6, 14)) * draw(st.sampled_from([1, schema.get("multipleOf", 1)]))
        case "number":
            return draw(st.integers(-6, 14)) * draw(st.sampled_from([1, 0.5, schema.get("multipleOf", 1)]))
        case "boolean":
            return draw(st.booleans())
        case _:
            return None


@st.composite
def objects(draw: st.DrawFn, schema: dict[str, Any], root: Any, depth: int) -> Any:
    declared = schema.get("properties", {})
    asked = [
        *schema.get("required", ()),
        *(name for names in schema.get("dependentRequired", {}).values() for name in names),
    ]
    wanted = {name for name in {*declared, *asked} if name in asked or draw(st.booleans())}
    if schema.get("additionalProperties", True) is not False or "patternProperties" in schema:
        wanted |= set(draw(st.lists(NAMES, max_size=2)))
    others = [*schema.get("patternProperties", {}).values(), schema.get("additionalProperties", True)]
    return {
        name: draw(instances(declared.get(name, draw(st.sampled_from(others))), root, depth + 1))
        for name in sorted(wanted)
        if declared.get(name, True) is not False
    }


@st.composite
def arrays(draw: st.DrawFn, schema: dict[str, Any], root: Any, depth: int) -> Any:
    prefix, items = schema.get("prefixItems", []), schema.get("items", True)
    length = draw(
        st.integers(schema.get("minItems", 0), min(schema.get("maxItems", 4), 4) if items is not False else len(prefix))
    )
    held = [schema["contains"]] if "contains" in schema else []
    return [
        draw(instances(draw(st.sampled_from([prefix[at] if at < len(prefix) else items, *held])), root, depth + 1))
        for at in range(length)
    ]


def strings(schema: dict[str, Any]) -> st.SearchStrategy[str]:
    least, most = schema.get("minLength", 0), schema.get("maxLength", schema.get("minLength", 0) + 6)
    made = st.text(st.sampled_from("axA0 \u00e9"), min_size=least, max_size=max(least, most))
    if "format" in schema:
        made = st.sampled_from(FORMATS.get(schema["format"], ("x",))) | made
    return st.from_regex(schema["pattern"]) | made if "pattern" in schema else made
