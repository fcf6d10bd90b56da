"""The Faust agents: one per inbound topic, one for render. Thin: read → process → publish → ack, nothing decided."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import faust
from faust.types import EventT, StreamT

from streams.acks import Source
from streams.inbound import from_faust
from streams.publisher import Publisher
from streams.topology import Topology


def attach(app: faust.App, topology: Topology, publisher: Publisher, *, topic_prefix: str = "") -> None:
    """Register one agent per topic of the topology. ``concurrency=1`` keeps the offsets of a partition in order."""
    for topic in topology.steps:
        channel = app.topic(topic_prefix + topic, key_serializer="raw", value_serializer="raw", allow_empty=True)
        agent = partial(_run, topology=topology, publisher=publisher, prefix=topic_prefix)
        app.agent(channel, name=f"agent.{topic}", concurrency=1)(_named(agent))


def _named(run: Callable[[StreamT[bytes]], Awaitable[None]]) -> Callable[[StreamT[bytes]], Awaitable[None]]:
    """Faust reads an agent's name and annotations off the function, which a partial has none of."""

    async def agent(stream: StreamT[bytes]) -> None:
        await run(stream)

    return agent


async def _run(stream: Any, *, topology: Topology, publisher: Publisher, prefix: str) -> None:  # noqa: ANN401
    events: AsyncIterator[EventT[bytes]] = stream.noack().events()
    async for event in events:
        emits = topology.process(from_faust(event.message, prefix=prefix))
        # Ack only after the broker confirms: Faust drops whatever was acked when we die.
        await publisher.publish(to_source(event), emits)


def to_source(event: EventT[bytes]) -> Source:
    """Where an event stands, and how to ack it."""
    message = event.message
    return Source((message.topic, message.partition), message.offset, event.ack)
