"""What commands do with ``comms.control`` and ``comms.workers``: read orders, write one, hear who has applied it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from adapters import kafka_config
from adapters.kafka_admin import BrokerUnavailableError
from adapters.kafka_confirmed import CLIENT
from adapters.kafka_reader import TopicReader
from config.settings import ConfigError, Settings
from streams import heartbeat, topics
from streams.applied import Answer, Written, answer
from streams.cli.context import load_settings, require_bootstrap
from streams.cli.exits import fail
from streams.core.control_token import CONTROL_TYPE, History, Operators, Said, Wanted, history, order_claims
from streams.core.signing import PrivateKey, sign
from streams.heartbeat import WorkerState
from streams.wiring.control import read_operators

READ_S: Final = 30.0
WRITE_S: Final = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Who gives orders, and with which key."""

    operator: str
    kid: str
    key: PrivateKey

    def token(self, wanted: Wanted) -> bytes:
        """A signed order, good for a few minutes and for one time."""
        claims = order_claims(wanted, operator=self.operator, jti=str(uuid.uuid4()), now_s=int(time.time()))
        return sign(claims, self.key, kid=self.kid, token_type=CONTROL_TYPE).encode()


@dataclass(slots=True)
class Hearing:
    """The last heartbeat of each worker, where on the topic newer ones begin, and who was heard there."""

    starts: dict[tuple[str, int], int]
    fleet: dict[str, WorkerState] = field(default_factory=dict)
    heard: set[str] = field(default_factory=set)

    def note(self, key: str | bytes | None, value: str | bytes | None) -> None:
        """One record of ``comms.workers``."""
        name = key.decode() if isinstance(key, bytes) else str(key)
        self.fleet.pop(name, None)
        self.heard.discard(name)
        state = None if value is None else heartbeat.decode(value if isinstance(value, bytes) else value.encode())
        if state is not None:
            self.fleet[name] = state
            self.heard.add(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where a command stands: settings, brokers, operators. Each method ends the command if Kafka doesn't answer."""

    settings: Settings
    bootstrap: str
    operators: Operators

    @property
    def control(self) -> str:
        """The topic of orders."""
        return self.settings.topic_prefix + topics.CONTROL

    @property
    def workers(self) -> str:
        """The topic of heartbeats."""
        return self.settings.topic_prefix + topics.WORKERS

    def reader(self) -> TopicReader:
        """Reads as the workers do."""
        config = kafka_config.rdkafka(self.settings, self.bootstrap)
        return TopicReader({**config, "isolation.level": CLIENT["isolation.level"]})

    def history(self) -> History:
        """Every order that was ever given, judged."""
        reader = self.reader()
        try:
            said = [_said(message) for message in reader.scan([self.control], since_ms=0, seconds=READ_S)]
        except BrokerUnavailableError as error:
            fail(str(error))
        finally:
            reader.close()
        if not reader.complete:
            fail(f"{self.control} could not be read to its end within {READ_S:g} s")
        return history(said, self.operators)

    def fleet(self) -> Hearing:
        """The workers as they stand on the topic."""
        reader = self.reader()
        try:
            hearing = Hearing(reader.ends([self.workers]))
            for message in reader.scan([self.workers], since_ms=0, seconds=READ_S):
                hearing.note(message.key(), message.value())
        except BrokerUnavailableError as error:
            fail(str(error))
        finally:
            reader.close()
        hearing.heard.clear()
        return hearing

    def live(self, hearing: Hearing) -> list[WorkerState]:
        """Those that are not gone, by name."""
        gone_before_ms = time.time() * 1000 - self.settings.heartbeat_gone_after * 1000
        return [state for _, state in sorted(hearing.fleet.items()) if state.at_ms >= gone_before_ms]

    def write(self, signer: Signer, wanted: Sequence[Wanted]) -> list[int]:
        """Append the orders, each confirmed by all replicas; their offsets."""
        config = kafka_config.producer(self.settings, self.bootstrap, max_bytes=topics.MIB)
        producer = Producer({**config, "delivery.timeout.ms": int(WRITE_S * 1000)})
        return [self._append(producer, str(one.scope), signer.token(one)) for one in wanted]

    def _append(self, producer: Producer, key: str, value: bytes) -> int:
        reports: list[tuple[Any, Message]] = []
        try:
            producer.produce(self.control, key=key, value=value, on_delivery=lambda e, m: reports.append((e, m)))
        except KafkaException as error:
            fail(f"not ordered: {error.args[0].str()}")
        producer.flush(WRITE_S + 1)
        if not reports or (reports[0][0] is not None and reports[0][0].code() == KafkaError._MSG_TIMED_OUT):  # noqa: SLF001 - the code has no public name
            fail(f"not confirmed within {WRITE_S:g} s, and perhaps ordered: look at `comcenter flags log`")
        refusal, message = reports[0]
        if refusal is not None:
            fail(f"not ordered: {refusal.str()}")
        return message.offset() or 0

    def hear(self, hearing: Hearing, written: Written) -> Answer:
        """Listen until there is nobody left to wait for, or the time for that is over."""
        if self._answer(hearing, written).settled:
            return self._answer(hearing, written)
        patience = self.settings.control_answer_within
        if not self.live(hearing):
            patience = min(patience, 2 * self.settings.heartbeat_every)  # is there anybody?
        reader = self.reader()
        try:
            for message in reader.follow(hearing.starts, seconds=patience):
                hearing.note(message.key(), message.value())
                if self._answer(hearing, written).settled:
                    break
        finally:
            reader.close()
        return self._answer(hearing, written)

    def _answer(self, hearing: Hearing, written: Written) -> Answer:
        gone_after_ms = int(self.settings.heartbeat_gone_after * 1000)
        return answer(
            hearing.fleet, hearing.heard, written, now_ms=int(time.time() * 1000), gone_after_ms=gone_after_ms
        )


def open_desk() -> Desk:
    """Settings and operators, or the end of the command."""
    settings = load_settings()
    try:
        return Desk(settings=settings, bootstrap=require_bootstrap(settings), operators=read_operators(settings))
    except ConfigError as error:
        fail(str(error))


def _said(message: Message) -> Said:
    value = message.value()
    return Said(
        value=value.encode() if isinstance(value, str) else value,
        offset=message.offset() or 0,
        appended_ms=message.timestamp()[1],
    )
