"""What an order would do to the messages that wait, before it is given. Pure.

The gate itself is asked, with the orders as they would stand afterwards, so that what is foretold follows from the same
rules as what then happens. The ledger is not asked: a copy of what has ended already is counted like the first one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import ceil
from typing import Final

from streams.core.cap import UNCAPPED
from streams.core.dispatch import (
    Conditions,
    Expire,
    Keep,
    Rerender,
    Send,
    SetAside,
    Simulate,
    Suppress,
    Verdict,
    gate,
)
from streams.core.messages import Category, Message, UnreadableError
from streams.core.reasons import Suppression
from streams.core.records import Record
from streams.core.scope import Scope
from streams.core.settle import queued_ms


class Fate(StrEnum):
    """What becomes of a message that waits."""

    SENT = "sent"
    SIMULATED = "simulated"
    EXPIRED = "expired"
    RECALLED = "recalled"
    SUPPRESSED = "suppressed"
    RERENDERED = "rendered_again"
    HELD = "held"
    """Another order, or a hold that is no order, keeps it."""
    RECALLED_LATER = "held_then_recalled"


NEVER: Final = float("inf")
SPENDS: Final = frozenset({Fate.SENT, Fate.SIMULATED})
"""What takes a unit of the cap."""


def fate_of(message: Message, conditions: Conditions, *, appended_ms: int) -> Fate:
    """By the gate's verdict. ``appended_ms``: when it was queued."""
    verdict = gate(message, conditions, appended_ms=appended_ms)
    if isinstance(verdict, Keep) and conditions.stopped:
        later = gate(message, replace(conditions, stopped=()), appended_ms=appended_ms)
        return Fate.RECALLED_LATER if later == Suppress(Suppression.RECALLED) else Fate.HELD
    return _fate(verdict)


def _fate(verdict: Verdict) -> Fate:
    match verdict:
        case Send():
            return Fate.SENT
        case Simulate():
            return Fate.SIMULATED
        case Expire():
            return Fate.EXPIRED
        case Rerender():
            return Fate.RERENDERED
        case Suppress(reason):
            return Fate.RECALLED if reason is Suppression.RECALLED else Fate.SUPPRESSED
        case Keep() | SetAside():
            return Fate.HELD


@dataclass(frozen=True, slots=True)
class Waits:
    """One message that waits: its newest copy."""

    category: Category
    partition: int
    template: str
    fate: Fate
    revision: int
    queued_ms: int
    appended_ms: int
    topic: str


@dataclass(slots=True, kw_only=True)
class Preflight:
    """Counts the messages of a scope, each once, wherever it waits. ``conditions``: as they would be, by category."""

    scope: Scope
    conditions: Mapping[Category, Conditions]
    unreadable: int = 0
    _found: dict[str, Waits] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        """One record of a topic that dispatch reads."""
        try:
            message = Message.decode(record.value)
        except UnreadableError:
            self.unreadable += 1
            return
        route = message.route
        known = self._found.get(route.dispatch_id)
        newer = known is None or (known.revision, known.appended_ms) <= (route.revision, record.appended_ms)
        if self.scope.covers(route) and newer:
            self._found[route.dispatch_id] = self._waits(record, message)

    def _waits(self, record: Record, message: Message) -> Waits:
        route, queued = message.route, queued_ms(record)
        return Waits(
            category=route.category,
            partition=record.partition,
            template=f"{route.template}@{route.template_version}",
            fate=fate_of(message, self.conditions[route.category], appended_ms=queued),
            revision=route.revision,
            queued_ms=queued,
            appended_ms=record.appended_ms,
            topic=record.topic,
        )

    @property
    def messages(self) -> int:
        """How many wait."""
        return len(self._found)

    def by_fate(self) -> dict[Fate, int]:
        """How many end how, in the order of `Fate`."""
        counted = Counter(one.fate for one in self._found.values())
        return {fate: counted[fate] for fate in Fate if counted[fate]}

    def by_template(self) -> dict[str, dict[Fate, int]]:
        """The same by template and version, the largest first."""
        counted = Counter((one.template, one.fate) for one in self._found.values())
        sizes = Counter(one.template for one in self._found.values())
        return {
            template: {fate: counted[template, fate] for fate in Fate if counted[template, fate]}
            for template, _ in sizes.most_common()
        }

    def queued(self) -> tuple[int, int] | None:
        """When the oldest and the newest were first queued; None if none waits."""
        times = [one.queued_ms for one in self._found.values()]
        return (min(times), max(times)) if times else None

    def first_gone(self, retention_ms: Callable[[str], int]) -> tuple[int, str] | None:
        """When Kafka may delete the first of them, and in which topic; None if it never does."""
        oldest: dict[str, int] = {}
        for one in self._found.values():
            oldest[one.topic] = min(one.appended_ms, oldest.get(one.topic, one.appended_ms))
        kept = {topic: retention_ms(topic) for topic in oldest}
        return min(((at + kept[topic], topic) for topic, at in oldest.items() if kept[topic] >= 0), default=None)

    def spending(self) -> dict[Category, dict[int, int]]:
        """How many spend from the cap, by category and partition, transactional first."""
        counted = Counter((one.category, one.partition) for one in self._found.values() if one.fate in SPENDS)
        return {
            category: {partition: count for (of, partition), count in sorted(counted.items()) if of is category}
            for category in Category
        }


def drain_s(waiting: Mapping[int, int], units: Callable[[int], int], window_s: float) -> float | None:
    """How long one category's messages take under the cap at most, if nothing else spends from it; None: for ever.

    ``waiting`` and ``units`` are by partition; the slowest partition decides. A window's units may be spent already.
    """
    slowest = max((_partition_s(count, units(part), window_s) for part, count in waiting.items()), default=0.0)
    return None if slowest == NEVER else slowest


def _partition_s(count: int, units: int, window_s: float) -> float:
    if units <= 0:
        return NEVER
    return 0.0 if units >= UNCAPPED else ceil(count / units) * window_s
