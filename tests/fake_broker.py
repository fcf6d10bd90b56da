"""What the broker promises to an owner, kept by lists: topics of one partition, a ledger, and fencing.

A transaction is written wholly or not at all, with the offsets that it commits; whoever takes the ledger fences the one
before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from streams import topics
from streams.core.ledger import SHARE_KEY, Entry, Share
from streams.core.messages import Category, Receipt
from streams.core.records import Emit, Record
from streams.ledger import Commit, FencedError, Learn, Ledger, Read, hand_over, learn_nothing

LEDGER = topics.LEDGER[Category.TRANSACTIONAL]


class CrashedError(BaseException):
    """The worker is gone. Not an `Exception`, so that nothing in it can catch it."""


@dataclass(slots=True)
class FakeBroker:
    """Topics of one partition each, and what the group has committed."""

    now: Callable[[], float]
    records: dict[str, list[Record]] = field(default_factory=lambda: defaultdict(list))
    committed: dict[str, int] = field(default_factory=dict)
    epoch: int = 0
    transactions: list[list[Emit]] = field(default_factory=list)

    def append(self, emit: Emit) -> int:
        """Append; returns when."""
        at_ms, lying = int(self.now() * 1000), self.records[emit.topic]
        lying.append(
            Record(
                topic=emit.topic,
                partition=0,
                offset=len(lying),
                key=emit.key,
                value=emit.value,
                headers=emit.headers,
                timestamp_ms=at_ms,
                appended_ms=at_ms,
                received_ms=at_ms,
            )
        )
        return at_ms

    def entries(self) -> list[tuple[str, Entry]]:
        """The ledger's entries, in order."""
        return [(read.key, read.entry) for read in self.reads() if isinstance(read.entry, Entry)]

    def shares(self) -> list[int]:
        """The shares of the cap that were told, in order."""
        return [read.entry.units for read in self.reads() if isinstance(read.entry, Share)]

    def reads(self) -> list[Read]:
        """The ledger as whoever takes it reads it."""
        found: list[Read] = []
        for lying in self.records[LEDGER]:
            hand_over(found.append, lying.key, lying.value, lying.appended_ms)
        assert len(found) == len(self.records[LEDGER]), "something on the ledger can't be read"
        return found

    def standings(self, dispatch_id: str) -> list[str]:
        """How one message stood, in order."""
        return [entry.standing.value for each, entry in self.entries() if each == dispatch_id]

    def receipts(self) -> list[Receipt]:
        """What was finally told."""
        return [Receipt.decode(lying.value) for lying in self.records[topics.RECEIPTS]]

    def letters(self) -> list[Record]:
        """The dead letters."""
        return self.records[topics.DEAD_LETTER]


Hook = Callable[[Sequence[Emit]], Awaitable[None]]


async def _nothing(_emits: Sequence[Emit]) -> None:
    """No hook."""


class FakeLedger(Ledger):
    """`streams.ledger.Ledger` on a `FakeBroker`. ``before`` and ``after`` run round each transaction, and may raise.

    A share of the cap is none of those that are counted.
    """

    def __init__(self, broker: FakeBroker) -> None:
        self._broker = broker
        self._epoch = 0
        self.before: Hook = _nothing
        self.after: Hook = _nothing
        self.closed = False

    async def take(self, learn: Learn = learn_nothing) -> None:
        self._broker.epoch += 1
        self._epoch = self._broker.epoch
        for read in self._broker.reads():
            learn(read)

    async def write(self, emits: Sequence[Emit], commit: Commit | None = None) -> list[int]:
        if emits and all(emit.key == SHARE_KEY for emit in emits):
            return self._append(emits)
        await self.before(emits)
        times = self._append(emits)
        self._broker.transactions.append(list(emits))
        for place in commit.offsets if commit is not None else ():
            self._broker.committed[place.topic] = place.offset
        await self.after(emits)
        return times

    def _append(self, emits: Sequence[Emit]) -> list[int]:
        if self._epoch != self._broker.epoch:
            raise FencedError("_FENCED")
        return [self._broker.append(emit) for emit in emits]

    async def close(self) -> None:
        self.closed = True
