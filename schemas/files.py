"""The schema files of a tree as they lie there, for tools that must also speak of files that can't be used."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

PREFIX: Final = "urn:auto_com_center"
"""Every ``$id`` begins with it."""

MAX_NESTING: Final = 64
"""Objects and lists within each other; validators recurse."""


class Kind(StrEnum):
    """What a file describes, by the folder that it lies in."""

    COMMON = "common"
    EVENT = "events"
    RECORD = "records"


_NAME: Final = r"[a-z][a-z0-9_]{0,63}"
_PLACES: Final = {
    Kind.COMMON: re.compile(rf"common/(?P<name>{_NAME})\.json", re.ASCII),
    Kind.EVENT: re.compile(
        rf"events/(?P<name>{_NAME})/(?P<version>(0|[1-9]\d{{0,5}})\.(0|[1-9]\d{{0,5}}))\.json", re.ASCII
    ),
    Kind.RECORD: re.compile(rf"records/(?P<name>{_NAME})\.json", re.ASCII),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaFile:
    """One file. ``place`` is its path under the tree, with ``/``; ``kind`` is None where no schema belongs.

    ``document`` is None where the content is no JSON object; ``fault`` then says why.
    """

    place: str
    content: bytes
    kind: Kind | None
    name: str = ""
    version: str = ""
    document: Mapping[str, Any] | None = None
    fault: str = ""

    @property
    def sha256(self) -> str:
        """Of the file's bytes, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def id(self) -> str:
        """The ``$id`` that belongs to this place."""
        return ":".join([PREFIX, *self.place.removesuffix(".json").split("/")])


def read(root: Path) -> tuple[SchemaFile, ...]:
    """Every JSON file under ``root``'s folders of schemas, ordered by place.

    Raises:
        OSError: a file can't be read.
    """
    paths = [path for kind in Kind for path in (root / kind.value).rglob("*.json")]
    return tuple(_file(path.relative_to(root).as_posix(), path.read_bytes()) for path in sorted(paths))


def _file(place: str, content: bytes) -> SchemaFile:
    kind, name, version = _kind(place)
    document, fault = _document(content)
    return SchemaFile(
        place=place, content=content, kind=kind, name=name, version=version, document=document, fault=fault
    )


def _kind(place: str) -> tuple[Kind | None, str, str]:
    for kind, pattern in _PLACES.items():
        if found := pattern.fullmatch(place):
            return kind, found["name"], found.groupdict().get("version", "")
    return None, "", ""


def _document(content: bytes) -> tuple[Mapping[str, Any] | None, str]:
    try:
        document = json.loads(content.decode("utf-8"), object_pairs_hook=_members, parse_constant=_no_constant)
        # A lone surrogate is text to Python alone.
        json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        return None, f"is not JSON: {error}"
    if not isinstance(document, dict):
        return None, "is not a JSON object: a schema of ours begins with `{`"
    if _deeper(document, MAX_NESTING):
        return None, f"is nested deeper than {MAX_NESTING}: take parts out into `$defs`"
    return document, ""


def _deeper(document: object, limit: int) -> bool:
    level = [document]
    for _ in range(limit):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node if isinstance(node, list) else ())
        ]
    return bool(level)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the member `{next(name for name in names if names.count(name) > 1)}` stands twice")
    return members


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")
