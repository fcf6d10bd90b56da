"""Settings, orders and the clock together: the mode, the flags and the cap that count."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from config.settings import ConfigError, Settings, load
from streams.core.control import NOTHING_ORDERED, ControlState, Source
from streams.core.flags import WINDOW_S, Flags, effective_mode, inside_window
from streams.core.messages import Category, Mode
from streams.core.switches import Setting, Value
from streams.holds import Holds
from streams.modes import conditions_clock, flags_clock, in_force, mode_clock, rate_limit_now
from tests.builders import NOW_S, obeyed

LIVE: dict[str, Any] = {"mode": "live", "disable_send": False, "promo_sends": True}
LONG_AGO = datetime.now(UTC) - timedelta(days=99)
JUST_NOW = datetime.now(UTC).isoformat()


def ordered(setting: Setting, value: Value) -> ControlState:
    return NOTHING_ORDERED.after(obeyed(setting=setting, value=value))


def settings(**changes: Any) -> Settings:
    return load(overrides={**LIVE, "environment": "production", "launched_at": LONG_AGO, **changes})


def test_a_launch_that_was_ordered_begins_the_window_anew() -> None:
    """Dry run, no promotional message, ten a minute: whatever the environment says of an earlier launch."""
    launch = ordered(Setting.LAUNCHED_AT, JUST_NOW)
    asked = settings(rate_limit_per_minute=60)
    assert mode_clock(asked)().mode is Mode.LIVE
    mode = mode_clock(asked, lambda: launch)
    assert (mode().mode, "48-hour window" in mode().why) == (Mode.DRY_RUN, True)
    now_s = datetime.now(UTC).timestamp()
    assert (rate_limit_now(asked, NOTHING_ORDERED, now_s), rate_limit_now(asked, launch, now_s)) == (60, 10)
    conditions = conditions_clock(asked, mode, lambda: launch, Holds())(Category.TRANSACTIONAL)
    assert (conditions.mode, conditions.flags.promo_sends) == (Mode.DRY_RUN, False)
    told = {one.setting: one.source for one in in_force(asked, launch, now_s)}
    assert told[Setting.PROMO_SENDS] is Source.WINDOW


def test_in_development_there_is_no_window() -> None:
    launch = ordered(Setting.LAUNCHED_AT, JUST_NOW)
    asked = settings(environment="development")
    assert mode_clock(asked, lambda: launch)().mode is Mode.LIVE
    assert flags_clock(asked, lambda: launch)().promo_sends


def test_a_kill_switch_leaves_the_mode_alone() -> None:
    """What is held must not become a simulation, which is final."""
    thrown = ordered(Setting.DISABLE_SEND, value=True)
    assert mode_clock(settings(), lambda: thrown)().mode is Mode.LIVE
    assert not flags_clock(settings(), lambda: thrown)().disable_send


def test_orders_are_asked_anew_each_time() -> None:
    states = [NOTHING_ORDERED]
    flags = flags_clock(settings(), lambda: states[-1])
    assert flags().promo_sends
    states.append(ordered(Setting.PROMO_SENDS, value=False))
    assert not flags().promo_sends


@pytest.mark.parametrize("production", [True, False])
@pytest.mark.parametrize("launched_at_s", [None, NOW_S - WINDOW_S, NOW_S - WINDOW_S + 1.0, NOW_S + 1.0])
def test_the_window_and_the_mode_agree(production: bool, launched_at_s: float | None) -> None:  # noqa: FBT001 - a column
    mode = effective_mode(
        asked=Mode.LIVE,
        flags=Flags(disable_send=False),
        production=production,
        launched_at_s=launched_at_s,
        now_s=NOW_S,
    )
    inside = inside_window(production=production, launched_at_s=launched_at_s, now_s=NOW_S)
    assert inside is (mode.mode is Mode.DRY_RUN)


def test_a_confirmation_that_comes_too_seldom_is_refused_at_start() -> None:
    """One that is lost would hold dispatch."""
    with pytest.raises(ConfigError, match="CONTROL_CONFIRM_EVERY"):
        load(overrides={"control_confirm_every": 0.6, "control_fresh_for": 1.0})
