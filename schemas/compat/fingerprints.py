"""A short name for a finding that stays the same while nothing about it changes: waivers refer to it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

import orjson

from schemas.compat.verdict import Absent, Finding

LENGTH: Final = 16


def fingerprinted(findings: Iterable[Finding]) -> Iterator[Finding]:
    """The findings, each with its fingerprint."""
    return (replace(finding, fingerprint=fingerprint(finding)) for finding in findings)


def fingerprint(finding: Finding) -> str:
    """Of rule, subject, versions, directions, place and both fragments; not of lines, wording or the instance shown."""
    parts = [
        finding.rule,
        finding.subject,
        finding.older,
        finding.newer,
        [*finding.directions],
        finding.place.file,
        finding.place.pointer,
        _fragment(finding.old),
        _fragment(finding.new),
    ]
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()[:LENGTH]


def _fragment(part: Any) -> list[Any]:  # noqa: ANN401 - any JSON
    return [] if isinstance(part, Absent) else [part]
