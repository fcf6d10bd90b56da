"""Is a tree of schemas fit to be used? Every file against the metaschema, the rules and its own examples.

Two validators look at each: `jsonschema`, the reference, and `jsonschema-rs`, which decides at run time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import regress
from jsonschema.exceptions import best_match

from schemas import files, reference, registry
from schemas.files import Kind, SchemaFile
from schemas.rules import RULES
from schemas.walk import pointer, walk

MAX_MESSAGE: Final = 200
MEANING: Final = frozenset({"keyword", "format", "reference"})
"""Rules without which a schema says nothing certain: its examples are not looked at before they are kept."""
PLACES: Final = "events/<type>/<major>.<minor>.json, common/<name>.json or records/<name>.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong where: file under the tree, JSON pointer into it, the rule, and what to change."""

    file: str
    pointer: str
    rule: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was looked at, and what is wrong with it; fine if there are no ``problems``."""

    files: int
    examples: int
    problems: tuple[Problem, ...]


def validate(root: Path) -> Report:
    """Check every schema under ``root``.

    Raises:
        SchemaLoadError: there is no schema at all, or a file can't be read.
    """
    try:
        found = files.read(root)
    except OSError as error:
        raise registry.SchemaLoadError(f"{error.filename}: {error.strerror}") from None
    if not found:
        raise registry.SchemaLoadError(f"{root}: no schemas; expected are {PLACES}")
    sound = {file.place: document for file in found if (document := _sound(file)) is not None}
    common = {file.id: sound[file.place] for file in found if file.kind is Kind.COMMON and file.place in sound}
    problems = [problem for file in found for problem in _problems(file, common)]
    examples = sum(len(document.get("examples", [])) for document in sound.values())
    return Report(files=len(found), examples=examples, problems=tuple(problems))


def _sound(file: SchemaFile) -> Mapping[str, Any] | None:
    """The document, if it is a schema in its place, so that the rules can walk it."""
    return None if file.document is None or any(_basic_problems(file)) else file.document


def _problems(file: SchemaFile, common: Mapping[str, Mapping[str, Any]]) -> Iterator[Problem]:
    document = _sound(file)
    if document is None:
        yield from _basic_problems(file)
        return
    broken = [
        Problem(file=file.place, pointer=pointer, rule=rule.name, message=message)
        for rule in RULES
        if file.kind in rule.kinds
        for pointer, message in rule.check(file, document)
    ]
    yield from broken
    if not any(problem.rule in MEANING for problem in broken):
        yield from _example_problems(file, document, common)


def _basic_problems(file: SchemaFile) -> Iterator[Problem]:
    def problem(rule: str, message: str, pointer: str = "") -> Problem:
        return Problem(file=file.place, pointer=pointer, rule=rule, message=message[:MAX_MESSAGE])

    if file.kind is None:
        yield problem("place", f"no schema belongs there: name it {PLACES}")
    elif file.document is None:
        yield problem("json", file.fault)
    elif error := best_match(reference.metaschema_errors(file.document)):
        where = pointer(error.absolute_path)
        yield problem("metaschema", f"is no draft 2020-12 schema there: {error.message}", where)
    else:
        for node in walk(file.document):
            if fault := _pattern_fault(node.schema):
                yield problem("metaschema", fault, f"{node.pointer}/pattern")


def _pattern_fault(schema: Mapping[str, Any]) -> str:
    try:
        regress.Regex(schema.get("pattern", ""), "u")
    except regress.RegressError as error:
        return f"is no regular expression (ECMA-262): {error}"
    return ""


def _example_problems(
    file: SchemaFile, document: Mapping[str, Any], common: Mapping[str, Mapping[str, Any]]
) -> Iterator[Problem]:
    def problem(rule: str, message: str, pointer: str = "") -> Problem:
        return Problem(file=file.place, pointer=pointer, rule=rule, message=message)

    try:
        compiled = registry.compile_schema(
            dict(document), jsonschema_rs.Registry([(uri, dict(each)) for uri, each in common.items()])
        )
    except registry.SchemaLoadError as error:
        yield problem("reference", str(error)[:MAX_MESSAGE])
        return
    second = reference.validator(document, common)
    for number, example in enumerate(document.get("examples", [])):
        breaches = list(compiled.violations(example))
        for breach in breaches:
            yield problem("example", f"breaks `{breach.keyword}`", f"/examples/{number}{breach.pointer}")
        try:
            agreed = second.is_valid(example) is not bool(breaches)
        except RecursionError:
            # An example nests at most as deep as its file, so it is not the example.
            yield problem("reference", "a `$ref` leads round to itself: let it pass through a member or an item")
            return
        if not agreed:
            yield problem("validators", "jsonschema and jsonschema-rs disagree on it", f"/examples/{number}")
