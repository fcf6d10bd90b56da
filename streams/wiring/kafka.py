"""Builds what talks to Kafka for the pipeline: Faust's app on our transport, publishers, the dispatcher, the admin."""

from __future__ import annotations

import faust
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from yarl import URL

from adapters import kafka_config
from adapters.kafka_admin import TopicAdmin
from config.settings import Settings
from streams import topics, transport
from streams.holds import Holds
from streams.intake import Intake
from streams.publisher import Publisher, PublisherLimits
from streams.transport import FAUST_LOG, Transport, Wiring


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
