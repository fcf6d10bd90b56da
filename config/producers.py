"""Reads ``producers.toml``: which issuer is bound to which service, types and key set."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from config.key_source import AUTH_PREFIX, SECURE, KeySource, is_secure
from config.settings import ConfigError

GATE1_SERVICE: Final = "scholar_auth"
"""The service that gate 1 is about."""
_MEMBERS: Final = ("service", "types", "jwks", "discovery")
_SERVICE: Final = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProducerRow:
    """One issuer: what it is bound to, and where its keys are."""

    issuer: str
    service: str
    types: frozenset[str]
    keys: KeySource


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
    return tuple(_row(path.parent, issuer, table, production=production) for issuer, table in tables.items())


def _problems(issuer: str, table: Any, *, production: bool) -> list[str]:  # noqa: ANN401 - whatever TOML holds
    if not isinstance(table, dict):
        return [f"{issuer}: must be a table with service, types and jwks or discovery"]
    if not issuer.isprintable() or not issuer:
        return [f"{issuer!r}: an issuer's name must be printable text; it stands in logs and is `iss` of its tokens"]
    problems = [
        f"{issuer}.{name}: is not known; there are {', '.join(_MEMBERS)}" for name in table if name not in _MEMBERS
    ]
    if issuer.startswith(AUTH_PREFIX):
        problems.append(
            f"{issuer}: must not begin with {AUTH_PREFIX}, which is the auth service's; choose another `iss`"
        )
    if not isinstance(table.get("service"), str) or _SERVICE.fullmatch(table["service"]) is None:
        problems.append(f"{issuer}.service: must be lower-case letters, digits and _")
    types = table.get("types")
    if not isinstance(types, list) or not types or not all(isinstance(name, str) for name in types):
        problems.append(f"{issuer}.types: must be a list of event types")
    return problems + _source_problems(issuer, table, production=production)


def _source_problems(issuer: str, table: dict[str, Any], *, production: bool) -> list[str]:
    jwks, discovery = table.get("jwks"), table.get("discovery")
    if (jwks is None) == (discovery is None):
        return [f"{issuer}: needs either `jwks` (an https URL or a file) or `discovery` (the issuer's https address)"]
    name, address = ("jwks", jwks) if jwks is not None else ("discovery", discovery)
    if not isinstance(address, str) or not address:
        return [f"{issuer}.{name}: must be an https URL{' or a file' if name == 'jwks' else ''}"]
    if (name == "discovery" or "://" in address) and not is_secure(address, production=production):
        return [f"{issuer}.{name}: must be {SECURE}"]
    return []


def _row(folder: Path, issuer: str, table: dict[str, Any], *, production: bool) -> ProducerRow:
    jwks = table.get("jwks", "")
    source = KeySource(
        issuer=issuer,
        jwks=str(folder / jwks) if jwks and "://" not in jwks else jwks,
        discovery=table.get("discovery", ""),
        production=production,
    )
    return ProducerRow(issuer=issuer, service=table["service"], types=frozenset(table["types"]), keys=source)
