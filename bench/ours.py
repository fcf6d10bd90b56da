"""Contender: our real agents, transport and publisher, ingest alone; render and dispatch are held."""

from __future__ import annotations

import asyncio
import json
import sys
import time

from config import settings as config
from streams import topics, worker
from streams.app import Parts, build
from streams.core.records import Record
from streams.topology import Processed, Topology


class Timed(Topology):
    """Notes when the first record came."""

    begun: float = 0.0

    def process(self, record: Record) -> Processed:
        """As the topology; the first call starts the clock."""
        if not Timed.begun:
            Timed.begun = time.perf_counter()
        return super().process(record)


async def run(events: int) -> float:
    """Seconds from the first record to the last confirmed output."""
    settings = config.load(for_worker=True)
    parts = Parts(topology=lambda topology: Timed(topology.steps, topology.observer))
    built = build(settings, settings.kafka_bootstrap or "", parts)
    for topic in (topics.RENDER, *topics.DISPATCH.values()):
        built.holds.hold(topic, "paused")
    agents = built.publishers[0]
    async with worker.started(built):
        while agents.resolved < events:  # noqa: ASYNC110 - watched from outside: nothing is added to the path
            await asyncio.sleep(0.005)
        ended = time.perf_counter()
    return ended - Timed.begun


if __name__ == "__main__":
    wanted = int(sys.argv[1])
    seconds = asyncio.run(run(wanted))
    print(json.dumps({"events": wanted, "seconds": seconds, "cpu": time.process_time()}))
