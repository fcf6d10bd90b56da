"""Which dead letters are meant, which of those a redrive takes, and how many there are of each kind. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from streams.core.letters import LAST_MS, Letter, moment
from streams.core.reasons import Reason

FILTERED: Final[Mapping[str, Callable[[Letter], frozenset[str]]]] = {
    "reason": lambda letter: frozenset({letter.reason}),
    "stage": lambda letter: frozenset({letter.stage}),
    "type": lambda letter: frozenset({letter.event_type}),
    "issuer": lambda letter: frozenset({letter.issuer}),
    "template": lambda letter: frozenset({letter.template, f"{letter.template}@{letter.template_version}"}),
    "id": Letter.names,
}
"""What dead letters are filtered by, and what a letter is called there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which dead letters are meant. ``named``: rows of `FILTERED`; of each any of those named, of all rows together.

    Times are those of `Letter.at_ms`, the end not included.
    """

    named: Mapping[str, frozenset[str]] = field(default_factory=dict)
    since_ms: int = 0
    until_ms: int = LAST_MS

    def takes(self, letter: Letter) -> bool:
        """Whether it is meant."""
        within = self.since_ms <= letter.at_ms < self.until_ms
        return within and all(not wanted or wanted & FILTERED[row](letter) for row, wanted in self.named.items())

    def __str__(self) -> str:
        """In words, for the audit."""
        words = [f"{row}={','.join(sorted(wanted))}" for row, wanted in self.named.items() if wanted]
        words += [f"since={moment(self.since_ms)}"] if self.since_ms else []
        words += [f"until={moment(self.until_ms)}"] if self.until_ms != LAST_MS else []
        return " ".join(words) or "all"


class Left(StrEnum):
    """Why a redrive leaves a dead letter where it is."""

    REDRIVEN = "already redriven"
    TRUNCATED = "truncated"
    UNKNOWN = "outcome_unknown"
    FOREIGN = "nowhere to go"
    BEYOND = "beyond --max"


@dataclass(frozen=True, slots=True)
class Choice:
    """What a redrive would take, oldest first, and what it leaves."""

    letters: tuple[Letter, ...]
    left: tuple[tuple[Letter, Left], ...]

    def refused(self) -> Counter[str]:
        """How many are left, by why."""
        return Counter(why.value for _, why in self.left)


def choose(letters: Iterable[Letter], redriven: frozenset[str], *, most: int, again: bool) -> Choice:
    """Of the letters that are meant, those to redrive. ``redriven``: places of those that were."""
    taken: list[Letter] = []
    left: list[tuple[Letter, Left]] = []
    for letter in sorted(letters, key=lambda each: (each.at_ms, each.place)):
        why = _left(letter, frozenset() if again else redriven)
        if why is None and len(taken) >= most:
            why = Left.BEYOND
        if why is None:
            taken.append(letter)
        else:
            left.append((letter, why))
    return Choice(tuple(taken), tuple(left))


def _left(letter: Letter, redriven: frozenset[str]) -> Left | None:
    if str(letter.place) in redriven:
        return Left.REDRIVEN
    if letter.truncated:
        return Left.TRUNCATED  # what is left of it would only be refused again
    if letter.reason == Reason.OUTCOME_UNKNOWN:
        return Left.UNKNOWN  # it may have been sent: `resolve` asks an operator to say so
    return None if letter.to else Left.FOREIGN


COUNTED: Final[Mapping[str, Callable[[Letter], str]]] = {
    "reason": lambda letter: letter.reason,
    "stage": lambda letter: letter.stage,
    "type": lambda letter: letter.event_type,
    "issuer": lambda letter: letter.issuer,
    "template": lambda letter: f"{letter.template}@{letter.template_version}" if letter.template else "",
    "hour": lambda letter: moment(letter.at_ms)[:13] + ":00Z",
}
"""What dead letters are counted by."""


def counts(letters: Iterable[Letter], names: Iterable[str] = tuple(COUNTED)) -> dict[str, dict[str, int]]:
    """How many of each, the most frequent first; hours in order. What can't be told counts as ``unknown``."""
    known = list(letters)
    found = {name: Counter(COUNTED[name](letter) or "unknown" for letter in known) for name in names}
    return {
        name: dict(sorted(counter.items()) if name == "hour" else counter.most_common())
        for name, counter in found.items()
    }
