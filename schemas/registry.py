"""The schema registry: the files under ``schemas/``, compiled once with ``jsonschema-rs``.

Layout: ``events/<type>/<major>.<minor>.json`` (draft 2020-12, closed, ``$ref`` only to ``common/``), and
``records/<name>.json`` for the records between our own steps.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import jsonschema_rs
import orjson

ROOT: Final = Path(__file__).parent
_VERSION: Final = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)", re.ASCII)


class SchemaLoadError(ValueError):
    """A schema file can't be used; the message names the file and what to change."""


@dataclass(frozen=True, slots=True)
class Breach:
    """One violation: JSON pointer into the instance, and the keyword that it breaks. Never a value of the instance."""

    pointer: str
    keyword: str


class CompiledSchema:
    """One schema, ready to validate. ``format`` is asserted."""

    def __init__(self, document: Mapping[str, Any], validator: jsonschema_rs.Validator) -> None:
        self.document = document
        self._validator = validator

    def violations(self, instance: Mapping[str, Any]) -> Iterator[Breach]:
        """All violations, none if ``instance`` is valid. The fast path is one yes-or-no check."""
        if self._validator.is_valid(instance):
            return
        for error in self._validator.iter_errors(instance):
            pointer = "".join(f"/{step}" for step in error.instance_path)
            keyword = str(error.schema_path[-1]) if error.schema_path else "false"
            yield Breach(pointer, keyword)

    @property
    def examples(self) -> list[dict[str, Any]]:
        """The instances that the schema file itself gives as examples."""
        return list(self.document.get("examples", []))


@dataclass(frozen=True, slots=True)
class Registry:
    """Every event type and version of this build, and every internal record."""

    events: Mapping[str, Mapping[str, CompiledSchema]]
    records: Mapping[str, CompiledSchema]

    def versions(self, event_type: str) -> Mapping[str, CompiledSchema]:
        """The versions of an event type; empty if the type isn't known."""
        return self.events.get(event_type, _NONE)

    def latest(self, event_type: str) -> str:
        """The highest version of a known type."""
        return max(self.events[event_type], key=version_key)


_NONE: Final[Mapping[str, CompiledSchema]] = MappingProxyType({})


def version_key(version: str) -> tuple[int, int]:
    """``1.10`` after ``1.9``."""
    major, minor = version.split(".")
    return int(major), int(minor)


def load(root: Path = ROOT) -> Registry:
    """Compile everything under ``root``.

    Raises:
        SchemaLoadError: a file is not JSON, not a valid schema, misnamed, or refers outside the repository.
    """
    common = {document["$id"]: document for _, document in _documents(root / "common")}
    shared = jsonschema_rs.Registry(list(common.items()))
    events: dict[str, dict[str, CompiledSchema]] = {}
    for path, document in _documents(root / "events"):
        event_type, version = path.parent.name, path.stem
        if _VERSION.fullmatch(version) is None:
            raise SchemaLoadError(f"{path}: name it <major>.<minor>.json")
        events.setdefault(event_type, {})[version] = _compile(path, document, shared)
    records = {path.stem: _compile(path, document, shared) for path, document in _documents(root / "records")}
    return Registry(MappingProxyType({t: MappingProxyType(v) for t, v in events.items()}), MappingProxyType(records))


def _documents(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in sorted(folder.rglob("*.json")):
        try:
            document = orjson.loads(path.read_bytes())
        except orjson.JSONDecodeError as error:
            raise SchemaLoadError(f"{path}: not JSON ({error})") from None
        if not isinstance(document, dict) or not isinstance(document.get("$id"), str):
            raise SchemaLoadError(f"{path}: a schema is an object with an `$id`")
        yield path, document


def _compile(path: Path, document: dict[str, Any], shared: jsonschema_rs.Registry) -> CompiledSchema:
    try:
        jsonschema_rs.meta.validate(document)
        validator = jsonschema_rs.Draft202012Validator(document, validate_formats=True, registry=shared)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        raise SchemaLoadError(f"{path}: {str(error).splitlines()[0]}") from None
    return CompiledSchema(document, validator)
