"""Compositions whose dispatch is exchanged: watched senders, owners that tell where they are, and planted bugs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from confluent_kafka import Producer

from adapters.kafka_log import Entry
from streams import topics
from streams.app import Parts, Worker
from streams.control import ControlReader
from streams.core import ledger
from streams.core.dispatch import Hold
from streams.core.ledger import Standing
from streams.core.ports import Delivered
from streams.core.records import Emit
from streams.ledger import Commit, Ledger, Read
from streams.owner import Owner
from tests.faults.sender import reach, senders

SELDOM_S: Final = 3.0
HELD_AS: Final = Hold.BREAKER
"""A reason that nobody sets, or lifts, for these topics: orders lift what nobody ordered."""
STALL_S: Final = 14.0
"""A broker looks every ten seconds for transactions that are open for too long."""


def ids_of(ended: Sequence[tuple[Any, Any]]) -> list[str]:
    """The dispatch ids of what an owner has at hand."""
    return [taken.item.content.route.dispatch_id for taken, _ in ended]


class TellsOfIntent(Owner):
    """For 3: the INTENTs are written, the calls not begun."""

    async def _claim(self, batch: Any) -> Any:
        begun = await super()._claim(batch)
        if begun:
            await reach("intent", ids_of(begun))
        return begun


class TellsOfClaim(Ledger):
    """For 13: the INTENTs are written, the gate not yet asked for the second time."""

    async def write(self, emits: Sequence[Emit], commit: Commit | None = None) -> list[int]:
        times = await super().write(emits, commit)
        if commit is None:  # outcomes are written with offsets
            await reach("claimed", [(emit.key or b"").decode() for emit in emits])
        return times


class LooksOnce(Owner):
    """Planted for 13: whoever has claimed calls."""

    async def _claim(self, batch: Any) -> Any:
        await self._post([turn.posting(Standing.INTENT) for _, turn in batch.calls])
        return list(batch.calls)


class ReadsSeldom(ControlReader):
    """Planted for 13: orders are looked at every three seconds, and what was known counts until then."""

    def fresh(self, within_s: float) -> bool:
        del within_s
        return self._read.is_set()

    def take(self, entry: Entry) -> None:
        if self._read.is_set():
            asyncio.get_running_loop().call_later(SELDOM_S, self._take_late, entry)
        else:
            super().take(entry)

    def _take_late(self, entry: Entry) -> None:
        super().take(entry)
        self.batch_taken()


class FailsOpen(ControlReader):
    """Planted for 14: who can't read the orders goes by those that are known, from the start on."""

    def fresh(self, within_s: float) -> bool:
        del within_s
        return True

    async def read_to_end(self, *, remind_every: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._read.wait(), remind_every / 10)


class ObeysTwice(ControlReader):
    """Planted for 14: an order is obeyed whenever it comes."""

    def take(self, entry: Entry) -> None:
        self._seen.clear()
        super().take(entry)


class TellsOfSettled(Owner):
    """For 5: outcomes and offsets are written, in one transaction."""

    async def _settle(self, ended: Sequence[tuple[Any, Any]], left: Sequence[tuple[Any, Any]], commit: Any) -> None:
        await super()._settle(ended, left, commit)
        if ended:
            await reach("settled", ids_of(ended))


class SettlesFirst(Owner):
    """Planted for 3: the outcome is written before the call."""

    async def _turn(self, batch: Any, commit: Any) -> None:
        begun = await self._claim(batch) if batch.calls else []
        taken_for_granted = Delivered(provider="watched", provider_id=None)
        ended = [(taken, self._desk.after_call(turn, taken_for_granted)) for taken, turn in begun]
        await self._settle([*batch.finished, *ended], batch.left, commit)
        if begun:
            await reach("intent", ids_of(begun))
        await asyncio.gather(*(self._desk.send(turn.message) for _, turn in begun))


class ResendsUnknown(Owner):
    """Planted for 4: a call whose end nobody saw counts as one that never began."""

    def _recall(self, read: Read) -> None:
        if isinstance(read.entry, ledger.Entry) and read.entry.standing is Standing.INTENT:
            read = replace(read, entry=replace(read.entry, standing=Standing.RELEASED))
        super()._recall(read)


class ForgetsTheCap(Owner):
    """Planted for 7: whoever takes a partition doesn't count what those before it have begun."""

    def _recall(self, read: Read) -> None:
        if isinstance(read.entry, ledger.Entry):
            self.table[read.key] = read.entry


class GoesOn(Owner):
    """Planted for 17: who is told to end takes the next messages all the same."""

    def stop(self) -> None:
        """Nothing."""


class Stalls(Ledger):
    """For 6: on SIGUSR1, one transaction stays open for so long that the broker ends it and fences its producer."""

    wanted = threading.Event()

    def _transaction(self, emits: Sequence[Emit], commit: Commit | None) -> list[int]:
        if self.wanted.is_set():
            self.wanted.clear()
            assert self._producer is not None
            self._stall(self._producer, emits)
        return super()._transaction(emits, commit)

    def _stall(self, producer: Producer, emits: Sequence[Emit]) -> None:
        producer.begin_transaction()
        for emit in emits:
            self._produce(producer, emit, lambda *_: None)
        producer.flush()
        time.sleep(STALL_S)
        producer.commit_transaction()


class Unfenced(Ledger):
    """Planted for 6: every process has a transactional id of its own, so taking a partition fences nobody."""

    @staticmethod
    def identity(topic: str, partition: int) -> str:
        return f"{Ledger.identity(topic, partition)}.{os.getpid()}"


def dispatch_held(built: Worker) -> None:
    """Hold all dispatch; SIGUSR1 lets it go."""

    def let_go(*_: object) -> None:
        for topic in topics.DISPATCH.values():
            built.holds.release(topic, HELD_AS)

    for topic in topics.DISPATCH.values():
        built.holds.hold(topic, HELD_AS)
    signal.signal(signal.SIGUSR1, let_go)


def stalls(_built: Worker) -> None:
    """SIGUSR1 has the next transaction stall."""
    signal.signal(signal.SIGUSR1, lambda *_: Stalls.wanted.set())


PREPARATIONS: Final[Mapping[str, Callable[[Worker], None]]] = {"dispatch-held": dispatch_held, "stalls": stalls}

COMPOSITIONS: Final[Mapping[str, Parts]] = {
    "watched": Parts(senders=lambda _settings: senders()),
    "dispatch-held": Parts(senders=lambda _settings: senders()),
    "tells-of-intent": Parts(senders=lambda _settings: senders(), owner=TellsOfIntent),
    "tells-of-begin": Parts(senders=lambda _settings: senders(before="begin")),
    "tells-of-answer": Parts(senders=lambda _settings: senders(after="answer")),
    "tells-of-settled": Parts(senders=lambda _settings: senders(), owner=TellsOfSettled),
    "stalls": Parts(senders=lambda _settings: senders(), ledger=Stalls),
    "planted-settles-first": Parts(senders=lambda _settings: senders(), owner=SettlesFirst),
    "planted-resends-unknown": Parts(senders=lambda _settings: senders(), owner=ResendsUnknown),
    "planted-forgets-the-cap": Parts(senders=lambda _settings: senders(), owner=ForgetsTheCap),
    "tells-of-claim": Parts(senders=lambda _settings: senders(), ledger=TellsOfClaim),
    "planted-looks-once": Parts(senders=lambda _settings: senders(), ledger=TellsOfClaim, owner=LooksOnce),
    "planted-reads-seldom": Parts(senders=lambda _settings: senders(), orders=ReadsSeldom),
    "planted-fails-open": Parts(senders=lambda _settings: senders(), orders=FailsOpen),
    "planted-obeys-twice": Parts(senders=lambda _settings: senders(), orders=ObeysTwice),
    "planted-goes-on": Parts(senders=lambda _settings: senders(), owner=GoesOn),
    "planted-unfenced": Parts(senders=lambda _settings: senders(before="begin"), ledger=Unfenced),
}
