"""Control: what operators have ordered, folded from ``comms.control`` in offset order, and what follows from it.

Of environment and control the stricter wins, so neither a stale topic nor a redeploy opens what the other closed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from streams.core.flags import Flags
from streams.core.messages import Route
from streams.core.reasons import Stage
from streams.core.scope import ALL, Scope, stage_scope
from streams.core.switches import ROWS, Setting, Value, moment_ms

WINDOW_RATE_PER_MINUTE: Final = 10
"""The cap inside the 48-hour window, whatever else is set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One obeyed record. ``operator`` is its ``iss``; times are milliseconds since the epoch."""

    scope: Scope
    setting: Setting
    value: Value
    reason: str
    operator: str
    jti: str
    appended_ms: int
    offset: int
    expires_at_ms: int | None = None

    def stands(self, now_ms: int) -> bool:
        """Whether it has not expired."""
        return self.expires_at_ms is None or now_ms < self.expires_at_ms

    def outlives(self, other: Order) -> bool:
        """Whether it stands again when ``other`` has expired."""
        if other.expires_at_ms is None:
            return False
        return self.expires_at_ms is None or self.expires_at_ms > other.expires_at_ms


class Source(StrEnum):
    """Who closed something."""

    ENVIRONMENT = "environment"
    CONTROL = "control"
    WINDOW = "window"


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """A flag as it counts now, and who made it so."""

    setting: Setting
    on: bool
    source: Source


@dataclass(frozen=True, slots=True)
class Guard:
    """A flag with its stricter value, and whether the 48-hour window forces that."""

    setting: Setting
    flag: str
    strict: bool
    in_window: bool


GUARDS: Final = (
    Guard(Setting.PROMO_SENDS, "promo_sends", strict=False, in_window=True),
    Guard(Setting.RETRIES_ENABLED, "retries_enabled", strict=False, in_window=False),
    Guard(Setting.RATE_LIMIT_ENABLED, "rate_limit_enabled", strict=True, in_window=True),
    Guard(Setting.AB_TESTING, "ab_testing", strict=False, in_window=True),
)
"""``DISABLE_SEND`` is not among them: in the environment it is a dry run, from an operator it is a hold."""

_Place = tuple[Scope, Value]
_Stacks = Mapping[_Place, tuple[Order, ...]]


@dataclass(frozen=True, slots=True)
class ControlState:
    """Per setting and scope the orders that may still count: the last one, and those before it that outlive it."""

    _orders: Mapping[Setting, _Stacks] = field(default_factory=lambda: MappingProxyType({}))

    def after(self, order: Order) -> ControlState:
        """The state after one more order. An earlier launch than the one that is known changes nothing."""
        stacks = self._orders.get(order.setting, {})
        # Breakers are of topics, and several of them may be released under one scope.
        place = (order.scope, order.value if order.setting is Setting.BREAKER else "")
        before = stacks.get(place, ())
        if order.setting is Setting.LAUNCHED_AT and any(_launch(one) > _launch(order) for one in before):
            return self
        stack = (*(one for one in before if one.outlives(order)), order)
        return ControlState(MappingProxyType({**self._orders, order.setting: {**stacks, place: stack}}))

    def standing(self, setting: Setting, now_ms: int) -> Iterator[Order]:
        """The last unexpired order of each scope."""
        for stack in self._orders.get(setting, {}).values():
            found = next((order for order in reversed(stack) if order.stands(now_ms)), None)
            if found is not None:
                yield found

    def at(self, setting: Setting, scope: Scope, now_ms: int) -> Order | None:
        """The order that stands for exactly this scope."""
        return next((order for order in self.standing(setting, now_ms) if order.scope == scope), None)

    def killed(self, route: Route, now_ms: int) -> Order | None:
        """The kill switch that holds this message, the widest if there are several."""
        switches = self._on(Setting.DISABLE_SEND, now_ms)
        found = [order for order in switches if order.scope.covers(route)]
        return next((order for order in found if order.scope.in_place), found[0] if found else None)

    def aside(self, route: Route, now_ms: int) -> Order | None:
        """The narrow kill switch for which this message is moved aside."""
        switches = self._on(Setting.DISABLE_SEND, now_ms)
        return next((one for one in switches if not one.scope.in_place and one.scope.covers(route)), None)

    def sets_aside(self, now_ms: int) -> bool:
        """Whether any narrow kill switch stands, so that what was set aside may have to stay."""
        return any(not order.scope.in_place for order in self._on(Setting.DISABLE_SEND, now_ms))

    def stops(self, stage: Stage, now_ms: int) -> tuple[Order, ...]:
        """Every order that stops reading of a stage in place: pauses, and for dispatch the wide kill switches."""
        scopes = (ALL, stage_scope(stage))
        settings = (Setting.DISABLE_SEND, Setting.PAUSE) if stage is Stage.DISPATCH else (Setting.PAUSE,)
        orders = (order for setting in settings for order in self._on(setting, now_ms))
        return tuple(order for order in orders if order.scope in scopes)

    def stops_in_place(self, stage: Stage, now_ms: int) -> Order | None:
        """The first of them."""
        return next(iter(self.stops(stage, now_ms)), None)

    def dropped(self, route: Route, appended_ms: int, now_ms: int) -> Order | None:
        """The order that recalled a message which was appended to its dispatch topic then."""
        return self._momentary(Setting.DROP, route, appended_ms, now_ms)

    def rerender(self, route: Route, appended_ms: int, now_ms: int) -> Order | None:
        """The order that sends a message which was rendered then back to rendering."""
        return self._momentary(Setting.RERENDER, route, appended_ms, now_ms)

    def changed_ms(self, now_ms: int) -> int:
        """When an order about single messages last came, or ended by itself: what is set aside may be free since."""
        found = [0]
        for setting in (Setting.DISABLE_SEND, Setting.DROP, Setting.RERENDER):
            for stack in self._orders.get(setting, {}).values():
                found += [order.appended_ms for order in stack]
                found += [ms for order in stack if (ms := order.expires_at_ms) is not None and ms <= now_ms]
        return max(found)

    def breaker_released(self, topic: str, since_ms: int) -> Order | None:
        """The order that released an inbound topic's breaker after it had tripped."""
        releases = self.standing(Setting.BREAKER, since_ms)
        return next((order for order in releases if order.value == topic and order.appended_ms > since_ms), None)

    def in_force(self, environment: Flags, now_ms: int, *, in_window: bool) -> tuple[InForce, ...]:
        """Each flag as it counts, and who is the first to make it so: environment, control or the window."""
        return tuple(self._judge(guard, environment, now_ms, in_window=in_window) for guard in GUARDS)

    def flags(self, environment: Flags, now_ms: int, *, in_window: bool) -> Flags:
        """The flags that count. ``DISABLE_SEND`` stays the environment's: a kill switch holds and simulates nothing."""
        counting = {one.setting: one.on for one in self.in_force(environment, now_ms, in_window=in_window)}
        return replace(environment, **{guard.flag: counting[guard.setting] for guard in GUARDS})

    def rate_limit(self, environment: int, now_ms: int, *, in_window: bool = False) -> int:
        """The cap per minute: the lowest of the environment's, the operators' and, inside it, the window's."""
        order = self.at(Setting.RATE_LIMIT_PER_MINUTE, ALL, now_ms)
        ordered = environment if order is None else int(order.value)
        return min(environment, ordered, WINDOW_RATE_PER_MINUTE if in_window else environment)

    def launched_at_ms(self, environment: int | None) -> int | None:
        """The later of the environment's launch and the operators'."""
        orders = self._orders.get(Setting.LAUNCHED_AT, {}).values()
        known = [_launch(stack[-1]) for stack in orders] + ([] if environment is None else [environment])
        return max(known, default=None)

    def snapshot(self, now_ms: int) -> tuple[Order, ...]:
        """What stands, oldest first. What was released, and what was about a moment, is in the topic alone."""
        lasting = (setting for setting in self._orders if not ROWS[setting].momentary)
        found = (order for setting in lasting for order in self.standing(setting, now_ms) if not _lifted(order))
        return tuple(sorted(found, key=lambda order: order.offset))

    def _on(self, setting: Setting, now_ms: int) -> Iterator[Order]:
        return (order for order in self.standing(setting, now_ms) if order.value is True)

    def _momentary(self, setting: Setting, route: Route, appended_ms: int, now_ms: int) -> Order | None:
        orders = self._on(setting, now_ms)
        return next((one for one in orders if appended_ms < one.appended_ms and one.scope.covers(route)), None)

    def _judge(self, guard: Guard, environment: Flags, now_ms: int, *, in_window: bool) -> InForce:
        order = self.at(guard.setting, ALL, now_ms)
        said = (
            (Source.ENVIRONMENT, bool(getattr(environment, guard.flag))),
            (Source.CONTROL, (not guard.strict) if order is None else bool(order.value)),
            (Source.WINDOW, guard.strict if in_window and guard.in_window else not guard.strict),
        )
        source = next((who for who, on in said if on is guard.strict), Source.ENVIRONMENT)
        on = guard.strict if any(on is guard.strict for _, on in said) else not guard.strict
        return InForce(setting=guard.setting, on=on, source=source)


NOTHING_ORDERED: Final = ControlState()


def _launch(order: Order) -> int:
    return moment_ms(order.value) or 0


def _lifted(order: Order) -> bool:
    return order.setting in (Setting.DISABLE_SEND, Setting.PAUSE) and order.value is False
