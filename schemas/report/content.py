"""What every format tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from schemas.compat.check import Compared
from schemas.compat.verdict import Absent, Finding, Mode
from schemas.compat.waivers import Waived

READABLE = 2_000
"""Characters of a fragment or instance for people; GitHub cuts an annotation at 64 KiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The result of one check. ``folder`` is the schema folder as a path from where annotations are read."""

    base: str
    head: str
    folder: str
    mode: Mode
    compared: tuple[Compared, ...]
    findings: tuple[Finding, ...]
    waived: tuple[Waived, ...]
    notes: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing is left to mend."""
        return not self.findings

    def path(self, finding: Finding) -> str:
        """The file to annotate."""
        return finding.place.file if self.folder in {"", "."} else f"{self.folder}/{finding.place.file}"


def title(finding: Finding) -> str:
    """Which pair it is about: `welcome 1.0 → 1.1, BACKWARD`."""
    name = finding.subject.partition("/")[2]
    versions = " → ".join(version for version in dict.fromkeys((finding.older, finding.newer)) if version)
    directions = "".join(f", {direction}" for direction in finding.directions)
    return f"{name} {versions}{directions}"


def compact(value: Any) -> str:  # noqa: ANN401 - any JSON
    """JSON on one line, or `(absent)`."""
    return repr(value) if isinstance(value, Absent) else orjson.dumps(value).decode()


def shortened(value: Any) -> str:  # noqa: ANN401 - any JSON
    """The same, cut where it is too long to be read; the JSON report has all of it."""
    whole = compact(value)
    return whole if len(whole) <= READABLE else f"{whole[:READABLE]}… ({len(whole)} characters; --format json has all)"


def details(finding: Finding) -> list[tuple[str, str]]:
    """What is known of a finding beyond its message, labelled, in the order to read it."""
    told = [("at", finding.place.pointer or "/")]
    if not (isinstance(finding.old, Absent) and isinstance(finding.new, Absent)):
        told += [("older", shortened(finding.old)), ("newer", shortened(finding.new))]
    if finding.counterexample is not None:
        shown = finding.counterexample
        told.append(("instance", shortened(shown.instance)))
        told.append(("refused", f"at {shown.refused_at or '/'} by `{shown.refused_by}`"))
    return [*told, ("way out", finding.way_out), ("fingerprint", finding.fingerprint)]


def summary(report: Report) -> str:
    """One line: how much was compared, and what came of it."""
    counts = f"compared {len(report.compared)}, found {len(report.findings)}, waived {len(report.waived)}"
    return f"{'passed' if report.passed else 'failed'}: {report.head} against {report.base}, {report.mode}: {counts}"
