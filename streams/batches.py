"""Turns that an owner takes together, and what their ends mean. Pure."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

from streams.core.ledger import Standing
from streams.core.messages import Message
from streams.core.plan import Call, Finish, Plan
from streams.core.ports import Delivery, Unknown
from streams.core.settle import Settled, Turn
from streams.lanes import Item


@dataclass(frozen=True, slots=True)
class Taken:
    """An item at its turn, and the lane that it came from."""

    topic: str
    item: Item


@dataclass(slots=True)
class Batch:
    """Turns that are taken together: calls to be claimed, what is finished without one, what is left for later."""

    calls: list[tuple[Taken, Call]] = field(default_factory=list)
    left: list[tuple[Taken, Turn]] = field(default_factory=list)
    finished: list[tuple[Taken, Settled]] = field(default_factory=list)
    identities: set[str] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self.calls) + len(self.finished)

    def add(self, taken: Taken, plan: Plan) -> None:
        """One more turn."""
        self.identities.add(identity(taken.item))
        match plan:
            case Call():
                self.calls.append((taken, plan))
            case Finish(settled=settled):
                self.finished.append((taken, settled))


def released(turn: Turn, settled: Settled) -> Settled:
    """What was claimed and ends without a call: the unit that its INTENT took comes back, and no INTENT stays."""
    return replace(settled, postings=(turn.posting(Standing.RELEASED), *settled.postings))


def ending(outcome: Delivery | BaseException) -> Delivery:
    """An answer, or what is known of a call that was cut off; a sender's bugs are `Desk.send`'s."""
    match outcome:
        case asyncio.CancelledError():
            return Unknown(what="the worker ended before the answer")
        case BaseException():
            raise outcome
        case _:
            return outcome


def identity(item: Item) -> str:
    """The dispatch id; for what is no message, its place."""
    content = item.content
    return content.route.dispatch_id if isinstance(content, Message) else f"offset {item.record.offset}"
