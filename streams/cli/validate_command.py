"""`comcenter event validate`: what the contract would say, without a network and without keys."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

import typer

from schemas import registry
from streams import templates
from streams.cli.context import load_settings, producers_of
from streams.cli.exits import Exit, fail
from streams.cli.sources import SOURCE, parse_event, read_bytes
from streams.precheck import Finding, Precheck, event_of

UNCHECKED: Final = "not checked, since that takes the keys and the topic: signature, kid, topic"


def validate(source: str = SOURCE) -> None:
    """Check an event, or a signed event JWT, offline. Exit code 100 if it would be refused; each line has the reason.

    A token is judged as if it were appended now, by the issuers of PRODUCERS_FILE. Its signature is not checked.
    """
    raw = read_bytes(source)
    value = raw.strip()
    if not value:
        fail(f"{source} is empty: give an event, or a signed token. As a record it would be token_missing", Exit.USAGE)
    if _is_token(value):
        bindings = producers_of(load_settings())
        _report(Precheck(bindings, registry.load(), templates.load()).token(value, now_s=time.time()))
        print(f"valid {_name(event_of(value))}, as a token ({UNCHECKED})")
    else:
        event = parse_event(source, raw)
        _report(Precheck({}, registry.load(), templates.load()).event(event))
        print(f"valid {_name(event)}")


def _is_token(value: bytes) -> bool:
    return b"." in value and not value.startswith(b"{") and len(value.split()) == 1


def _report(findings: list[Finding]) -> None:
    for finding in findings:
        print(finding)
    if findings:
        raise typer.Exit(Exit.FINDINGS)


def _name(event: Mapping[str, Any]) -> str:
    return f"{event['type']} {event['version']}"
