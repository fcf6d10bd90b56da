"""The compose file, which CI can't run: what can be told from its text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.settings import Settings

ROOT = Path(__file__).parents[2]
WORKER_ROLES = ("topics", "worker")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    document = yaml.safe_load((ROOT / "docker-compose.kafka.yml").read_text("utf-8"))
    found: dict[str, Any] = document["services"]
    return found


@pytest.fixture
def kafka(services: dict[str, Any]) -> dict[str, str]:
    """The broker's environment."""
    environment: dict[str, str] = services["kafka"]["environment"]
    return environment


def listeners(text: str) -> dict[str, tuple[str, int]]:
    """``NAME://host:port,…`` as a mapping."""
    parts = (re.fullmatch(r"(\w+)://([\w.]+):(\d+)", part) for part in text.split(","))
    return {part[1]: (part[2], int(part[3])) for part in parts if part is not None}


def test_it_has_a_broker_its_topics_a_mail_sink_and_a_worker_on_demand(services: dict[str, Any]) -> None:
    assert set(services) == {"kafka", "topics", "mail", "worker"}
    assert [name for name, service in services.items() if "profiles" in service] == ["worker"]


def test_topics_are_applied_when_kafka_is_healthy_and_the_worker_begins_after_them(services: dict[str, Any]) -> None:
    assert services["kafka"]["healthcheck"]["test"][0] == "CMD"
    assert services["topics"]["depends_on"]["kafka"]["condition"] == "service_healthy"
    assert services["topics"]["command"] == ["topics", "apply"]
    assert services["topics"]["restart"] == "no"
    assert services["worker"]["depends_on"]["topics"]["condition"] == "service_completed_successfully"


def test_nothing_is_published_beyond_this_machine(services: dict[str, Any]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published
    assert all(isinstance(port, str) and port.startswith("127.0.0.1:") for port in published)
    assert not any("network_mode" in service or "privileged" in service for service in services.values())


def test_a_mistyped_topic_is_not_created(kafka: dict[str, str]) -> None:
    assert kafka["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_every_listener_that_clients_are_told_of_is_one_that_the_broker_has(kafka: dict[str, str]) -> None:
    bound, told = listeners(kafka["KAFKA_LISTENERS"]), listeners(kafka["KAFKA_ADVERTISED_LISTENERS"])
    controller = kafka["KAFKA_CONTROLLER_LISTENER_NAMES"]
    assert set(told) == set(bound) - {controller}
    assert {name: port for name, (_, port) in told.items()} == {name: bound[name][1] for name in told}
    protocols = dict(pair.split(":") for pair in kafka["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(","))
    assert set(protocols) == set(bound)
    assert kafka["KAFKA_INTER_BROKER_LISTENER_NAME"] in told
    host, port = bound[controller]
    assert kafka["KAFKA_CONTROLLER_QUORUM_VOTERS"] == f"{kafka['KAFKA_NODE_ID']}@{host}:{port}"


def test_this_machine_and_the_containers_are_each_told_an_address_that_they_can_reach(
    services: dict[str, Any], kafka: dict[str, str]
) -> None:
    told = set(listeners(kafka["KAFKA_ADVERTISED_LISTENERS"]).values())
    published = {tuple(port.rpartition(":")[0].split(":")) for port in services["kafka"]["ports"]}
    from_outside = {(host, port) for host, port in told if host == "127.0.0.1"}
    assert {(host, str(port)) for host, port in from_outside} == published
    assert all(port.rpartition(":")[2] == port.split(":")[1] for port in services["kafka"]["ports"])
    for role in WORKER_ROLES:
        host, _, port = services[role]["environment"]["KAFKA_BOOTSTRAP"].partition(":")
        assert (host, int(port)) in told - from_outside
        assert host in services


def test_one_node_asks_for_one_replica(kafka: dict[str, str]) -> None:
    replicas = {name: value for name, value in kafka.items() if "REPLICATION_FACTOR" in name or name.endswith("_ISR")}
    assert set(replicas.values()) == {"1"}


@pytest.mark.parametrize("role", WORKER_ROLES)
def test_our_own_settings_are_settings(services: dict[str, Any], role: str) -> None:
    given = services[role]["environment"]
    assert {name.lower() for name in given} <= Settings.model_fields.keys()
    inside = {"producers_file": ROOT / "config/producers.toml"}  # its path in the container isn't one here
    Settings(**{name.lower(): value for name, value in given.items()} | inside)
    assert not {"MODE", "DISABLE_SEND"} & given.keys(), "dry run is the default; it stays"


def test_the_worker_listens_where_its_port_is_published(services: dict[str, Any]) -> None:
    worker = services["worker"]
    assert worker["environment"]["HOST"] == "0.0.0.0"  # noqa: S104 - inside its container
    assert [port.rpartition(":")[2] for port in worker["ports"]] == [worker["environment"]["PORT"]]
    assert f":{worker['environment']['PORT']}/readyz" in worker["healthcheck"]["test"][-1]


def test_every_image_has_a_version_and_ours_has_the_packages(services: dict[str, Any]) -> None:
    images = {name: service["image"] for name, service in services.items()}
    assert all(re.fullmatch(r"[\w/-]+:v?\d+\.\d+(\.\d+)?", image) for image in images.values()), images
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    assert version is not None
    assert {images[role] for role in WORKER_ROLES} == {f"auto-com-center:{version[1]}"}
    assert all(services[role]["build"]["dockerfile"] == "deploy/Dockerfile" for role in WORKER_ROLES)


def test_the_image_is_built_from_checked_packages_and_runs_without_rights() -> None:
    """Hashes for everything that is downloaded by name, nobody's own index, not root."""
    lines = (ROOT / "deploy/Dockerfile").read_text("utf-8").splitlines()
    installs = [line for line in lines if "pip install" in line]
    *packages, ours = installs
    assert all(line.startswith("RUN pip install --require-hashes -r requirements/") for line in packages)
    assert ours.startswith("RUN pip install --no-deps --no-build-isolation . ")
    assert [line for line in lines if line.startswith("USER ")] == ["USER 10001"]
    assert not any("index-url" in line or "://" in line for line in lines)
    copied = [
        word for line in lines if line.startswith("COPY ") and "--from" not in line for word in line.split()[1:-1]
    ]
    assert all((ROOT / path).exists() for path in copied)
