"""``python -m streams.catalogue docs`` writes the pages of events and the AsyncAPI document into that folder."""

from __future__ import annotations

import sys
from pathlib import Path

from streams.catalogue import asyncapi, pages
from streams.catalogue.source import gather


def main(folder: Path) -> None:
    """Write everything anew; a page whose type is gone goes, too."""
    source = gather()
    made = pages.pages(source)
    events = folder / "events"
    events.mkdir(exist_ok=True)
    for page in events.glob("*.md"):
        if page.name not in made:
            page.unlink()
    for name, text in made.items():
        (events / name).write_text(text, "utf-8")
    (folder / "asyncapi.yaml").write_text(asyncapi.written(source), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
