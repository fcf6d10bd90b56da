"""Reads ``producers.toml``: which issuer is bound to which service, types and key set."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from config.settings import ConfigError

GATE1_SERVICE: Final = "scholar_auth"
"""The service that gate 1 is about."""
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_SERVICE: Final = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProducerRow:
    """One issuer. ``jwks`` is a URL or a path, as ``jwks_is_url`` says."""

    issuer: str
    service: str
    types: frozenset[str]
    jwks: str

    @property
    def jwks_is_url(self) -> bool:
        """Whether the key set is fetched rather than read from a file."""
        return "://" in self.jwks


def read(path: Path, *, production: bool) -> tuple[ProducerRow, ...]:
    """All issuers of the file.

    Raises:
        ConfigError: one message that names everything that is wrong.
    """
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} can't be read: {error}") from None
    problems = [line for issuer, table in tables.items() for line in _problems(issuer, table, production=production)]
    if not tables:
        problems.append("no producer is registered")
    if problems:
        raise ConfigError(f"{path} is wrong:\n" + "\n".join(f"  {line}" for line in problems))
    return tuple(_row(path.parent, issuer, table) for issuer, table in tables.items())


def _problems(issuer: str, table: Any, *, production: bool) -> list[str]:  # noqa: ANN401 - whatever TOML holds
    if not isinstance(table, dict):
        return [f"{issuer}: must be a table with service, types and jwks"]
    problems = []
    if not isinstance(table.get("service"), str) or _SERVICE.fullmatch(table["service"]) is None:
        problems.append(f"{issuer}.service: must be lower-case letters, digits and _")
    types = table.get("types")
    if not isinstance(types, list) or not types or not all(isinstance(name, str) for name in types):
        problems.append(f"{issuer}.types: must be a list of event types")
    jwks = table.get("jwks")
    if not isinstance(jwks, str) or not jwks:
        problems.append(f"{issuer}.jwks: must be an https URL or a file")
    elif "://" in jwks and not _allowed(jwks, production=production):
        problems.append(f"{issuer}.jwks: must be https (http on loopback with ENVIRONMENT=development)")
    return problems


def _allowed(url: str, *, production: bool) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if not parts.hostname:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and not production and parts.hostname in _LOOPBACK)


def _row(folder: Path, issuer: str, table: dict[str, Any]) -> ProducerRow:
    jwks: str = table["jwks"]
    return ProducerRow(
        issuer=issuer,
        service=table["service"],
        types=frozenset(table["types"]),
        jwks=jwks if "://" in jwks else str(folder / jwks),
    )
