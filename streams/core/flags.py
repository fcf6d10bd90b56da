"""Flags and the effective mode: what the environment asks for, held against the guardrails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from streams.core.messages import Mode

WINDOW_S: Final = 48 * 3600
"""The first hours after launch, in which nothing is sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """The feature flags, by the names under which they are set and reported."""

    disable_send: bool = True
    promo_sends: bool = False
    retries_enabled: bool = True
    rate_limit_enabled: bool = True
    ab_testing: bool = False

    def names(self) -> dict[str, bool]:
        """Flag by its name in environment and control records."""
        return {
            "DISABLE_SEND": self.disable_send,
            "PROMO_SENDS": self.promo_sends,
            "RETRIES_ENABLED": self.retries_enabled,
            "RATE_LIMIT_ENABLED": self.rate_limit_enabled,
            "AB_TESTING": self.ab_testing,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveMode:
    """The mode that counts, and why it is not the one that was asked for (empty when it is)."""

    mode: Mode
    why: str = ""


def inside_window(*, production: bool, launched_at_s: float | None, now_s: float) -> bool:
    """Whether the guardrails of the first 48 hours bind; before the launch they do, too."""
    return production and (launched_at_s is None or now_s < launched_at_s + WINDOW_S)


def effective_mode(
    *, asked: Mode, flags: Flags, production: bool, launched_at_s: float | None, now_s: float
) -> EffectiveMode:
    """Dry run unless everything says live. In production an unset launch time means inside the window."""
    if asked is Mode.DRY_RUN:
        return EffectiveMode(mode=Mode.DRY_RUN)
    if flags.disable_send:
        return EffectiveMode(mode=Mode.DRY_RUN, why="DISABLE_SEND is true")
    if production and launched_at_s is None:
        return EffectiveMode(mode=Mode.DRY_RUN, why="LAUNCHED_AT is not set, which counts as inside the 48-hour window")
    if production and launched_at_s is not None and now_s < launched_at_s + WINDOW_S:
        return EffectiveMode(mode=Mode.DRY_RUN, why="inside the 48-hour window after LAUNCHED_AT")
    return EffectiveMode(mode=Mode.LIVE)
