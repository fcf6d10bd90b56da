"""One redrive at a time: dead letters go back at a steady rate, each with its mark in the same transaction.

Whoever begins one initialises the transactional id, which fences the one before: that one can write nothing more, and
what it had open is aborted. What it had committed is marked, so it isn't done again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Protocol

from adapters.kafka_admin import BrokerUnavailableError
from streams.core.letters import Place
from streams.core.records import Emit, Record
from streams.core.redrive_job import Job, JobState, Mark, Redrives

MOST_AT_ONCE: Final = 100
"""Records of one transaction: a dead letter may have 4 MiB."""
LOOK_S: Final = 0.05


class Transactions(Protocol):
    """What writes all or nothing: `streams.ledger.Ledger`."""

    async def write(self, emits: Sequence[Emit]) -> list[int]:
        """Write all of it in one transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a job does. ``originals``: the dead letters as they stand, read while it goes on; ``make``: what goes back.

    ``rate``: records per second. ``besides``: dead letters that the first one settles as well.
    """

    originals: Iterator[Record]
    make: Callable[[Record], Emit]
    rate: int
    besides: tuple[Place, ...] = ()


class Redriver:
    """``redrives`` is what the topic tells, kept up to date by whoever follows it; ``tell`` hears of each step."""

    def __init__(
        self,
        transactions: Transactions,
        redrives: Redrives,
        *,
        tell: Callable[[Job], None] = lambda _job: None,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._transactions = transactions
        self._redrives = redrives
        self._tell = tell
        self._now = now
        self._sleep = sleep
        self._stopping = False

    def stop(self) -> None:
        """End after what is being written, as cancelled."""
        self._stopping = True

    async def run(self, job: Job, work: Work) -> Job:
        """Do it; returns how it ended. What was not redriven stays as it was.

        Raises:
            FencedError: another redrive has begun.
            NotWrittenError: the broker takes nothing.
            BrokerUnavailableError: the dead letters can't be read.
        """
        await self._transactions.write([job.emit(), job.audit()])
        besides = work.besides
        while not self._cancelled(job):
            began = self._now()
            batch = await self._next(job, work)
            if not batch:
                return await self._end(job, JobState.FINISHED)
            job = job.now(JobState.RUNNING, done=job.done + len(batch), at_ms=self._now_ms())
            await self._transactions.write([*self._written(job, batch, work), *self._marks(job, besides), job.emit()])
            besides = ()
            self._tell(job)
            await self._pause(job, began + len(batch) / work.rate)
        return await self._end(job, JobState.CANCELLED)

    async def _next(self, job: Job, work: Work) -> Sequence[Record]:
        try:
            return await asyncio.to_thread(list, islice(work.originals, min(work.rate, MOST_AT_ONCE)))
        except BrokerUnavailableError:
            await self._end(job, JobState.FAILED)
            raise

    def _written(self, job: Job, batch: Sequence[Record], work: Work) -> list[Emit]:
        made = [(Place(record.partition, record.offset), work.make(record)) for record in batch]
        marks = [Mark(job=job.job, at_ms=job.at_ms, to=emit.topic).emit(place) for place, emit in made]
        return [emit for _, emit in made] + marks

    def _marks(self, job: Job, besides: Sequence[Place]) -> list[Emit]:
        return [Mark(job=job.job, at_ms=job.at_ms, to="").emit(place) for place in besides]

    async def _end(self, job: Job, state: JobState) -> Job:
        ended = job.now(state, done=job.done, at_ms=self._now_ms())
        await self._transactions.write([ended.emit(), ended.audit()])
        return ended

    async def _pause(self, job: Job, until: float) -> None:
        while self._now() < until and not self._cancelled(job):
            await self._sleep(LOOK_S)

    def _cancelled(self, job: Job) -> bool:
        return self._stopping or job.job in self._redrives.cancelled

    def _now_ms(self) -> int:
        return int(self._now() * 1000)
