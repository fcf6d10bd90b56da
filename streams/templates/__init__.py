"""The shipped templates and their loader.

``registry.toml`` names them; ``<template>/<version>/<channel>.<part>`` are the texts.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from streams.core.messages import Category
from streams.core.templates import Deliver, OnUnknown, Template, Templates

ROOT: Final = Path(__file__).parent


class TemplateLoadError(ValueError):
    """A template can't be used; the message names the row or file and what to change."""


def load(root: Path = ROOT) -> Templates:
    """Read the registry and every version on disk.

    Raises:
        TemplateLoadError: a row lacks a member, or the version in force has no files for one of its channels.
    """
    try:
        rows = tomllib.loads((root / "registry.toml").read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise TemplateLoadError(f"{root / 'registry.toml'}: {error}") from None
    return Templates({name: _template(root, name, row) for name, row in rows.items()})


def _template(root: Path, name: str, row: Mapping[str, Any]) -> Template:
    try:
        template = Template(
            name=name,
            version=row["version"],
            event_type=row["event"],
            category=Category(row["category"]),
            sender=row["sender"],
            channels=tuple(row["channels"]),
            deliver=Deliver(row.get("deliver", "first")),
            on_unknown=OnUnknown(row.get("on_unknown", "park")),
            required=tuple(row.get("required", ())),
            optional=tuple(row.get("optional", ())),
            sample=row.get("sample", {}),
            sources=_sources(root / name),
        )
    except (KeyError, ValueError) as error:
        raise TemplateLoadError(f"template {name} in registry.toml: {error!r}") from None
    texts = template.sources.get(template.version, {})
    for channel in template.channels:
        if "text" not in texts.get(channel, {}):
            raise TemplateLoadError(f"template {name}: {name}/{template.version}/{channel}.text is missing")
    return template


def _sources(folder: Path) -> dict[str, dict[str, dict[str, str]]]:
    sources: dict[str, dict[str, dict[str, str]]] = {}
    for path in sorted(folder.glob("*/*.*")):
        channel, _, part = path.name.partition(".")
        sources.setdefault(path.parent.name, {}).setdefault(channel, {})[part] = path.read_text("utf-8")
    return sources
