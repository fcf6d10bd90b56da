"""What is to be done with one message at its turn: the gate's verdict and the ledger's judgement together. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from streams.core import settle
from streams.core.dispatch import Conditions, Expire, Keep, Rerender, Send, SetAside, Simulate, Suppress, Verdict
from streams.core.ledger import Claim, Conflict, Copy, Done, Judgement, Park, Resolved
from streams.core.messages import Message, State
from streams.core.records import Record, number
from streams.core.redrive import REDRIVES, resolution
from streams.core.retry import ATTEMPTS
from streams.core.settle import Settled, Turn

MANY: Final = 1_000_000
"""More calls than there ever are."""


@dataclass(frozen=True, slots=True)
class Leave:
    """It stays at the head of its line."""


@dataclass(frozen=True, slots=True)
class Call:
    """Claim it, then call the provider."""

    turn: Turn
    risky: bool


@dataclass(frozen=True, slots=True)
class Finish:
    """Write this, no call. ``spends``: it takes a unit of the cap all the same."""

    settled: Settled
    spends: bool = False


Plan = Leave | Call | Finish


def copy_of(record: Record, message: Message, *, resend_unknown: bool) -> Copy:
    """The record as the ledger judges it. Only our own principal writes the topics that it comes from."""
    # A redriven one that doesn't say how many calls it knows of must not be taken for an old copy, and get lost.
    otherwise = MANY if number(record, REDRIVES, 0) else 0
    return Copy(
        revision=message.route.revision,
        content=message.route.content,
        attempts=number(record, ATTEMPTS, otherwise),
        resend_unknown=resend_unknown,
        resolution=resolution(record),
    )


def plan(
    record: Record, message: Message, judgement: Judgement, verdict: Verdict, conditions: Conditions, *, current: str
) -> Plan:
    """The ledger is asked first, except that nothing at all is done while all is held.

    ``current``: the template's version now, for what is rendered again.
    """
    if isinstance(verdict, Keep):
        return Leave()
    match judgement:
        case Done():
            return Finish(settle.nothing())
        case Conflict():
            turn = Turn(record=record, message=message, attempt=0)
            return Finish(settle.conflict(turn, conditions))
        case Park(attempt):
            turn = Turn(record=record, message=message, attempt=attempt)
            return Finish(settle.parked(turn, conditions))
        case Claim(attempt, risky=True) if isinstance(verdict, Simulate | Suppress | Expire):
            # Final without a call, and yet it may have been sent: neither state would be true.
            turn = Turn(record=record, message=message, attempt=attempt - 1)
            return Finish(settle.parked(turn, conditions))
        case Resolved(attempt):
            turn = Turn(record=record, message=message, attempt=attempt)
            return Finish(settle.resolved(turn, conditions))
        case Claim(attempt, risky):
            turn = Turn(record=record, message=message, attempt=attempt)
            return after_claim(turn, verdict, conditions, current=current, risky=risky)


def after_claim(turn: Turn, verdict: Verdict, conditions: Conditions, *, current: str, risky: bool = False) -> Plan:
    """What the gate's verdict means for a message that may be begun."""
    match verdict:
        case Send():
            return Call(turn, risky)
        case Simulate():
            return Finish(settle.final(turn, State.SIMULATED, conditions), spends=True)
        case Suppress(reason):
            return Finish(settle.final(turn, State.SUPPRESSED, conditions, reason=reason))
        case Expire():
            return Finish(settle.final(turn, State.EXPIRED, conditions))
        case SetAside(hold):
            return Finish(settle.set_aside(turn, hold, conditions))
        case Rerender():
            return Finish(settle.rerendered(turn, current))
        case Keep():
            return Leave()
