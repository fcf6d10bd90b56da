"""What the model of the ledger is made of: few messages, few endings, workers with a memory of their own."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

from streams import topics
from streams.core.dispatch import Conditions, Expire, Hold, Keep, Rerender, Send, SetAside, Simulate, Suppress, Verdict
from streams.core.flags import Flags
from streams.core.ledger import Entry, Judgement, judge
from streams.core.messages import Message, Mode, Source
from streams.core.plan import copy_of
from streams.core.ports import Delivered, Delivery, Refused, Unknown
from streams.core.reasons import Suppression
from streams.core.records import Emit, Headers, Record, number
from streams.core.redrive import PREFIX, REDRIVES
from streams.core.settle import Turn
from tests.builders import NOW_S, message, route

CALLS: Final = 2
"""How many calls may run at once."""
SOURCE: Final = Source(occurred_at="2026-11-20T09:30:00Z", locale=None, timezone=None, data={})
CONDITIONS: Final = Conditions(mode=Mode.LIVE, flags=Flags(disable_send=False), now_s=NOW_S)
LANES: Final = (topics.DISPATCH_TRANSACTIONAL, topics.HELD["transactional"], *topics.RETRY["transactional"].values())
RESENT: Final = 3
"""The number of the message whose template would rather send twice than never."""
SENT: Final = Delivered(provider="fake", provider_id=None)
PARKED: Final = Unknown(what="silence")
ENDINGS: Final[tuple[Delivery, ...]] = (
    SENT,
    PARKED,
    Refused(code="450", retryable=True),
    Refused(code="550", retryable=False),
)
VERDICTS: Final[tuple[Verdict, ...]] = (
    *[Send()] * 6,
    Simulate(),
    Suppress(Suppression.STOP),
    Expire(),
    Keep(Hold.PAUSED),
    SetAside(Hold.KILL_SWITCH),
    Rerender(),
)


def mail(which: int, content: str = "a") -> Message:
    return message(route=route(event_id=f"e/{which}", content=content), source=SOURCE)


IDS: Final = {mail(which).route.dispatch_id: which for which in (1, 2, RESENT)}


@dataclass(slots=True)
class Claimed:
    """A claim that a worker holds in memory, and how its call ended, if it did."""

    lane: str
    turn: Turn
    delivery: Delivery | None = None


@dataclass(slots=True)
class Worker:
    """An owner: what it read of the ledger, what it has taken from the lanes, and what it has settled."""

    epoch: int
    table: dict[str, Entry]
    read: dict[str, int]
    settled: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    claims: list[Claimed] = field(default_factory=list)


def identity(at: Record) -> str:
    return Message.decode(at.value).route.dispatch_id


def again(letter: Record) -> Emit:
    """A dead letter as it is redriven: back to its own topic, with what was not about the dead letter."""
    kept: Headers = tuple(header for header in letter.headers if not header[0].startswith(PREFIX))
    count = str(number(letter, REDRIVES, 0) + 1).encode()
    return Emit(topic=LANES[0], key=letter.key, value=letter.value, headers=(*kept, (REDRIVES, count)))


def judgement(at: Record, entry: Entry | None) -> Judgement:
    """What the ledger says of a copy."""
    read = Message.decode(at.value)
    return judge(copy_of(at, read, resend_unknown=IDS[read.route.dispatch_id] == RESENT), entry)
