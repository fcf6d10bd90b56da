"""Who got a version of a template: what was sent of it, what may have been, and what still waits. Pure.

A message is told of once: its receipt says how it ended; without one, where its newest copy stands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Self

from streams import topics
from streams.core.letters import LAST_MS, Letter
from streams.core.messages import Message, Receipt, Route, UnreadableError
from streams.core.reasons import Reason
from streams.core.records import Record
from streams.core.settle import queued_ms


class Where(StrEnum):
    """How a message stands, the gravest first."""

    SENT = "sent"
    UNKNOWN = "outcome_unknown"
    """A dead letter; it may have been sent."""
    RETRYING = "retrying"
    HELD = "held"
    WAITING = "waiting"
    DEAD = "dead_lettered"
    """It surely was not sent."""
    SIMULATED = "simulated"
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"


RECEIVED: Final = frozenset({Where.SENT, Where.UNKNOWN})
"""Who got it, or may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Messages of a template, or of one version of it, whose ``at_ms`` lies between, the end not included."""

    template: str
    version: str = ""
    since_ms: int = 0
    until_ms: int = LAST_MS

    @classmethod
    def parse(cls, text: str, *, since_ms: int, until_ms: int) -> Self | str:
        """From ``NAME`` or ``NAME@VERSION``, or what is wrong with it."""
        name, at, version = text.partition("@")
        if not name or (at and not version):
            return "a template is NAME or NAME@VERSION, such as new_match@1.1"
        return cls(template=name, version=version, since_ms=since_ms, until_ms=until_ms)

    def takes(self, template: str, version: str, at_ms: int) -> bool:
        """Whether it is meant."""
        named = template == self.template and self.version in ("", version)
        return named and self.since_ms <= at_ms < self.until_ms

    def __str__(self) -> str:
        """As it is written."""
        return f"{self.template}@{self.version}" if self.version else self.template


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """One message. ``at_ms``: when it ended; for what has not, when it was queued, or became a dead letter."""

    dispatch_id: str
    event_id: str
    recipient_id: str
    channel: str
    version: str
    revision: int
    where: Where
    at_ms: int


@dataclass(slots=True)
class Inquiry:
    """Takes receipts, waiting records and dead letters, in any order, and keeps one row for each message."""

    wanted: Wanted
    _ended: dict[str, Affected] = field(default_factory=dict)
    _open: dict[str, Affected] = field(default_factory=dict)

    def receipt(self, record: Record) -> None:
        """A record of ``comms.receipts``. One that this build can't read is passed over."""
        try:
            receipt = Receipt.decode(record.value)
        except UnreadableError:
            return
        if self._takes(receipt.route, receipt.at_ms):
            self._ended[receipt.route.dispatch_id] = _row(receipt.route, Where(receipt.state), receipt.at_ms)

    def waits(self, record: Record) -> None:
        """A record that waits in a topic of dispatch."""
        try:
            route = Message.decode(record.value).route
        except UnreadableError:
            return
        at_ms = queued_ms(record)
        if self._takes(route, at_ms):
            self._keep(_row(route, _where(record.topic), at_ms))

    def letter(self, letter: Letter) -> None:
        """A dead letter of dispatch."""
        if letter.dispatch_id and self.wanted.takes(letter.template, letter.template_version, letter.at_ms):
            unknown = letter.reason == Reason.OUTCOME_UNKNOWN
            self._keep(
                Affected(
                    dispatch_id=letter.dispatch_id,
                    event_id=letter.event_id,
                    recipient_id="",
                    channel="",
                    version=letter.template_version,
                    revision=0,
                    where=Where.UNKNOWN if unknown else Where.DEAD,
                    at_ms=letter.at_ms,
                )
            )

    def rows(self) -> list[Affected]:
        """Every message, oldest first."""
        found = {**self._open, **self._ended}
        return sorted(found.values(), key=lambda one: (one.at_ms, one.dispatch_id))

    def _takes(self, route: Route, at_ms: int) -> bool:
        return self.wanted.takes(route.template, route.template_version, at_ms)

    def _keep(self, row: Affected) -> None:
        """What waits counts before its dead letter, which was redriven then."""
        known = self._open.get(row.dispatch_id)
        if known is None or _ORDER[known.where] <= _ORDER[row.where]:
            self._open[row.dispatch_id] = row


_ORDER: Final = {Where.DEAD: 0, Where.UNKNOWN: 1, Where.WAITING: 2, Where.RETRYING: 2, Where.HELD: 2}


def _where(topic: str) -> Where:
    if topic in topics.RETRIES:
        return Where.RETRYING
    return Where.HELD if topic in topics.HELD.values() else Where.WAITING


def _row(route: Route, where: Where, at_ms: int) -> Affected:
    return Affected(
        dispatch_id=route.dispatch_id,
        event_id=route.event_id,
        recipient_id=route.recipient_id,
        channel=route.channel,
        version=route.template_version,
        revision=route.revision,
        where=where,
        at_ms=at_ms,
    )


def counts(rows: Iterable[Affected]) -> dict[Where, int]:
    """How many stand how, the gravest first; what is not there is not told."""
    found = Counter(row.where for row in rows)
    return {where: found[where] for where in Where if found[where]}
