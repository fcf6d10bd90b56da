"""`comcenter flags`: what is in force and from where, set one, and the audit trail."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import typer

from streams.cli.context import issuers_of, parse_hours
from streams.cli.control_topic import Desk, open_desk
from streams.cli.dlq_shared import now_ms
from streams.cli.exits import Exit, fail
from streams.cli.giving import JSON, REASON, SCOPE_HELP, give, line, scope_of, shown, time_of
from streams.cli.kept import held_by, kept
from streams.cli.preflight_report import of_topic, topic_line
from streams.core.control import Order
from streams.core.control_token import Ignored, Wanted
from streams.core.switches import ROWS, Setting, Value, moment_ms, value_fault
from streams.heartbeat import WorkerState

app = typer.Typer(help="What is in force and from where; set a flag; the audit trail.", invoke_without_command=True)


@app.callback()
def flags(context: typer.Context, json_output: bool = JSON) -> None:
    """Show the flags as each worker counts them, who made them so, and the orders that stand.

    Without a worker only the orders are known: a flag also depends on the environment in which a worker was started.
    Beside what holds stands what waits because of it, and how long Kafka still keeps that.
    """
    if context.invoked_subcommand is not None:
        return
    desk, at_ms = open_desk(), now_ms()
    state = desk.history().state
    standing, workers = state.snapshot(at_ms), desk.live(desk.fleet())
    held = held_by(state, issuers_of(desk.settings), at_ms).union(*(one.holds for one in workers))
    waiting = kept(desk.settings, desk.bootstrap, held)
    if json_output:
        told = {"workers": [_counted(one) for one in workers], "standing": [shown(one) for one in standing]}
        print(json.dumps({**told, "waiting": [of_topic(one, at_ms) for one in waiting]}))
        return
    waits = ["what is held waits in:", *(f"  {topic_line(one, at_ms)}" for one in waiting)] if waiting else []
    print("\n".join([*_lines(workers), *_standing(standing), *waits, *_nobody(desk)]))


def _counted(state: WorkerState) -> dict[str, Any]:
    return {
        "worker": state.worker,
        "mode": state.mode,
        "mode_why": state.mode_why,
        "flags": dict(state.flags),
        "flags_from": dict(state.flags_from),
        "rate_limit_per_minute": state.rate_limit_per_minute,
        "control_offset": state.control_offset,
    }


def _lines(workers: Sequence[WorkerState]) -> list[str]:
    """One block for all workers that count alike."""
    blocks: dict[str, list[str]] = {}
    for state in workers:
        told = [f"mode                   {state.mode}  {state.mode_why}".rstrip()]
        told += [
            f"{name:21}  {'on ' if on else 'off'}  {state.flags_from.get(name, '')}" for name, on in state.flags.items()
        ]
        told.append(f"{Setting.RATE_LIMIT_PER_MINUTE:21}  {state.rate_limit_per_minute}")
        blocks.setdefault("\n".join(told), []).append(state.worker)
    return [f"{len(names)} of {len(workers)} workers: {', '.join(names)}\n{block}" for block, names in blocks.items()]


def _standing(standing: Sequence[Order]) -> list[str]:
    return ["orders that stand:", *(line(order) for order in standing)] if standing else ["no order stands"]


def _nobody(desk: Desk) -> list[str]:
    return [] if desk.operators else [f"{desk.settings.operators_file} lists nobody, so no order is obeyed"]


@app.command("set")
def set_flag(
    setting: str = typer.Argument(help=f"One of {', '.join(Setting)}."),
    value: str = typer.Argument(help="true or false; a number, a time or a topic where the setting takes one."),
    scope: str = typer.Option("all", "--scope", help=SCOPE_HELP),
    reason: str = REASON,
    expires: str = typer.Option("", "--expires", help="An RFC 3339 time, or a span such as 90m, 24h or 3d."),
    json_output: bool = JSON,
) -> None:
    """Order one setting, wait until every worker has applied it, and say who has not. 100 unless all have.

    DISABLE_SEND true is the kill switch of the scope. The stricter of environment, orders and window counts.
    """
    name = setting.upper()
    if name not in list(Setting):
        fail(f"{setting} is no setting; there are: {', '.join(Setting)}", Exit.USAGE)
    chosen = Setting(name)
    wanted = Wanted(
        scope=scope_of(scope, chosen),
        setting=chosen,
        value=_value(chosen, value),
        reason=reason,
        expires_at=_expiry(chosen, expires),
    )
    give([wanted], json_output=json_output)


def _value(setting: Setting, text: str) -> Value:
    value = ROWS[setting].value.read(text)
    if (fault := value_fault(setting, value)) or not isinstance(value, Value):
        fail(f"{fault}, and not {text!r}", Exit.USAGE)
    return value


def _expiry(setting: Setting, text: str) -> str:
    if not text:
        return ""
    if ROWS[setting].momentary:
        fail(f"--expires: {setting} is about a moment and can't expire", Exit.USAGE)
    if moment_ms(text) is not None:
        return text
    return time_of(int((time.time() + parse_hours(text, "--expires") * 3600) * 1000))


@app.command("log")
def log(
    limit: int = typer.Option(100, help="At most so many, the newest.", min=1),
    json_output: bool = JSON,
) -> None:
    """List every order that was ever given, oldest first: who, when, what, why; and what was ignored, and why."""
    judged = open_desk().history().judged
    if json_output:
        total, ignored = len(judged), sum(isinstance(one, Ignored) for one in judged)
        print(json.dumps({"total": total, "ignored": ignored, "orders": [shown(one) for one in judged[-limit:]]}))
        return
    for one in judged[-limit:]:
        print(line(one))
    if len(judged) > limit:
        print(f"the newest {limit} of {len(judged)}: raise --limit to see more")
    if not judged:
        print("nothing was ever ordered")
