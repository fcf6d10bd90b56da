"""Builds what talks to Kafka for the pipeline: Faust's app on our transport, publishers, the dispatcher, the admin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import faust
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from yarl import URL

from adapters import kafka_config
from adapters.kafka_admin import TopicAdmin
from config.settings import Settings
from streams import topics, transport
from streams.core.flags import Flags
from streams.core.messages import Mode
from streams.dispatcher import Dispatcher, Office, Reading
from streams.holds import Holds
from streams.intake import Intake
from streams.modes import flags_of
from streams.publisher import Publisher, PublisherLimits
from streams.transport import FAUST_LOG, Transport, Wiring

BATCH_DRY: Final = 200
BATCH_LIVE: Final = 1
"""Messages between two polls. A send may take its whole deadline, so in live there is a poll after each."""


class App(faust.App):
    """Faust without what we don't use: no tables, hence no data directory."""

    logger = FAUST_LOG

    def _create_directories(self) -> None:
        """Nothing is kept on disk."""


def new_publisher(settings: Settings, bootstrap: str, kind: type[Publisher]) -> Publisher:
    """A publisher with a producer of its own."""
    limits = PublisherLimits(
        max_in_flight=settings.publish_max_in_flight,
        refused_for=settings.publish_refused_for,
        stall_after=settings.publish_stall_after,
    )
    config = kafka_config.producer(settings, bootstrap, max_bytes=topics.OURS_MAX_BYTES)
    return kind(Producer(config), limits, topic_prefix=settings.topic_prefix)


def new_app(
    settings: Settings, bootstrap: str, holds: Holds, intake: Intake, consumer: type[transport.Consumer]
) -> App:
    """The Faust app on our transport, with all that we don't use turned off."""
    group = group_of(settings, "ingest")
    broker = URL(f"kafka://{bootstrap.partition(',')[0]}")
    app = App(
        group,
        broker=[URL(f"kafka://{address}") for address in bootstrap.split(",")],
        broker_commit_interval=settings.commit_interval,
        broker_credentials=kafka_config.faust_credentials(settings),
        stream_wait_empty=False,  # a record that waits for confirmation would be waited for without a bound
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
    )
    wiring = Wiring(
        intake=intake,
        holds=holds,
        topic_prefix=settings.topic_prefix,
        client=kafka_config.aiokafka_consumer(settings, bootstrap, group=group),
        drain_timeout=settings.drain_timeout,
        consumer=consumer,
    )
    app.transport = Transport([broker], app, wiring)
    return app


def dispatch_topics(mode: Mode, flags: Flags) -> tuple[str, ...]:
    """What the dispatcher reads. In live, promotional messages stay in Kafka until PROMO_SENDS is on."""
    keep_promotional = mode is Mode.LIVE and not flags.promo_sends
    return (topics.DISPATCH_TRANSACTIONAL,) if keep_promotional else tuple(topics.DISPATCH.values())


def dispatch_reading(settings: Settings, mode: Mode, look: Callable[[], None]) -> Reading:
    """What the dispatcher reads, and how."""
    return Reading(
        topics=dispatch_topics(mode, flags_of(settings)),
        batch=BATCH_DRY if mode is Mode.DRY_RUN else BATCH_LIVE,
        prefix=settings.topic_prefix,
        commit_interval=settings.commit_interval,
        drain_timeout=settings.drain_timeout,
        look=look,
    )


def new_dispatcher(
    settings: Settings, bootstrap: str, publisher: Publisher, office: Office, holds: Holds, reading: Reading
) -> Dispatcher:
    """The dispatcher with its consumer."""
    config = kafka_config.dispatch_consumer(settings, bootstrap, group=group_of(settings, "dispatch"))
    return Dispatcher(lambda: Consumer(config), publisher, office, holds, reading)


def group_of(settings: Settings, name: str) -> str:
    """A consumer group of this deployment."""
    return f"{settings.topic_prefix}comcenter.{name}"


def topic_admin(settings: Settings, bootstrap: str, client: AdminClient | None = None) -> TopicAdmin:
    """Topics of this deployment."""
    return TopicAdmin(
        client or AdminClient(kafka_config.rdkafka(settings, bootstrap)),
        bootstrap,
        prefix=settings.topic_prefix,
        replication=settings.topic_replication,
    )
