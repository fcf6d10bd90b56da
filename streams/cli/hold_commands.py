"""`comcenter pause`, `resume`, `release`, `recall`: stop, let go, and end what was stopped."""

from __future__ import annotations

import sys
from enum import StrEnum

import typer

from streams.cli.exits import Exit, fail
from streams.cli.giving import JSON, REASON, SCOPE_HELP, give, scope_of
from streams.core.control_token import Wanted
from streams.core.reasons import Stage
from streams.core.scope import ALL, Scope, stage_scope
from streams.core.switches import Setting


class Part(StrEnum):
    """What can be paused."""

    ALL = "all"
    INGEST = "ingest"
    RENDER = "render"
    DISPATCH = "dispatch"

    @property
    def scope(self) -> Scope:
        """As an order names it."""
        return ALL if self is Part.ALL else stage_scope(Stage(self.value))


PART = typer.Argument("all", help="What is meant.")
SCOPE = typer.Argument(help=SCOPE_HELP)


def pause(part: Part = PART, reason: str = REASON, json_output: bool = JSON) -> None:
    """Stop reading, until `resume`: nothing is lost, Kafka keeps what waits. 100 unless all workers did."""
    give([Wanted(scope=part.scope, setting=Setting.PAUSE, value=True, reason=reason)], json_output=json_output)


def resume(part: Part = PART, reason: str = REASON, json_output: bool = JSON) -> None:
    """End a pause of just this part; what else is paused stays so, and is said. 100 unless all workers did."""
    give([Wanted(scope=part.scope, setting=Setting.PAUSE, value=False, reason=reason)], json_output=json_output)


def release(
    scope: str = SCOPE,
    reason: str = REASON,
    drop: bool = typer.Option(False, "--drop", help="End what is held as suppressed: recalled."),
    rerender: bool = typer.Option(False, "--rerender", help="Send what is held back to rendering."),
    yes: bool = typer.Option(False, "--yes", help="Don't ask."),
    json_output: bool = JSON,
) -> None:
    """Lift the kill switch of just this scope; a wider or narrower one keeps holding, and is said.

    What was held goes out, unless --drop or --rerender says otherwise. 100 unless all workers did.
    """
    if drop and rerender:
        fail("--drop and --rerender: one of them", Exit.USAGE)
    meant = scope_of(scope, Setting.DISABLE_SEND)
    if not yes:
        _ask(meant, "ends" if drop else "is rendered again" if rerender else "goes out")
    before = [
        Wanted(scope=meant, setting=setting, value=True, reason=reason)
        for setting, asked in ((Setting.DROP, drop), (Setting.RERENDER, rerender))
        if asked
    ]
    lifted = Wanted(scope=meant, setting=Setting.DISABLE_SEND, value=False, reason=reason)
    give([*before, lifted], json_output=json_output)


def _ask(scope: Scope, what: str) -> None:
    if not sys.stdin.isatty():
        fail(f"what is held for {scope} {what}: add --yes, since there is nobody to ask", Exit.USAGE)
    typer.confirm(f"What is held for {scope} {what}. Go on?", abort=True)


def recall(scope: str = SCOPE, reason: str = REASON, json_output: bool = JSON) -> None:
    """Throw the kill switch of a scope, and end what is in dispatch now as suppressed: recalled.

    The switch stays thrown until `release`. 100 unless all workers did.
    """
    meant = scope_of(scope, Setting.DISABLE_SEND)
    settings = (Setting.DISABLE_SEND, Setting.DROP)
    wanted = [Wanted(scope=meant, setting=setting, value=True, reason=reason) for setting in settings]
    give(wanted, json_output=json_output)
