"""Every small change of a shipped schema, one at a time: what the check says of real ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import jsonschema

from adapters import schema_sources
from schemas import registry
from schemas.compat import tree
from schemas.compat.compare import compare
from schemas.compat.verdict import Verdict

SHIPPED = tree.read(schema_sources.folder(registry.ROOT).files, "schemas")
LATEST = SHIPPED.versions("new_match")[-1]
FILES = [SHIPPED.events["new_match"][LATEST], SHIPPED.records["render"]]
NUMBERS = ("maxLength", "minLength", "maxItems", "maxProperties", "minimum", "maximum")
DROPPED = (*NUMBERS, "pattern", "format", "enum", "const", "required", "additionalProperties", "propertyNames")
ADDED = ({"pattern": "^[a-z]"}, {"format": "uuid"}, {"enum": ["a", "b"]}, {"maxLength": 3}, {"minLength": 2})


def nodes(schema: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Every part of a schema that has a type, with its path."""
    if not isinstance(schema, dict):
        return
    yield path, schema
    for keyword in ("properties", "$defs"):
        for name, inner in schema.get(keyword, {}).items():
            yield from nodes(inner, (*path, keyword, name))
    for keyword in ("items", "additionalProperties", "propertyNames"):
        yield from nodes(schema.get(keyword), (*path, keyword))


def changed(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The node with one thing dropped, moved or added."""
    yield from ({name: value for name, value in node.items() if name != gone} for gone in DROPPED if gone in node)
    yield from (
        node | {name: node[name] + by} for name in NUMBERS if name in node for by in (1, -1) if node[name] + by >= 0
    )
    alone = {name: value for name, value in node.items() if name != "$defs"}
    yield {"anyOf": [alone, {"type": "null"}], "$defs": node.get("$defs", {})}
    if node.get("type") == "string":
        yield from (node | added for added in ADDED)
    if node.get("type") == "array":
        yield from (node | {"uniqueItems": True}, node | {"minItems": 1})
    properties, required = node.get("properties", {}), node.get("required", [])
    for name in properties:
        kept = {other: value for other, value in properties.items() if other != name}
        yield node | {"properties": kept, "required": [other for other in required if other != name]}
        yield node | {"required": sorted({*required, name})}
    if properties:
        yield node | {"properties": properties | {"brand_new": {"type": "integer"}}}


def replaced(root: dict[str, Any], path: tuple[str, ...], node: dict[str, Any]) -> dict[str, Any]:
    if not path:
        return node
    made = deepcopy(root)
    place = made
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = node
    return made


def test_every_change_is_proved_or_shown_except_where_only_patterns_and_formats_could_tell() -> None:
    """Both directions; what is shown holds for a validator of another project too."""
    verdicts: Counter[Verdict] = Counter()
    for file in FILES:
        before, examples = file.bundle.schema, file.document.get("examples", ())
        for path, node in nodes(before):
            for after in changed(node):
                whole = replaced(before, path, after)
                for writer, reader in ((before, whole), (whole, before)):
                    outcome = compare(writer, reader, examples)
                    verdicts[outcome.verdict] += 1
                    if outcome.verdict is Verdict.UNPROVED:
                        assert {"pattern", "format"} & {*node, *after}, (path, after)
                    elif outcome.verdict is Verdict.INCOMPATIBLE and verdicts[outcome.verdict] % 5 == 0:
                        holds(outcome.reasons[0].counterexample, writer, reader)
    assert verdicts.total() > 300
    assert verdicts[Verdict.INCOMPATIBLE] > 100
    assert verdicts[Verdict.UNPROVED] < verdicts.total() / 20


def holds(shown: Any, writer: Any, reader: Any) -> None:
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    assert jsonschema.Draft202012Validator(writer, format_checker=checker).is_valid(shown.instance)
    if shown.refused_by != "format":  # how exactly an address or a URI is checked differs between the two
        assert not jsonschema.Draft202012Validator(reader, format_checker=checker).is_valid(shown.instance)
