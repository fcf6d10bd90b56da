"""Between agents and publisher: what can't be decided yet waits here, and its partition's later records behind it.

It keeps the order of a partition, so that no ack passes the one that waits. Nothing waits in an agent's loop; what is
waited for holds the topic (`waits`), so no more comes in than was fetched already. What was fetched of a topic whose
breaker has opened since waits here, too, unprocessed, until the topic is let go.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

import structlog

from streams import topics
from streams.acks import Partition, Source
from streams.breakers import NO_BREAKER, Judge
from streams.core.reasons import Undecided
from streams.core.records import Record
from streams.publisher import Publisher
from streams.steady import ClockWatch
from streams.topology import Topology

log = structlog.get_logger(__name__)

YIELD_EVERY: Final = 50
"""Records of a line between two turns of the loop: some 10 ms of it (docs/testing.md has what one event costs)."""

Line = deque[tuple[Record, Source]]


class Wanted(Protocol):
    """Who fetches keys: `adapters.keysets.KeySets`."""

    def ask(self, issuer: str, kid: str) -> None:
        """A record names a key that isn't known."""


class Intake:
    """What the agents hand their records to."""

    def __init__(
        self,
        topology: Topology,
        publisher: Publisher,
        wanted: Wanted,
        *,
        on_wait: Callable[[], None] = lambda: None,
        breakers: Judge = NO_BREAKER,
    ) -> None:
        self._topology = topology
        self.publisher = publisher
        self._wanted = wanted
        self._on_wait = on_wait
        self._breakers = breakers
        self._lines: dict[Partition, Line] = {}
        self._working: asyncio.Task[None] | None = None
        self._fetched = False
        self._clocks = ClockWatch()

    async def take(self, record: Record, source: Source) -> None:
        """Process and publish one record, or put it in line."""
        self._clocks.look(record)
        line = self._lines.get(source.partition)
        if line is not None:
            line.append((record, source))
            self._ask(self._topology.lacks(record))  # now and not at its turn, so that one fetch serves the whole line
        elif not await self._passed(record, source):
            self._lines[source.partition] = deque([(record, source)])
            if not self._breakers.stops(record.topic):
                _say(record)
                self._on_wait()

    def _ask(self, undecided: Undecided | None) -> None:
        if undecided is not None:
            self._wanted.ask(undecided.issuer, undecided.kid)

    async def _passed(self, record: Record, source: Source) -> bool:
        if self._breakers.stops(record.topic):
            return False
        outcome = self._topology.process(record)
        if isinstance(outcome, Undecided):
            self._ask(outcome)
            return False
        # Before anything is awaited, so that the record after the last refusal of a run finds the breaker open.
        self._breakers.judge(record.topic, refused=any(emit.topic == topics.DEAD_LETTER for emit in outcome))
        # Ack only after the broker confirms: Faust drops whatever was acked when we die.
        await self.publisher.publish(source, outcome)
        return True

    def waits(self, topic: str) -> bool:
        """Whether records of this topic (its logical name) wait here, and not for its breaker."""
        return not self._breakers.holding(topic) and any(
            line[0][0].topic == topic for line in self._lines.values() if line
        )

    def look(self) -> None:
        """Keys were fetched, or a breaker let go: try again what waits, and once more if that happens meanwhile."""
        self._fetched = True
        if not self._lines:
            self._breakers.lift()
        elif self._working is None or self._working.done():
            self._working = asyncio.ensure_future(self._try_again())
            self._working.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """What waits must not be left alone by an error that nobody sees."""
        if not task.cancelled() and task.exception() is not None:
            self.publisher.fail(f"trying again ended with {type(task.exception()).__name__}")

    async def _try_again(self) -> None:
        while self._fetched:
            self._fetched = False
            await self._go_through()
        self._breakers.lift()
        self._on_wait()

    async def _go_through(self) -> None:
        passed = 0
        for partition, line in list(self._lines.items()):
            head = line[0] if line else None
            while line and self._lines.get(partition) is line and await self._passed(*line[0]):
                if line:
                    line.popleft()
                passed += 1
                if passed % YIELD_EVERY == 0:
                    await asyncio.sleep(0)  # else heartbeats, probes and HTTP stand still for as long as a line is
            if line and line[0] is not head:
                _say(line[0][0])
            if not line and self._lines.get(partition) is line:
                del self._lines[partition]

    def forget(self) -> None:
        """Partitions were taken away: whoever has them next reads again what is in flight and what waited."""
        self.publisher.forget()
        waited = bool(self._lines)
        for line in self._lines.values():
            line.clear()
        self._lines.clear()
        if waited:
            self._on_wait()


def _say(head: Record) -> None:
    """That a record waits: when it begins a line, and when it comes to its head, so at most once per fetch."""
    log.info("record_waits", topic=head.topic, partition=head.partition, offset=head.offset)
