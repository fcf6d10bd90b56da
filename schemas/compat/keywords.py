"""Where draft 2020-12 keeps schemas within a schema, and which keywords say nothing about validity.

Source: https://json-schema.org/draft/2020-12/json-schema-core and …/json-schema-validation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import orjson

from schemas.compat.verdict import Absent, Schema

SINGLE: Final = frozenset(
    {
        *("additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then"),
        *("unevaluatedItems", "unevaluatedProperties"),
    }
)
"""Keywords whose value is a schema."""
LISTS: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
"""Keywords whose value is a list of schemas."""
MAPS: Final = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"})
"""Keywords whose value maps names to schemas."""

TOLD: Final = frozenset({"$comment", "deprecated", "description", "examples", "title"})
"""What a published file may change: words for readers."""
ANNOTATIONS: Final = TOLD | {
    *("$id", "$schema", "$vocabulary", "default", "readOnly", "writeOnly"),
    # Draft 2020-12 asserts none of these (validation, section 8).
    *("contentEncoding", "contentMediaType", "contentSchema"),
}
"""Keywords that no instance can break."""


def rewrite(schema: Schema, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Schema:
    """A copy of ``schema`` in which ``change`` was applied to every object schema, the innermost first."""
    if not isinstance(schema, dict):
        return schema
    return change({name: _inner(name, value, change) for name, value in schema.items()})


def _inner(name: str, value: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:  # noqa: ANN401 - any JSON
    if name in SINGLE:
        return rewrite(value, change)
    if name in LISTS and isinstance(value, list):
        return [rewrite(each, change) for each in value]
    if name in MAPS and isinstance(value, dict):
        return {key: rewrite(each, change) for key, each in value.items()}
    return value


def same(one: Any, other: Any) -> bool:  # noqa: ANN401 - any JSON, or ABSENT
    """Whether two documents are written alike, whatever the order of members. For Python, `true` equals 1."""
    if isinstance(one, Absent) or isinstance(other, Absent):
        return one is other
    return orjson.dumps(one, option=orjson.OPT_SORT_KEYS) == orjson.dumps(other, option=orjson.OPT_SORT_KEYS)


def without(schema: Schema, names: frozenset[str]) -> Schema:
    """``schema`` without those keywords, at any depth; a property that is named like one of them stays."""
    return rewrite(schema, lambda node: {name: value for name, value in node.items() if name not in names})
