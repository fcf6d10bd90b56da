"""What follows from the orders: what is held, dropped and rendered again, and which flags count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.control import GUARDS, NOTHING_ORDERED, ControlState, Order, Source
from streams.core.flags import Flags
from streams.core.messages import Category
from streams.core.reasons import Stage
from streams.core.scope import ALL, Scope
from streams.core.switches import Setting, Value
from tests.builders import NOW_S, obeyed, route

NOW_MS = NOW_S * 1000
LATER_MS = NOW_MS + 3_600_000


def scope(text: str) -> Scope:
    parsed = Scope.parse(text)
    assert isinstance(parsed, Scope), parsed
    return parsed


def said(setting: Setting, text: str = "all", value: Value = True, *, expires: int | None = None, at: int = 0) -> Order:  # noqa: FBT002 - as it is said
    return obeyed(
        setting=setting, scope=scope(text), value=value, expires_at_ms=expires, offset=at, appended_ms=NOW_MS + at
    )


def folded(*orders: Order) -> ControlState:
    state = NOTHING_ORDERED
    for number, order in enumerate(orders):
        state = state.after(replace(order, offset=number))
    return state


KILL, PAUSE = Setting.DISABLE_SEND, Setting.PAUSE


def test_nothing_ordered_holds_nothing() -> None:
    state = NOTHING_ORDERED
    assert state.killed(route(), NOW_MS) is None
    assert [state.stops_in_place(stage, NOW_MS) for stage in Stage] == [None, None, None]
    assert state.dropped(route(), 0, NOW_MS) is None
    assert state.rerender(route(), 0, NOW_MS) is None
    assert state.snapshot(NOW_MS) == ()


HOLDS: list[tuple[str, bool, bool, bool]] = [
    # scope of the kill switch, this message held, moved aside, dispatch stopped in place
    ("all", True, False, True),
    ("stage:dispatch", True, False, True),
    ("channel:email", True, True, False),
    ("channel:sms", False, False, False),
    ("category:transactional", True, True, False),
    ("category:promotional", False, False, False),
    ("type:new_match", True, True, False),
    ("type:deadline_soon", False, False, False),
    ("template:new_match", True, True, False),
    ("template:new_match@1.0", True, True, False),
    ("template:new_match@1.1", False, False, False),
    ("issuer:scholarship_agent", True, True, False),
    ("issuer:student_pilot", False, False, False),
]


@pytest.mark.parametrize(("text", "held", "aside", "stopped"), HOLDS, ids=[row[0] for row in HOLDS])
def test_the_kill_switch_holds_its_scope(text: str, held: bool, aside: bool, stopped: bool) -> None:  # noqa: FBT001 - columns
    """In place where the scope is wide, aside where it is narrow; ingest and render go on."""
    state = folded(said(KILL, text))
    assert (state.killed(route(), NOW_MS) is not None) is held
    assert (state.aside(route(), NOW_MS) is not None) is aside
    assert (state.stops_in_place(Stage.DISPATCH, NOW_MS) is not None) is stopped
    assert state.stops_in_place(Stage.INGEST, NOW_MS) is None
    assert state.stops_in_place(Stage.RENDER, NOW_MS) is None


@pytest.mark.parametrize("text", [row[0] for row in HOLDS if row[1]])
def test_a_release_lifts_its_own_scope_and_no_other(text: str) -> None:
    wider_and_narrower = [said(KILL, other) for other in ("all", "template:new_match", "channel:email")]
    state = folded(said(KILL, text), *wider_and_narrower, said(KILL, text, value=False))
    standing = {str(order.scope) for order in state.standing(KILL, NOW_MS) if order.value}
    assert standing == {"all", "template:new_match", "channel:email"} - {text}
    assert state.killed(route(), NOW_MS) is not None
    assert folded(said(KILL, text), said(KILL, text, value=False)).killed(route(), NOW_MS) is None


def test_a_wide_kill_switch_is_named_before_a_narrow_one() -> None:
    state = folded(said(KILL, "channel:email"), said(KILL))
    killed, aside = state.killed(route(), NOW_MS), state.aside(route(), NOW_MS)
    assert killed is not None
    assert aside is not None
    assert (killed.scope, aside.scope) == (ALL, scope("channel:email"))


@pytest.mark.parametrize(("paused", "stage"), list(product(["all", *(f"stage:{stage}" for stage in Stage)], Stage)))
def test_a_pause_stops_its_stage(paused: str, stage: Stage) -> None:
    """Reading alone: no message counts as killed for it."""
    state = folded(said(PAUSE, paused))
    assert (state.stops_in_place(stage, NOW_MS) is not None) is (paused in ("all", f"stage:{stage}"))
    assert state.killed(route(), NOW_MS) is None
    assert folded(said(PAUSE, paused), said(PAUSE, paused, value=False)).stops(stage, NOW_MS) == ()


def test_dispatch_may_be_stopped_for_two_reasons_at_once() -> None:
    state = folded(said(KILL), said(PAUSE, "stage:dispatch"))
    assert [order.setting for order in state.stops(Stage.DISPATCH, NOW_MS)] == [KILL, PAUSE]


def test_an_order_ends_when_it_expires_and_the_one_before_it_stands_again() -> None:
    """A switch that was thrown without an end is not forgotten for one that had one."""
    state = folded(said(KILL), said(KILL, value=False, expires=LATER_MS))
    assert state.killed(route(), LATER_MS - 1) is None
    assert state.killed(route(), LATER_MS) is not None
    alone = folded(said(KILL, expires=LATER_MS))
    assert alone.killed(route(), LATER_MS - 1) is not None
    assert alone.killed(route(), LATER_MS) is None


@pytest.mark.parametrize(("setting", "ask"), [(Setting.DROP, "dropped"), (Setting.RERENDER, "rerender")])
@pytest.mark.parametrize(("text", "meant"), [("all", True), ("type:new_match", True), ("channel:sms", False)])
def test_what_was_there_before_is_meant_and_nothing_after(setting: Setting, ask: str, text: str, meant: bool) -> None:  # noqa: FBT001 - a column
    state = folded(said(setting, text))
    found = [getattr(state, ask)(route(), NOW_MS + shift, LATER_MS) is not None for shift in (-1, 0, 1)]
    assert found == [meant, False, False]


def test_a_second_recall_means_what_came_since_the_first() -> None:
    state = folded(said(Setting.DROP, at=0), said(Setting.DROP, at=1000))
    assert state.dropped(route(), NOW_MS + 500, LATER_MS) is not None
    assert state.dropped(route(), NOW_MS + 1000, LATER_MS) is None


def test_breakers_are_released_one_by_one() -> None:
    state = folded(
        said(Setting.BREAKER, "stage:ingest", "events.a", at=10),
        said(Setting.BREAKER, "stage:ingest", "events.b", at=20),
    )
    assert state.breaker_released("events.a", NOW_MS) is not None
    assert state.breaker_released("events.a", NOW_MS + 10) is None
    assert state.breaker_released("events.b", NOW_MS + 10) is not None
    assert state.breaker_released("events.c", NOW_MS) is None


@pytest.mark.parametrize("guard", GUARDS, ids=[guard.setting for guard in GUARDS])
@pytest.mark.parametrize(
    ("environment", "control", "in_window"), list(product([True, False], [None, True, False], [True, False]))
)
def test_the_stricter_of_environment_control_and_window_wins(
    guard: object,
    environment: bool,  # noqa: FBT001 - columns
    control: bool | None,  # noqa: FBT001
    in_window: bool,  # noqa: FBT001
) -> None:
    found = next(one for one in GUARDS if one == guard)
    flags = replace(Flags(), **{found.flag: environment})
    state = NOTHING_ORDERED if control is None else folded(said(found.setting, value=control))
    strict = found.strict in (environment, control) or (in_window and found.in_window)
    counted = state.flags(flags, NOW_MS, in_window=in_window)
    assert getattr(counted, found.flag) is (found.strict if strict else not found.strict)
    assert counted.disable_send is flags.disable_send


def test_a_kill_switch_is_no_dry_run_and_its_release_opens_nothing() -> None:
    """`DISABLE_SEND` of the environment simulates, which is final; that of an operator holds."""
    for asked, ordered in product([True, False], repeat=2):
        flags = folded(said(KILL, value=ordered)).flags(Flags(disable_send=asked), NOW_MS, in_window=False)
        assert flags.disable_send is asked


def test_who_closed_a_flag_is_told() -> None:
    """The first of environment, control and window; what is open is open because nobody closed it."""

    def source(flags: Flags, *orders: Order, in_window: bool = False) -> Source:
        found = folded(*orders).in_force(flags, NOW_MS, in_window=in_window)
        return next(one.source for one in found if one.setting is Setting.PROMO_SENDS)

    off = said(Setting.PROMO_SENDS, value=False)
    open_ = Flags(promo_sends=True)
    assert source(Flags(), off, in_window=True) is Source.ENVIRONMENT
    assert source(open_, off, in_window=True) is Source.CONTROL
    assert source(open_, in_window=True) is Source.WINDOW
    assert source(open_) is Source.ENVIRONMENT


@given(st.integers(1, 99), st.none() | st.integers(1, 99), st.booleans())
def test_the_cap_is_only_ever_lowered(environment: int, ordered: int | None, in_window: bool) -> None:  # noqa: FBT001 - drawn
    rate = Setting.RATE_LIMIT_PER_MINUTE
    state = NOTHING_ORDERED if ordered is None else folded(said(rate, value=ordered))
    found = state.rate_limit(environment, NOW_MS, in_window=in_window)
    assert found == min(environment, ordered or environment, 10 if in_window else environment)


def test_the_latest_launch_counts() -> None:
    """A window is lengthened and never shortened."""
    early, late = "2026-09-20T00:00:00Z", "2026-09-21T00:00:00Z"
    launch = Setting.LAUNCHED_AT
    both_ways = [
        folded(said(launch, value=one), said(launch, value=two)) for one, two in ((early, late), (late, early))
    ]
    assert [state.launched_at_ms(None) for state in both_ways] == [1_789_948_800_000] * 2
    assert both_ways[0].launched_at_ms(LATER_MS) == LATER_MS
    assert both_ways[0].launched_at_ms(0) == 1_789_948_800_000
    assert (NOTHING_ORDERED.launched_at_ms(None), NOTHING_ORDERED.launched_at_ms(5)) == (None, 5)


def test_the_snapshot_tells_what_stands() -> None:
    """Neither what was released nor what expired, nor what was about a moment."""
    state = folded(
        said(KILL, "channel:sms"),
        said(KILL, "channel:email"),
        said(KILL, "channel:sms", value=False),
        said(PAUSE, "stage:ingest", expires=LATER_MS),
        said(Setting.DROP, "channel:email"),
        said(Setting.AB_TESTING, value=False),
    )

    def told(now_ms: int) -> list[tuple[str, str]]:
        return [(order.setting, str(order.scope)) for order in state.snapshot(now_ms)]

    standing = [("DISABLE_SEND", "channel:email"), ("PAUSE", "stage:ingest"), ("AB_TESTING", "all")]
    assert told(NOW_MS) == standing
    assert told(LATER_MS) == [standing[0], standing[2]]


MOMENTS = st.none() | st.integers(NOW_MS, NOW_MS + 10)
SWITCHES = st.builds(
    said,
    st.sampled_from([KILL, PAUSE]),
    st.sampled_from(["all", "stage:dispatch"]),
    st.booleans(),
    expires=MOMENTS,
)


@given(st.lists(SWITCHES, max_size=12), st.integers(NOW_MS, NOW_MS + 11))
def test_the_fold_keeps_the_last_unexpired_order_of_each_scope(orders: Sequence[Order], now_ms: int) -> None:
    """Against the definition: read all of them backwards."""
    numbered = [replace(order, offset=number) for number, order in enumerate(orders)]
    last: dict[tuple[Setting, Scope], Order] = {}
    for order in numbered:
        if order.stands(now_ms):
            last[order.setting, order.scope] = order
    state = folded(*orders)
    found = {
        (order.setting, order.scope): order for setting in (KILL, PAUSE) for order in state.standing(setting, now_ms)
    }
    assert found == last


@given(st.lists(SWITCHES, max_size=8), st.integers(NOW_MS, NOW_MS + 11))
def test_orders_of_different_scopes_do_not_touch_each_other(orders: Sequence[Order], now_ms: int) -> None:
    """Taking out those of one scope changes nothing about the other."""
    only = [order for order in orders if order.scope == ALL]
    for setting in (KILL, PAUSE):
        one, other = folded(*orders).at(setting, ALL, now_ms), folded(*only).at(setting, ALL, now_ms)
        assert (one and replace(one, offset=0)) == (other and replace(other, offset=0))


def test_a_category_is_one_of_the_registry() -> None:
    held = folded(said(KILL, "category:promotional")).killed(route(category=Category.PROMOTIONAL), NOW_MS)
    assert held is not None
