"""`comcenter dlq redrive` and `resolve`: dead letters go back to the step that gave them up, one redrive at a time."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from typing import Annotated, Final

import typer

from streams.cli.dlq_job_command import job_line, new_job, require_alone
from streams.cli.dlq_shared import (
    AsJson,
    Because,
    Ids,
    Issuers,
    Opened,
    Reasons,
    Seconds,
    Since,
    Stages,
    Templates,
    Types,
    Until,
    meant,
    opened,
)
from streams.cli.exits import Exit, fail
from streams.core.ledger import Resolution
from streams.core.letter_choice import Choice, Filter, choose, counts
from streams.core.letters import Letter, Place
from streams.core.reasons import Reason
from streams.core.records import Emit, Record
from streams.core.redrive import redriven
from streams.core.redrive_job import Job, JobState
from streams.ledger import FencedError, NotWrittenError
from streams.redriver import Work
from streams.wiring.redrive import redriver

SHOWN: Final = ("reason", "stage", "type")
Make = Callable[[Record], Emit]


def redrive(
    *,
    reason: Reasons = None,
    stage: Stages = None,
    event_type: Types = None,
    issuer: Issuers = None,
    template: Templates = None,
    ids: Ids = None,
    since: Since = "",
    until: Until = "",
    go: Annotated[bool, typer.Option("--go", help="Do it; else only say what would be done.")] = False,
    because: Because = "",
    rate: Annotated[int, typer.Option(help="At most so many a second.", min=1, max=1000)] = 10,
    most: Annotated[int, typer.Option("--max", help="At most so many in all, the oldest.", min=1)] = 1000,
    again: Annotated[bool, typer.Option("--again", help="Also what was redriven before.")] = False,
    seconds: Seconds = 30.0,
    json_output: AsJson = False,
) -> None:
    """Have dead letters tried again, at the step that gave them up. Without --go: say what would be done, and end.

    Exit code 100 if it was cancelled, if another one runs, or if nothing of what is meant can be redriven.
    """
    wanted = {"reason": reason, "stage": stage, "type": event_type, "issuer": issuer, "template": template, "id": ids}
    asked = meant(wanted, since, until)
    if go:
        require_because(because)
    with opened(seconds) as one:
        found, known = one.box.letters(asked), one.box.redrives()
        chosen = partial(choose, found, most=most, again=again)
        choice = chosen(frozenset(known.marks))
        ended = None
        if go:
            require_alone(one.settings, known)
        if go and choice.letters:
            job = new_job(str(asked), because)
            ended, choice = asyncio.run(_do(one, job, chosen, redriven, rate=rate, quiet=json_output))
    _tell(choice, ended, json_output=json_output)
    if go and (choice.left if ended is None else ended.state is not JobState.FINISHED):
        raise typer.Exit(Exit.FINDINGS)


def require_because(because: str) -> None:
    """A reason was given, or the end of the command."""
    if not because.strip():
        fail("--because is required: one sentence that says why, for the audit", Exit.USAGE)


async def _do(
    one: Opened,
    job: Job,
    chosen: Callable[[frozenset[str]], Choice],
    make: Make,
    *,
    rate: int,
    quiet: bool,
    besides: tuple[Place, ...] = (),
) -> tuple[Job, Choice]:
    """Fence, choose by what is marked now, do it. SIGINT and SIGTERM cancel it."""
    tell: Callable[[Job], None] = (lambda _job: None) if quiet else (lambda job: print(job_line(job)))
    try:
        async with redriver(one.settings, one.bootstrap, tell) as (runner, known):
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, runner.stop)
            choice = chosen(frozenset(known.marks))
            work = Work(originals=one.box.originals(choice.letters), make=make, rate=rate, besides=besides)
            return await runner.run(replace(job, total=len(choice.letters)), work), choice
    except FencedError:
        fail("another redrive has begun, so this one ended; what it had done stays done (`comcenter dlq status`)")
    except NotWrittenError as error:
        fail(f"the broker took no more ({error}); what had been redriven is marked, so begin again")


def _tell(choice: Choice, ended: Job | None, *, json_output: bool) -> None:
    counted = counts(choice.letters, SHOWN)
    if json_output:
        job = None if ended is None else asdict(ended)
        told = {"dry_run": ended is None, "total": len(choice.letters), "counts": counted}
        print(json.dumps({**told, "left": dict(choice.refused()), "job": job}))
        return
    if ended is None:
        print(f"{len(choice.letters)} dead letters would be redriven; nothing was done (--go --because TEXT does it)")
    else:
        print(f"{ended.state.value}: {ended.done} of {ended.total} redriven, job {ended.job}")
    for name, values in counted.items():
        for value, count in values.items():
            print(f"  {name:8}  {count:6}  {value}")
    for why, count in choice.refused().items():
        print(f"left where they are: {count} {why}{WAYS_OUT.get(why, '')}")


WAYS_OUT: Final = {
    "already redriven": " (--again)",
    "truncated": ": the original is not whole, so its producer must send it again",
    "outcome_unknown": ": it may have been sent (`comcenter dlq resolve`)",
    "nowhere to go": ": their headers don't say where they came from",
    "beyond --max": "",
}


def resolve(
    name: Annotated[str, typer.Argument(metavar="ID", help="Dispatch id of a message whose outcome is unknown.")],
    *,
    sent: Annotated[bool, typer.Option("--sent", help="It was sent: final, with a receipt.")] = False,
    resend: Annotated[bool, typer.Option("--resend", help="It was not sent, or may come twice: try again.")] = False,
    because: Because = "",
    again: Annotated[bool, typer.Option("--again", help="Although it was resolved before.")] = False,
    seconds: Seconds = 30.0,
    json_output: AsJson = False,
) -> None:
    """Say how a message ended that may have been sent. It takes effect at its turn, and only while that is unknown.

    Exit code 100 if there is no such dead letter, or it was resolved before.
    """
    require_because(because)
    if sent == resend:
        fail("say one of --sent and --resend", Exit.USAGE)
    resolution = Resolution.SENT if sent else Resolution.RESEND
    with opened(seconds) as one:
        named = {"id": frozenset({name}), "reason": frozenset({Reason.OUTCOME_UNKNOWN.value})}
        found, known = one.box.letters(Filter(named=named)), one.box.redrives()
        letter = _one_of(name, found)
        if str(letter.place) in known.marks and not again:
            fail(f"{name} was resolved before, and nothing became unknown since (--again)", Exit.FINDINGS)
        require_alone(one.settings, known)
        job = new_job(f"id={name} resolve={resolution}", because)
        make = partial(redriven, resolved=resolution, because=because)
        besides = tuple(each.place for each in found if each.place != letter.place)
        ended, _ = asyncio.run(
            _do(one, job, lambda _marks: Choice((letter,), ()), make, rate=1, quiet=True, besides=besides)
        )
    if json_output:
        told = {"dispatch_id": letter.dispatch_id, "resolve": resolution, "to": letter.to, "job": asdict(ended)}
        print(json.dumps(told))
    else:
        print(f"{letter.dispatch_id} goes back to {letter.to}, to be settled as `{resolution}` at its turn")
        print(f"comcenter explain {letter.event_id}   tells what comes of it")
    if ended.done != 1:
        fail("it was not written: the dead letter is gone, or the job was cancelled", Exit.FINDINGS)


def _one_of(name: str, found: list[Letter]) -> Letter:
    """The newest, if all are about one message; or the end of the command."""
    if not found:
        fail(f"no dead letter {Reason.OUTCOME_UNKNOWN.value} is called {name}", Exit.FINDINGS)
    messages = sorted({letter.dispatch_id for letter in found})
    if len(messages) > 1:
        fail(f"{name} names {len(messages)} messages; say which: {', '.join(messages)}", Exit.USAGE)
    newest = found[-1]
    if newest.truncated or not newest.to:
        fail(f"{newest.place} can't go back: {newest.truncated or 'it does not say where it came from'}", Exit.FINDINGS)
    return newest
