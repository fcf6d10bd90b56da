"""Contender: a plain confluent-kafka loop doing the same verified work: poll, process, produce, confirm, commit."""

from __future__ import annotations

import asyncio
import json
import sys
import time

import aiohttp
from confluent_kafka import Consumer, KafkaError, Message, Producer

from adapters import kafka_config
from adapters.keysets import KeySets
from adapters.telemetry import Metrics
from config import producers
from config import settings as config
from config.settings import Settings
from streams import topics
from streams.app import key_set_limits, new_topology, producer_of
from streams.core import keys
from streams.counting import Counting
from streams.inbound import from_kafka
from streams.modes import mode_clock
from streams.topology import Topology

BATCH = 500


def topology_of(settings: Settings) -> Topology:
    """The product's own steps, so that the work is the same."""
    rows = producers.read(settings.producers_file, production=False)
    key_sets = KeySets(rows, keys.parse, key_set_limits(settings))

    async def fetch() -> None:
        async with aiohttp.ClientSession() as session:
            for row in rows:
                await key_sets.refresh(session, row.issuer)

    asyncio.run(fetch())
    bound = tuple(producer_of(row) for row in rows)
    return new_topology(bound, key_sets, Counting(Metrics()), mode_clock(settings))


def run(events: int) -> float:
    """Seconds from the first record to the last confirmed and committed output."""
    settings = config.load(for_worker=True)
    bootstrap, prefix = settings.kafka_bootstrap or "", settings.topic_prefix
    topology = topology_of(settings)
    consumer = Consumer(kafka_config.dispatch_consumer(settings, bootstrap, group=f"{prefix}plain"))
    producer = Producer(kafka_config.producer(settings, bootstrap, max_bytes=topics.OURS_MAX_BYTES))
    consumer.subscribe([prefix + topic for topic in topology.steps if topic != topics.RENDER])
    failures: list[KafkaError] = []

    def report(error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            failures.append(error)

    done, begun = 0, 0.0
    while done < events:
        batch = consumer.consume(BATCH, 1.0)
        if batch and not begun:
            begun = time.perf_counter()
        for message in batch:
            for emit in topology.process(from_kafka(message, prefix=prefix)):
                producer.produce(prefix + emit.topic, key=emit.key, value=emit.value, on_delivery=report)
            producer.poll(0)
        if batch:
            if producer.flush(60) or failures:
                raise RuntimeError("output was not confirmed")
            consumer.commit(message=batch[-1], asynchronous=True)
        done += len(batch)
    ended = time.perf_counter()
    consumer.close()
    return ended - begun


if __name__ == "__main__":
    wanted = int(sys.argv[1])
    seconds = run(wanted)
    print(json.dumps({"events": wanted, "seconds": seconds, "cpu": time.process_time()}))
