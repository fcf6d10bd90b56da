"""Builds what obeys operators: the reader of their orders, and the switches that these set."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from adapters import kafka_config
from adapters.kafka_confirmed import ConfirmedFollower, Listener
from adapters.kafka_log import TopicFollower, TopicWriter
from config import operators
from config.operators import OperatorRow
from config.settings import ConfigError, Settings
from streams import topics
from streams.control import ControlReader
from streams.core.control import ControlState
from streams.core.control_token import Operator, Operators
from streams.core.flags import EffectiveMode
from streams.core.keys import KeySetError, parse
from streams.core.reasons import Stage
from streams.holds import Holds
from streams.mode_memory import ModeMemory
from streams.switches import Switches

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """The parts, built and not started."""

    reader: ControlReader
    follower: ConfirmedFollower
    switches: Switches

    fresh_for: float

    def fresh(self) -> bool:
        """Whether every order is known, as confirmed within the last ``fresh_for`` seconds."""
        return self.reader.fresh(self.fresh_for)

    def state(self) -> ControlState:
        """What was ordered so far."""
        return self.reader.state


def new_control(
    settings: Settings,
    bootstrap: str,
    inbound: Iterable[str],
    holds: Holds,
    ignored: Callable[[str], None],
    kind: type[ControlReader] = ControlReader,
) -> Control:
    """Orders of the listed operators, and the holds that follow from them. ``inbound``: topics of producers.

    Raises:
        ConfigError: the operators file can't be used.
    """
    known = read_operators(settings)
    if not known:
        log.warning("no_operators", why="OPERATORS_FILE lists nobody: no kill switch, pause or flag can be set")
    for name, operator in known.items():
        if operator.keys.dropped:
            log.warning("operator_keys_dropped", operator=name, dropped=operator.keys.dropped)
    reader = kind(known, ignored=ignored)
    listener = Listener(entry=reader.take, batch=reader.batch_taken, confirmed=reader.confirmed)
    return Control(
        reader=reader,
        follower=ConfirmedFollower(
            kafka_config.rdkafka(settings, bootstrap),
            settings.topic_prefix + topics.CONTROL,
            listener,
            every=settings.control_confirm_every,
        ),
        fresh_for=settings.control_fresh_for,
        switches=Switches(reader, holds, stages(inbound), fresh_for=settings.control_fresh_for),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Modes:
    """The fleet's mode over time; ``follower`` reads it."""

    memory: ModeMemory
    follower: TopicFollower


def new_modes(
    settings: Settings, bootstrap: str, writer: TopicWriter, mode: Callable[[], EffectiveMode], *, worker: str
) -> Modes:
    """The history of ``mode``, which is this worker's own."""
    topic = settings.topic_prefix + topics.MODES
    memory = ModeMemory(writer, mode, topic=topic, worker=worker, build_id=settings.build_id)
    return Modes(memory=memory, follower=TopicFollower(kafka_config.rdkafka(settings, bootstrap), topic, memory.read))


def stages(inbound: Iterable[str]) -> dict[Stage, tuple[str, ...]]:
    """What each stage reads."""
    return {
        Stage.INGEST: (*sorted(set(inbound)), topics.REDRIVE),
        Stage.RENDER: (topics.RENDER,),
        Stage.DISPATCH: tuple(topics.DISPATCH.values()),
    }


def read_operators(settings: Settings) -> Operators:
    """The operators and their keys.

    Raises:
        ConfigError: the file is wrong, or an operator has no usable key.
    """
    rows = operators.read(settings.operators_file)
    judged = {name: _operator(row) for name, row in rows.items()}
    problems = [f"  {name}: {fault}" for name, fault in judged.items() if isinstance(fault, str)]
    if problems:
        raise ConfigError(f"{settings.operators_file} is wrong:\n" + "\n".join(problems))
    return {name: operator for name, operator in judged.items() if isinstance(operator, Operator)}


def _operator(row: OperatorRow) -> Operator | str:
    try:
        keys = parse(row.keys)
    except KeySetError as error:
        return str(error)
    if not keys:
        return f"no usable key ({'; '.join(keys.dropped) or 'there is none'})"
    return Operator(keys, None if row.until is None else int(row.until.timestamp() * 1000))
