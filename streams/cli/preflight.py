"""The preflight of an order: what waits, what would become of it, and how long that takes. Read, not changed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import typer

from config.settings import Settings
from streams import modes
from streams.cli.context import issuers_of
from streams.cli.control_topic import Desk
from streams.core.cap import UNCAPPED, Limit
from streams.core.control import ControlState, Order
from streams.core.control_token import Wanted
from streams.core.dispatch import Conditions, Hold
from streams.core.flags import Flags
from streams.core.letters import LAST_MS
from streams.core.messages import Category, Mode
from streams.core.preflight import Preflight, drain_s
from streams.core.reasons import Stage
from streams.core.retention import Oldest
from streams.core.scope import Kind, Scope
from streams.core.switches import Setting, moment_ms
from streams.heartbeat import WorkerState
from streams.switches import REASONS
from streams.waiting import Reading, Waiting
from streams.wiring.control import stages
from streams.wiring.dispatch import read_topics
from streams.wiring.waiting import open_waiting

TELL_EVERY_S: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """What holds the flow now, as the strictest worker counts it; without one as this environment would."""

    mode: Mode
    limit: Limit
    on: bool
    gate_red: bool
    window_s: float
    workers: int

    def units(self, category: Category, partition: int) -> int:
        """A partition's share."""
        return self.limit.units(category, partition) if self.on else UNCAPPED


@dataclass(frozen=True, slots=True, kw_only=True)
class Flight:
    """All that a preflight found. ``idle``: what waits in the steps before dispatch, where the order is about those.

    ``gone``: when the first of the messages may be deleted, and where; ``complete``: whether all were read.
    """

    scope: Scope
    at_ms: int
    counted: Preflight
    cap: Cap
    gone: tuple[int, str] | None
    idle: tuple[Oldest, ...]
    read: int
    complete: bool

    def seconds(self, category: Category) -> float | None:
        """How long the cap takes for what goes out of a category, at most; None: it never does."""
        waiting = self.counted.spending()[category]
        return drain_s(waiting, lambda partition: self.cap.units(category, partition), self.cap.window_s)


def fly(desk: Desk, scope: Scope, wanted: Sequence[Wanted], *, seconds: float) -> Flight:
    """Ask what ``wanted`` would do to the messages of ``scope``. Tells on standard error how far it has come.

    Raises:
        BrokerUnavailableError: no answer.
    """
    at_ms = int(time.time() * 1000)
    state = _after(desk.history().state, wanted)
    cap = _cap(desk.settings, state, desk.live(desk.fleet()))
    counted = Preflight(scope=scope, conditions=_conditions(state, cap, at_ms))
    waiting = open_waiting(desk.settings, desk.bootstrap, issuers_of(desk.settings))
    reading = waiting.reading(_read_for(scope), seconds=seconds)
    _read(reading, counted)
    return Flight(
        scope=scope,
        at_ms=at_ms,
        counted=counted,
        cap=cap,
        gone=counted.first_gone(waiting.admin.retention_ms),
        idle=_idle(waiting, desk.settings, scope, wanted),
        read=reading.read,
        complete=reading.complete,
    )


def _read(reading: Reading, counted: Preflight) -> None:
    told_at = time.monotonic()
    for record in reading.records():
        counted.add(record)
        if time.monotonic() - told_at > TELL_EVERY_S:
            told_at = time.monotonic()
            typer.echo(f"preflight: {reading.read} of at most {reading.total} records read", err=True)


def _read_for(scope: Scope) -> tuple[str, ...]:
    """The topics in which messages of a scope may wait."""
    if scope.kind is Kind.STAGE and scope.name != Stage.DISPATCH:
        return ()
    named = scope.name if scope.kind is Kind.CATEGORY else ""
    return tuple(topic for category in Category if named in ("", category) for topic in read_topics(category))


def _idle(waiting: Waiting, settings: Settings, scope: Scope, wanted: Sequence[Wanted]) -> tuple[Oldest, ...]:
    """Ingest and render wait only for the end of a pause, and are never asked what becomes of a message."""
    if not any(one.setting is Setting.PAUSE for one in wanted):
        return ()
    read = stages(issuers_of(settings))
    meant = [stage for stage in (Stage.INGEST, Stage.RENDER) if scope.kind is Kind.ALL or scope.name == stage]
    return waiting.oldest([topic for stage in meant for topic in read[stage]]) if meant else ()


def _after(state: ControlState, wanted: Sequence[Wanted]) -> ControlState:
    """The state as it would be: every one of the messages was queued before the orders are given."""
    for one in wanted:
        state = state.after(
            Order(
                scope=one.scope,
                setting=one.setting,
                value=one.value,
                reason=one.reason,
                operator="",
                jti="",
                appended_ms=LAST_MS,
                offset=0,
                expires_at_ms=moment_ms(one.expires_at),
            )
        )
    return state


def _cap(settings: Settings, state: ControlState, workers: Sequence[WorkerState]) -> Cap:
    now_s = time.time()
    here = {one.setting.value: one.on for one in modes.in_force(settings, state, now_s)}
    flags = [state.flags for state in workers if state.flags] or [here]
    rates = [state.rate_limit_per_minute for state in workers if state.rate_limit_per_minute > 0]
    dry = [state.mode == Mode.DRY_RUN for state in workers] or [
        modes.mode_clock(settings, lambda: state)().mode is Mode.DRY_RUN
    ]
    promo_on = all(each.get(Setting.PROMO_SENDS, False) for each in flags)
    return Cap(
        mode=Mode.DRY_RUN if any(dry) else Mode.LIVE,
        limit=Limit(
            per_minute=min(rates) if rates else modes.rate_limit_now(settings, state, now_s),
            promo_share=settings.promo_share,
            promo_on=promo_on,
        ),
        on=any(each.get(Setting.RATE_LIMIT_ENABLED, True) for each in flags),
        gate_red=not all(state.gate1_green for state in workers),
        window_s=settings.rate_window + settings.dispatch_begin_within,
        workers=len(workers),
    )


def _conditions(state: ControlState, cap: Cap, at_ms: int) -> Mapping[Category, Conditions]:
    stops = [Hold(REASONS[order.setting]) for order in state.stops(Stage.DISPATCH, at_ms)]
    made = Conditions(
        mode=cap.mode,
        flags=Flags(disable_send=cap.mode is Mode.DRY_RUN, promo_sends=cap.limit.promo_on),
        now_s=at_ms / 1000,
        stopped=(*stops, *([Hold.GATE_RED] if cap.gate_red else [])),
        orders=modes.Ordered(state),
    )
    return dict.fromkeys(Category, made)
