"""``python -m bench.ledger [ENTRIES]``: what it costs to take a partition: memory and time of its ledger's entries.

Without a broker: entries are made as they stand on the topic, and handed to a real owner in the ledger's own thread, as
after a start. Two for each message, an INTENT and what it came to. Meanwhile the event loop is watched: how long others
(heartbeats, other partitions) were kept waiting at worst.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Final, cast

from confluent_kafka import Producer

from streams.core.cap import UNCAPPED, Window
from streams.core.ledger import Entry, Standing
from streams.core.messages import Category
from streams.desk import Desk
from streams.ledger import Ledger
from streams.owner import Limits, Owner
from streams.wiring.dispatch import read_topics

ENTRIES: Final = 1_000_000
TICK_S: Final = 0.01
SPAN_MS: Final = 62_000


class NoProducer:
    """A transactional producer that is never asked to write."""

    def init_transactions(self, _timeout: float) -> None:
        """There is nobody to fence."""


def records(count: int) -> Iterator[tuple[bytes, bytes, int]]:
    """Key, value and append time of so many entries: ten messages a second."""
    for number in range(count // 2):
        key, content = (sha256(f"{kind} {number}".encode()).hexdigest()[:32] for kind in ("id", "content"))
        for standing in (Standing.INTENT, Standing.SENT):
            entry = Entry(standing=standing, revision=0, content=content, attempt=1)
            yield key.encode(), entry.encode(), number * 100


def desk() -> Desk:
    """Of which only the clock is asked."""
    nothing = cast("Callable[[], object]", None)
    return Desk(
        category=Category.TRANSACTIONAL,
        senders={},
        conditions=nothing,  # type: ignore[arg-type] # never called while a ledger is read
        units=lambda _partition: UNCAPPED,
        templates={},
        observer=nothing,  # type: ignore[arg-type] # as above
        random=nothing,  # type: ignore[arg-type] # as above
    )


def resident() -> int:
    """Bytes at most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


async def measure(count: int) -> dict[str, float]:
    """Bytes for each entry of the table, seconds per 100,000 records read, the loop's longest wait in seconds."""

    def read(on_record: Callable[[bytes | None, bytes | None, int], None], stop: Callable[[], bool]) -> None:
        del stop
        for record in records(count):
            on_record(*record)

    ledger = Ledger(lambda: cast("Producer", NoProducer()), read, prefix="", timeout=1.0)
    limits = Limits(calls=1, begin_within=2.0)
    owner = Owner(desk(), ledger, Window(SPAN_MS), limits, topics=read_topics(Category.TRANSACTIONAL), partition=0)
    making = _seconds(lambda: deque(records(count), maxlen=0))
    before, begun = resident(), time.perf_counter()
    task = asyncio.ensure_future(ledger.take(owner._recall))  # noqa: SLF001 - what `run` does first, and nothing else
    longest = 0.0
    while not task.done():
        slept = time.perf_counter()
        await asyncio.sleep(TICK_S)
        longest = max(longest, time.perf_counter() - slept - TICK_S)
    seconds = time.perf_counter() - begun - making
    await ledger.close()
    return {
        "bytes_per_message": (resident() - before) / len(owner.table),
        "seconds_per_100000": seconds / count * 100_000,
        "longest_wait": longest,
    }


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def line(count: int, found: dict[str, float]) -> str:
    """For people."""
    return (
        f"{count} ledger entries of {count // 2} messages: {found['bytes_per_message']:.0f} bytes a message, "
        f"{found['seconds_per_100000']:.2f} s per 100,000 entries, loop kept waiting {found['longest_wait']:.3f} s "
        "at worst"
    )


if __name__ == "__main__":
    entries = int(sys.argv[1]) if len(sys.argv) > 1 else ENTRIES
    print(line(entries, asyncio.run(measure(entries))))
