"""The status for a person: one screen, at most `WIDTH` columns, without colour, so that it reads well in a pipe."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final

from streams.core.letters import moment
from streams.status.report import Report

WIDTH: Final = 100
LABEL: Final = 11
NOBODY: Final = "no worker is heard"


def page(report: Report) -> list[str]:
    """The lines of the screen."""
    found = _shown(f"status of {report.bootstrap}, prefix {report.prefix or '(none)'}, at {report.at}", "", "")
    for label, section in SECTIONS.items():
        for index, text in enumerate(section(report)):
            found += _shown(text, label if index == 0 else "", " " * LABEL)
    return found


def _shown(text: str, label: str, indent: str) -> list[str]:
    """Wrapped, with what might write on a terminal made visible."""
    clean = "".join(char if char.isprintable() else "?" for char in text)
    lines = textwrap.wrap(
        clean, WIDTH, initial_indent=f"{label:{len(indent)}}", subsequent_indent=indent + "  " * bool(indent)
    )
    return lines or [label]


def _verdict(report: Report) -> Iterator[str]:
    if not report.findings:
        yield "fine: nothing needs a person"
    yield from (f"NEEDS A PERSON: {finding}" for finding in report.findings)


def _modes(report: Report) -> Iterator[str]:
    if not report.modes:
        yield NOBODY
    for one in report.modes:
        yield f"{one.mode}{_because(one.why)}{_whose(one.workers, report)}"


def _windows(report: Report) -> Iterator[str]:
    if not report.windows:
        yield NOBODY
    for one in report.windows:
        until = f"until {one.until}" if one.until else "no launch is known (LAUNCHED_AT)"
        yield f"{f'inside, {until}' if one.inside else 'outside'}{_whose(one.workers, report)}"


def _gate(report: Report) -> Iterator[str]:
    if not report.gates:
        yield f"RED: {NOBODY}"
        return
    yield report.gate1 if report.gate1 == "RED" else f"GREEN since {max(gate.since for gate in report.gates)}"
    for gate in report.gates:
        if not gate.green:
            yield f"RED on {gate.worker} since {gate.since}: {gate.why}"


def _flags(report: Report) -> Iterator[str]:
    told = [
        f"{one.flag} {'on' if one.on else 'off'} ({one.source}{_whose(one.workers, report)})" for one in report.flags
    ]
    yield ", ".join(told) or NOBODY


def _orders(report: Report) -> Iterator[str]:
    if not report.operators_listed:
        yield "the operators file here (OPERATORS_FILE) lists nobody, so no order can be judged"
    elif not report.orders:
        yield "none stands"
    for one in report.orders:
        until = "" if one.expires_at_ms is None else f" until {moment(one.expires_at_ms)}"
        value = str(one.value).lower()
        yield f"{one.setting} {value} for {one.scope}{until}, {one.operator} {moment(one.appended_ms)}: {one.reason}"


def _holds(report: Report) -> Iterator[str]:
    """Topics that are held for one reason, together."""
    if not report.holds:
        yield "none"
    for reason, group in groupby(sorted(report.holds, key=lambda one: one.reason), key=lambda one: one.reason):
        held = list(group)
        left = [one.left_s for one in held if one.left_s is not None]
        kept = f", the oldest is kept for {span(min(left))}" if left else ""
        since = min(one.since for one in held)
        who = tuple(dict.fromkeys(name for one in held for name in one.workers))
        topics = ", ".join(one.topic for one in held)
        yield f"{reason}{f' since {since}' if since else ''}{kept}{_whose(who, report)}: {topics}"


def _breakers(report: Report) -> Iterator[str]:
    if not report.breakers:
        yield "none open"
    for one in report.breakers:
        yield f"{one.topic} open since {moment(one.since_ms)}: {one.why}, {one.run} in a row, ratio {one.ratio:.2f}"


def _lag(report: Report) -> Iterator[str]:
    """A line per group; topics in which nothing waits are left out."""
    for group, found in groupby(report.lag, key=lambda one: one.group):
        lags = list(found)
        behind = [f"{one.topic} {one.records}" for one in lags if one.records]
        yield f"{group}: {sum(one.records for one in lags)} records{_listed(behind)}"


def _cap(report: Report) -> Iterator[str]:
    limits = [f"{limit}{_whose(who, report)}" for limit, who in report.rate_limits.items()]
    yield f"{', '.join(limits)} a minute" if limits else NOBODY
    for one in report.backlog:
        room = "no cap" if one.units is None else f"{one.room} of {one.units} may begin now"
        aside = f" ({one.aside} of them set aside)" if one.aside else ""
        eta = f"no end in sight: {one.eta_why}" if one.eta_s is None else f"gone in {span(one.eta_s)}"
        waiting = f"{one.waiting} wait{aside}" if one.waiting else "nothing waits"
        yield f"{one.category}: {', '.join([waiting, room, *([eta] if one.waiting or one.eta_why else [])])}"


def _dead_letters(report: Report) -> Iterator[str]:
    letters = report.dead_letters
    if letters.more:
        yield f"more than {letters.count}: comcenter dlq stats counts them all"
    else:
        yield f"{letters.count}{_listed(_counts(letters.last_day), 'of the last 24 h ')}"
    if letters.seconds_left is not None:
        yield f"the oldest may be gone in {span(letters.seconds_left)}"


def _workers(report: Report) -> Iterator[str]:
    if not report.workers:
        yield NOBODY
    for one in report.workers:
        owns = [f"{name} {_numbers(parts)}" for name, parts in one.partitions.items() if parts]
        reads = [f"{name} {_numbers(parts)}" for name, parts in one.reading.items()]
        clock = f", clock {one.clock_off_s:+} s off" if one.clock_off_s else ""
        reading = f", reads the ledger of {', '.join(reads)}" if reads else ""
        yield (
            f"{one.worker} build {one.build_id or '-'}, heard {one.heard_s} s ago, "
            f"orders {one.orders_applied}/{report.orders_end}, {', '.join(owns) or 'no partition'}{reading}{clock}"
        )
    yield from (f"{name} silent" for name in report.silent)


SECTIONS: Final[Mapping[str, Callable[[Report], Iterator[str]]]] = {
    "verdict": _verdict,
    "mode": _modes,
    "window": _windows,
    "gate 1": _gate,
    "flags": _flags,
    "orders": _orders,
    "holds": _holds,
    "breakers": _breakers,
    "lag": _lag,
    "cap": _cap,
    "dead": _dead_letters,
    "workers": _workers,
}
"""What stands on the screen, in this order."""


def span(seconds: int) -> str:
    """A span for the eye: ``71h12m``, ``6m02s``, ``0s``."""
    if seconds >= 3600:  # noqa: PLR2004 - an hour
        return f"{seconds // 3600}h{seconds % 3600 // 60:02}m"
    return f"{seconds // 60}m{seconds % 60:02}s" if seconds >= 60 else f"{seconds}s"  # noqa: PLR2004 - a minute


def _because(why: str) -> str:
    return f": {why}" if why else ""


def _whose(who: Sequence[str], report: Report) -> str:
    """Nothing where it is true of all."""
    total = len(report.workers)
    return "" if len(who) == total else f" [{len(who)} of {total} workers]"


def _listed(parts: Iterable[str], before: str = "") -> str:
    text = ", ".join(parts)
    return f"; {before}{text}" if text else ""


def _counts(found: Mapping[str, int]) -> list[str]:
    return [f"{name} {count}" for name, count in found.items()]


def _numbers(parts: Iterable[int]) -> str:
    return " ".join(map(str, parts))
