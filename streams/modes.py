"""Flags, effective mode and gate conditions, from settings and the clock; asked anew at each use."""

from __future__ import annotations

import time
from collections.abc import Callable

from config.settings import Settings
from streams.core.dispatch import Conditions
from streams.core.flags import EffectiveMode, Flags, effective_mode
from streams.core.messages import Mode


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


def conditions_clock(settings: Settings, mode: Callable[[], EffectiveMode]) -> Callable[[], Conditions]:
    """What the gate looks at, asked anew for each message."""
    flags = flags_of(settings)
    return lambda: Conditions(mode=mode().mode, flags=flags, now_s=time.time())
