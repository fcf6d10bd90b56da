"""The demo's surroundings: broker, keys and their server, mail sink, producers file, topics, a real worker process."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import urllib.error
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from adapters.embedded_broker import EmbeddedBroker
from adapters.processes import ServerFailed, ServerProcess, free_ports
from config import producers
from config import settings as config
from config.producers import GATE1_SERVICE
from schemas import registry
from streams import topics
from streams.core.signing import PrivateKey, public_jwk
from streams.demo.auth_server import AuthServer, AuthService
from streams.demo.events import ISSUER, KID
from streams.demo.sink import MailSink
from streams.wiring.kafka import topic_admin

OPERATOR: Final = "demo-operator"
EXTERNAL_PREFIX: Final = "demo."
"""Put before topics and groups on a cluster that isn't ours alone."""
READY_S: Final = 60.0
STOP_S: Final = 12.0
SMALL_TIMES: Final = {
    # A broker may wait for a part of the rebalance timeout before a group's first assignment.
    "KAFKA_SESSION_TIMEOUT": "6",
    "KAFKA_HEARTBEAT_INTERVAL": "2",
    "KAFKA_REBALANCE_TIMEOUT": "6",
    "DISPATCH_MAX_POLL_INTERVAL": "6",
    "JWKS_REFRESH_EVERY": "2",
    "JWKS_COOL_DOWN": "1",
    "GATE1_PROBE_EVERY": "2",
    "SMTP_TIMEOUT": "5",
}


class DemoError(RuntimeError):
    """The demo can't go on; the message says why and where to look."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where things are, for those who want to look."""

    folder: Path

    @property
    def log(self) -> Path:
        """The worker's log."""
        return self.folder / "worker.log"

    @property
    def outbox(self) -> Path:
        """Rendered messages, and what the mail sink received."""
        return self.folder / "outbox"

    def key(self, issuer: str) -> Path:
        """An issuer's private key."""
        return self.folder / f"{issuer}.pem"

    @property
    def operators(self) -> Path:
        """The operators file."""
        return self.folder / "operators.toml"

    @property
    def producers(self) -> Path:
        """The producers file."""
        return self.folder / "producers.toml"


class World:
    """Enter it, and all of it runs; leave it, and nothing is left but ``folder``'s parent."""

    def __init__(self, *, mode: str, port: int) -> None:
        self.mode = mode
        self.environment = {**SMALL_TIMES, "ENVIRONMENT": "development", "MODE": mode}
        self.environment["DISABLE_SEND"] = "false" if mode == "live" else "true"
        self._port = port
        self._stack = ExitStack()
        self.key: PrivateKey
        self.broker = ""

    def __enter__(self) -> Self:
        try:
            self._enter()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _enter(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="comcenter-demo-"))
        self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
        self.places = Places(folder)
        self.places.outbox.mkdir()
        self._start_broker()
        self._start_auth_server()
        self._write_operator()
        sink = self._stack.enter_context(MailSink(self.places.outbox))
        self.environment["SMTP_URL"] = sink.url
        self.settings = config.load(overrides={name.lower(): value for name, value in self.environment.items()})
        rows = producers.read(self.places.producers, production=False)
        self.table = topics.table(row.service for row in rows)
        topic_admin(self.settings, self.bootstrap).apply(self.table)
        self._start_worker()

    def _start_broker(self) -> None:
        given = os.environ.get("KAFKA_BOOTSTRAP")
        if given:
            self.bootstrap, self.broker = given, f"Kafka at {given}"
            self.environment["TOPIC_PREFIX"] = os.environ.get("TOPIC_PREFIX", EXTERNAL_PREFIX)
        else:
            embedded = self._stack.enter_context(EmbeddedBroker())
            self.bootstrap, self.broker = embedded.bootstrap, f"embedded (Tansu) at {embedded.bootstrap}"
        self.environment["KAFKA_BOOTSTRAP"] = self.bootstrap

    def _start_auth_server(self) -> None:
        keys = {issuer: generate_private_key(65537, 2048) for issuer in (ISSUER, GATE1_SERVICE)}
        self.key = keys[ISSUER]
        for issuer, key in keys.items():
            self._write_key(issuer, key)
        service = AuthService({issuer: {KID: key} for issuer, key in keys.items()})
        server = self._stack.enter_context(AuthServer(service))
        self.environment.update(server.environment())
        types = {ISSUER: sorted(registry.load().events), GATE1_SERVICE: ["welcome", "password_reset"]}
        tables = (
            f'[{issuer}]\nservice = "{issuer}"\ntypes = {types[issuer]!r}\njwks = "{server.keys_url(issuer)}"\n'
            for issuer in keys
        )
        self.places.producers.write_text("\n".join(tables), "utf-8")
        self.environment["PRODUCERS_FILE"] = str(self.places.producers)

    def _write_operator(self) -> None:
        """One who may order, with a key for the commands."""
        key = Ed25519PrivateKey.generate()
        self._write_key(OPERATOR, key)
        public = public_jwk(key, kid=KID)
        inline = ", ".join(f"{name} = {json.dumps(member)}" for name, member in public.items())
        self.places.operators.write_text(f"[{OPERATOR}]\nkey = {{ {inline} }}\n", "utf-8")
        self.environment["OPERATORS_FILE"] = str(self.places.operators)
        self.environment["CONTROL_SIGNING_KEY_FILE"] = str(self.places.key(OPERATOR))

    def _write_key(self, name: str, key: PrivateKey) -> None:
        self.places.key(name).touch(mode=0o600)
        self.places.key(name).write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    def _start_worker(self) -> None:
        port = self._port or free_ports(1)[0]
        self.base_url = f"http://127.0.0.1:{port}"
        environment = {**os.environ, **self.environment, "PORT": str(port), "APP_BASE_URL": self.base_url}
        worker = ServerProcess(
            [sys.executable, "-m", "streams.cli.main", "run"], output=self.places.log, environ=environment
        )
        self._stack.callback(worker.terminate, STOP_S)
        try:
            worker.wait_until(lambda: _ready(self.base_url), READY_S)
        except ServerFailed as error:
            raise DemoError(f"the worker did not start: {error}") from None


def _ready(base_url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{base_url}/readyz", timeout=2):  # noqa: S310 - loopback http
            return True
    except (urllib.error.URLError, OSError):
        return False
