"""One pair of schemas: compatible, incompatible with what shows it, or unproved with the reason."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from schemas.compat import counterexamples, pointers, proof, rules, structure, walk
from schemas.compat.counterexamples import Pair
from schemas.compat.proof import Answer, Proof
from schemas.compat.rules import Rule
from schemas.compat.verdict import ABSENT, Counterexample, Verdict
from schemas.compat.walk import Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a reader can't be said to read what a writer writes; pointers into the two self-contained schemas."""

    rule: str
    message: str
    way_out: str
    writer_at: str
    reader_at: str
    writer_part: Any = ABSENT
    reader_part: Any = ABSENT
    counterexample: Counterexample | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The verdict on a pair, with a reason each for what stands against it."""

    verdict: Verdict
    reasons: tuple[Reason, ...] = ()


def compare(writer: dict[str, Any], reader: dict[str, Any], examples: Iterable[Any] = ()) -> Outcome:
    """Whether every instance of ``writer`` is one of ``reader``. Both are self-contained.

    Raises:
        NotASchemaError: one of them is none.
    """
    answer = proved(writer, reader)
    if answer.answer is Answer.YES:
        return Outcome(Verdict.COMPATIBLE)
    found = counterexamples.pair(writer, reader, tuple(examples))
    changes = walk.changes(writer, reader)
    reasons = _shown(found, changes) or _shown_anywhere(found, changes)
    if reasons:
        return Outcome(Verdict.INCOMPATIBLE, tuple(reasons))
    return Outcome(Verdict.UNPROVED, (_unproved(changes, answer.reason),))


def proved(writer: dict[str, Any], reader: dict[str, Any]) -> Proof:
    """The same without looking for what refutes: `yes`, or why there is no proof."""
    answer = proof.covers(reader, writer)
    if answer.answer is not Answer.YES and structure.covers(reader, writer):
        return Proof(Answer.YES)
    return answer


def _shown(found: Pair, changes: list[Change]) -> list[Reason]:
    """A reason for each change that an instance shows; what encloses one that is shown adds nothing."""
    reasons: list[Reason] = []
    for change in changes:
        if any(_encloses(change, reason) for reason in reasons):
            continue
        shown = counterexamples.for_change(found, change)
        if shown is not None:
            reasons.append(_reason(change, shown))
    return reasons


def _encloses(change: Change, reason: Reason) -> bool:
    return reason.reader_at.startswith(change.reader_at + "/")


def _shown_anywhere(found: Pair, changes: list[Change]) -> list[Reason]:
    refuted = counterexamples.anywhere(found)
    if refuted is None:
        return []
    shown, at = refuted
    near = [change for change in changes if any(counterexamples.same_place(at, each) for each in change.refused_by)]
    if near:
        return [_reason(near[0], shown)]
    rule = rules.of_keyword(at.rpartition("/")[2] if shown.refused_by != "false" else "false")
    parts = (pointers.follow(found.writer, at), pointers.follow(found.reader, at))
    return [_made(rule, shown.refused_by, (at, at), parts, shown)]


def _reason(change: Change, shown: Counterexample) -> Reason:
    parts = (change.writer_part, change.reader_part)
    return _made(change.rule, change.what, (change.writer_at, change.reader_at), parts, shown)


def _made(rule: Rule, what: str, at: tuple[str, str], parts: tuple[Any, Any], shown: Counterexample) -> Reason:
    return Reason(
        rule=rule.name,
        message=rule.says.format(what=f"`{what}`"),
        way_out=rule.way_out,
        writer_at=at[0],
        reader_at=at[1],
        writer_part=parts[0],
        reader_part=parts[1],
        counterexample=shown,
    )


def _unproved(changes: list[Change], why: str) -> Reason:
    rule = rules.FILE_RULES["not_proved"]
    places = ", ".join(dict.fromkeys(change.reader_at or "/" for change in changes[:5]))
    told = f"{why}; no instance that we tried shows a difference" + (f"; changed: {places}" if places else "")
    first = changes[0] if changes else None
    return Reason(
        rule=rule.name,
        message=rule.says.format(what=told),
        way_out=rule.way_out,
        writer_at=first.writer_at if first else "",
        reader_at=first.reader_at if first else "",
        writer_part=first.writer_part if first else ABSENT,
        reader_part=first.reader_part if first else ABSENT,
    )
