"""Everything that the pages and the AsyncAPI document are made from, gathered once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config import producers
from config.producers import ProducerRow
from config.settings import HERE
from schemas import files, registry
from schemas.files import Kind, SchemaFile
from streams import templates, topics
from streams.core.templates import Templates
from streams.topics import Topic


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """``events`` are by type, then by version in ascending order; ``common`` and ``records`` by name."""

    events: Mapping[str, Mapping[str, SchemaFile]]
    common: Mapping[str, SchemaFile]
    records: Mapping[str, SchemaFile]
    producers: tuple[ProducerRow, ...]
    templates: Templates
    topics: tuple[Topic, ...]

    def senders(self, event_type: str) -> list[ProducerRow]:
        """Who may send a type, by the shipped producers file."""
        return [row for row in self.producers if event_type in row.types]


def gather(root: Path = registry.ROOT) -> Source:
    """Read schemas, templates and the shipped producers file."""
    found = [file for file in files.read(root) if file.document is not None]
    events: dict[str, dict[str, SchemaFile]] = {}
    for file in sorted((f for f in found if f.kind is Kind.EVENT), key=lambda f: registry.version_key(f.version)):
        events.setdefault(file.name, {})[file.version] = file
    rows = producers.read(HERE / "producers.toml", production=True)
    return Source(
        events=dict(sorted(events.items())),
        common={file.name: file for file in found if file.kind is Kind.COMMON},
        records={file.name: file for file in found if file.kind is Kind.RECORD},
        producers=rows,
        templates=templates.load(),
        topics=topics.table(row.service for row in rows),
    )


def document(file: SchemaFile) -> Mapping[str, Any]:
    """The schema in a file that is one."""
    return file.document or {}
