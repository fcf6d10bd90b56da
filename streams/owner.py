"""The owner of one partition of one category: for each message gate → ledger → cap → INTENT → gate → call → settle.

All turns of a batch are settled in one transaction with the offsets of the records that they came in. What is begun is
written before it is begun; a call begins within `Limits.begin_within` of that, or not at all.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from streams.batches import Batch, Taken, ending, identity, released
from streams.core.cap import Window
from streams.core.ledger import SPENDS, Entry, Share, Standing
from streams.core.plan import Call, Finish, Leave
from streams.core.ports import Delivery
from streams.core.settle import Posting, Settled, Turn
from streams.desk import Desk
from streams.lanes import Lane
from streams.ledger import Commit, Ledger, Read

log = structlog.get_logger(__name__)

TURNS: Final = 200
"""Most messages of one batch; of those, no more calls than `Limits.calls`."""
IDLE_S: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds, but for ``calls``: how many may run at once."""

    calls: int
    begin_within: float
    lane: int = 500


class Owner:
    """One partition's. ``topics``: its lanes, in the order in which they are looked at."""

    def __init__(
        self, desk: Desk, ledger: Ledger, window: Window, limits: Limits, *, topics: Sequence[str], partition: int
    ) -> None:
        self._desk = desk
        self._ledger = ledger
        self._window = window
        self._limits = limits
        self.partition = partition
        self.lanes: Mapping[str, Lane] = {topic: Lane(limits.lane) for topic in topics}
        self.table: dict[str, Entry] = {}
        self.ready = False
        self.over = False
        self.recalled = 0
        """Entries of the ledger that were read so far."""
        self._recalled_ms = 0
        self._told_units = -1
        self.turns = 0  # grows while the loop lives, whether or not there is something to do
        self._heard = (0, desk.monotonic())  # a time of the broker's, and when it was heard
        self._woken = asyncio.Event()
        self._stopped = asyncio.Event()
        self._cut = asyncio.Event()

    def wake(self) -> None:
        """Something changed: records came, a hold was lifted."""
        self._woken.set()

    def stop(self) -> None:
        """Begin nothing more; `run` returns when the calls in flight are settled, and at once if there can't be any."""
        self._stopped.set()
        self._woken.set()

    def cut(self) -> None:
        """After `stop`: wait for no call any more. What has an answer is settled by it, the others are unknown."""
        self._cut.set()

    async def run(self, commit: Callable[[Mapping[str, int]], Commit]) -> None:
        """Take the partition, then work until stopped. ``commit``: what a transaction commits, from points by topic.

        Raises:
            FencedError: another worker has the partition.
            NotWrittenError: the broker takes nothing.
        """
        try:
            if not await self._take():
                return
            self._hear(self._recalled_ms)
            # Before the first message, too, since the time comes with it that the window goes by.
            await self._tell_share()
            self.ready = True
            while not self._stopped.is_set():
                self.turns += 1
                await self._tell_share()
                batch = self._choose()
                if len(batch):
                    await self._turn(batch, commit)
                else:
                    await self._idle()
        finally:
            self.ready, self.over = False, True
            await self._ledger.close()

    async def _tell_share(self) -> None:
        """Write the share of the cap when it has changed, and when the partition is taken."""
        units = self.units()
        if units != self._told_units:
            (at_ms,) = await self._ledger.write([self._desk.share(units, self.partition)])
            self._heard = (at_ms, self._desk.monotonic())
            self._window.share(units, at_ms)
            self._told_units = units

    async def _take(self) -> bool:
        """Take the ledger and read it. False: told to stop before that was done, and nothing was begun."""
        taking, stopping = (
            asyncio.ensure_future(self._ledger.take(self._recall)),
            asyncio.ensure_future(self._stopped.wait()),
        )
        try:
            await asyncio.wait({taking, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if taking.done():
                taking.result()
            return taking.done()
        finally:
            stopping.cancel()
            taking.cancel()

    async def _idle(self) -> None:
        self._woken.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), IDLE_S)

    def _recall(self, read: Read) -> None:
        """One entry of the past, in the ledger's thread: until `ready` nobody else looks at table and window."""
        if isinstance(read.entry, Share):
            self._window.share(read.entry.units, read.at_ms)
        else:
            self._learn(read.key, read.entry, read.at_ms)
        self._window.forget(read.at_ms)
        self._recalled_ms = max(self._recalled_ms, read.at_ms)
        self.recalled += 1

    # Choosing: whose turn it is.

    def _choose(self) -> Batch:
        self._hear(max((item.record.appended_ms for lane in self.lanes.values() if (item := lane.head())), default=0))
        batch, room = Batch(), self.room()
        for topic, lane in self.lanes.items():
            while len(batch) < TURNS and (item := lane.head()) is not None:
                if identity(item) in batch.identities:
                    break  # another copy has its turn in this batch: what comes of it decides about this one
                plan = self._desk.plan(item, topic, self.table.get(identity(item)))
                spends = isinstance(plan, Call) or (isinstance(plan, Finish) and plan.spends)
                busy = isinstance(plan, Call) and len(batch.calls) >= self._limits.calls
                if isinstance(plan, Leave) or busy or (spends and room < 1):
                    break
                room -= spends
                batch.add(Taken(topic, lane.take()), plan)
        return batch

    def units(self) -> int:
        """This partition's share of the cap."""
        return self._desk.units(self.partition)

    def room(self) -> int:
        """How many calls may begin now, under the cap."""
        return self._window.room(self._desk.units(self.partition), self._broker_ms())

    def _broker_ms(self) -> int:
        """It is at least so late at the broker. This worker's clock may be wrong, and must not open the window."""
        at_ms, heard = self._heard
        return at_ms + int((self._desk.monotonic() - heard) * 1000)

    def _hear(self, at_ms: int) -> None:
        if at_ms > self._broker_ms():
            self._heard = (at_ms, self._desk.monotonic())

    # A turn: claim, look again, call, settle.

    async def _turn(self, batch: Batch, commit: Callable[[Mapping[str, int]], Commit]) -> None:
        begun = await self._claim(batch) if batch.calls else []
        # Nothing may come between the second look and the calls: what is released is written with the outcomes.
        deliveries = await self._answers([asyncio.ensure_future(self._desk.send(turn.message)) for _, turn in begun])
        ended = list(batch.finished)
        for (taken, turn), delivery in zip(begun, deliveries, strict=True):
            ended.append((taken, self._desk.after_call(turn, delivery)))
        await self._settle(ended, batch.left, commit)

    async def _answers(self, calls: Sequence[asyncio.Future[Delivery]]) -> list[Delivery]:
        """What the provider said to each. How a call ended that is cut off nobody knows, unless its sender does."""
        if not calls:
            return []
        cut, all_ended = asyncio.ensure_future(self._cut.wait()), asyncio.ensure_future(asyncio.wait(calls))
        either: list[asyncio.Future[Any]] = [all_ended, cut]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            cut.cancel()
            all_ended.cancel()
            for call in calls:
                call.cancel()  # nothing to one that has ended
        return [ending(one) for one in await asyncio.gather(*calls, return_exceptions=True)]

    async def _claim(self, batch: Batch) -> list[tuple[Taken, Turn]]:
        """Write the INTENTs, then look again: what may not be called now is left, or finished without a call."""
        written_at = self._desk.monotonic()
        await self._post([call.turn.posting(Standing.INTENT) for _, call in batch.calls])
        begun = []
        for taken, call in batch.calls:
            turn = call.turn
            if call.risky:
                self._desk.observer.risked(turn.message)
            late = self._desk.monotonic() - written_at > self._limits.begin_within
            match Leave() if late or self._stopped.is_set() else self._desk.again(turn):
                case Call():
                    begun.append((taken, turn))
                case Finish(settled=settled):
                    batch.finished.append((taken, released(turn, settled)))
                case Leave():
                    batch.left.append((taken, turn))
        return begun

    async def _settle(
        self,
        ended: Sequence[tuple[Taken, Settled]],
        left: Sequence[tuple[Taken, Turn]],
        commit: Callable[[Mapping[str, int]], Commit],
    ) -> None:
        postings = [posting for _, settled in ended for posting in settled.postings]
        postings += [turn.posting(Standing.RELEASED) for _, turn in left]
        emits = [posting.emit for posting in postings] + [emit for _, settled in ended for emit in settled.emits]
        times = await self._ledger.write(emits, commit(self._points([taken for taken, _ in ended])))
        self._note(postings, times)
        self._put_back([taken for taken, _ in left])
        for taken, settled in ended:
            self.lanes[taken.topic].settle([taken.item.record.offset])
            self._desk.observe(taken.item, settled)

    async def _post(self, postings: Sequence[Posting]) -> None:
        self._note(postings, await self._ledger.write([posting.emit for posting in postings]))

    def _note(self, postings: Sequence[Posting], times: Sequence[int]) -> None:
        for posting, at_ms in zip(postings, times, strict=False):
            self._heard = (at_ms, self._desk.monotonic())  # the last word, even if the broker's clock was set back
            self._learn(posting.dispatch_id, posting.entry, at_ms)

    def _learn(self, dispatch_id: str, entry: Entry, at_ms: int) -> None:
        """Keep table and window: what spends counts from its append; what surely did not begin is given back."""
        before = self.table.get(dispatch_id)
        self.table[dispatch_id] = entry
        if entry.standing in SPENDS:
            self._window.spend(dispatch_id, at_ms)
        elif entry.standing is Standing.RELEASED and before is not None and before.standing is Standing.INTENT:
            self._window.give_back(dispatch_id)  # not one that was parked, and that an operator released

    def _points(self, taken: Sequence[Taken]) -> dict[str, int]:
        """How far each lane may be committed once these turns have ended."""
        points = {}
        for topic, lane in self.lanes.items():
            point = lane.point_with([each.item.record.offset for each in taken if each.topic == topic])
            if point is not None:
                points[topic] = point
        return points

    def _put_back(self, taken: Sequence[Taken]) -> None:
        for topic, lane in self.lanes.items():
            lane.put_back([each.item for each in taken if each.topic == topic])
