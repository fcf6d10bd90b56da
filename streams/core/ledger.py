"""The ledger's rules: what is known of a message, and whether it may be begun, again or at all. Pure.

One entry per dispatch id says how its last attempt stands. What is begun is written down before it is begun, so after a
crash an `INTENT` without an outcome is known to be unknown, and is never resent by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeGuard

import orjson

from streams.core.encoding import EncodingError, json_object


class Standing(StrEnum):
    """How a message stands."""

    INTENT = "INTENT"
    """A call was to begin; nothing is known of its end."""
    RELEASED = "RELEASED"
    """The call surely did not begin."""
    SENT = "SENT"
    FAILED = "FAILED"
    """The provider refused it, so it surely was not sent; it waits for a retry, or is a dead letter."""
    UNKNOWN = "UNKNOWN"
    """It may have been sent; parked until an operator or the provider says."""
    SIMULATED = "SIMULATED"
    SUPPRESSED = "SUPPRESSED"
    EXPIRED = "EXPIRED"
    SUPERSEDED = "SUPERSEDED"
    """It went back to rendering; a later revision takes its place."""


FINAL: Final = frozenset({Standing.SENT, Standing.SIMULATED, Standing.SUPPRESSED, Standing.EXPIRED})
"""A final state stops every later copy of the message, whatever its revision."""
SPENDS: Final = frozenset({Standing.INTENT, Standing.SIMULATED})
"""What takes a unit of the cap when it is appended; a RELEASED gives the unit of its INTENT back."""

_UNBEGUN: Final = frozenset({Standing.INTENT, Standing.SUPERSEDED}) | FINAL - {Standing.SENT}
NEXT: Final[Mapping[Standing | None, frozenset[Standing]]] = MappingProxyType(
    {
        None: _UNBEGUN,
        Standing.INTENT: frozenset(
            {
                Standing.RELEASED,
                Standing.SENT,
                Standing.FAILED,
                Standing.UNKNOWN,
                Standing.INTENT,  # these two only where twice is better than never
                Standing.SUPERSEDED,
            }
        ),
        Standing.RELEASED: _UNBEGUN,
        Standing.FAILED: _UNBEGUN,
        # What an operator wants sent again may end without a call; what is redriven unresolved is parked once more.
        Standing.UNKNOWN: frozenset({Standing.RELEASED, Standing.UNKNOWN, Standing.INTENT, Standing.SUPERSEDED})
        | FINAL,
        Standing.SUPERSEDED: _UNBEGUN,
        **{state: frozenset() for state in FINAL},
    }
)
"""Which standing may follow which; None is a message that nobody has begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry. ``content`` is the digest of what the message was made of; ``attempt`` counts calls that began."""

    standing: Standing
    revision: int
    content: str
    attempt: int

    def encode(self) -> bytes:
        """As it stands on ``comms.ledger.<category>`` (schemas/records/ledger.json)."""
        return orjson.dumps(
            {
                "standing": self.standing,
                "revision": self.revision,
                "content": self.content,
                "attempt": self.attempt,
            }
        )


SHARE_KEY: Final = b"share"
"""A key that no message has."""


@dataclass(frozen=True, slots=True)
class Share:
    """The partition's share of the cap from here on: whoever takes it next knows that it grew, and waits a window."""

    units: int

    def encode(self) -> bytes:
        """As it stands on the ledger, under `SHARE_KEY`."""
        return orjson.dumps({"units": self.units})


def read_share(value: bytes) -> Share | str:
    """A share as read, or why it is none."""
    try:
        units = json_object(value).get("units")
    except EncodingError as error:
        return str(error)
    return Share(units) if _is_count(units) else "not a share"


def read_entry(value: bytes) -> Entry | str:
    """An entry as read, or why it is none."""
    try:
        body = json_object(value)
    except EncodingError as error:
        return str(error)
    standing, revision, content, attempt = (body.get(n) for n in ("standing", "revision", "content", "attempt"))
    known = isinstance(standing, str) and standing in Standing.__members__
    if not known or not isinstance(content, str) or not _is_count(revision) or not _is_count(attempt):
        return "not a ledger entry"
    return Entry(standing=Standing[str(standing)], revision=revision, content=content, attempt=attempt)


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


class Resolution(StrEnum):
    """What an operator says of an outcome that nobody knew."""

    OPEN = "open"
    """Nothing yet."""
    SENT = "sent"
    RESEND = "resend"
    """It was not sent, or may come twice: try again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One record of a message, as the ledger judges it.

    ``attempts``: calls that had begun when this copy was written (a retry and a dead letter say how many, the first
    copy zero). ``resend_unknown``: its template would rather come twice than never.
    ``resolution``: it came to settle the `UNKNOWN` of attempt ``attempts``, and no later one.
    """

    revision: int
    content: str
    attempts: int = 0
    resend_unknown: bool = False
    resolution: Resolution = Resolution.OPEN


@dataclass(frozen=True, slots=True)
class Claim:
    """It may be begun, as this attempt. ``risky``: the one before may have been sent."""

    attempt: int
    risky: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing is to be done with this copy."""

    why: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """The same dispatch id with other content."""


@dataclass(frozen=True, slots=True)
class Park:
    """It may have been sent, and nobody knows."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Resolved:
    """An operator says that this attempt was sent."""

    attempt: int


Judgement = Claim | Done | Conflict | Park | Resolved
NOTHING_UNKNOWN: Final = "nothing is unknown about it"


def judge(copy: Copy, entry: Entry | None) -> Judgement:
    """Whether this copy may be begun, by what the ledger says."""
    if copy.resolution is Resolution.SENT:
        return _said_sent(copy, entry)
    if entry is None:
        return Claim(attempt=1)
    if copy.revision < entry.revision:
        return Done("a later revision took its place")
    if copy.revision == entry.revision and copy.content != entry.content:
        return Conflict()
    if entry.standing in FINAL:
        return Done(f"already {entry.standing.value.lower()}")
    if copy.revision > entry.revision:
        return _of_next_revision(copy, entry)
    return _of_same_revision(copy, entry)


def _of_next_revision(copy: Copy, entry: Entry) -> Judgement:
    """The one before it must surely not have been sent."""
    if entry.standing in (Standing.INTENT, Standing.UNKNOWN):
        return _unknown(copy, entry)
    return _claim(entry)


def _said_sent(copy: Copy, entry: Entry | None) -> Judgement:
    """Such a copy never begins a call, whatever the ledger says."""
    if entry is None or entry.standing is not Standing.UNKNOWN:
        return Done(NOTHING_UNKNOWN)
    if (copy.revision, copy.content, copy.attempts) != (entry.revision, entry.content, entry.attempt):
        return Done("it is about another revision, content or attempt")
    return Resolved(entry.attempt)


def _of_same_revision(copy: Copy, entry: Entry) -> Judgement:
    match entry.standing:
        case Standing.INTENT:
            return _unknown(copy, entry)
        case Standing.UNKNOWN if copy.resolution is Resolution.RESEND:
            return Claim(entry.attempt + 1) if copy.attempts == entry.attempt else Done("it is about another attempt")
        case Standing.FAILED if copy.resolution is Resolution.RESEND:
            return Done(NOTHING_UNKNOWN)  # its retry or its dead letter goes on from there
        case Standing.UNKNOWN if copy.attempts >= entry.attempt:
            return Park(entry.attempt)  # the dead letter itself, tried again
        case Standing.UNKNOWN:
            return Done("parked as unknown")
        case Standing.FAILED if copy.attempts < entry.attempt:
            return Done("a later attempt is under way, or was given up")
        case Standing.RELEASED | Standing.FAILED:
            return _claim(entry)
        case _:
            return Done("a later revision takes its place")


def _claim(entry: Entry) -> Claim:
    """One attempt more, unless the last one did not begin."""
    return Claim(attempt=entry.attempt + (entry.standing is not Standing.RELEASED))


def _unknown(copy: Copy, entry: Entry) -> Judgement:
    return Claim(attempt=entry.attempt + 1, risky=True) if copy.resend_unknown else Park(entry.attempt)
