"""The snippets of docs/producers.md: a file each, by the name in the comment before it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).parents[2] / "docs/producers.md"
FENCED: Final = re.compile(r"^```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SNIPPET: Final = re.compile(r"^<!-- snippet: (\S+) -->\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def snippets() -> dict[str, str]:
    """Name to text, in the order of the page."""
    return dict(SNIPPET.findall(PAGE.read_text("utf-8")))
