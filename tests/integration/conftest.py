"""A deployment per test, on each broker in turn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.brokers.choose import RunningBroker
from tests.world import Centre


@pytest.fixture
def centre(broker: RunningBroker, topic_prefix: str, tmp_path: Path) -> Iterator[Centre]:
    """Topics and keys made, no worker running; workers are ended afterwards."""
    made = Centre(broker.bootstrap, topic_prefix, tmp_path).set_up()
    yield made
    made.stop_workers()
    made.stop_auth()
