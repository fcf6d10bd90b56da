"""A producer's folder, in each of the three languages."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.conftest import SessionBrokers
from tests.producers.snippets import Workplace
from tests.producers.tools import TOOLS, ToolUnavailable

LIBRARY = {"node": "node_modules", "java": "lib"}
"""Where a language looks for what `npm` or Maven fetched."""
LANGUAGES = {"python": None, "javascript": "node", "java": "java"}


def fitted(language: str, folder: Path, brokers: SessionBrokers) -> Workplace:
    """A laid-out folder with the language's libraries; the test is skipped where its tool is missing."""
    tool = LANGUAGES[language]
    if tool is not None:
        reason = TOOLS[tool].lacking(os.environ)
        try:
            library = folder if reason else TOOLS[tool].library()
        except ToolUnavailable as error:
            reason = str(error)
        if reason:
            brokers.lacks(tool, reason)
        (folder / LIBRARY[tool]).symlink_to(library)
    if shutil.which("openssl") is None:
        pytest.skip("no `openssl`")
    return Workplace(folder).lay_out()


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
