"""Every subschema of a draft 2020-12 schema, with its JSON pointer (RFC 6901)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

BY_NAME: Final = frozenset({"properties", "patternProperties", "$defs", "dependentSchemas"})
"""Keywords whose value maps names to schemas."""
IN_LIST: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
ALONE: Final = frozenset(
    {
        *("items", "contains", "additionalProperties", "propertyNames", "unevaluatedItems", "unevaluatedProperties"),
        *("if", "then", "else", "not", "contentSchema"),
    }
)
IN_PLACE: Final = frozenset({"allOf", "anyOf", "oneOf", "if", "then", "else", "not", "dependentSchemas"})
"""Keywords whose subschemas judge the same value as the schema that they stand in (core, section 10.2)."""


@dataclass(frozen=True, slots=True)
class Node:
    """A subschema. ``via`` is the keyword that holds it, ``around`` the schemas that judge the same value."""

    pointer: str
    schema: Mapping[str, Any]
    via: str = ""
    around: tuple[Mapping[str, Any], ...] = ()


def walk(document: Mapping[str, Any]) -> Iterator[Node]:
    """The document itself, then every subschema; ``true`` and ``false`` are none."""
    waiting = [Node("", document)]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += reversed(list(_children(node)))


def _children(node: Node) -> Iterator[Node]:
    for keyword, value in node.schema.items():
        around = (*node.around, node.schema) if keyword in IN_PLACE else ()
        for steps, schema in held(keyword, value):
            if isinstance(schema, Mapping):
                yield Node(node.pointer + pointer(steps), schema, keyword, around)


def held(keyword: str, value: Any) -> Iterator[tuple[tuple[object, ...], Any]]:  # noqa: ANN401 - any JSON
    """The subschemas that a keyword holds, booleans too, each with the steps that lead there."""
    if keyword in BY_NAME and isinstance(value, Mapping):
        yield from (((keyword, name), schema) for name, schema in value.items())
    elif keyword in IN_LIST and isinstance(value, list):
        yield from (((keyword, number), schema) for number, schema in enumerate(value))
    elif keyword in ALONE:
        yield (keyword,), value


def pointer(steps: Iterable[object]) -> str:
    """Steps as a JSON pointer."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)
