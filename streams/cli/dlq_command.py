"""`comcenter dlq`: look at dead letters, and have them tried again."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import typer

from streams.cli import dlq_job_command, dlq_redrive_command
from streams.cli.dlq_shared import (
    AsJson,
    Ids,
    Issuers,
    Reasons,
    Seconds,
    Since,
    Stages,
    Templates,
    Types,
    Until,
    as_json,
    left,
    meant,
    now_ms,
    opened,
)
from streams.cli.exits import Exit, fail
from streams.core.letter_choice import Filter, counts
from streams.core.letters import Letter, moment
from streams.core.records import Record
from streams.core.redrive import PREFIX
from streams.core.redrive_job import Mark

app = typer.Typer(help="Look at dead letters, redrive and resolve them.", no_args_is_help=True)
app.command("redrive")(dlq_redrive_command.redrive)
app.command("status")(dlq_job_command.status)
app.command("cancel")(dlq_job_command.cancel)
app.command("resolve")(dlq_redrive_command.resolve)

MOST_SHOWN: Final = 20
OUR_HEADERS: Final = frozenset({"traceparent", "attempts", "resolve"})
"""Headers whose values are shown; any other may hold a token."""


@app.command("ls")
def ls(
    *,
    reason: Reasons = None,
    stage: Stages = None,
    event_type: Types = None,
    issuer: Issuers = None,
    template: Templates = None,
    ids: Ids = None,
    since: Since = "",
    until: Until = "",
    limit: Annotated[int, typer.Option(help="At most so many, the newest.", min=1)] = 100,
    seconds: Seconds = 30.0,
    json_output: AsJson = False,
) -> None:
    """List dead letters, oldest first: place, when, where and why, which event, tried again how often, time left."""
    wanted = {"reason": reason, "stage": stage, "type": event_type, "issuer": issuer, "template": template, "id": ids}
    asked = meant(wanted, since, until)
    with opened(seconds) as one:
        found, marks = one.box.letters(asked), one.box.redrives().marks
    shown, at_ms = found[-limit:], now_ms()
    if json_output:
        print(json.dumps({"total": len(found), "letters": [as_json(each, marks, at_ms) for each in shown]}))
        return
    for letter in shown:
        print(_line(letter, marks, at_ms))
    print(f"{len(found)} dead letters" + (f", the newest {limit} shown (--limit)" if len(found) > limit else ""))


def _line(letter: Letter, marks: Mapping[str, Mark], at_ms: int) -> str:
    redriven = "  redriven" if str(letter.place) in marks else ""
    return (
        f"{letter.place!s:10}  {moment(letter.failed_at_ms)}  {letter.stage:8}  {letter.reason:22}  "
        f"{letter.event_id or 'without a readable id'}  {letter.event_type or '-'}  "
        f"redrives {letter.redrives}  left {left(letter.seconds_left(at_ms))}{redriven}"
    )


@app.command("stats")
def stats(
    *,
    reason: Reasons = None,
    stage: Stages = None,
    event_type: Types = None,
    issuer: Issuers = None,
    template: Templates = None,
    ids: Ids = None,
    since: Since = "",
    until: Until = "",
    seconds: Seconds = 30.0,
    json_output: AsJson = False,
) -> None:
    """Count dead letters by reason, stage, type, issuer, template and hour; the oldest, and when it may be gone."""
    wanted = {"reason": reason, "stage": stage, "type": event_type, "issuer": issuer, "template": template, "id": ids}
    asked = meant(wanted, since, until)
    with opened(seconds) as one:
        found, marks = one.box.letters(asked), one.box.redrives().marks
    redriven = sum(str(letter.place) in marks for letter in found)
    oldest = as_json(found[0], marks, now_ms()) if found else None
    if json_output:
        print(json.dumps({"total": len(found), "redriven": redriven, "oldest": oldest, "counts": counts(found)}))
        return
    print(f"{len(found)} dead letters, {redriven} of them redriven")
    for name, counted in counts(found).items():
        for value, count in counted.items():
            print(f"  {name:8}  {count:6}  {value}")
    if oldest is not None:
        print(f"the oldest is {oldest['place']}, of {oldest['at']}: {oldest['seconds_left']} s until it may be gone")


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(metavar="ID", help="Event id, dispatch id or partition@offset.")],
    raw: Annotated[Path | None, typer.Option(help="Write the original value, byte for byte, to this new file.")] = None,
    seconds: Seconds = 30.0,
    json_output: AsJson = False,
) -> None:
    """Show the dead letters of an id: place, reason, detail, ids, headers, time left. 100 if there is none.

    Values of headers that aren't ours are not shown, nor is what the record holds: a token or an address may be in it.
    """
    with opened(seconds) as one:
        found = list(one.box.find(Filter(named={"id": frozenset({name})})))[-MOST_SHOWN:]
        marks = one.box.redrives().marks
    if not found:
        fail(f"no dead letter is called {name}: it is an event id, a dispatch id or partition@offset", Exit.FINDINGS)
    if raw is not None:
        _write(raw, found)
    told = [as_json(letter, marks, now_ms()) | {"headers": _headers(record)} for letter, record in found]
    if json_output:
        print(json.dumps({"letters": told}))
        return
    for each in told:
        print("\n".join(_lines(each)))


def _headers(record: Record) -> list[list[str]]:
    """Names with values where those are ours, else with how long they are."""
    return [[name if name.isprintable() else "?", _value(name, value)] for name, value in record.headers]


def _value(name: str, value: bytes | None) -> str:
    text = (value or b"").decode("utf-8", "replace")
    ours = name.startswith(PREFIX) or name in OUR_HEADERS
    return text if ours and text.isprintable() else f"({len(value or b'')} bytes)"


def _lines(told: Mapping[str, object]) -> list[str]:
    plain = [f"  {name:17} {value}" for name, value in told.items() if name not in ("place", "headers") and value != ""]
    headers = told["headers"]
    assert isinstance(headers, list), "as `show` made it"
    return [str(told["place"]), *plain, *(f"  header            {name}: {value}" for name, value in headers)]


def _write(raw: Path, found: list[tuple[Letter, Record]]) -> None:
    """Readable by its owner alone: it may hold a token. Never over a file that is there."""
    if len(found) != 1:
        fail(f"--raw is for one dead letter, and {len(found)} have this id: name one by partition@offset", Exit.USAGE)
    letter, record = found[0]
    try:
        with os.fdopen(os.open(raw, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(record.value or b"")
    except OSError as error:
        fail(f"--raw {raw}: {error.strerror}", Exit.USAGE)
    if letter.truncated:
        typer.echo(f"comcenter: {raw} is not the whole value: {letter.truncated}", err=True)
