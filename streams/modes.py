"""Flags, effective mode and gate conditions, from settings, orders and the clock; asked anew at each use."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from config.settings import Settings
from streams import topics
from streams.core.cap import UNCAPPED, Limit
from streams.core.control import NOTHING_ORDERED, ControlState, InForce, Source
from streams.core.dispatch import Conditions, Hold
from streams.core.flags import EffectiveMode, Flags, effective_mode, inside_window
from streams.core.messages import Category, Mode, Route
from streams.core.switches import Setting
from streams.holds import Holds

Control = Callable[[], ControlState]
"""What was ordered so far."""


def nothing_ordered() -> ControlState:
    """For those who look at the environment alone."""
    return NOTHING_ORDERED


def flags_of(settings: Settings) -> Flags:
    """The flags of the environment."""
    return Flags(
        disable_send=settings.disable_send,
        promo_sends=settings.promo_sends,
        retries_enabled=settings.retries_enabled,
        rate_limit_enabled=settings.rate_limit_enabled,
        ab_testing=settings.ab_testing,
    )


def launched_at_s(settings: Settings, state: ControlState) -> float | None:
    """When it was launched, in seconds since the epoch: the later of environment and orders."""
    environment = None if settings.launched_at is None else int(settings.launched_at.timestamp() * 1000)
    found = state.launched_at_ms(environment)
    return None if found is None else found / 1000


def in_window(settings: Settings, state: ControlState, now_s: float) -> bool:
    """Whether the guardrails of the first 48 hours bind."""
    return inside_window(production=settings.production, launched_at_s=launched_at_s(settings, state), now_s=now_s)


def in_force(settings: Settings, state: ControlState, now_s: float) -> tuple[InForce, ...]:
    """Each flag as it counts now, and who made it so."""
    environment = flags_of(settings)
    dry = InForce(setting=Setting.DISABLE_SEND, on=environment.disable_send, source=Source.ENVIRONMENT)
    judged = state.in_force(environment, int(now_s * 1000), in_window=in_window(settings, state, now_s))
    return (dry, *judged)


def flags_now(settings: Settings, state: ControlState, now_s: float) -> Flags:
    """The flags that count: the stricter of environment, orders and window."""
    return state.flags(flags_of(settings), int(now_s * 1000), in_window=in_window(settings, state, now_s))


def rate_limit_now(settings: Settings, state: ControlState, now_s: float) -> int:
    """The cap per minute that counts."""
    window = in_window(settings, state, now_s)
    return state.rate_limit(settings.rate_limit_per_minute, int(now_s * 1000), in_window=window)


def flags_clock(settings: Settings, control: Control = nothing_ordered) -> Callable[[], Flags]:
    """The flags that count, asked anew each time."""
    return lambda: flags_now(settings, control(), time.time())


def mode_clock(settings: Settings, control: Control = nothing_ordered) -> Callable[[], EffectiveMode]:
    """The effective mode, asked anew each time since the window ends by itself."""
    flags = flags_of(settings)
    return lambda: effective_mode(
        asked=Mode(settings.mode),
        flags=flags,
        production=settings.production,
        launched_at_s=launched_at_s(settings, control()),
        now_s=time.time(),
    )


@dataclass(frozen=True, slots=True)
class Ordered:
    """What operators have ordered about single messages, as the gate asks for it."""

    state: ControlState

    def stops_aside(self, route: Route, now_ms: int) -> bool:
        """Whether a switch of a narrow scope covers it."""
        return self.state.aside(route, now_ms) is not None

    def drops(self, route: Route, appended_ms: int, now_ms: int) -> bool:
        """Whether it was recalled."""
        return self.state.dropped(route, appended_ms, now_ms) is not None

    def rerenders(self, route: Route, appended_ms: int, now_ms: int) -> bool:
        """Whether it is to be rendered again."""
        return self.state.rerender(route, appended_ms, now_ms) is not None

    def changed_ms(self, now_ms: int) -> int:
        """When an order last came, or ended, that may let something go."""
        return self.state.changed_ms(now_ms)


def conditions_clock(
    settings: Settings,
    mode: Callable[[], EffectiveMode],
    control: Control,
    holds: Holds,
    *,
    orders_known: Callable[[], bool] = lambda: True,
) -> Callable[[Category], Conditions]:
    """What the gate looks at, asked anew for each message.

    Whether every order is known is asked right here, too, so that a process that was stopped and goes on calls nobody
    before it has looked.
    """
    flags = flags_clock(settings, control)

    def conditions(category: Category) -> Conditions:
        unread = () if orders_known() else (Hold.CONTROL_UNREAD,)
        return Conditions(
            mode=mode().mode,
            flags=flags(),
            now_s=time.time(),
            stopped=(*stopped(holds, topics.DISPATCH[category]), *unread),
            orders=Ordered(control()),
        )

    return conditions


def stopped(holds: Holds, topic: str) -> tuple[Hold, ...]:
    """The holds that stand on a topic, in the order in which they are reported."""
    reasons = holds.of(topic)
    return tuple(hold for hold in Hold if hold in reasons) if reasons else ()


def units_clock(settings: Settings, control: Control = nothing_ordered) -> Callable[[Category, int], int]:
    """A partition's share of the cap, asked anew each time."""

    def units(category: Category, partition: int) -> int:
        now_s = time.time()
        flags = flags_now(settings, control(), now_s)
        limit = Limit(
            per_minute=rate_limit_now(settings, control(), now_s),
            promo_share=settings.promo_share,
            promo_on=flags.promo_sends,
        )
        return limit.units(category, partition) if flags.rate_limit_enabled else UNCAPPED

    return units
