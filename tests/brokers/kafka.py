"""Apache Kafka itself, one node in KRaft mode, from its Maven artifacts: for machines without a Docker engine.

It needs Java 17 or later and, the first time, Maven and a Maven repository.
"""

from __future__ import annotations

import atexit
import base64
import os
import secrets
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Self

from adapters.embedded_broker import answers_metadata
from adapters.processes import HOST, ServerFailed, ServerProcess, accepts, free_ports
from tests.brokers.jars import KafkaUnavailable, ensure_jars, find_java, kafka_version

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

__all__ = ["KafkaBroker", "KafkaUnavailable", "Ports", "ensure_jars", "kafka_version", "server_settings"]

HEAP = "512m"
FORMAT_SECONDS = 60.0
START_SECONDS = 60.0  # 4 s on two idle cores; 6 s after a kill.
STOP_SECONDS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where one node listens on 127.0.0.1, and the port that it advertises on its second client listener."""

    clients: int
    proxied: int
    controller: int
    advertised: int


def server_settings(ports: Ports, data: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """The server's properties, those of `extra` on top."""
    clients, controller = f"CLIENTS://{HOST}:{ports.clients}", f"CONTROLLER://{HOST}:{ports.controller}"
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.bootstrap.servers": f"{HOST}:{ports.controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"{clients},PROXIED://{HOST}:{ports.proxied},{controller}",
        "advertised.listeners": f"{clients},PROXIED://{HOST}:{ports.advertised},{controller}",
        "listener.security.protocol.map": "CLIENTS:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "CLIENTS",
        "log.dirs": str(data),
        "default.replication.factor": "1",
        "min.insync.replicas": "1",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "8",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "8",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        # A node that was killed may register again only when its last session is over: 9 s, unless told otherwise.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        **extra,
    }


LOGGING = {
    "status": "error",
    "appender.out.type": "Console",
    "appender.out.name": "out",
    "appender.out.layout.type": "PatternLayout",
    "appender.out.layout.pattern": "%d{ISO8601} %p %m (%c)%n%throwable",
    "rootLogger.level": "warn",
    "rootLogger.appenderRef.out.ref": "out",
    "logger.kafka.name": "kafka.server",
    "logger.kafka.level": "info",
}


def write_properties(path: Path, values: Mapping[str, str]) -> None:
    """Write a Java properties file."""
    path.write_text("".join(f"{name}={value}\n" for name, value in values.items()))


class KafkaBroker:
    """One Kafka node on ports of 127.0.0.1 that stay the same over `kill()` and `restart()`, as its data does.

    Clients of `bootstrap` talk to it directly. Its second listener is for a proxy: the node listens at
    `proxied_target` but tells clients that it is at `proxied_port`, so a client that begins at the proxy stays there.
    It ends like `EmbeddedBroker` does, also when this process is killed.
    """

    def __init__(self, *, proxied_port: int = 0, settings: Mapping[str, str] | None = None) -> None:
        """`proxied_port` 0 means any free port; `settings` are server properties that override ours."""
        clients, proxied, controller, spare = free_ports(4)
        self._ports = Ports(clients=clients, proxied=proxied, controller=controller, advertised=proxied_port or spare)
        self._settings = dict(settings or {})
        self._directory: TemporaryDirectory[str] | None = None
        self._process: ServerProcess | None = None

    @property
    def name(self) -> str:
        """What to call this broker in a report."""
        return f"Apache Kafka {kafka_version()} (Maven artifacts, KRaft)"

    @property
    def bootstrap(self) -> str:
        """`host:port` of the direct listener."""
        return f"{HOST}:{self._ports.clients}"

    @property
    def proxied_port(self) -> int:
        """The port where the proxy must listen, since clients are told so."""
        return self._ports.advertised

    @property
    def proxied_target(self) -> tuple[str, int]:
        """The host and port to which the proxy must connect."""
        return HOST, self._ports.proxied

    @property
    def running(self) -> bool:
        """Whether its process has not ended; a paused one is running."""
        return self._process is not None and self._process.running

    @property
    def pid(self) -> int:
        """The server's process id, for as long as it runs."""
        return self._live().pid

    def start(self) -> None:
        """Return once it answers metadata requests, within 60 s; nothing if it is running already.

        Raises KafkaUnavailable when this machine lacks what it takes, ServerFailed when the server ends early.
        """
        if self.running:
            return
        java = find_java(os.environ)
        jars = ensure_jars()
        try:
            root = self._prepare(java, jars)
            command = [*_java(java, jars, root), f"-Xmx{HEAP}", "kafka.Kafka", str(root / "server.properties")]
            self._process = ServerProcess(command, output=root / "server.log", environ=os.environ)
            self._process.wait_until(
                lambda: accepts(self._ports.clients) and answers_metadata(self.bootstrap), START_SECONDS
            )
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it, within 15 s by SIGTERM and then by SIGKILL, and remove its data; nothing if it never ran."""
        atexit.unregister(self.stop)
        if self._process is not None:
            self._process.terminate(STOP_SECONDS)
            self._process = None
        if self._directory is not None:
            self._directory.cleanup()
            self._directory = None

    def kill(self) -> None:
        """End it with SIGKILL; its data stays for `restart()`."""
        self._live().kill()

    def pause(self) -> None:
        """Stop it with SIGSTOP: connections stay open and nothing answers."""
        self._live().send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause()`."""
        self._live().send(signal.SIGCONT)

    def restart(self) -> None:
        """End it as `stop()` does, if it is running, and start it on the same ports with the same data."""
        if self._process is not None:
            self._process.terminate(STOP_SECONDS)
        self.start()

    def log(self, count: int = 50) -> str:
        """The last lines of its log."""
        return "" if self._process is None else self._process.last_lines(count)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _live(self) -> ServerProcess:
        if self._process is None or not self._process.running:
            raise RuntimeError("this Kafka broker is not running")
        return self._process

    def _prepare(self, java: str, jars: Path) -> Path:
        """The directory of this node; created, configured and formatted the first time."""
        if self._directory is not None:
            return Path(self._directory.name)
        self._directory = TemporaryDirectory(prefix="comcenter-kafka-")
        atexit.register(self.stop)
        root = Path(self._directory.name)
        (root / "tmp").mkdir()
        write_properties(root / "server.properties", server_settings(self._ports, root / "data", self._settings))
        write_properties(root / "log4j2.properties", LOGGING)
        _format(java, jars, root)
        return root


def _java(java: str, jars: Path, root: Path) -> list[str]:
    return [
        java,
        "-cp",
        f"{jars}/*",
        f"-Dlog4j2.configurationFile={root / 'log4j2.properties'}",
        f"-Djava.io.tmpdir={root / 'tmp'}",  # Native compression libraries are unpacked there.
        "-XX:-UsePerfData",
        "-XX:+ExitOnOutOfMemoryError",
    ]


def _format(java: str, jars: Path, root: Path) -> None:
    cluster = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
    tool = ["kafka.tools.StorageTool", "format", "--standalone", f"--cluster-id={cluster}"]
    tool += ["--config", str(root / "server.properties")]
    done = subprocess.run(  # noqa: S603 - a fixed command line
        [*_java(java, jars, root), *tool], capture_output=True, text=True, timeout=FORMAT_SECONDS, check=False
    )
    if done.returncode != 0:
        raise ServerFailed(f"formatting the data directory failed:\n{(done.stdout + done.stderr)[-2000:]}")
