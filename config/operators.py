"""Reads ``operators.toml``: who may order, and the documents with their public keys. The keys are judged elsewhere."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from config.settings import ConfigError

MAX_NAME: Final = 128


def read(path: Path) -> Mapping[str, bytes]:
    """Each operator's JWK set (RFC 7517, section 5), by name; none is fine, then nobody can order.

    Raises:
        ConfigError: one message that names everything that is wrong.
    """
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} can't be read: {error}") from None
    problems: list[str] = []
    found = {name: _document(path.parent, name, table, problems) for name, table in tables.items()}
    if problems:
        raise ConfigError(f"{path} is wrong:\n" + "\n".join(f"  {line}" for line in problems))
    return found


def _document(folder: Path, name: str, table: Any, problems: list[str]) -> bytes:  # noqa: ANN401 - whatever TOML holds
    if not name.isprintable() or not 0 < len(name) <= MAX_NAME:
        problems.append(f"{name[:MAX_NAME]!r}: a name is printable, of 1 to {MAX_NAME} characters")
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
