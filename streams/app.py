"""The composition root: from settings to everything built. Nothing is decided here, and nothing runs yet.

A test composes a worker with a part exchanged by passing other `Parts` to `build`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import faust.streams
import structlog
from confluent_kafka.admin import AdminClient

from adapters import kafka_config
from adapters.kafka_admin import TopicAdmin
from adapters.kafka_lag import GroupLag
from adapters.kafka_log import TopicWriter
from adapters.kafka_oldest import OldestRecord
from adapters.kafka_probe import KafkaProbe
from adapters.smtp import SmtpSender, SmtpServer
from adapters.telemetry import Metrics
from config import producers
from config.producers import ProducerRow
from config.settings import Settings
from schemas import registry
from schemas.registry import Registry
from streams import agents, templates, topics, transport
from streams.backlog import Backlog
from streams.breakers import Breakers
from streams.control import ControlReader
from streams.core import token
from streams.core.flags import EffectiveMode
from streams.core.ingest import IngestRules
from streams.core.messages import Category, Mode
from streams.core.ports import Sender
from streams.core.render import Renderer
from streams.core.switches import Setting
from streams.counting import Counting
from streams.dispatcher import Dispatcher
from streams.gate import Gate1
from streams.health import Health
from streams.heart import Heart, Pulse
from streams.heartbeat import worker_name
from streams.holds import Holds
from streams.intake import Intake
from streams.ledger import Ledger
from streams.ledgers import Ledgers
from streams.modes import conditions_clock, flags_clock, mode_clock, units_clock
from streams.owner import Owner
from streams.publisher import Publisher
from streams.retention_watch import RetentionWatch
from streams.samples import agents_samples, dispatcher_samples
from streams.topology import Topology, build_topology
from streams.watchdog import Watchdogs
from streams.web.latency import Latency
from streams.web.listener import Listener
from streams.web.server import Site
from streams.web.server import build as build_site
from streams.wiring.control import Control, Modes, new_control, new_modes
from streams.wiring.dead_letters import Breaking, new_breaking, oldest_dead_letter
from streams.wiring.dispatch import DispatchParts, new_backlog, new_dispatchers
from streams.wiring.gauges import expose, expose_backlog, expose_oldest, expose_waiting
from streams.wiring.kafka import App, new_app, new_publisher, topic_admin
from streams.wiring.trust import Trust, TrustParts, new_trust
from streams.wiring.waiting import on_duty, open_waiting, retention_watch

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a composition may exchange; the defaults are the product."""

    publisher: type[Publisher] = Publisher
    consumer: type[transport.Consumer] = transport.Consumer
    topology: Callable[[Topology], Topology] = lambda topology: topology
    senders: Callable[[Settings], Mapping[str, Sender]] | None = None
    keys: Callable[[token.Keys], token.Keys] = lambda keys: keys
    gate: type[Gate1] = Gate1
    owner: type[Owner] = Owner
    ledger: type[Ledger] = Ledger
    breakers: type[Breakers] = Breakers
    orders: type[ControlReader] = ControlReader


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """Everything of one worker, built and not started. `streams.worker` runs it."""

    settings: Settings
    app: App
    dispatchers: tuple[Dispatcher, ...]
    publishers: tuple[Publisher, ...]
    trust: Trust
    breaking: Breaking
    oldest: OldestRecord
    backlog: Backlog
    retention: RetentionWatch
    control: Control
    modes: Modes
    intake: Intake
    heart: Heart
    writer: TopicWriter
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
    known = registry.load()
    warn_of_unknown_types(rows, known)
    holds, metrics = Holds(), Metrics()
    writer = TopicWriter(kafka_config.producer(settings, bootstrap, max_bytes=topics.OURS_MAX_BYTES))
    trust_parts = TrustParts(
        holds=holds,
        waits=lambda topic: intake.waits(topic),  # noqa: PLW0108 - intake is made below: it needs the keys
        keys=parts.keys,
        gate=parts.gate,
    )
    trust = new_trust(settings, bootstrap, rows, writer, trust_parts)
    counting = Counting(metrics)
    table = topics.table(row.service for row in rows)
    control = new_control(settings, bootstrap, topics.inbound_of(table), holds, counting.order_ignored, parts.orders)
    mode = mode_clock(settings, control.state)
    name = worker_name()
    modes = new_modes(settings, bootstrap, writer, mode, worker=name)
    for_agents = new_publisher(settings, bootstrap, parts.publisher)
    publishers = (for_agents,)
    topology = parts.topology(new_topology(trust.rules, known, counting, modes.memory.at))
    breaking = new_breaking(settings, bootstrap, topics.inbound_of(table), writer, holds, parts.breakers)
    intake = Intake(topology, for_agents, trust.key_sets, on_wait=trust.gate.apply, breakers=breaking.breakers)
    breaking.breakers.on_release = intake.look
    app = new_app(settings, bootstrap, holds, intake, parts.consumer)
    agents.attach(app, topology.steps, intake, topic_prefix=settings.topic_prefix)
    gate = trust.gate
    dispatchers = new_dispatchers(
        settings,
        bootstrap,
        DispatchParts(
            senders=(parts.senders or senders_of)(settings),
            conditions=conditions_clock(settings, mode, control.state, holds, orders_known=control.fresh),
            units=units_clock(settings, control.state),
            templates=templates.load(),
            observer=counting,
            look=lambda: look(gate, control),
            owner=parts.owner,
            ledger=parts.ledger,
        ),
    )
    ledgers = Ledgers(dispatchers)
    admin_client = AdminClient(kafka_config.rdkafka(settings, bootstrap))
    probe = KafkaProbe(admin_client, every=settings.kafka_probe_every, timeout=settings.kafka_probe_timeout)
    health = Health(
        kafka_reachable=lambda: probe.reachable,
        gate1_green=lambda: gate.state().green,
        publishers_stalled=lambda: any(publisher.stalled() for publisher in publishers),
        cython_stream=getattr(faust.streams, "_CStreamIterator", None) is not None,
        starting=ledgers.starting,
        reading=ledgers.reading,
    )
    site = Site(health=health, telemetry=metrics, base_url=settings.app_base_url, latency=Latency())
    admin = topic_admin(settings, bootstrap, admin_client)
    oldest = oldest_dead_letter(settings, bootstrap, admin)
    expose_oldest(metrics, oldest.seconds_left)
    waiting = open_waiting(settings, bootstrap, topics.inbound_of(table), admin)
    expose(metrics, flags_clock(settings, control.state), mode, gate, holds, publishers)
    config = kafka_config.rdkafka(settings, bootstrap)
    lag = GroupLag(config, bootstrap, timeout=settings.kafka_probe_timeout)
    backlog = new_backlog(settings, dispatchers, lag, holds, control.state)
    expose_backlog(metrics, backlog)
    pulse = Pulse(
        mode=mode,
        gate=gate.state,
        holds=holds,
        orders=control.reader,
        dispatch=lambda: {each.value: backlog.parts(each) for each in Category},
    )
    heart = Heart(settings, writer, pulse, name=lambda: name)
    retention = retention_watch(
        settings, waiting, writer, holds, on_duty=partial(on_duty, dispatchers), worker=heart.name
    )
    expose_waiting(metrics, retention.seconds_left)
    let_go = partial(release_breakers, control, breaking)
    control.reader.on_change.extend([control.switches.apply, let_go, heart.say])
    return Worker(
        settings=settings,
        app=app,
        dispatchers=dispatchers,
        publishers=publishers,
        trust=trust,
        breaking=breaking,
        oldest=oldest,
        backlog=backlog,
        retention=retention,
        control=control,
        modes=modes,
        intake=intake,
        heart=heart,
        writer=writer,
        holds=holds,
        probe=probe,
        admin=admin,
        table=table,
        health=health,
        watchdogs=(
            Watchdogs(lambda: agents_samples(app, for_agents, probe), patience=settings.watchdog_after),
            Watchdogs(lambda: dispatcher_samples(dispatchers, probe), patience=settings.watchdog_after),
        ),
        listener=Listener(build_site(site), settings.host, settings.port),
        metrics=metrics,
        mode=mode,
    )


def look(gate: Gate1, control: Control) -> None:
    """Set the holds by what is true now."""
    gate.apply()
    control.switches.apply()


def release_breakers(control: Control, breaking: Breaking) -> None:
    """Breakers that an operator let go, on replay too: an order counts for what opened before it."""
    for order in control.state().standing(Setting.BREAKER, int(time.time() * 1000)):
        breaking.breakers.release(str(order.value), at_ms=order.appended_ms)


def warn_of_unknown_types(rows: Iterable[ProducerRow], known: Registry) -> None:
    """A misspelt event type in the producers file lets nobody send anything, and is easy to overlook."""
    for row in rows:
        unknown = sorted(row.types - known.events.keys())
        if unknown:
            log.warning("types_unknown", issuer=row.issuer, types=unknown)


def new_topology(
    tokens: token.TokenRules, known: Registry, counting: Counting, mode_at: Callable[[int], Mode]
) -> Topology:
    """The pipeline with the shipped schemas and templates."""
    shipped = templates.load()
    rules = IngestRules(
        tokens=tokens,
        schemas=known,
        templates=shipped,
        mode_at=mode_at,
    )
    return build_topology(rules, Renderer(shipped), counting)


def senders_of(settings: Settings) -> Mapping[str, Sender]:
    """A sender per channel that is configured."""
    if settings.smtp_url is None:
        return {}
    server = SmtpServer.from_url(
        settings.smtp_url.get_secret_value(), timeout=settings.smtp_timeout, require_tls=settings.production
    )
    return {"email": SmtpSender(server)}
