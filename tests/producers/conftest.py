"""A producer in each of the three languages."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import SessionBrokers
from tests.producers.workplace import LANGUAGES, Workplace, fitted


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    """Each language of the page in turn."""
    return str(request.param)


@pytest.fixture
def workplace(language: str, tmp_path: Path, brokers: SessionBrokers) -> Workplace:
    """A producer who has a key, has published it, and has an event to send."""
    made = fitted(language, tmp_path, brokers)
    for step in ("make-key.sh", "publish.sh", "example.sh"):
        made.sh(step)
    return made
