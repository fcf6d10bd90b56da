"""For code scanning: SARIF 2.1.0 (https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html)."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

import orjson

from schemas.compat import rules
from schemas.compat.verdict import Finding, Verdict
from schemas.report.content import Report, details, title

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_RULES: Final = [
    *((rule.name, rule.says.format(what="it"), rule.way_out) for rule in rules.NARROWING),
    *((rule.name, rule.says.format(what="the reason"), rule.way_out) for rule in rules.FILES),
]
_INDEX: Final = {name: at for at, (name, _, _) in enumerate(_RULES)}


def render(report: Report) -> str:
    """One run, with every rule described, and waived findings as suppressed ones."""
    results = [_result(report, finding) for finding in report.findings]
    results += [
        _result(report, each.finding)
        | {"suppressions": [{"kind": "external", "status": "accepted", "justification": each.waiver.reason}]}
        for each in report.waived
    ]
    described = [
        {"id": name, "shortDescription": {"text": says}, "help": {"text": way_out}} for name, says, way_out in _RULES
    ]
    run = {
        "tool": {"driver": {"name": "comcenter schema check", "rules": described}},
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    document = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def _result(report: Report, finding: Finding) -> dict[str, Any]:
    told = "\n".join([title(finding), finding.message, *(f"{label}: {value}" for label, value in details(finding))])
    return {
        "ruleId": finding.rule,
        "ruleIndex": _INDEX[finding.rule],
        "level": "warning" if finding.verdict is Verdict.UNPROVED else "error",
        "message": {"text": told},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(report.path(finding))},
                    "region": {"startLine": finding.place.line},
                },
                "logicalLocations": [{"fullyQualifiedName": finding.place.pointer or "/"}],
            }
        ],
        "partialFingerprints": {"comcenterSchemaCheck/v1": finding.fingerprint},
    }
