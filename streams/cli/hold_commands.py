"""`comcenter pause`, `resume`, `release`, `recall`: stop, let go, and end what was stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import typer

from adapters.kafka_admin import BrokerUnavailableError
from streams.cli.control_topic import Desk, open_desk
from streams.cli.exits import Exit, fail
from streams.cli.giving import JSON, REASON, SCOPE_HELP, give, scope_of
from streams.cli.preflight import Flight, fly
from streams.cli.preflight_report import as_json, lines
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
UNLESS_DRY = typer.Option("", "--reason", help="Why; it stands in the audit trail. Needed but with --dry-run.")
DRY_RUN = typer.Option(False, "--dry-run", help="Show the preflight only; order nothing.")
SECONDS = typer.Option(30.0, "--seconds", help="How long the preflight may read, in seconds.", min=0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An order with a preflight: about which messages, and how it is to be told."""

    scope: Scope
    wanted: Sequence[Wanted]
    dry_run: bool
    seconds: float
    json_output: bool

    def go(self, *, urgent: int = 0) -> None:
        """Show the preflight, and then, unless it is all that is asked for, give the orders."""
        if self.dry_run:
            found = self._found(open_desk())
            if isinstance(found, str):
                fail(found)
            told = {"dry_run": True, "preflight": as_json(found)}
            print(json.dumps(told) if self.json_output else "\n".join([*lines(found), "nothing was ordered"]))
            return
        give(self.wanted, json_output=self.json_output, preview=self._preview, urgent=urgent)

    def _preview(self, desk: Desk) -> Mapping[str, Any]:
        """An order doesn't wait for one: what can't be counted is said, and the order given all the same."""
        found = self._found(desk)
        if isinstance(found, str):
            typer.echo(f"comcenter: no preflight: {found}", err=True)
            return {"preflight": None}
        if not self.json_output:
            print("\n".join(lines(found)), flush=True)
        return {"preflight": as_json(found)}

    def _found(self, desk: Desk) -> Flight | str:
        try:
            return fly(desk, self.scope, self.wanted, seconds=self.seconds)
        except BrokerUnavailableError as error:
            return str(error)


def pause(part: Part = PART, reason: str = REASON, json_output: bool = JSON) -> None:
    """Stop reading, until `resume`: nothing is lost, Kafka keeps what waits. 100 unless all workers did."""
    give([Wanted(scope=part.scope, setting=Setting.PAUSE, value=True, reason=reason)], json_output=json_output)


def resume(
    part: Part = PART,
    reason: str = UNLESS_DRY,
    dry_run: bool = DRY_RUN,
    seconds: float = SECONDS,
    json_output: bool = JSON,
) -> None:
    """End a pause of just this part; what else is paused stays so, and is said. 100 unless all workers did.

    Shows what waits and what becomes of it before it does so; nothing is asked.
    """
    wanted = [Wanted(scope=part.scope, setting=Setting.PAUSE, value=False, reason=reason)]
    Asked(scope=part.scope, wanted=wanted, dry_run=dry_run, seconds=seconds, json_output=json_output).go()


def release(
    scope: str = SCOPE,
    *,
    reason: str = UNLESS_DRY,
    drop: bool = typer.Option(False, "--drop", help="End what is held as suppressed: recalled."),
    rerender: bool = typer.Option(False, "--rerender", help="Send what is held back to rendering."),
    dry_run: bool = DRY_RUN,
    seconds: float = SECONDS,
    json_output: bool = JSON,
) -> None:
    """Lift the kill switch of just this scope; a wider or narrower one keeps holding, and is said.

    Shows what waits and what becomes of it before it does so; nothing is asked. What was held goes out, unless --drop
    or --rerender says otherwise. 100 unless all workers did.
    """
    if drop and rerender:
        fail("--drop and --rerender: one of them", Exit.USAGE)
    meant = scope_of(scope, Setting.DISABLE_SEND)
    before = [
        Wanted(scope=meant, setting=setting, value=True, reason=reason)
        for setting, asked in ((Setting.DROP, drop), (Setting.RERENDER, rerender))
        if asked
    ]
    lifted = Wanted(scope=meant, setting=Setting.DISABLE_SEND, value=False, reason=reason)
    wanted = [*before, lifted]
    Asked(scope=meant, wanted=wanted, dry_run=dry_run, seconds=seconds, json_output=json_output).go()


def recall(
    scope: str = SCOPE,
    reason: str = UNLESS_DRY,
    dry_run: bool = DRY_RUN,
    seconds: float = SECONDS,
    json_output: bool = JSON,
) -> None:
    """Throw the kill switch of a scope, and end what is in dispatch now as suppressed: recalled.

    The switch comes first, then a look at what is recalled, then the recall. The switch stays thrown until `release`.
    100 unless all workers did.
    """
    meant = scope_of(scope, Setting.DISABLE_SEND)
    settings = (Setting.DISABLE_SEND, Setting.DROP)
    wanted = [Wanted(scope=meant, setting=setting, value=True, reason=reason) for setting in settings]
    Asked(scope=meant, wanted=wanted, dry_run=dry_run, seconds=seconds, json_output=json_output).go(urgent=1)
