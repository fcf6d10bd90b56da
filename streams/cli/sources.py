"""What a command is given on a file or on standard input."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, BinaryIO, Final

import typer

from streams.cli.exits import Exit, fail
from streams.core.encoding import EncodingError, json_object

SOURCE: Final = typer.Argument("-", help="A file, or - for standard input.")


def read_bytes(source: str) -> bytes:
    """All of it, or the end of the command."""
    stdin: BinaryIO = sys.stdin.buffer
    try:
        return stdin.read() if source == "-" else Path(source).read_bytes()
    except OSError as error:
        fail(str(error), Exit.USAGE)


def read_event(source: str) -> dict[str, Any]:
    """One strict JSON object, or the end of the command."""
    return parse_event(source, read_bytes(source))


def parse_event(source: str, raw: bytes) -> dict[str, Any]:
    """The same of bytes that were read from ``source``."""
    try:
        return dict(json_object(raw))
    except EncodingError as error:
        fail(f"{source} is not an event: {error}", Exit.USAGE)
