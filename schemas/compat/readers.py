"""How a file's schema stands for what is read and written, before two are compared."""

from __future__ import annotations

from typing import Any

from schemas.compat import keywords

_COMBINING = frozenset({"$ref", "allOf", "anyOf", "oneOf", "if", "not", "dependentSchemas", "$dynamicRef"})


def of_version(schema: dict[str, Any], own: str, spoken: str) -> dict[str, Any]:
    """An event schema that takes ``spoken`` for its own version.

    An event says in `version` which schema it follows, and each schema has that as a `const`. A consumer that reads
    an older event by a newer schema has looked at that member already; it must not make every pair incompatible.
    """
    properties = schema.get("properties", {})
    said = properties.get("version")
    if not isinstance(said, dict) or said.get("const") != own:
        return schema
    return {**schema, "properties": {**properties, "version": {**said, "const": spoken}}}


def as_written(schema: dict[str, Any]) -> dict[str, Any]:
    """A record's schema as its writer keeps to it: no member that it doesn't declare.

    Records are written by this program alone and read by its neighbouring releases. Their schemas are open, so that an
    older worker lets a newer one's members pass; taken literally, that would forbid ever declaring a new member.
    Where schemas are combined at one place, an object is left open: that asks for more than needed, never for less.
    """
    made = keywords.rewrite(schema, _closed)
    assert isinstance(made, dict)
    return made


def _closed(node: dict[str, Any]) -> dict[str, Any]:
    open_model = "properties" in node and not node.keys() & {"additionalProperties", "unevaluatedProperties"}
    return {**node, "additionalProperties": False} if open_model and not node.keys() & _COMBINING else node
