"""For programs: a document of `schema-check-1.0.json`, which is published beside this file."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

import orjson

from schemas.compat.verdict import Absent, Finding
from schemas.report.content import Report

FORMAT: Final = "urn:auto_com_center:report:schema-check-1.0"


def render(report: Report) -> str:
    """The whole report."""
    document = {
        "format": FORMAT,
        "passed": report.passed,
        "base": report.base,
        "head": report.head,
        "mode": report.mode,
        "compared": [asdict(each) for each in report.compared],
        "findings": [_finding(report, finding) for finding in report.findings],
        "waived": [
            {"reason": each.waiver.reason, "expires": each.waiver.expires, "finding": _finding(report, each.finding)}
            for each in report.waived
        ],
        "notes": report.notes,
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def _finding(report: Report, finding: Finding) -> dict[str, Any]:
    made: dict[str, Any] = {
        "rule": finding.rule,
        "verdict": finding.verdict,
        "subject": finding.subject,
        "older": finding.older,
        "newer": finding.newer,
        "directions": finding.directions,
        "file": report.path(finding),
        "line": finding.place.line,
        "pointer": finding.place.pointer,
        "message": finding.message,
        "way_out": finding.way_out,
        "fingerprint": finding.fingerprint,
    }
    # An absent fragment is left out: `null` is a fragment too.
    fragments = {"old": finding.old, "new": finding.new}
    made |= {name: value for name, value in fragments.items() if not isinstance(value, Absent)}
    if finding.counterexample is not None:
        made["counterexample"] = asdict(finding.counterexample)
    return made
