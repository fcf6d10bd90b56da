"""Apache Kafka in a container of the image that the Apache project publishes, through testcontainers.

Written from the source of testcontainers 4.15 and of the image's start scripts, on a machine without a Docker
engine: it was *not run* with one, only with a stand-in that gave the settings below to the same version of Kafka.
testcontainers' own `KafkaContainer` can't start this image, since its start script is for Confluent's (it sources
/etc/confluent/docker/bash-config); so this is a plain `DockerContainer`.
"""

from __future__ import annotations

import gc
import importlib
import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapters.embedded_broker import answers_metadata
from adapters.processes import ServerFailed, free_ports
from tests.brokers.jars import KafkaUnavailable, kafka_version

if TYPE_CHECKING:
    from collections.abc import Mapping

ENGINE_SECONDS = 5
START_SECONDS = 60.0


def image() -> str:
    """The image of the same version as the Maven artifacts."""
    return f"apache/kafka:{kafka_version()}"


def engine_answers() -> bool:
    """Whether a Docker engine answers a ping, within 5 s."""
    try:
        docker = importlib.import_module("docker")
    except ImportError:
        return False
    with warnings.catch_warnings():
        # docker-py leaves open the socket that it could not connect; let it be collected here, not in some test.
        warnings.simplefilter("ignore", ResourceWarning)
        answers = _ping(docker)
        gc.collect()
    return answers


def _ping(docker: Any) -> bool:
    try:
        client = docker.from_env(timeout=ENGINE_SECONDS)
    except docker.errors.DockerException:
        return False
    try:
        return bool(client.ping())
    except docker.errors.DockerException:
        return False
    finally:
        client.close()


@dataclass(frozen=True, slots=True)
class KafkaContainer:
    """One node that runs in a container, removed by `stop()` (and by testcontainers' reaper if we are killed)."""

    bootstrap: str
    container: Any

    def stop(self) -> None:
        """Remove the container with its volumes."""
        self.container.stop()


def start_container() -> KafkaContainer:
    """Return once it answers metadata requests, within 60 s after its image is there.

    Raises KafkaUnavailable when the engine refuses (it can't pull the image, for one), ServerFailed when the broker
    doesn't answer.
    """
    docker_errors = importlib.import_module("docker.errors")
    testcontainers = importlib.import_module("testcontainers.core.container")
    (port,) = free_ports(1)
    container = testcontainers.DockerContainer(image()).with_bind_ports(port, port)
    started = KafkaContainer(f"{container.get_docker_client().host()}:{port}", container)
    container.with_envs(**server_environment(started.bootstrap, port))
    try:
        container.start()
        _wait(started)
    except docker_errors.DockerException as error:
        started.stop()
        raise KafkaUnavailable(f"the Docker engine can't run {image()}: {error}") from error
    except BaseException:
        started.stop()
        raise
    return started


def server_environment(bootstrap: str, port: int) -> Mapping[str, str]:
    """The server's settings as the image's variables: `KAFKA_`, then the property in capitals, `_` for each dot.

    The node tells clients of the published address, which may not lead anywhere from inside the container; so it
    talks to itself (transaction markers do) on a listener of its own.
    """
    return {
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_NODE_ID": "1",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9094",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_INTER_BROKER_LISTENER_NAME": "INTERNAL",
        "KAFKA_LISTENERS": f"CLIENTS://0.0.0.0:{port},INTERNAL://localhost:9093,CONTROLLER://localhost:9094",
        "KAFKA_ADVERTISED_LISTENERS": f"CLIENTS://{bootstrap},INTERNAL://localhost:9093",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CLIENTS:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "8",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS": "8",
        "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR": "1",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS": "1000",
        "KAFKA_HEAP_OPTS": "-Xmx512m",
    }


def _wait(started: KafkaContainer) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not answers_metadata(started.bootstrap):
        if time.monotonic() > deadline:
            output, errors = started.container.get_logs()
            said = (output + errors).decode(errors="replace")[-2000:]
            raise ServerFailed(f"Kafka in its container did not answer within {START_SECONDS:g} s:\n{said}")
