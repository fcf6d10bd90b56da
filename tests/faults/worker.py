"""Composition roots for faults: a worker with one part exchanged. ``python -m tests.faults.worker NAME``.

``planted-…`` are bugs on purpose: each must turn the fault that it is named with red. That shows that the oracle bites.
"""

from __future__ import annotations

import tests.faults.clock  # noqa: F401 - before anything that binds the time

# isort: split

import asyncio
import itertools
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, cast

from faust.types import TP

from adapters.telemetry import configure_logging
from config import settings as config
from streams import transport, worker
from streams.acks import Source
from streams.app import Parts, Worker, build
from streams.breakers import Breakers
from streams.core.breaker import Open
from streams.core.keyring import SKEW_MS, Arrival, At, NoKey
from streams.core.keys import Key
from streams.core.reasons import Undecided
from streams.core.records import Emit, Record
from streams.core.token import Keys
from streams.gate import Gate1
from streams.publisher import Publisher
from streams.topology import Outcome, Processed, Step, Topology
from tests.faults import dispatching
from tests.faults.sender import WIRE
from tests.world import INBOUND

FAULTY: Final = "x-fault"
"""Records with this header meet a bug in their step."""
HELD_AS: Final = "a fault"
"""A reason that only this file knows: orders lift what nobody ordered."""
LINGER_S: Final = 1.0
ORDERS_AT: Final = "FAULT_ORDERS_AT"
"""Where the topic of orders is read, instead of at the brokers."""
SLOW_S: Final = 0.003
DELIVERED_AT_ONCE: Final = 2
ROOMY: Final = 1_000_000
"""Records that a queue may hold where the pressure of a full one must not stop the fetching."""


def faulty(record: Record) -> bool:
    """Whether this is the record that the step can't bear."""
    return any(name == FAULTY for name, _ in record.headers)


def raising(topology: Topology) -> Topology:
    """Fault 1: a step raises on marked records."""

    def wrapped(step: Step) -> Step:
        def run(record: Record) -> Outcome | Undecided:
            if faulty(record):
                raise RuntimeError("planted in the step")
            return step.run(record)

        return replace(step, run=run)

    steps = {topic: wrapped(step) for topic, step in topology.steps.items()}
    return Topology(steps, topology.observer)


def slow(topology: Topology) -> Topology:
    """So slow that a backlog stays, batches are full and queues, too."""
    return Slow(topology.steps, topology.observer)


class Slow(Topology):
    """At most 330 records a second."""

    def process(self, record: Record) -> Processed:
        time.sleep(SLOW_S)
        return super().process(record)


class Uncaught(Topology):
    """Planted for 1 and 18: an exception leaves the agent's loop."""

    def process(self, record: Record) -> Processed:
        if faulty(record) or record.value is None:
            raise RuntimeError("planted outside the step")
        return super().process(record)


class AcksFirst(Publisher):
    """Planted for 2 and 10: the source is acked at once, its outputs follow when they have lingered."""

    async def publish(self, source: Source, emits: Sequence[Emit]) -> None:
        source.ack()
        later = replace(source, ack=lambda: None)
        send = super().publish
        asyncio.get_running_loop().call_later(LINGER_S, lambda: asyncio.ensure_future(send(later, emits)))


class EndlessDrain(Publisher):
    """Planted for 17: an end that waits for what never comes."""

    async def drain(self, timeout: float) -> bool:  # noqa: ASYNC109 - the signature that it replaces
        del timeout
        await asyncio.sleep(3600)
        return False


class SlowDelivery(transport.Consumer):
    """A batch takes long to deliver, so that a rebalance comes in the middle of it, with more behind in the queue."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        deliver, count = self.callback, itertools.count()

        async def slowly(message: Any) -> None:
            if next(count) % DELIVERED_AT_ONCE == 0:
                await asyncio.sleep(0.001)
            await deliver(message)

        self.callback = slowly


class NaiveLoop(SlowDelivery):
    """Planted for 8: awaits each delivery, and sets the read offset whatever happened meanwhile."""

    async def _drain_messages(self, fetcher: Any) -> None:
        while not (self._stopped.is_set() or fetcher._stopped.is_set()):
            async for tp, message in self.getmany(timeout=1.0):
                read = self._read_offset[tp]
                if read is None or message.offset >= read:
                    await self.callback(message)
                    self._read_offset[tp] = message.offset
            await asyncio.sleep(0)


class _Uncommitted(transport._ConsumerThread):
    isolation_level = "read_uncommitted"


class ReadsUncommitted(transport.Consumer):
    """Planted for 18: what an upstream aborted becomes a message."""

    def _new_consumer_thread(self) -> _Uncommitted:
        return _Uncommitted(self, loop=self.loop, beacon=self.beacon)


class Deaf(transport.Consumer):
    """Planted for the watchdog: fetches nothing any more, while heartbeats go on."""

    async def _getmany(self, active_partitions: Any, timeout: float) -> Any:  # noqa: ASYNC109 - as it is replaced
        del active_partitions, timeout
        await self.sleep(1)
        return {}


@dataclass(frozen=True, slots=True)
class RefusesAtOnce:
    """Planted for 21: what no fetch has shown yet is called unknown."""

    keys: Keys

    def find(self, issuer: str, kid: str, arrival: Arrival) -> Key | NoKey:
        found = self.keys.find(issuer, kid, arrival)
        return NoKey.UNKNOWN if found is NoKey.NOT_YET else found


@dataclass(frozen=True, slots=True)
class ForgetsWithdrawn:
    """Planted for 21: a key that was withdrawn verifies nothing any more, not even what was appended before."""

    keys: Keys

    def find(self, issuer: str, kid: str, arrival: Arrival) -> Key | NoKey:
        found, later = self.keys.find(issuer, kid, arrival), At(int(time.time() * 1000) + 10 * SKEW_MS)
        withdrawn = isinstance(found, Key) and not isinstance(self.keys.find(issuer, kid, later), Key)
        return NoKey.UNKNOWN if withdrawn else found


class OpenGate(Gate1):
    """Planted for 22: RED holds nothing."""

    def apply(self) -> None:
        """Nothing."""


class NeverOpens(Breakers):
    """Planted for 12: counts and does nothing."""

    def _opened(self, topic: str, opening: Open) -> None:
        """Nothing."""


class Drains(Breakers):
    """Planted for 12: holds the topic, and what was fetched of it already goes on into the dead letters."""

    def stops(self, _topic: str) -> bool:
        return False


class CommitsWhatItRead(transport.Consumer):
    """Planted for the commit rule: the commit follows the read offset instead of the acks."""

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Any:
        del topics
        return iter([tp for tp, read in self._read_offset.items() if read is not None])

    def _filter_committable_offsets(self, tps: Any) -> dict[TP, int]:
        return {tp: cast("int", self._read_offset[tp]) + 1 for tp in tps}


def held(built: Worker) -> None:
    """Hold the inbound topic; SIGUSR1 lets it go."""
    built.holds.hold(INBOUND, HELD_AS)
    signal.signal(signal.SIGUSR1, lambda *_: built.holds.release(INBOUND, HELD_AS))


def let_go(built: Worker) -> None:
    """SIGUSR1 lets the inbound topic's breaker go, as an order of now would."""
    release = partial(built.breaking.breakers.release, INBOUND)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, lambda: release(at_ms=int(time.time() * 1000)))


def roomy(built: Worker) -> None:
    """Queues that never fill."""
    built.app.conf.stream_buffer_maxsize = ROOMY


PREPARATIONS: Final[Mapping[str, Callable[[Worker], None]]] = {
    "held": held,
    "breaker": let_go,
    "planted-endless-drain-held": held,
    "slow": roomy,
    "planted-naive-loop": roomy,
    **dispatching.PREPARATIONS,
}

COMPOSITIONS: Final[Mapping[str, Parts]] = {
    "plain": Parts(),
    "held": Parts(),
    "breaker": Parts(),
    "planted-never-opens": Parts(breakers=NeverOpens),
    "planted-drains": Parts(breakers=Drains),
    "raises": Parts(topology=raising),
    "planted-uncaught": Parts(topology=lambda topology: Uncaught(topology.steps, topology.observer)),
    "planted-acks-first": Parts(publisher=AcksFirst),
    "planted-endless-drain-held": Parts(publisher=EndlessDrain),
    "planted-deaf": Parts(consumer=Deaf),
    "slow": Parts(consumer=SlowDelivery, topology=slow),
    "planted-naive-loop": Parts(consumer=NaiveLoop, topology=slow),
    "planted-reads-uncommitted": Parts(consumer=ReadsUncommitted),
    "planted-commits-what-it-read": Parts(consumer=CommitsWhatItRead),
    "planted-refuses-at-once": Parts(keys=RefusesAtOnce),
    "planted-forgets-withdrawn": Parts(keys=ForgetsWithdrawn),
    "planted-open-gate": Parts(gate=OpenGate),
    **dispatching.COMPOSITIONS,
}


async def run(name: str) -> int:
    """Build that composition and run it as the product would."""
    settings = config.load(for_worker=True)
    built = build(settings, settings.kafka_bootstrap or "", COMPOSITIONS[name])
    if ORDERS_AT in os.environ:
        built.control.follower._config["bootstrap.servers"] = os.environ[ORDERS_AT]
    if name in PREPARATIONS:
        PREPARATIONS[name](built)
    try:
        return await worker.run(built)
    finally:
        await WIRE.close()


if __name__ == "__main__":
    configure_logging()
    sys.exit(asyncio.run(run(sys.argv[1])))
