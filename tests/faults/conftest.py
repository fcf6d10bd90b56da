"""One Kafka node for all faults, a prefix and a seed for each; `make faults ONLY=8 SEED=7`."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.brokers.kafka import KafkaBroker
from tests.faults.provider import FakeProvider
from tests.faults.proxy import BlackHoleProxy
from tests.faults.scene import Scene
from tests.world import Centre

DEFAULT_SEED = 1


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the faults that FAULT_ONLY names, if it does."""
    only = {int(number) for number in os.environ.get("FAULT_ONLY", "").replace(",", " ").split()}
    if not only:
        return
    kept = []
    for item in items:
        marker = item.get_closest_marker("fault")
        if marker is None or marker.args[0] in only:
            kept.append(item)
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


@pytest.fixture
def seed() -> int:
    """The seed of this run; printed, so that it can be repeated."""
    return int(os.environ.get("FAULT_SEED") or DEFAULT_SEED)


@pytest.fixture
def rng(seed: int, request: pytest.FixtureRequest) -> random.Random:
    """Randomness that the seed and the test's name decide."""
    print(f"\nseed {seed}", end=": ")
    return random.Random(f"{seed} {request.node.originalname}")  # noqa: S311 - repeatable on purpose


@pytest.fixture
def centre(kafka_process: KafkaBroker, topic_prefix: str, tmp_path: Path) -> Iterator[Centre]:
    """A deployment on the node, no worker running; workers are ended afterwards."""
    made = Centre(kafka_process.bootstrap, topic_prefix, tmp_path).set_up()
    yield made
    made.stop_workers()
    made.stop_auth()


@pytest.fixture
def proxy(kafka_process: KafkaBroker, centre: Centre) -> Iterator[BlackHoleProxy]:
    """A proxy between the deployment's workers and the node; the test itself goes round it."""
    with BlackHoleProxy(kafka_process.proxied_port, kafka_process.proxied_target) as made:
        centre.through = made.bootstrap
        yield made


@pytest.fixture
def scene(centre: Centre, rng: random.Random) -> Iterator[Scene]:
    """The deployment in `live`, with a provider that is watched."""
    with FakeProvider() as provider:
        yield Scene(centre, provider, rng).go_live()
        centre.stop_workers()
