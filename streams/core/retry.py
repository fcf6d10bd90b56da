"""Retries: how long a transient failure waits, and when it has waited often enough. Pure.

Three tiers, each with a topic of its own. Full jitter inside the tier: the wait is drawn evenly from nothing to the
length of the tier, so no two workers come back at once, and its head delays what is behind it by the jitter at most.
Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Tier:
    """One waiting room: the suffix of its topic, and its length in seconds before scaling."""

    name: str
    seconds: float


TIERS: Final = (Tier("30s", 30.0), Tier("5m", 300.0), Tier("30m", 1800.0))
NOT_BEFORE: Final = "not-before"
"""Header: when it is due, milliseconds since the epoch."""
ATTEMPTS: Final = "attempts"
"""Header: how many calls had begun."""
BEFORE: Final = "attempts-before"
"""Header: how many of them were before its last redrive, which begins with the first tier again."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Into this tier; not before then (milliseconds since the epoch)."""

    tier: Tier
    not_before_ms: int


@dataclass(frozen=True, slots=True)
class GiveUp:
    """It has waited in every tier."""


def after_failure(
    attempt: int, *, now_ms: int, draw: float, retry_after_s: float = 0.0, scale: float = 1.0
) -> Wait | GiveUp:
    """What follows the ``attempt``-th failed call. ``draw`` is in [0, 1); ``retry_after_s`` is the provider's floor."""
    if attempt > len(TIERS):
        return GiveUp()
    tier = TIERS[attempt - 1]
    wait_s = max(draw * tier.seconds * scale, retry_after_s)
    return Wait(_fitting(tier, wait_s, scale), now_ms + int(wait_s * 1000))


def _fitting(least: Tier, wait_s: float, scale: float) -> Tier:
    """The shortest tier from ``least`` on that holds the wait; else the longest, from which it hops again."""
    return next((t for t in TIERS if t.seconds >= least.seconds and t.seconds * scale >= wait_s), TIERS[-1])


def turn_ms(tier: Tier, *, appended_ms: int, not_before_ms: int, scale: float = 1.0) -> int:
    """When a record's turn in its tier comes: when it is due, but never later than the tier is long."""
    return min(not_before_ms, appended_ms + int(tier.seconds * scale * 1000))


def hop(*, now_ms: int, not_before_ms: int, scale: float = 1.0) -> Tier | None:
    """Where a record goes whose turn has come and that still is not due; None: it is due."""
    left_s = (not_before_ms - now_ms) / 1000
    return None if left_s <= 0 else _fitting(TIERS[0], left_s, scale)
