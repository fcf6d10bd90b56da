"""`comcenter status`: the whole fleet on one screen."""

from __future__ import annotations

import json
import sys
import time
from typing import Annotated, Final

import typer
from confluent_kafka import KafkaException

from adapters.kafka_admin import BrokerUnavailableError
from config.settings import ConfigError
from streams.cli.context import issuers_of, load_settings, require_bootstrap
from streams.cli.exits import Exit, fail
from streams.letterbox import NotReadError
from streams.status.page import page
from streams.status.reading import StatusReader, status_reader
from streams.status.report import Report, report
from streams.wiring.control import read_operators

WATCH_S: Final = 2.0
HOME: Final = "\x1b[H"
REST_OF_LINE: Final = "\x1b[K"
REST_OF_SCREEN: Final = "\x1b[J"
UNREADABLE: Final = (BrokerUnavailableError, NotReadError, KafkaException, TimeoutError)


def status(
    seconds: Annotated[
        float | None, typer.Argument(metavar="[SECONDS]", help="With --watch: how often, 2 by default.", min=0.5)
    ] = None,
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Again and again, until Ctrl-C.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="One JSON document a line.")] = False,
) -> None:
    """Show mode, window, gate, flags, orders, holds, breakers, lag, cap, dead letters and workers on one screen.

    100 when something needs a person: no worker, a silent one, gate 1 RED, a breaker open, orders unread, workers that
    differ. 102 without a broker. With --watch it ends with 0.
    """
    if seconds is not None and not watch:
        fail("SECONDS is for --watch", Exit.USAGE)
    settings = load_settings()
    bootstrap = require_bootstrap(settings)
    try:
        operators = read_operators(settings)
    except ConfigError as error:
        fail(str(error))
    try:
        with status_reader(settings, bootstrap, operators, issuers_of(settings)) as reader:
            found = _once(reader, json_output=json_output, redraw=watch)
            if watch:
                _again(reader, WATCH_S if seconds is None else seconds, json_output=json_output)
    except KeyboardInterrupt:
        return
    except UNREADABLE as error:
        fail(_why(error))
    if found.findings:
        raise typer.Exit(Exit.FINDINGS)


def _once(reader: StatusReader, *, json_output: bool, redraw: bool) -> Report:
    found = report(reader.read())
    _tell([json.dumps(found.as_json())] if json_output else page(found), redraw=redraw and not json_output)
    return found


def _again(reader: StatusReader, every: float, *, json_output: bool) -> None:
    """Until Ctrl-C. A broker that is away for a while is said, and asked again."""
    while True:
        time.sleep(every)
        try:
            _once(reader, json_output=json_output, redraw=True)
        except UNREADABLE as error:
            typer.echo(f"comcenter: {_why(error)}", err=True)


def _tell(lines: list[str], *, redraw: bool) -> None:
    """On a terminal over what stood there; in a pipe one behind the other."""
    if redraw and sys.stdout.isatty():
        print(HOME + "".join(line + REST_OF_LINE + "\n" for line in lines) + REST_OF_SCREEN, end="", flush=True)
        return
    print("\n".join(lines), flush=True)


def _why(error: Exception) -> str:
    return str(error.args[0].str()) if isinstance(error, KafkaException) else str(error)
