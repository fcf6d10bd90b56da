"""For GitHub: workflow commands, which it shows on the line.

Source: https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands; the escaping is that of
https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts.
"""

from __future__ import annotations

from schemas.report.content import Report, details, summary, title


def render(report: Report) -> str:
    """An error for each finding, a notice for each waived one and each note; a plain last line."""
    lines = []
    for finding in report.findings:
        told = "\n".join([finding.message, *(f"{label}: {value}" for label, value in details(finding))])
        where = {"file": report.path(finding), "line": str(finding.place.line)}
        lines.append(_command("error", told, **where, title=f"{finding.rule}: {title(finding)}"))
    for each in report.waived:
        until = f"waived until {each.waiver.expires.isoformat()}: {each.waiver.reason}"
        where = {"file": report.path(each.finding), "line": str(each.finding.place.line)}
        lines.append(_command("notice", until, **where, title=f"{each.finding.rule}: {title(each.finding)}"))
    lines += [_command("notice", note) for note in report.notes]
    return "\n".join([*lines, _data(summary(report))]) + "\n"


def _command(name: str, message: str, **properties: str) -> str:
    told = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{name}{' ' if told else ''}{told}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
