"""What an order would do to what waits: foretold by the gate itself, each message once, and how long the cap takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import topics
from streams.core.cap import UNCAPPED, Limit
from streams.core.control import NOTHING_ORDERED, ControlState
from streams.core.dispatch import Conditions, Hold
from streams.core.flags import Flags
from streams.core.messages import Category, Message, Mode
from streams.core.preflight import Fate, Preflight, drain_s
from streams.core.records import Headers, Record
from streams.core.scope import Scope
from streams.core.switches import Setting
from streams.modes import Ordered
from tests.builders import NOW_S, message, obeyed, record, route

NOW_MS = NOW_S * 1000
DAY_MS = 86_400_000
DISPATCH, HELD = topics.DISPATCH_TRANSACTIONAL, topics.HELD["transactional"]
TEMPLATE = "template:new_match@1.0"


def scope(text: str) -> Scope:
    parsed = Scope.parse(text)
    assert isinstance(parsed, Scope), parsed
    return parsed


def ordered(*orders: tuple[Setting, str]) -> ControlState:
    """True for each; after everything that waits was queued."""
    state = NOTHING_ORDERED
    for number, (setting, text) in enumerate(orders):
        state = state.after(obeyed(setting=setting, scope=scope(text), offset=number, appended_ms=NOW_MS))
    return state


def mail(number: int = 1, **changes: Any) -> Message:
    of_route = {name.removeprefix("route__"): changes.pop(name) for name in list(changes) if name.startswith("route__")}
    return message(route=route(event_id=f"scholarship_agent/event-{number}", **of_route), **changes)


def waits(
    mail: Message, *, topic: str = DISPATCH, partition: int = 0, aged_ms: int = 1000, headers: Headers = ()
) -> Record:
    at = record(mail.encode(), topic=topic, headers=headers, appended_s=NOW_S - aged_ms / 1000)
    return replace(at, partition=partition)


def preflight(
    *records: Record,
    of: str = "all",
    state: ControlState = NOTHING_ORDERED,
    mode: Mode = Mode.LIVE,
    promo: bool = True,
    stopped: tuple[Hold, ...] = (),
) -> Preflight:
    flags = Flags(disable_send=mode is Mode.DRY_RUN, promo_sends=promo)
    conditions = Conditions(mode=mode, flags=flags, now_s=float(NOW_S), stopped=stopped, orders=Ordered(state))
    made = Preflight(scope=scope(of), conditions=dict.fromkeys(Category, conditions))
    for each in records:
        made.add(each)
    return made


DROP, RERENDER, KILL = Setting.DROP, Setting.RERENDER, Setting.DISABLE_SEND
FATES: list[tuple[str, dict[str, Any], dict[str, Any], Fate]] = [
    # name, the message, what stands after the order, what becomes of it
    ("released in live", {}, {}, Fate.SENT),
    ("released in a dry run", {}, {"mode": Mode.DRY_RUN}, Fate.SIMULATED),
    ("its event came in a dry run", {"mode": Mode.DRY_RUN}, {}, Fate.SIMULATED),
    ("its time is over", {"not_after_ms": NOW_MS}, {}, Fate.EXPIRED),
    ("its time is over, and it is dropped", {"not_after_ms": NOW_MS}, {"state": ordered((DROP, "all"))}, Fate.EXPIRED),
    ("dropped", {}, {"state": ordered((DROP, TEMPLATE))}, Fate.RECALLED),
    ("dropped earlier, under a wider scope", {}, {"state": ordered((DROP, "all"))}, Fate.RECALLED),
    ("rendered again", {}, {"state": ordered((RERENDER, TEMPLATE))}, Fate.RERENDERED),
    ("recalled and rendered again", {}, {"state": ordered((RERENDER, "all"), (DROP, "all"))}, Fate.RECALLED),
    ("a narrower switch stands", {}, {"state": ordered((KILL, TEMPLATE))}, Fate.HELD),
    ("a switch of another template stands", {}, {"state": ordered((KILL, "template:welcome"))}, Fate.SENT),
    ("gate 1 is RED", {}, {"stopped": (Hold.GATE_RED,)}, Fate.HELD),
    ("dropped while all stands still", {}, {"stopped": (Hold.KILL_SWITCH,), "state": ordered((DROP, "all"))},
     Fate.RECALLED_LATER),
    ("promotional while those are off", {"route__category": Category.PROMOTIONAL}, {"promo": False}, Fate.HELD),
    ("promotional while those are off, dry", {"route__category": Category.PROMOTIONAL},
     {"promo": False, "mode": Mode.DRY_RUN}, Fate.SUPPRESSED),
]  # fmt: skip


@pytest.mark.parametrize(("of_mail", "stands", "fate"), [row[1:] for row in FATES], ids=[row[0] for row in FATES])
def test_what_becomes_of_a_message(of_mail: dict[str, Any], stands: dict[str, Any], fate: Fate) -> None:
    assert preflight(waits(mail(**of_mail)), **stands).by_fate() == {fate: 1}


def test_only_messages_of_the_scope_are_counted_by_template_and_version_the_largest_first() -> None:
    records = [
        waits(mail(1, route__template_version="1.1")),
        waits(mail(2, route__template_version="1.2")),
        waits(mail(3, route__template_version="1.2", not_after_ms=1)),
        waits(mail(4, route__template="welcome")),
    ]
    found = preflight(*records, of="template:new_match")
    assert found.messages == 3
    assert list(found.by_template().items()) == [
        ("new_match@1.2", {Fate.SENT: 1, Fate.EXPIRED: 1}),
        ("new_match@1.1", {Fate.SENT: 1}),
    ]
    assert preflight(*records, of="stage:ingest").messages == 0


def test_a_message_that_is_found_in_two_places_counts_where_it_came_last() -> None:
    """It was set aside, or sent back to rendering, while the topics were read; or its producer sent it twice."""
    first, moved = waits(mail(), aged_ms=9000), waits(mail(), topic=HELD, aged_ms=500)
    for records in ([first, moved], [moved, first]):
        found = preflight(*records)
        assert found.messages == 1
        assert found.first_gone(lambda topic: {HELD: DAY_MS}[topic]) == (NOW_MS - 500 + DAY_MS, HELD)
    again = waits(mail(route__revision=1, route__template_version="2.0"), aged_ms=9000)
    assert list(preflight(again, first).by_template()) == ["new_match@2.0"]


def test_ages_count_from_the_first_queueing_and_what_is_kept_from_the_last() -> None:
    """A hold or a retry makes no message younger, and begins its topic's retention anew."""
    queued = b"%d" % (NOW_MS - 3 * DAY_MS)
    aside = waits(mail(1), topic=HELD, aged_ms=DAY_MS, headers=(("queued-at", queued),))
    found = preflight(aside, waits(mail(2), aged_ms=2000))
    assert found.queued() == (NOW_MS - 3 * DAY_MS, NOW_MS - 2000)
    assert found.first_gone(lambda _topic: 7 * DAY_MS) == (NOW_MS + 6 * DAY_MS, HELD)
    assert found.first_gone(lambda _topic: -1) is None, "kept for ever"


def test_an_order_that_came_before_a_message_was_queued_does_not_reach_it() -> None:
    late = waits(mail(), aged_ms=-1)
    assert preflight(late, state=ordered((DROP, "all"))).by_fate() == {Fate.SENT: 1}


def test_where_nothing_waits_there_is_nothing_to_tell() -> None:
    found = preflight()
    assert (found.messages, found.by_fate(), found.queued(), found.first_gone(lambda _: 1)) == (0, {}, None, None)


@pytest.mark.parametrize("value", [None, b"", b"{}", b"not json"])
def test_what_is_no_message_is_counted_apart(value: bytes | None) -> None:
    found = preflight(record(value, topic=DISPATCH), waits(mail()))
    assert (found.unreadable, found.messages) == (1, 1)


def test_only_what_goes_out_spends_from_the_cap_each_in_its_own_partition() -> None:
    """What has expired or was recalled costs nothing."""
    promotional = mail(5, route__category=Category.PROMOTIONAL)
    found = preflight(
        waits(mail(1), partition=2),
        waits(mail(2), partition=2),
        waits(mail(3), partition=0),
        waits(mail(4, not_after_ms=1), partition=1),
        waits(promotional, topic=topics.DISPATCH_PROMOTIONAL),
    )
    assert found.spending() == {Category.TRANSACTIONAL: {0: 1, 2: 2}, Category.PROMOTIONAL: {0: 1}}


SHARES: list[tuple[str, dict[int, int], dict[int, int], float | None]] = [
    # name, messages by partition, units by partition, seconds in windows of 62
    ("nothing", {}, {}, 0.0),
    ("one", {0: 1}, {0: 4}, 62.0),
    ("a window's worth", {0: 4}, {0: 4}, 62.0),
    ("one more", {0: 5}, {0: 4}, 124.0),
    ("the slowest partition decides", {0: 8, 1: 1, 2: 7}, {0: 4, 1: 3, 2: 3}, 186.0),
    ("a partition without a share", {0: 4, 1: 1}, {0: 4, 1: 0}, None),
    ("without a cap", {0: 100_000}, {0: UNCAPPED}, 0.0),
]


@pytest.mark.parametrize(("waiting", "units", "seconds"), [row[1:] for row in SHARES], ids=[row[0] for row in SHARES])
def test_how_long_the_cap_takes_at_most(waiting: dict[int, int], units: dict[int, int], seconds: float | None) -> None:
    assert drain_s(waiting, lambda partition: units[partition], 62.0) == seconds


@given(st.integers(3, 1000), st.floats(0.01, 1.0), st.booleans())
def test_promotional_messages_never_take_of_the_share_that_transactional_ones_have(
    per_minute: int,
    share: float,
    promo_on: bool,  # noqa: FBT001 - drawn
) -> None:
    """However many of them wait: a share is cut out beforehand, none at all while they are off, and at most that."""
    limit = Limit(per_minute=per_minute, promo_share=share, promo_on=promo_on)
    promotional = limit.units(Category.PROMOTIONAL, 0)
    transactional = [limit.units(Category.TRANSACTIONAL, partition) for partition in range(3)]
    assert promotional + sum(transactional) == per_minute
    assert min(transactional) >= 1
    assert promotional <= (max(round(per_minute * share), 1) if promo_on else 0)
