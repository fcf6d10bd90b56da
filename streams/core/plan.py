"""What is to be done with one message at its turn: the gate's verdict and the ledger's judgement together. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from streams.core import settle
from streams.core.dispatch import Conditions, Expire, Keep, Rerender, Send, SetAside, Simulate, Suppress, Verdict
from streams.core.ledger import Claim, Conflict, Copy, Done, Judgement, Park, Resolved
from streams.core.messages import Message, State
from streams.core.records import Record
from streams.core.redrive import REDRIVES, resolution
from streams.core.retry import ATTEMPTS
from streams.core.settle import Settled, Turn


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
    return Copy(
        revision=message.route.revision,
        content=message.route.content,
        attempts=_count(record, ATTEMPTS),
        redriven=_count(record, REDRIVES) > 0,
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
            turn = Turn(record=record, message=message, attempt=0)
            return Finish(settle.nothing())
        case Conflict():
            turn = Turn(record=record, message=message, attempt=0)
            return Finish(settle.conflict(turn, conditions))
        case Park(attempt):
            turn = Turn(record=record, message=message, attempt=attempt)
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


def _count(record: Record, name: str) -> int:
    value = next((value for header, value in reversed(record.headers) if header == name and value), b"0")
    return int(value) if value.isdigit() and len(value) <= len("999999999") else 0
