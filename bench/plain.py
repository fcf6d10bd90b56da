"""Contender: a plain confluent-kafka loop doing the same verified work: poll, process, produce, confirm, commit."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from confluent_kafka import Consumer, KafkaError, Message, Producer

from adapters import kafka_config
from adapters.telemetry import Metrics
from config import producers
from config import settings as config
from config.producers import ProducerRow
from config.settings import Settings
from schemas import registry
from streams import topics
from streams.app import new_topology
from streams.core import keys, token
from streams.core.keyring import Arrival, NoKey
from streams.core.messages import Mode
from streams.core.reasons import Undecided
from streams.counting import Counting
from streams.inbound import from_kafka
from streams.topology import Topology
from streams.wiring.trust import producer_of

BATCH = 500


class FileKeys:
    """The key sets as they lie in the load's files, read once."""

    def __init__(self, rows: tuple[ProducerRow, ...]) -> None:
        self._sets = {row.issuer: keys.parse(Path(row.keys.jwks).read_bytes()) for row in rows}

    def find(self, issuer: str, kid: str, _arrival: Arrival) -> keys.Key | NoKey:
        """By kid."""
        return self._sets[issuer].keys.get(kid, NoKey.UNKNOWN)


def topology_of(settings: Settings) -> Topology:
    """The product's own steps, so that the work is the same."""
    rows = producers.read(settings.producers_file, production=False)
    rules = token.TokenRules({row.issuer: producer_of(row) for row in rows}, FileKeys(rows))
    return new_topology(rules, registry.load(), Counting(Metrics()), lambda _appended_ms: Mode.DRY_RUN)


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
            outcome = topology.process(from_kafka(message, prefix=prefix))
            assert not isinstance(outcome, Undecided), "the keys are there"
            for emit in outcome:
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
