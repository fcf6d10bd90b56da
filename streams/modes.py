"""Flags, effective mode and gate conditions, from settings and the clock; asked anew at each use."""

from __future__ import annotations

import time
from collections.abc import Callable

from config.settings import Settings
from streams import topics
from streams.core.cap import UNCAPPED, Limit
from streams.core.dispatch import Conditions, Hold
from streams.core.flags import EffectiveMode, Flags, effective_mode
from streams.core.messages import Category, Mode
from streams.holds import Holds


def flags_of(settings: Settings) -> Flags:
    """The flags of the environment."""
    return Flags(
        disable_send=settings.disable_send,
        promo_sends=settings.promo_sends,
        retries_enabled=settings.retries_enabled,
        rate_limit_enabled=settings.rate_limit_enabled,
        ab_testing=settings.ab_testing,
    )


def mode_clock(settings: Settings) -> Callable[[], EffectiveMode]:
    """The effective mode, asked anew each time since the window ends by itself."""
    flags = flags_of(settings)
    launched_at_s = settings.launched_at.timestamp() if settings.launched_at else None
    return lambda: effective_mode(
        asked=Mode(settings.mode),
        flags=flags,
        production=settings.production,
        launched_at_s=launched_at_s,
        now_s=time.time(),
    )


def conditions_clock(
    settings: Settings, mode: Callable[[], EffectiveMode], holds: Holds
) -> Callable[[Category], Conditions]:
    """What the gate looks at, asked anew for each message."""
    flags = flags_of(settings)
    return lambda category: Conditions(
        mode=mode().mode, flags=flags, now_s=time.time(), stopped=stopped(holds, topics.DISPATCH[category])
    )


def stopped(holds: Holds, topic: str) -> tuple[Hold, ...]:
    """The holds that stand on a topic, in the order in which they are reported."""
    reasons = holds.of(topic)
    return tuple(hold for hold in Hold if hold in reasons) if reasons else ()


def units_clock(settings: Settings, category: Category) -> Callable[[int], int]:
    """A partition's share of the cap, asked anew each time."""
    flags = flags_of(settings)
    limit = Limit(
        per_minute=settings.rate_limit_per_minute, promo_share=settings.promo_share, promo_on=flags.promo_sends
    )
    return lambda partition: limit.units(category, partition) if flags.rate_limit_enabled else UNCAPPED
