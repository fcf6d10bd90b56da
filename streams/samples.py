"""What the watchdogs look at: samples of the agents' partitions, and of the dispatcher's loop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, cast

import faust

from streams import transport
from streams.dispatcher import Dispatcher
from streams.publisher import Publisher
from streams.watchdog import Sample


class Probe(Protocol):
    """Whether the brokers answered lately: `adapters.kafka_probe.KafkaProbe`."""

    @property
    def reachable(self) -> bool:
        """The last answer."""


def agents_samples(app: faust.App, publisher: Publisher, probe: Probe) -> dict[str, Sample]:
    """What the agents' watchdogs look at, by partition. Output that isn't being confirmed has a bound of its own."""
    if not app.started or app.rebalancing:
        return {}
    consumer = cast("transport.Consumer", app.consumer)
    answers = probe.reachable and not publisher.stalled()
    return {
        f"{tp.topic}[{tp.partition}]": Sample(
            progress=consumer.points.resolved((tp.topic, tp.partition)) or 0, waiting=waiting, broker_answers=answers
        )
        for tp, waiting in consumer.waiting().items()
    }


def dispatcher_samples(dispatchers: Iterable[Dispatcher], probe: Probe) -> dict[str, Sample]:
    """A dispatcher's loop and its owners' turn several times a second: one that doesn't counts as a record that waits.

    Among them an owner that has ended (fenced, as far as it could see) while its partition is still ours, and one whose
    call does not come back. One that still reads its ledger is left in peace.
    """
    samples = {}
    for each in dispatchers:
        loops = {f"dispatcher {each.name}": (each.turns, 1)}
        for partition, owner in each.owners.items():
            loops[f"owner {each.name}[{partition}]"] = (owner.turns, int(owner.ready or owner.over))
        for name, (turns, waiting) in loops.items():
            samples[name] = Sample(progress=turns, waiting=waiting, broker_answers=probe.reachable)
    return samples
