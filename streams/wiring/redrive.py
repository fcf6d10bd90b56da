"""Builds what redrives: the transactions that fence whoever redrives, and the follower of ``comms.redrives``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from confluent_kafka import Producer

from adapters import kafka_config
from adapters.kafka_log import TopicFollower
from config.settings import Settings
from streams import topics
from streams.core.redrive_job import Job, Redrives
from streams.ledger import Ledger, NotWrittenError
from streams.redriver import Redriver

READ_S = 30.0


@asynccontextmanager
async def redriver(
    settings: Settings, bootstrap: str, tell: Callable[[Job], None]
) -> AsyncIterator[tuple[Redriver, Redrives]]:
    """Fence the one before, then read all that it wrote; what comes of a cancel meanwhile is read as well.

    Raises:
        NotWrittenError: no broker takes it, or the topic can't be read.
    """
    redrives = Redrives()
    transactions = new_transactions(settings, bootstrap)
    follower = TopicFollower(
        kafka_config.rdkafka(settings, bootstrap),
        settings.topic_prefix + topics.REDRIVES,
        lambda entry: redrives.read(entry.key, entry.value),
    )
    try:
        await transactions.take()
        follower.start()
        if not await follower.caught_up(READ_S):
            raise NotWrittenError(f"{topics.REDRIVES} could not be read in {READ_S:g} s")
        yield Redriver(transactions, redrives, tell=tell), redrives
    finally:
        await follower.stop()
        await transactions.close()


def new_transactions(settings: Settings, bootstrap: str) -> Ledger:
    """Under the one transactional id that all redrives of a deployment have. Nothing is read when it is taken."""
    identity = f"{settings.topic_prefix}comcenter.redrive"
    producer = kafka_config.ledger_producer(settings, bootstrap, identity=identity, max_bytes=topics.OURS_MAX_BYTES)
    return Ledger(
        lambda: Producer(producer),
        lambda _on_record, _stop: None,
        prefix=settings.topic_prefix,
        timeout=settings.ledger_timeout,
    )
