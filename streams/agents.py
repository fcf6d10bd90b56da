"""The Faust agents: one per inbound topic, one for render. Thin: read and hand on, nothing decided."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from functools import partial
from typing import Any

import faust
from faust.types import EventT, StreamT

from streams.acks import Source
from streams.inbound import from_faust
from streams.intake import Intake


def attach(app: faust.App, topics: Iterable[str], intake: Intake, *, topic_prefix: str = "") -> None:
    """Register one agent per topic of the topology. ``concurrency=1`` keeps the offsets of a partition in order."""
    for topic in topics:
        channel = app.topic(topic_prefix + topic, key_serializer="raw", value_serializer="raw", allow_empty=True)
        agent = partial(_run, intake=intake, prefix=topic_prefix)
        app.agent(channel, name=f"agent.{topic}", concurrency=1)(_named(agent))


def _named(run: Callable[[StreamT[bytes]], Awaitable[None]]) -> Callable[[StreamT[bytes]], Awaitable[None]]:
    """Faust reads an agent's name and annotations off the function, which a partial has none of."""

    async def agent(stream: StreamT[bytes]) -> None:
        await run(stream)

    return agent


async def _run(stream: Any, *, intake: Intake, prefix: str) -> None:  # noqa: ANN401 - Faust's union of streams
    events: AsyncIterator[EventT[bytes]] = stream.noack().events()
    async for event in events:
        await intake.take(from_faust(event.message, prefix=prefix), to_source(event))


def to_source(event: EventT[bytes]) -> Source:
    """Where an event stands, and how to ack it."""
    message = event.message
    return Source((message.topic, message.partition), message.offset, event.ack)
