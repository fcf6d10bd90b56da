"""Exit codes, and errors as one line on standard error."""

from __future__ import annotations

from enum import IntEnum
from typing import NoReturn

import typer


class Exit(IntEnum):
    """What a script may rely on."""

    OK = 0
    CRASH = 1
    USAGE = 2
    FINDINGS = 100
    CANNOT_LOAD = 102


def fail(message: str, code: Exit = Exit.CANNOT_LOAD) -> NoReturn:
    """End the command with one clear message."""
    typer.echo(f"comcenter: {message}", err=True)
    raise typer.Exit(code)
