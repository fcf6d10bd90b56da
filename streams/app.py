"""The composition root: from settings to everything built. Nothing is decided here, and nothing runs yet.

A test composes a worker with a part exchanged by passing other `Parts` to `build`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import faust
import faust.streams
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from yarl import URL

from adapters import kafka_config
from adapters.kafka_admin import TopicAdmin
from adapters.kafka_probe import KafkaProbe
from adapters.keysets import KeySetLimits, KeySets
from adapters.smtp import SmtpSender, SmtpServer
from adapters.telemetry import Metrics
from config import producers
from config.producers import ProducerRow
from config.settings import Settings
from schemas import registry
from streams import agents, templates, topics, transport
from streams.core import keys, token
from streams.core.flags import EffectiveMode, Flags
from streams.core.ingest import IngestRules
from streams.core.messages import Mode
from streams.core.ports import Sender
from streams.core.render import Renderer
from streams.counting import Counting
from streams.dispatcher import Dispatcher, Office, Reading
from streams.gate import Gate1
from streams.health import Health
from streams.holds import Holds
from streams.modes import conditions_clock, flags_of, mode_clock
from streams.publisher import Publisher, PublisherLimits
from streams.samples import agents_samples, dispatcher_samples
from streams.topology import Topology, build_topology
from streams.transport import FAUST_LOG, Transport, Wiring
from streams.watchdog import Watchdogs
from streams.web.latency import Latency
from streams.web.listener import Listener
from streams.web.server import Site
from streams.web.server import build as build_site

BATCH_DRY, BATCH_LIVE = 200, 1
"""Messages between two polls. A send may take its whole deadline, so in live there is a poll after each."""


class App(faust.App):
    """Faust without what we don't use: no tables, hence no data directory."""

    logger = FAUST_LOG

    def _create_directories(self) -> None:
        """Nothing is kept on disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a composition may exchange; the defaults are the product."""

    publisher: type[Publisher] = Publisher
    consumer: type[transport.Consumer] = transport.Consumer
    topology: Callable[[Topology], Topology] = lambda topology: topology
    senders: Callable[[Settings], Mapping[str, Sender]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """Everything of one worker, built and not started. `streams.worker` runs it."""

    settings: Settings
    app: App
    dispatcher: Dispatcher
    publishers: tuple[Publisher, ...]
    key_sets: KeySets
    gate: Gate1
    holds: Holds
    probe: KafkaProbe
    admin: TopicAdmin
    table: tuple[topics.Topic, ...]
    health: Health
    watchdogs: tuple[Watchdogs, ...]
    listener: Listener
    metrics: Metrics
    mode: Callable[[], EffectiveMode]


def build(settings: Settings, bootstrap: str, parts: Parts | None = None) -> Worker:
    """Put a worker together.

    Raises:
        ConfigError, SchemaLoadError, TemplateLoadError: files that can't be used.
    """
    parts = parts or Parts()
    rows = producers.read(settings.producers_file, production=settings.production)
    bound = tuple(producer_of(row) for row in rows)
    key_sets, holds, metrics = KeySets(rows, keys.parse, key_set_limits(settings)), Holds(), Metrics()
    counting, mode = Counting(metrics), mode_clock(settings)
    publishers = tuple(new_publisher(settings, bootstrap, parts.publisher) for _ in ("agents", "dispatcher"))
    for_agents, for_dispatcher = publishers
    app = new_app(settings, bootstrap, holds, for_agents, parts.consumer)
    topology = parts.topology(new_topology(bound, key_sets, counting, mode))
    agents.attach(app, topology, for_agents, topic_prefix=settings.topic_prefix)
    office = Office(
        senders=(parts.senders or senders_of)(settings), conditions=conditions_clock(settings, mode), observer=counting
    )
    gate = Gate1(bound, key_sets, holds, service=producers.GATE1_SERVICE, fresh_for=settings.gate1_fresh_for)
    reading = dispatch_reading(settings, mode().mode, gate.apply)
    dispatcher = new_dispatcher(settings, bootstrap, for_dispatcher, office, holds, reading)
    admin_client = AdminClient(kafka_config.rdkafka(settings, bootstrap))
    probe = KafkaProbe(admin_client, every=settings.kafka_probe_every, timeout=settings.kafka_probe_timeout)
    health = Health(
        kafka_reachable=lambda: probe.reachable,
        gate1_green=lambda: gate.state().green,
        publishers_stalled=lambda: any(publisher.stalled() for publisher in publishers),
        cython_stream=getattr(faust.streams, "_CStreamIterator", None) is not None,
    )
    site = Site(health=health, telemetry=metrics, base_url=settings.app_base_url, latency=Latency())
    expose(metrics, settings, mode, gate, holds, publishers)
    return Worker(
        settings=settings,
        app=app,
        dispatcher=dispatcher,
        publishers=publishers,
        key_sets=key_sets,
        gate=gate,
        holds=holds,
        probe=probe,
        admin=topic_admin(settings, bootstrap, admin_client),
        table=topics.table(row.service for row in rows),
        health=health,
        watchdogs=(
            Watchdogs(lambda: agents_samples(app, for_agents, probe), patience=settings.watchdog_after),
            Watchdogs(lambda: dispatcher_samples(dispatcher, for_dispatcher, probe), patience=settings.watchdog_after),
        ),
        listener=Listener(build_site(site), settings.host, settings.port),
        metrics=metrics,
        mode=mode,
    )


def producer_of(row: ProducerRow) -> token.Producer:
    """A row of ``producers.toml`` as the core sees it."""
    topic = topics.INBOUND_PREFIX + row.service
    return token.Producer(issuer=row.issuer, service=row.service, topic=topic, types=row.types)


def key_set_limits(settings: Settings) -> KeySetLimits:
    """The bounds on fetching and keeping keys."""
    return KeySetLimits(
        refresh_every=settings.jwks_refresh_every,
        timeout=settings.jwks_timeout,
        max_bytes=settings.jwks_max_bytes,
        max_age=settings.jwks_max_age,
    )


def new_topology(
    bound: tuple[token.Producer, ...], key_sets: KeySets, counting: Counting, mode: Callable[[], EffectiveMode]
) -> Topology:
    """The pipeline with the shipped schemas and templates."""
    shipped, built_at_ms = templates.load(), time.time() * 1000
    rules = IngestRules(
        tokens=token.TokenRules({producer.issuer: producer for producer in bound}, key_sets),
        schemas=registry.load(),
        templates=shipped,
        # What was appended before this worker began may date from a dry run, and a dry run's backlog never goes out.
        mode_at=lambda appended_ms: mode().mode if appended_ms >= built_at_ms else Mode.DRY_RUN,
    )
    return build_topology(rules, Renderer(shipped), counting)


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
    settings: Settings, bootstrap: str, holds: Holds, publisher: Publisher, consumer: type[transport.Consumer]
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
        publisher=publisher,
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


def senders_of(settings: Settings) -> Mapping[str, Sender]:
    """A sender per channel that is configured."""
    if settings.smtp_url is None:
        return {}
    server = SmtpServer.from_url(
        settings.smtp_url.get_secret_value(), timeout=settings.smtp_timeout, require_tls=settings.production
    )
    return {"email": SmtpSender(server)}


def expose(
    metrics: Metrics,
    settings: Settings,
    mode: Callable[[], EffectiveMode],
    gate: Gate1,
    holds: Holds,
    publishers: tuple[Publisher, ...],
) -> None:
    """Gauges, read at each scrape."""
    flags = flags_of(settings).names()
    names = ("agents", "dispatcher")
    metrics.gauge("comcenter_mode", lambda: [(float(mode().mode is each), {"mode": each.value}) for each in Mode])
    metrics.gauge("comcenter_flag", lambda: [(float(on), {"flag": flag}) for flag, on in flags.items()])
    metrics.gauge("comcenter_gate1_green", lambda: [(float(gate.state().green), {})])
    metrics.gauge("comcenter_held", lambda: [(float(n), {"reason": reason}) for reason, n in holds.count().items()])
    metrics.gauge(
        "comcenter_in_flight",
        lambda: [
            (float(publisher.in_flight), {"consumer": name}) for name, publisher in zip(names, publishers, strict=True)
        ],
    )
