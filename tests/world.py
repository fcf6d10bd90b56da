"""A whole deployment for one test: keys, producers, topics under a prefix, real workers, and what came out."""

from __future__ import annotations

import os
import signal
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import time
from typing import Any

import orjson
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from adapters.kafka_reader import TopicReader
from adapters.processes import ServerProcess, free_ports
from config import settings as config
from streams import topics
from streams.core import signing
from streams.core.records import Headers, Record
from streams.demo.auth_server import AuthServer, AuthService
from streams.explain import event_id_of
from streams.inbound import from_kafka
from streams.wiring.kafka import topic_admin
from tests.builders import shipped_schemas
from tests.offsets import end_of

ISSUER = "scholarship_agent"
AUTH = "scholar_auth"
KID = "test-1"
OPERATOR = "nora"
INBOUND = f"events.{ISSUER}"
SHORT = {
    # All durations are settings; tests divide them.
    "ENVIRONMENT": "development",
    "KAFKA_SESSION_TIMEOUT": "6",
    "KAFKA_HEARTBEAT_INTERVAL": "1.5",
    "KAFKA_REBALANCE_TIMEOUT": "6",
    "DISPATCH_MAX_POLL_INTERVAL": "6",
    "COMMIT_INTERVAL": "0.3",
    "JWKS_REFRESH_EVERY": "0.5",
    "JWKS_COOL_DOWN": "0.3",
    "GATE1_PROBE_EVERY": "0.5",
    "GATE1_FRESH_FOR": "2",
    "KAFKA_PROBE_EVERY": "0.5",
    "RATE_LIMIT_ENABLED": "false",  # those that are about the cap turn it on
    "SMTP_TIMEOUT": "5",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One record to produce to the inbound topic."""

    value: bytes | None
    event_id: str = ""
    key: bytes | None = b"student-7"
    headers: Headers = ()


class WorkerProcess:
    """One real worker. Its log is a file; its HTTP server is at ``base_url``."""

    def __init__(self, module: Sequence[str], environ: Mapping[str, str], log: Path) -> None:
        self.port = free_ports(1)[0]
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.log = log
        self.process = ServerProcess(
            [sys.executable, *module], output=log, environ={**os.environ, **environ, "PORT": str(self.port)}
        )

    def wait_ready(self, seconds: float = 60.0) -> WorkerProcess:
        """Until /readyz says 200."""
        self.process.wait_until(lambda: self.get("/readyz")[0] == 200, seconds)
        return self

    def get(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body; status 0 if nobody answers."""
        try:
            with urllib.request.urlopen(self.base_url + path, timeout=5) as response:  # noqa: S310 - loopback
                return response.status, dict(response.headers), response.read()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read()
        except OSError:
            return 0, {}, b""

    def kill(self) -> None:
        """SIGKILL, and wait."""
        self.process.kill()

    def terminate(self) -> None:
        """SIGTERM; see `exit_code`."""
        self.process.send(signal.SIGTERM)

    def exit_code(self, seconds: float) -> int | None:
        """The exit code, if it ends within ``seconds``."""
        return self.process.wait(seconds)


@dataclass(slots=True)
class Centre:
    """A deployment under ``prefix`` on ``bootstrap``; ``clients`` may reach workers' brokers another way (a proxy)."""

    bootstrap: str
    prefix: str
    folder: Path
    through: str = ""
    key_url: str = ""
    extra: dict[str, str] = field(default_factory=dict)
    workers: list[WorkerProcess] = field(default_factory=list)
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    kid: str = KID
    auth_kind: type[AuthServer] = AuthServer
    auth: AuthServer | None = None
    oauth: dict[str, str] = field(default_factory=dict)
    operator: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    def set_up(self) -> Centre:
        """Keys, producers file and topics."""
        tables = []
        for issuer, types in {ISSUER: sorted(shipped_schemas().events), AUTH: ["welcome"]}.items():
            document = orjson.dumps({"keys": [signing.public_jwk(self.key, kid=KID)]})
            (self.folder / f"{issuer}.json").write_bytes(document)
            source = f"{self.key_url}/{issuer}/jwks.json" if self.key_url else f"{issuer}.json"
            tables.append(f'[{issuer}]\nservice = "{issuer}"\ntypes = {types!r}\njwks = "{source}"\n')
        (self.folder / "producers.toml").write_text("\n".join(tables), "utf-8")
        self._write_operator()
        if self.auth is None:
            self.start_auth()
        assert self.auth is not None
        self.oauth = self.auth.environment()
        topic_admin(self.settings(), self.bootstrap).apply(topics.table([ISSUER, AUTH]))
        return self

    def _write_operator(self) -> None:
        """One operator, and their private key for the commands that order."""
        document = orjson.dumps({"keys": [signing.public_jwk(self.operator, kid=KID)]})
        (self.folder / f"{OPERATOR}.json").write_bytes(document)
        (self.folder / "operators.toml").write_text(f'[{OPERATOR}]\njwks = "{OPERATOR}.json"\n', "utf-8")
        pem = self.operator.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self.folder / "operator.pem").write_bytes(pem)

    def start_auth(self, port: int = 0) -> AuthServer:
        """Start the auth service, for gate 1 and for those who want their keys from a server."""
        keys = {issuer: {KID: self.key} for issuer in (ISSUER, AUTH)}
        self.auth = self.auth_kind(AuthService(keys), port=port)
        self.auth.__enter__()
        return self.auth

    def with_keys_from_auth(self) -> Centre:
        """Have the producers' keys come from the auth service rather than from files."""
        assert self.auth is not None, "set_up() comes first"
        self.key_url = self.auth.service.url
        return self.set_up()

    def stop_auth(self) -> None:
        """End it, if it runs."""
        if self.auth is not None:
            self.auth.__exit__(None, None, None)
            self.auth = None

    def environ(self, **changes: str) -> dict[str, str]:
        """The environment of a worker."""
        return {
            **SHORT,
            **self.oauth,
            "KAFKA_BOOTSTRAP": self.through or self.bootstrap,
            "TOPIC_PREFIX": self.prefix,
            "PRODUCERS_FILE": str(self.folder / "producers.toml"),
            "OPERATORS_FILE": str(self.folder / "operators.toml"),
            "CONTROL_SIGNING_KEY_FILE": str(self.folder / "operator.pem"),
            **self.extra,
            **changes,
        }

    def settings(self) -> config.Settings:
        """The same as settings."""
        return config.load(overrides={name.lower(): value for name, value in self.environ().items()})

    def worker(self, composition: str = "", **changes: str) -> WorkerProcess:
        """Start a worker; ``composition`` names one of ``tests/faults/worker.py``, the product's if empty."""
        module = ["-m", "tests.faults.worker", composition] if composition else ["-m", "streams.cli.main", "run"]
        log = self.folder / f"worker-{len(self.workers)}.log"
        self.workers.append(WorkerProcess(module, self.environ(**changes), log))
        return self.workers[-1]

    def stop_workers(self) -> None:
        """End whatever still runs."""
        for worker in self.workers:
            if worker.process.running:
                worker.process.terminate(12)

    def event(self, jti: str, event_type: str = "new_match", **changes: Any) -> Outgoing:
        """A signed event of the shipped example."""
        body = _example(event_type) | changes
        claims = signing.claims(body, issuer=ISSUER, service=ISSUER, jti=jti, now_s=int(time()))
        return Outgoing(value=signing.sign(claims, self.key, kid=self.kid).encode(), event_id=f"{ISSUER}/{jti}")

    def events(self, count: int) -> list[Outgoing]:
        """``count`` signed events with as many keys, all for one recipient."""
        made = (self.event(f"{index}-{uuid.uuid4().hex[:8]}") for index in range(count))
        return [
            Outgoing(value=one.value, event_id=one.event_id, key=f"student-{index}".encode())
            for index, one in enumerate(made)
        ]

    def events_to_many(self, count: int) -> list[Outgoing]:
        """``count`` signed events for as many recipients, so that their messages are in all partitions of dispatch."""
        return [self.to(f"student-{index}", f"{index}-{uuid.uuid4().hex[:8]}") for index in range(count)]

    def to(self, recipient: str, jti: str) -> Outgoing:
        """A signed event for this recipient."""
        made = self.event(jti, recipient={**_example("new_match")["recipient"], "id": recipient})
        return Outgoing(value=made.value, event_id=made.event_id, key=recipient.encode())

    @contextmanager
    def producer(self, **config: Any) -> Iterator[Producer]:
        """A producer that isn't ours; flushed on the way out."""
        failures: list[str] = []

        def report(error: KafkaError | None, _message: Message) -> None:
            if error is not None:
                failures.append(error.str())

        made = Producer({"bootstrap.servers": self.bootstrap, "on_delivery": report, **config})
        yield made
        assert made.flush(60) == 0
        assert failures == []

    def produce(self, records: Iterable[Outgoing], *, topic: str = INBOUND) -> None:
        """Produce all to an inbound topic, confirmed."""
        with self.producer() as producer:
            for record in records:
                self.put(producer, record, topic=topic)

    def put(self, producer: Producer, record: Outgoing, *, topic: str = INBOUND) -> None:
        """Hand one record to a producer."""
        while True:
            try:
                producer.produce(self.prefix + topic, key=record.key, value=record.value, headers=list(record.headers))
            except BufferError:
                producer.poll(0.1)
            else:
                producer.poll(0)
                return

    def read(self, *names: str, seconds: float = 60.0) -> list[Record]:
        """All that stands in these topics now."""
        reader = TopicReader({"bootstrap.servers": self.bootstrap})
        try:
            found = reader.scan([self.prefix + name for name in names], since_ms=0, seconds=seconds)
            records = [from_kafka(message, prefix=self.prefix) for message in found]
            assert reader.complete, f"{names} could not be read to their ends"
            return records
        finally:
            reader.close()

    def ids(self, *names: str) -> list[str]:
        """The event ids in these topics, repetitions and all."""
        return [event_id for record in self.read(*names) if (event_id := event_id_of(record)) is not None]

    def committed(self, group: str = "ingest") -> dict[tuple[str, int], int]:
        """The group's committed offsets by logical topic and partition."""
        group_id = f"{self.prefix}comcenter.{group}"
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": group_id})
        try:
            known = consumer.list_topics(timeout=20).topics
            places = [
                TopicPartition(name, partition)
                for name in known
                if name.startswith(self.prefix)
                for partition in known[name].partitions
            ]
            found = consumer.committed(places, timeout=20)
        finally:
            consumer.close()
        return {(tp.topic.removeprefix(self.prefix), tp.partition): tp.offset for tp in found if tp.offset >= 0}

    def ends(self, name: str) -> dict[int, int]:
        """The end offset of each partition of a topic."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "tests"})
        try:
            full = self.prefix + name
            partitions = consumer.list_topics(full, timeout=20).topics[full].partitions
            return {p: end_of(consumer, TopicPartition(full, p)) for p in partitions}
        finally:
            consumer.close()


def _example(event_type: str) -> dict[str, Any]:
    known = shipped_schemas()
    return known.versions(event_type)[known.latest(event_type)].example()
