"""Two states of a schema folder: what was changed between them, and whether that may pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from schemas.compat import compare, files, readers
from schemas.compat.files import published
from schemas.compat.fingerprints import fingerprinted
from schemas.compat.keywords import same
from schemas.compat.pointers import line_of
from schemas.compat.tree import SchemaFile, Tree
from schemas.compat.verdict import ABSENT, Direction, Finding, Mode, Place, Verdict
from schemas.registry import version_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One pair that was looked at, and what came of it."""

    subject: str
    older: str
    newer: str
    direction: Direction
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """All that a check found; ``compared`` holds every pair, also those that are fine."""

    compared: tuple[Compared, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of two schemas of a pair, with the name that a reader of the findings knows it by."""

    version: str
    name: str
    file: SchemaFile


def check(base: Tree, head: Tree, mode: Mode) -> Checked:
    """Compare what is new or changed in ``head`` with what stands before it.

    Events: each pair of versions of one major, of which at least one is new, or refers to a shared file that changed;
    a published file stays as it is. Records: each file with its former state, in both directions, whatever the mode.
    """
    compared: list[Compared] = []
    findings: list[Finding] = []
    for subject, older, newer, directions in [*_event_pairs(base, head, mode), *_record_pairs(base, head)]:
        for direction in directions:
            done, reasons = _compare(subject, older, newer, direction)
            compared.append(done)
            findings += reasons
    findings += files.findings(base, head)
    return Checked(compared=tuple(compared), findings=tuple(fingerprinted(_joined(findings))))


def _event_pairs(base: Tree, head: Tree, mode: Mode) -> Iterator[tuple[str, Side, Side, tuple[Direction, ...]]]:
    for name in sorted(head.events):
        known, versions = base.events.get(name, {}), head.versions(name)
        for version in versions:
            file = head.events[name][version]
            if version in known and _moved(known[version], file):
                sides = Side(version=version, name=f"{version} as it was", file=known[version]), _side(version, file)
                yield f"events/{name}", *sides, mode.directions
        for older, newer in _version_pairs(versions, mode):
            if older not in known or newer not in known:
                file = known.get(older, head.events[name][older])
                sides = _side(older, file), _side(newer, head.events[name][newer])
                yield f"events/{name}", *sides, mode.directions


def _version_pairs(versions: list[str], mode: Mode) -> Iterator[tuple[str, str]]:
    """Earlier and later versions of one major: each with all before it, or with the last one before it."""
    majors: dict[int, list[str]] = {}
    for version in versions:
        majors.setdefault(version_key(version)[0], []).append(version)
    for group in majors.values():
        if mode.transitive:
            yield from ((older, newer) for at, newer in enumerate(group) for older in group[:at])
        else:
            yield from pairwise(group)


def _record_pairs(base: Tree, head: Tree) -> Iterator[tuple[str, Side, Side, tuple[Direction, ...]]]:
    """Records have no versions: neighbouring releases read each other's, so both directions must hold."""
    for name in sorted(base.records.keys() & head.records.keys()):
        before, after = base.records[name], head.records[name]
        if not same(before.bundle.schema, after.bundle.schema):
            sides = (
                Side(version="before", name="as it was", file=before),
                Side(version="now", name="as it is", file=after),
            )
            yield f"records/{name}", *sides, tuple(Direction)


def _side(version: str, file: SchemaFile) -> Side:
    return Side(version=version, name=version, file=file)


def _moved(before: SchemaFile, after: SchemaFile) -> bool:
    """Whether the same file means something else, since a shared one changed. An edited one is another matter."""
    unedited = same(published(before), published(after))
    return unedited and not same(before.bundle.schema, after.bundle.schema)


def _compare(subject: str, older: Side, newer: Side, direction: Direction) -> tuple[Compared, list[Finding]]:
    writer, reader = (older, newer) if direction is Direction.BACKWARD else (newer, older)
    written, read = writer.file.bundle.schema, reader.file.bundle.schema
    if subject.startswith("records/"):
        written = readers.as_written(written)
    else:
        read = readers.of_version(read, reader.version, writer.version)
    outcome = compare.compare(written, read, writer.file.document.get("examples", ()))
    done = Compared(subject=subject, older=older.name, newer=newer.name, direction=direction, verdict=outcome.verdict)
    return done, [_finding(reason, outcome.verdict, done, older, newer) for reason in outcome.reasons]


def _finding(reason: compare.Reason, verdict: Verdict, pair: Compared, older: Side, newer: Side) -> Finding:
    backward = pair.direction is Direction.BACKWARD
    newer_at, old, new = (
        (reason.reader_at, reason.writer_part, reason.reader_part)
        if backward
        else (reason.writer_at, reason.reader_part, reason.writer_part)
    )
    if new is ABSENT:  # it stands in the older file only
        older_at = reason.writer_at if backward else reason.reader_at
        newer_at = newer_at or older_at
    writer, reader = (older.name, newer.name) if backward else (newer.name, older.name)
    file, pointer = newer.file.home(newer_at)
    return Finding(
        rule=reason.rule,
        verdict=verdict,
        subject=pair.subject,
        older=pair.older,
        newer=pair.newer,
        directions=(pair.direction,),
        place=Place(file=file.path, pointer=pointer, line=line_of(file.lines, pointer)),
        message=f"{reader} refuses what {writer} allows: {reason.message}" if reason.counterexample else reason.message,
        way_out=reason.way_out,
        old=old,
        new=new,
        counterexample=reason.counterexample,
    )


def _joined(findings: list[Finding]) -> Iterator[Finding]:
    """The same finding against several older versions is told once; so is one in a file that types share."""
    groups: dict[tuple[object, ...], list[Finding]] = {}
    for found in findings:
        told = found.rule, repr(found.old), repr(found.new), found.directions, found.place
        pair = () if found.place.file.startswith("common/") else (found.subject, found.newer)
        groups.setdefault((*told, *pair), []).append(found)
    for group in groups.values():
        last = group[-1]
        alike = [found for found in group if (found.subject, found.newer) == (last.subject, last.newer)]
        others = sorted({f"{found.subject} {found.newer}" for found in group if found not in alike})
        message = f"{last.message}; the same for {', '.join(others)}" if others else last.message
        yield replace(last, older=", ".join(found.older for found in alike), message=message)
