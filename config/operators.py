"""Reads ``operators.toml``: who may order, until when, and their public keys. The keys are judged elsewhere."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from config.settings import ConfigError

MAX_NAME: Final = 128


@dataclass(frozen=True, slots=True)
class OperatorRow:
    """One operator: a JWK set (RFC 7517, section 5), and from when on they may no longer order, if it is known."""

    keys: bytes
    until: datetime | None


def read(path: Path) -> Mapping[str, OperatorRow]:
    """Each operator by name; none is fine, then nobody can order.

    Raises:
        ConfigError: one message that names everything that is wrong.
    """
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} can't be read: {error}") from None
    problems: list[str] = []
    found = {name: _row(path.parent, name, table, problems) for name, table in tables.items()}
    if problems:
        raise ConfigError(f"{path} is wrong:\n" + "\n".join(f"  {line}" for line in problems))
    return found


def _row(folder: Path, name: str, table: Any, problems: list[str]) -> OperatorRow:  # noqa: ANN401 - whatever TOML holds
    if not name.isprintable() or not 0 < len(name) <= MAX_NAME:
        problems.append(f"{name[:MAX_NAME]!r}: a name is printable, of 1 to {MAX_NAME} characters")
    until = table.get("until") if isinstance(table, dict) else None
    if until is not None and not (isinstance(until, datetime) and until.tzinfo is not None):
        problems.append(f"{name}.until: must be a time with its offset, such as 2026-11-24T06:00:00Z")
    rest = {member: table[member] for member in table if member != "until"} if isinstance(table, dict) else table
    return OperatorRow(_document(folder, name, rest, problems), until)


def _document(folder: Path, name: str, table: Any, problems: list[str]) -> bytes:  # noqa: ANN401 - whatever TOML holds
    match table:
        case {"jwks": str(file), **rest} if not rest:
            return _file(folder, name, file, problems)
        case {"key": dict(key), **rest} if not rest:
            return _inline(name, key, problems)
        case _:
            problems.append(f'{name}: must be a table with jwks = "<file>" or key = {{ a JWK }}')
    return b""


def _file(folder: Path, name: str, file: str, problems: list[str]) -> bytes:
    try:
        return (folder / file).read_bytes()
    except (OSError, ValueError) as error:
        problems.append(f"{name}.jwks: {error}")
    return b""


def _inline(name: str, key: Mapping[str, Any], problems: list[str]) -> bytes:
    try:
        return json.dumps({"keys": [key]}).encode()
    except TypeError:  # TOML has dates, JSON hasn't
        problems.append(f"{name}.key: must be a JWK")
    return b""
