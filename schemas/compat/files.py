"""The registry's own rules: what is published is neither edited nor removed, and versions leave no gap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from schemas.compat import pointers, rules
from schemas.compat.keywords import TOLD, same, without
from schemas.compat.pointers import line_of
from schemas.compat.tree import SchemaFile, Tree
from schemas.compat.verdict import ABSENT, Finding, Place, Schema, Verdict
from schemas.registry import version_key


def published(file: SchemaFile) -> Schema:
    """What of a published file may not change: all but its words for readers."""
    return without(file.document, TOLD)


def findings(base: Tree, head: Tree) -> Iterator[Finding]:
    """What was done to published files."""
    for name in sorted(base.events.keys() | head.events.keys()):
        yield from _of_type(f"events/{name}", base.events.get(name, {}), head.events.get(name, {}))
    for name in sorted(base.records.keys() - head.records.keys()):
        yield _finding("record_removed", f"records/{name}", "before", "", _top(base.records[name]))


def _of_type(subject: str, before: Mapping[str, SchemaFile], after: Mapping[str, SchemaFile]) -> Iterator[Finding]:
    for version, file in before.items():
        if version not in after:
            yield _finding("version_removed", subject, version, "", _top(file))
        elif not same(published(file), published(after[version])):
            yield _edited(subject, version, file, after[version])
    for earlier, later in pairwise(["", *sorted(after, key=version_key)]):
        if later not in before and not follows(later, earlier):
            yield _finding("version_gap", subject, earlier, later, _top(after[later]))


def follows(version: str, earlier: str) -> bool:
    """Whether no number is left out between two versions; the first of all begins a major."""
    major, minor = version_key(version)
    if not earlier:
        return minor == 0
    return version_key(earlier) == (major, minor - 1) or (minor == 0 and version_key(earlier)[0] == major - 1)


def _edited(subject: str, version: str, before: SchemaFile, after: SchemaFile) -> Finding:
    old, new, pointer = _difference(published(before), published(after), "")
    place = Place(file=after.path, pointer=pointer, line=line_of(after.lines, pointer))
    return _finding("published_file_changed", subject, version, version, place, old=old, new=new)


def _difference(old: Any, new: Any, pointer: str) -> tuple[Any, Any, str]:  # noqa: ANN401 - any JSON
    """The innermost single place where two documents differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        differing = [name for name in {**old, **new} if not same(old.get(name, ABSENT), new.get(name, ABSENT))]
        if len(differing) == 1:
            name = differing[0]
            return _difference(old.get(name, ABSENT), new.get(name, ABSENT), pointers.join(pointer, name))
    return old, new, pointer


def _top(file: SchemaFile) -> Place:
    return Place(file=file.path, pointer="", line=1)


def _finding(  # noqa: PLR0913 - one row of a report
    name: str,
    subject: str,
    older: str,
    newer: str,
    place: Place,
    *,
    old: Any = ABSENT,  # noqa: ANN401 - any JSON
    new: Any = ABSENT,  # noqa: ANN401 - any JSON
) -> Finding:
    rule = rules.FILE_RULES[name]
    return Finding(
        rule=rule.name,
        verdict=Verdict.FORBIDDEN,
        subject=subject,
        older=older,
        newer=newer,
        directions=(),
        place=place,
        message=rule.says,
        way_out=rule.way_out,
        old=old,
        new=new,
    )
