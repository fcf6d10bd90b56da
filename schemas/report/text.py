"""For people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from schemas.compat.verdict import Finding
from schemas.report.content import Report, details, summary, title


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """Control sequences (ECMA-48, SGR); empty ones where nothing interprets them."""

    bad: str = ""
    good: str = ""
    faint: str = ""
    end: str = ""


PLAIN: Final = Palette()
COLOURED: Final = Palette(bad="\x1b[1;31m", good="\x1b[32m", faint="\x1b[2m", end="\x1b[0m")
_LABEL_WIDTH: Final = 12


def render(report: Report, palette: Palette = PLAIN) -> str:
    """Each finding with all that is known of it, and one line at the end."""
    return "".join(f"{line}\n" for line in _lines(report, palette))


def _lines(report: Report, palette: Palette) -> Iterator[str]:
    for finding in report.findings:
        yield from _finding(report, finding, palette)
        yield ""
    for each in report.waived:
        told = f"{each.waiver.fingerprint} until {each.waiver.expires.isoformat()}: {each.waiver.reason}"
        yield _visible(f"waived: {title(each.finding)}: {each.finding.rule} ({told})")
    for note in report.notes:
        yield _visible(f"note: {note}")
    yield f"{palette.good if report.passed else palette.bad}{_visible(summary(report))}{palette.end}"


def _finding(report: Report, finding: Finding, palette: Palette) -> Iterator[str]:
    place = f"{report.path(finding)}:{finding.place.line}"
    yield f"{_visible(place)}: {palette.bad}{finding.verdict}{palette.end} {finding.rule}"
    yield f"  {_visible(title(finding))}"
    yield f"  {_visible(finding.message)}"
    for label, value in details(finding):
        yield f"  {palette.faint}{label:{_LABEL_WIDTH}}{palette.end}{_visible(value)}"


def _visible(text: str) -> str:
    """Without characters that steer a terminal: a schema under review may come from a stranger."""
    return "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in text)
