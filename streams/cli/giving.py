"""Giving an order: signed, written, obeyed, applied by every worker; or said plainly how far it came."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

import typer

from streams.applied import Answer, Written
from streams.cli.control_topic import Desk, Signer, open_desk
from streams.cli.exits import Exit, fail
from streams.core.control import Order
from streams.core.control_token import MAX_REASON, Ignored, Wanted, is_reason
from streams.core.scope import Scope
from streams.core.signing import PrivateKey, SigningError, kid_in, public_jwk, read_key
from streams.core.switches import Setting, Value, scope_fault
from streams.heartbeat import WorkerState

REASON: Final = typer.Option(..., "--reason", help="Why; it stands in the audit trail.")
JSON: Final = typer.Option(False, "--json", help="One JSON document.")
SCOPE_HELP: Final = (
    "all, or stage: channel: category: type: issuer: template:, each with a name; template:<name>@<version>, too."
)


def scope_of(text: str, setting: Setting) -> Scope:
    """A scope that the setting takes, or the end of the command."""
    scope = Scope.parse(text)
    if isinstance(scope, str):
        fail(f"{text!r} is no scope: {scope}", Exit.USAGE)
    if fault := scope_fault(setting, scope):
        fail(f"{fault}, and not {scope}", Exit.USAGE)
    return scope


Preview = Callable[[Desk], Mapping[str, Any]]
"""Tells a person what an order would do, and returns what a program is told of it."""


def give(wanted: Sequence[Wanted], *, json_output: bool, preview: Preview = lambda _desk: {}, urgent: int = 0) -> None:
    """Give the orders, in this order. Ends with 100 unless each was obeyed and every worker has applied the last.

    ``preview`` is asked when the first ``urgent`` orders are written and the others not yet: what stops comes first.
    """
    require_reason(wanted)
    desk = open_desk()
    signer = signer_of(desk)
    offsets = desk.write(signer, wanted[:urgent])
    told = preview(desk)
    offsets += desk.write(signer, wanted[urgent:])  # before anything else is read: somebody is in a hurry
    past, hearing = desk.history(), desk.fleet()
    answer = desk.hear(hearing, Written(offset=offsets[-1], end=past.end, obeyed=past.obeyed))
    outcome = Outcome(
        given=[one for one in past.judged if one.offset in offsets],
        answer=answer,
        standing=past.state.snapshot(int(datetime.now(UTC).timestamp() * 1000)),
        states=[hearing.fleet[name] for name in answer.applied],
    )
    print(json.dumps({**told, **outcome.as_json()}) if json_output else "\n".join(outcome.lines(wanted[-1])))
    if not outcome.complete:
        raise typer.Exit(Exit.FINDINGS)


def require_reason(wanted: Sequence[Wanted]) -> None:
    """Each has a reason that can stand in the audit trail, or the end of the command."""
    if not all(is_reason(one.reason) for one in wanted):
        fail(f"--reason: printable text of 1 to {MAX_REASON} characters", Exit.USAGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How far the orders came, what stands after them, and what the workers say that applied them."""

    given: Sequence[Order | Ignored]
    answer: Answer
    standing: Sequence[Order]
    states: Sequence[WorkerState]

    @property
    def complete(self) -> bool:
        """Whether every order was obeyed, and by every worker."""
        return self.answer.complete and all(isinstance(one, Order) for one in self.given)

    def as_json(self) -> dict[str, Any]:
        """For a program."""
        return {
            "orders": [shown(one) for one in self.given],
            "workers": {**asdict(self.answer), "complete": self.answer.complete},
            "standing": [shown(order) for order in self.standing],
        }

    def lines(self, last: Wanted) -> list[str]:
        """For a person."""
        rest = [*_still_held(last, self.standing), *_still_shut(last, self.states)]
        return [*(line(one) for one in self.given), self.answer.sentence(), *rest]


def signer_of(desk: Desk) -> Signer:
    """The operator whose key this is, or the end of the command with what to put where."""
    file = desk.settings.control_signing_key_file
    if file is None:
        fail("CONTROL_SIGNING_KEY_FILE is not set: with which private key should this be signed?", Exit.USAGE)
    try:
        key = read_key(file.read_bytes())
    except (OSError, SigningError) as error:
        fail(f"CONTROL_SIGNING_KEY_FILE: {error}")
    found = ((name, kid_in(operator.keys, key)) for name, operator in desk.operators.items())
    signer = next((Signer(operator=name, kid=kid, key=key) for name, kid in found if kid is not None), None)
    return signer if signer is not None else fail(_unlisted(desk, key))


def _unlisted(desk: Desk, key: PrivateKey) -> str:
    listed = ", ".join(desk.operators) or "nobody"
    return (
        f"the key in CONTROL_SIGNING_KEY_FILE is of no operator in {desk.settings.operators_file} (there: {listed}); "
        f"its public half is {json.dumps(public_jwk(key, kid='NAME-IT'))}"
    )


def _still_held(last: Wanted, standing: Sequence[Order]) -> list[str]:
    """What an order to let go did not let go."""
    stops = (Setting.DISABLE_SEND, Setting.PAUSE)
    if last.setting not in stops or last.value is True:
        return []
    held = [f"still held: {line(one)}" for one in standing if one.setting in stops]
    return held or ["no order holds anything now"]


def _still_shut(last: Wanted, states: Sequence[WorkerState]) -> list[str]:
    """What environment or window keep shut although an order would open it."""
    if last.setting is Setting.DISABLE_SEND:
        return []
    return [
        f"{last.setting} stays {_word(state.flags[last.setting])} on {state.worker}: {state.flags_from[last.setting]}"
        for state in states
        if state.flags.get(last.setting, last.value) is not last.value
    ]


def _word(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def time_of(ms: int) -> str:
    """Milliseconds since the epoch as RFC 3339."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def line(one: Order | Ignored) -> str:
    """One record of the audit trail, for a person."""
    when = f"{one.offset:>5}  {time_of(one.appended_ms)}"
    if isinstance(one, Ignored):
        return f"{when}  {one.operator or '-':12}  IGNORED {one.reason}: {one.detail}"
    until = f" until {time_of(one.expires_at_ms)}" if one.expires_at_ms is not None else ""
    return f"{when}  {one.operator:12}  {one.setting} {_word(one.value)} for {one.scope}{until}: {one.reason}"


def shown(one: Order | Ignored) -> dict[str, Any]:
    """The same for a program."""
    common = {"offset": one.offset, "at": time_of(one.appended_ms), "operator": one.operator}
    if isinstance(one, Ignored):
        return {**common, "ignored": one.reason, "detail": one.detail}
    return {
        **common,
        "scope": str(one.scope),
        "setting": one.setting,
        "value": one.value,
        "reason": one.reason,
        "jti": one.jti,
        "expires_at": None if one.expires_at_ms is None else time_of(one.expires_at_ms),
    }
