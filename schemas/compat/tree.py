"""A schema folder as it was at one time: its files, read and checked, whether they came from a disk or from git."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import orjson

from schemas.compat import bundle, pointers, proof
from schemas.compat.bundle import Bundle, UnresolvedReferenceError
from schemas.registry import SchemaLoadError, version_key

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_EVENT: Final = re.compile(r"events/([^/]+)/((?:0|[1-9]\d*)\.(?:0|[1-9]\d*))\.json", re.ASCII)
_RECORD: Final = re.compile(r"records/([^/]+)\.json")
_SHARED: Final = re.compile(r"common/.+\.json")
_OURS: Final = re.compile(r"(?:events|records|common)/.+\.json")


@dataclass(frozen=True)
class SchemaFile:
    """One file: its path below the folder, its text, and the document in it."""

    path: str
    text: bytes
    document: dict[str, Any]
    shared: Mapping[str, SchemaFile]  # by `$id`, of the same tree

    @cached_property
    def bundle(self) -> Bundle:
        """The document with what it refers to, as of its own tree."""
        return bundle.bundle(self.document, {identity: file.document for identity, file in self.shared.items()})

    @cached_property
    def lines(self) -> dict[str, int]:
        """The line of each place in the text."""
        return pointers.lines(self.text.decode("utf-8", "replace"))

    def home(self, pointer: str) -> tuple[SchemaFile, str]:
        """The file that holds what ``pointer`` into the bundle leads to, and the pointer there."""
        identity, inner = self.bundle.home(pointer)
        return (self.shared[identity] if identity else self), inner


@dataclass(frozen=True, slots=True)
class Tree:
    """The schemas of a folder: event types with their versions, and internal records."""

    label: str
    events: Mapping[str, Mapping[str, SchemaFile]]
    records: Mapping[str, SchemaFile]

    def versions(self, event_type: str) -> list[str]:
        """Of a type, in order."""
        return sorted(self.events.get(event_type, {}), key=version_key)


def read(files: Mapping[str, bytes], label: str) -> Tree:
    """The tree of files below a schema folder, by path; what is none of ours is left aside.

    Raises:
        SchemaLoadError: a file is not JSON, no schema of draft 2020-12, misnamed, or refers to what is not there.
    """
    texts = {path: text for path, text in sorted(files.items()) if _OURS.fullmatch(path)}
    shared: dict[str, SchemaFile] = {}
    for path, text in texts.items():
        if _SHARED.fullmatch(path):
            document = _document(path, text, label)
            shared[str(document.get("$id", path))] = SchemaFile(path, text, document, shared)
    events: dict[str, dict[str, SchemaFile]] = {}
    records: dict[str, SchemaFile] = {}
    for path, text in texts.items():
        if event := _EVENT.fullmatch(path):
            events.setdefault(event[1], {})[event[2]] = _schema(path, text, shared, label)
        elif record := _RECORD.fullmatch(path):
            records[record[1]] = _schema(path, text, shared, label)
        elif not _SHARED.fullmatch(path):
            raise SchemaLoadError(f"{label}: {path}: name it events/<type>/<major>.<minor>.json or records/<name>.json")
    return Tree(label, events, records)


def _document(path: str, text: bytes, label: str) -> dict[str, Any]:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise SchemaLoadError(f"{label}: {path}: not JSON ({error})") from None
    if not isinstance(document, dict):
        raise SchemaLoadError(f"{label}: {path}: a schema is a JSON object")
    if document.get("$schema", DIALECT) != DIALECT:
        raise SchemaLoadError(f"{label}: {path}: `$schema` must be {DIALECT}; other drafts mean other things")
    return document


def _schema(path: str, text: bytes, shared: Mapping[str, SchemaFile], label: str) -> SchemaFile:
    file = SchemaFile(path, text, _document(path, text, label), shared)
    try:
        proof.check(file.document)
        proof.validator(file.bundle.schema)
    except RecursionError:
        raise SchemaLoadError(f"{label}: {path}: not a schema: nested too deeply") from None
    except (proof.NotASchemaError, UnresolvedReferenceError) as error:
        raise SchemaLoadError(f"{label}: {path}: not a schema: {error}") from None
    return file
