"""The schema registry: the files under ``schemas/``, compiled once with ``jsonschema-rs``.

Layout: ``events/<type>/<major>.<minor>.json`` (draft 2020-12, closed, ``$ref`` only to ``common/``), and
``records/<name>.json`` for the records between our own steps.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import jsonschema_rs
import orjson

from schemas import wording
from schemas.formats import CHECKS
from schemas.wording import Fault

ROOT: Final = Path(__file__).parent
ORDINARY_NODES: Final = 300
"""Members and items of an event, more than any of ours has; beyond it one violation is reported, not all."""
_VERSION: Final = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)", re.ASCII)


class SchemaLoadError(ValueError):
    """A schema file can't be used; the message names the file and what to change."""


@dataclass(frozen=True, slots=True)
class Breach:
    """One violation: JSON pointer into the instance, and the keyword that it breaks. Never a value of the instance."""

    pointer: str
    keyword: str


class CompiledSchema:
    """One schema, ready to validate. ``format`` is asserted, as `schemas.formats` has it."""

    def __init__(self, document: Mapping[str, Any], validator: jsonschema_rs.Validator) -> None:
        self.document = document
        self._validator = validator

    def violations(self, instance: Mapping[str, Any]) -> Iterator[Breach]:
        """Violations, none if ``instance`` is valid. The fast path is one yes-or-no check.

        All of them for an instance of ordinary size; of a huge one the first alone, since every error carries a copy
        of what it stands in, and a hostile instance has thousands.
        """
        return (_breach(error) for error in self._errors(instance))

    def faults(self, instance: Mapping[str, Any]) -> Iterator[Fault]:
        """The same for the one who made ``instance``: with the limit, and the names of unknown members."""
        return (fault for error in self._errors(instance) for fault in wording.faults(error))

    def _errors(self, instance: Mapping[str, Any]) -> Iterator[jsonschema_rs.ValidationError]:
        if self._validator.is_valid(instance):
            return
        if _larger(instance, ORDINARY_NODES):
            yield self._first(instance)
            return
        yield from self._validator.iter_errors(instance)

    def _first(self, instance: Mapping[str, Any]) -> jsonschema_rs.ValidationError:
        try:
            self._validator.validate(instance)
        except jsonschema_rs.ValidationError as error:
            return error
        raise AssertionError("an invalid instance has a first error")

    def example(self) -> dict[str, Any]:
        """A copy of the first example, without an end of its validity: to be changed and sent by tools and tests."""
        made: dict[str, Any] = deepcopy(self.document["examples"][0])
        made.pop("not_after", None)
        return made

    @property
    def examples(self) -> list[dict[str, Any]]:
        """The instances that the schema file itself gives as examples."""
        return list(self.document.get("examples", []))


def _breach(error: jsonschema_rs.ValidationError) -> Breach:
    pointer = "".join(f"/{step}" for step in error.instance_path)
    return Breach(pointer, str(error.schema_path[-1]) if error.schema_path else "false")


def _larger(instance: object, limit: int) -> bool:
    """Whether there are more than ``limit`` members and items in all; stops counting there."""
    stack, seen = [instance], 0
    while stack:
        node = stack.pop()
        children = list(node.values()) if isinstance(node, dict) else node if isinstance(node, list) else []
        seen += len(children)
        if seen > limit:
            return True
        stack.extend(children)
    return False


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
        return compile_schema(document, shared)
    except SchemaLoadError as error:
        raise SchemaLoadError(f"{path}: {error}") from None


def compile_schema(document: dict[str, Any], shared: jsonschema_rs.Registry) -> CompiledSchema:
    """One schema whose references lead to itself or into ``shared``.

    Raises:
        SchemaLoadError: not a valid schema, an unknown format, or a reference that leads elsewhere.
    """
    try:
        jsonschema_rs.meta.validate(document)
        # Offline: a `$ref` to an address would otherwise be fetched from there, and one to a file be read.
        validator = jsonschema_rs.Draft202012Validator(
            document,
            validate_formats=True,
            ignore_unknown_formats=False,
            formats=dict(CHECKS),
            registry=shared,
            offline=True,
        )
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        raise SchemaLoadError(str(error).splitlines()[0]) from None
    return CompiledSchema(document, validator)
