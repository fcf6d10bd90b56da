"""Findings that someone has looked at and lets pass, each with a reason and an end: `waivers.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from schemas.compat import rules
from schemas.compat.verdict import Finding, Place, Verdict

FILE_NAME: Final = "waivers.toml"
_KEYS: Final = {"fingerprint": str, "reason": str, "expires": date}


class WaiverError(ValueError):
    """The file can't be read as waivers; the message says which entry, and what to write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """One row; it holds to the end of the day ``expires``."""

    fingerprint: str
    reason: str
    expires: date
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Waived:
    """A finding that does not count, and why."""

    finding: Finding
    waiver: Waiver


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorted:
    """What is left to mend, what was waived, and what to say about the file."""

    findings: tuple[Finding, ...]
    waived: tuple[Waived, ...]
    notes: tuple[str, ...]


def read(text: str, name: str = FILE_NAME) -> tuple[Waiver, ...]:
    """The waivers of a file.

    Raises:
        WaiverError: it is not TOML, or an entry lacks one of its three members.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise WaiverError(f"{name}: not TOML: {error}") from None
    rows = document.get("waiver", [])
    if set(document) - {"waiver"} or not isinstance(rows, list):
        raise WaiverError(f"{name}: each waiver stands under [[waiver]], and nothing else does")
    starts = [number for number, line in enumerate(text.splitlines(), 1) if line.strip().startswith("[[waiver]]")]
    return tuple(_waiver(row, number, starts, name) for number, row in enumerate(rows))


def _waiver(row: Mapping[str, Any], number: int, starts: list[int], name: str) -> Waiver:
    line = starts[number] if number < len(starts) else 1
    wrong = [key for key, kind in _KEYS.items() if type(row.get(key)) is not kind or not row[key]]
    if wrong or set(row) - set(_KEYS):
        told = ", ".join(wrong or sorted(set(row) - set(_KEYS)))
        raise WaiverError(
            f'{name}:{line}: wrong or missing: {told}; write fingerprint = "…", reason = "…", expires = 2027-01-31'
        )
    return Waiver(**{key: row[key] for key in _KEYS}, line=line)


def apply(findings: Iterable[Finding], waivers: Iterable[Waiver], *, today: date, name: str = FILE_NAME) -> Sorted:
    """Set aside what is waived. An expired waiver of a finding that is still there is a finding of its own."""
    by_fingerprint = {waiver.fingerprint: waiver for waiver in waivers}
    left: list[Finding] = []
    waived: list[Waived] = []
    notes: list[str] = []
    for finding in findings:
        waiver = by_fingerprint.pop(finding.fingerprint, None)
        if waiver is None:
            left.append(finding)
        elif not finding.waivable:
            left.append(finding)
            notes.append(f"{name}:{waiver.line}: {finding.fingerprint} has a counterexample, so it can't be waived")
        elif waiver.expires < today:
            left += [finding, _expired(finding, waiver, name)]
        else:
            waived.append(Waived(finding=finding, waiver=waiver))
    notes += [f"{name}:{w.line}: {w.fingerprint} waives nothing any more; remove it" for w in by_fingerprint.values()]
    return Sorted(findings=tuple(left), waived=tuple(waived), notes=tuple(notes))


def _expired(finding: Finding, waiver: Waiver, name: str) -> Finding:
    rule = rules.FILE_RULES["waiver_expired"]
    return Finding(
        rule=rule.name,
        verdict=Verdict.FORBIDDEN,
        subject=finding.subject,
        older=finding.older,
        newer=finding.newer,
        directions=(),
        place=Place(file=name, pointer="", line=waiver.line),
        message=f"{rule.says}: {waiver.fingerprint}, on {waiver.expires.isoformat()} ({waiver.reason})",
        way_out=rule.way_out,
        fingerprint=f"{finding.fingerprint}-expired",
    )
