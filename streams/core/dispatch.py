"""The gate: may this message go out now? One pure function, asked before the claim and again right before the call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from streams.core.flags import Flags
from streams.core.messages import Category, Message, Mode, Route
from streams.core.reasons import Suppression


class Hold(StrEnum):
    """Why a message is kept: not failed, not final. The closed set of product.md."""

    KILL_SWITCH = "kill_switch"
    PAUSED = "paused"
    GATE_RED = "gate_red"
    CONTROL_UNREAD = "control_unread"
    BREAKER = "breaker"
    PROMO_DISABLED = "promo_disabled"


@dataclass(frozen=True, slots=True)
class Send:
    """Hand it to the provider."""


@dataclass(frozen=True, slots=True)
class Simulate:
    """Final without a provider call: a dry run."""


@dataclass(frozen=True, slots=True)
class Suppress:
    """Final without a provider call, for a reason about the recipient or the kind of message."""

    reason: Suppression


@dataclass(frozen=True, slots=True)
class Expire:
    """Final: its time is over."""


@dataclass(frozen=True, slots=True)
class Keep:
    """It stays where it is, and what is behind it too."""

    hold: Hold


@dataclass(frozen=True, slots=True)
class SetAside:
    """It goes to ``comms.held.<category>``, and what is behind it goes on."""

    hold: Hold


@dataclass(frozen=True, slots=True)
class Rerender:
    """It goes back to rendering, as its next revision."""


Verdict = Send | Simulate | Suppress | Expire | Keep | SetAside | Rerender


class Orders(Protocol):
    """What operators have ordered about single messages: `streams.core.control.ControlState`."""

    def stops_aside(self, route: Route, now_ms: int) -> bool:
        """Whether a switch of a narrow scope covers it."""

    def drops(self, route: Route, appended_ms: int, now_ms: int) -> bool:
        """Whether it was recalled: an order to drop came after it was appended to a dispatch topic."""

    def rerenders(self, route: Route, appended_ms: int, now_ms: int) -> bool:
        """Whether it is to be rendered again: that order came after it was appended to a dispatch topic."""

    def changed_ms(self, now_ms: int) -> int:
        """When an order last came, or ended, that may let something go that is set aside."""


class NoOrders:
    """Nobody has ordered anything."""

    def stops_aside(self, route: Route, now_ms: int) -> bool:
        """Never."""
        del route, now_ms
        return False

    def drops(self, route: Route, appended_ms: int, now_ms: int) -> bool:
        """Never."""
        del route, appended_ms, now_ms
        return False

    rerenders = drops

    def changed_ms(self, now_ms: int) -> int:
        """Never."""
        del now_ms
        return 0


NO_ORDERS: Final = NoOrders()

Suppressed = Callable[[Route], Suppression | None]
"""The suppression list: why this recipient is not to hear of this, if so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What the gate looks at besides the message. ``now_s``: seconds since the epoch.

    ``stopped``: the holds that stand on all of this category's dispatch, strongest first.
    """

    mode: Mode
    flags: Flags
    now_s: float
    stopped: tuple[Hold, ...] = ()
    orders: Orders = NO_ORDERS
    suppressed: Suppressed = lambda _route: None


def gate(message: Message, conditions: Conditions, *, appended_ms: int = 0) -> Verdict:
    """What may happen to a message that was appended to its dispatch topic at ``appended_ms``.

    In this order: its time is over; all dispatch is stopped; it was recalled; it is to be rendered again; its scope is
    stopped; its recipient is suppressed; promotional while those are off (a dry run says so, in live it waits); a dry
    run, now or when its event was appended; send.
    """
    route, now_ms = message.route, int(conditions.now_s * 1000)
    if message.not_after_ms is not None and message.not_after_ms <= now_ms:
        return Expire()
    if conditions.stopped:
        return Keep(conditions.stopped[0])
    if conditions.orders.drops(route, appended_ms, now_ms):
        return Suppress(Suppression.RECALLED)
    if conditions.orders.rerenders(route, appended_ms, now_ms):
        return Rerender()
    if conditions.orders.stops_aside(route, now_ms):
        return SetAside(Hold.KILL_SWITCH)
    return _to_recipient(message, conditions)


def _to_recipient(message: Message, conditions: Conditions) -> Verdict:
    suppressed = conditions.suppressed(message.route)
    dry = Mode.DRY_RUN in (conditions.mode, message.mode)
    if suppressed is not None:
        return Suppress(suppressed)
    if message.route.category is Category.PROMOTIONAL and not conditions.flags.promo_sends:
        return Suppress(Suppression.PROMO_DISABLED) if dry else Keep(Hold.PROMO_DISABLED)
    return Simulate() if dry else Send()
