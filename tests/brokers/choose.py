"""Which broker of each kind the tests run on: `kafka`, Apache Kafka itself, and `embedded`, what a first run gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from adapters.embedded_broker import (
    EmbeddedBroker,
    EmbeddedBrokerUnavailable,
    answers_metadata,
    broker_name,
    find_binary,
)
from adapters.processes import ServerFailed
from tests.brokers.container import engine_answers, image, start_container
from tests.brokers.jars import KafkaUnavailable, find_java, find_maven, have_jars
from tests.brokers.kafka import KafkaBroker

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

KAFKA: Final = "kafka"
EMBEDDED: Final = "embedded"


@dataclass(frozen=True, slots=True)
class RunningBroker:
    """A broker that answers at `bootstrap` until `stop()` is called; of one that is not ours, stop() lets it be."""

    name: str
    bootstrap: str
    stop: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Choice:
    """A broker that this machine should be able to run; `launch` tells whether it does."""

    kind: str
    name: str
    start: Callable[[], RunningBroker]


@dataclass(frozen=True, slots=True)
class Missing:
    """No broker of this kind can be had here."""

    kind: str
    reason: str


def available(environ: Mapping[str, str]) -> list[Choice]:
    """One choice for each kind that is not missing; starts nothing."""
    picked = [pick(kind, environ) for kind in KINDS]
    return [choice for choice in picked if isinstance(choice, Choice)]


def pick(kind: str, environ: Mapping[str, str]) -> Choice | Missing:
    """The broker to use for a kind; starts nothing. A kind that is not one of KINDS is a KeyError."""
    return KINDS[kind](environ)


def launch(choice: Choice) -> RunningBroker | Missing:
    """Start it. Missing means that this machine lacks something after all (Maven can't download, for one).

    A broker that begins and fails is no lack of the machine's: ServerFailed.
    """
    try:
        return choice.start()
    except (KafkaUnavailable, EmbeddedBrokerUnavailable) as error:
        return Missing(choice.kind, str(error))


def required(environ: Mapping[str, str], others: Collection[str] = ()) -> frozenset[str]:
    """What a test run must not pass without: `REQUIRE`, a comma list of kinds and ``others``. Else a ValueError."""
    known = (*KINDS, *others)
    wanted = frozenset(kind.strip() for kind in environ.get("REQUIRE", "").split(",") if kind.strip())
    if unknown := wanted - set(known):
        raise ValueError(f"REQUIRE names {', '.join(sorted(unknown))}; it may name {', '.join(known)}")
    return wanted


def _pick_kafka(environ: Mapping[str, str]) -> Choice | Missing:
    if bootstrap := environ.get("KAFKA_BOOTSTRAP"):
        name = f"the cluster of KAFKA_BOOTSTRAP ({bootstrap})"
        return Choice(KAFKA, name, lambda: _connect(name, bootstrap))
    if engine_answers():
        return Choice(KAFKA, f"Apache Kafka ({image()}, container)", _start_container)
    try:
        find_java(environ)
        if not have_jars():
            find_maven(environ)
    except KafkaUnavailable as error:
        return Missing(KAFKA, f"no KAFKA_BOOTSTRAP, no Docker engine that answers, {error}")
    return Choice(KAFKA, KafkaBroker().name, _start_kafka)


def _pick_embedded(_environ: Mapping[str, str]) -> Choice | Missing:
    try:
        find_binary()
        return Choice(EMBEDDED, broker_name(), _start_embedded)
    except EmbeddedBrokerUnavailable as error:
        return Missing(EMBEDDED, str(error))


KINDS: Final[Mapping[str, Callable[[Mapping[str, str]], Choice | Missing]]] = {
    KAFKA: _pick_kafka,
    EMBEDDED: _pick_embedded,
}


def _connect(name: str, bootstrap: str) -> RunningBroker:
    if not answers_metadata(bootstrap):
        raise ServerFailed(f"{name} does not answer")
    return RunningBroker(name, bootstrap, lambda: None)


def _start_container() -> RunningBroker:
    started = start_container()
    return RunningBroker(f"Apache Kafka ({image()}, container)", started.bootstrap, started.stop)


def _start_kafka() -> RunningBroker:
    broker = KafkaBroker()
    broker.start()
    return RunningBroker(broker.name, broker.bootstrap, broker.stop)


def _start_embedded() -> RunningBroker:
    broker = EmbeddedBroker()
    broker.start()
    return RunningBroker(broker_name(), broker.bootstrap, broker.stop)
