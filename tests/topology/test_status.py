"""What the status says of a fleet: what needs a person, what waits and for how long, all within the screen."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from adapters.kafka_lag import Lag
from streams import topics
from streams.core.cap import UNCAPPED
from streams.core.letters import moment
from streams.heartbeat import Fleet
from streams.status.facts import Facts, Letters, OpenBreaker, Workers
from streams.status.findings import findings
from streams.status.page import SECTIONS, WIDTH, page, span
from streams.status.report import report
from tests.status import DISPATCH, FLAGS, NOW_MS, ONE, TWO, every_part, facts, order, part, worker

SINCE = "2026-09-21T14:13:20Z"
BREAKER = OpenBreaker(topic="events.a", since_ms=NOW_MS, why="run", run=20, ratio=0.5)


def screen(found: Facts) -> str:
    return "\n".join(page(report(found)))


def test_a_fleet_that_is_well_needs_nobody() -> None:
    """Neither does one that is held because an operator said so."""
    held = {DISPATCH: [f"kill_switch, since {SINCE}"]}
    for found in (
        facts(worker()),
        facts(worker("one", holds=held), worker("two", dispatch={}), orders__standing=(order(),)),
    ):
        assert findings(found) == []
        assert "fine: nothing needs a person" in screen(found)


PERSONS: dict[str, tuple[Facts, str]] = {
    "nobody": (facts(), "no worker is heard"),
    "a silent one": (facts(worker(), silent=("two",)), "two is silent"),
    "a red one": (facts(worker(gate1_green=False, gate1_why="token: no")), "gate 1 is RED on one: token: no"),
    "a breaker": (facts(worker(), breakers=(BREAKER,)), "the breaker of events.a is open since"),
    "unread": (facts(worker(holds={DISPATCH: [f"control_unread, since {SINCE}"]})), "one can't say what was ordered"),
    "behind": (facts(worker(control_offset=3)), "one has read orders up to 3 of 4"),
    "other operators": (facts(worker(control_obeyed=0)), "one obeys other operators"),
    "two modes": (
        facts(worker("one"), worker("two", mode="live", dispatch={})),
        "workers differ in mode: dry_run: one; live: two",
    ),
    "two caps": (
        facts(worker("one"), worker("two", rate_limit_per_minute=30)),
        "workers differ in the cap a minute: 10: one; 30: two",
    ),
    "two minds": (
        facts(worker("one"), worker("two", flags=FLAGS | {"PROMO_SENDS": True})),
        "workers differ in PROMO_SENDS: off: one; on: two",
    ),
}


@pytest.mark.parametrize(("found", "text"), PERSONS.values(), ids=PERSONS)
def test_each_of_these_needs_a_person_and_is_the_only_thing_that_does(found: Facts, text: str) -> None:
    (finding,) = findings(found)
    assert finding.startswith(text)
    assert f"NEEDS A PERSON: {text[:40]}" in screen(found)


def test_with_nobody_listed_here_no_worker_is_said_to_obey_others() -> None:
    """Whoever looks may have no operators file at all."""
    found = facts(worker(), orders__listed=False, orders__obeyed=0)
    assert findings(found) == []
    assert "lists nobody, so no order can be judged" in screen(found)


def waits(**changes: Any) -> dict[str, list[Any]]:
    return every_part() | {ONE.value: [part(0, waiting=9, **changes), part(1, waiting=30, room=0), part(2)]}


def backlog(found: Facts, category: str = ONE) -> Any:
    return next(one for one in report(found).backlog if one.category == category)


def test_the_time_left_is_that_of_the_slowest_partition_of_the_whole_fleet() -> None:
    parts = waits()[ONE.value]
    one = worker("one", dispatch={ONE.value: parts[:1], TWO.value: [part(0)]})
    two = worker("two", dispatch={ONE.value: parts[1:], TWO.value: []})
    here = backlog(facts(one, two))
    assert (here.waiting, here.units, here.room, here.eta_s, here.eta_why) == (39, 9, 6, 620, "")
    assert "transactional: 39 wait, 6 of 9 may begin now, gone in 10m20s" in screen(facts(one, two))


WHYS: dict[str, tuple[Facts, str]] = {
    "held": (facts(worker(dispatch=waits(), holds={DISPATCH: [f"paused, since {SINCE}"]})), "held"),
    "no share": (facts(worker(dispatch=waits(units=0, room=0))), "a partition has no share of the cap"),
    "an orphan": (facts(worker(dispatch={ONE.value: [part(1)]})), "no worker tells of partition 0, 2"),
    "an earlier build": (facts(worker(dispatch={})), "no worker tells of partition 0, 1, 2"),
}


@pytest.mark.parametrize(("found", "why"), WHYS.values(), ids=WHYS)
def test_where_nobody_can_tell_how_long_it_takes_that_is_said_with_the_reason(found: Facts, why: str) -> None:
    here = backlog(found)
    assert (here.eta_s, here.eta_why) == (None, why)
    assert f"no end in sight: {why}" in " ".join(screen(found).split())


def test_what_is_set_aside_waits_for_the_order_and_then_for_the_cap() -> None:
    aside = every_part() | {ONE.value: [part(0, waiting=30, aside=30, room=0), part(1), part(2)]}
    assert backlog(facts(worker(dispatch=aside), orders__sets_aside=True)).eta_s == 0
    assert backlog(facts(worker(dispatch=aside))).eta_s == 620
    assert "30 wait (30 of them set aside)" in screen(facts(worker(dispatch=aside)))


def test_a_partition_that_changes_hands_is_counted_once_as_who_spoke_last_has_it() -> None:
    one, two = worker("one", dispatch=every_part(waiting=5)), worker("two", dispatch=every_part(waiting=2))
    found = facts(one, two)
    found = replace(found, workers=replace(found.workers, heard_ms={"one": NOW_MS, "two": NOW_MS - 1}))
    assert backlog(found).waiting == 15


def test_without_a_cap_there_is_neither_room_nor_share() -> None:
    free = worker(
        dispatch=every_part(units=UNCAPPED, room=UNCAPPED, waiting=5), flags=FLAGS | {"RATE_LIMIT_ENABLED": False}
    )
    here = backlog(facts(free))
    assert (here.units, here.room, here.eta_s) == (None, None, 0)
    assert list(report(facts(free)).rate_limits) == ["none"]


def lag(topic: str, committed: int, end: int, *, partition: int = 0) -> Lag:
    return Lag(group="blue.comcenter.ingest", topic="blue." + topic, partition=partition, committed=committed, end=end)


def test_lag_is_summed_by_group_and_topic_and_is_never_negative() -> None:
    lags = (lag("events.a", 3, 10), lag("events.a", 0, 5, partition=1), lag(topics.RENDER, 9, 8))
    found = report(facts(worker(), lags=lags)).lag
    assert [(one.group, one.topic, one.records) for one in found] == [
        ("comcenter.ingest", "events.a", 12),
        ("comcenter.ingest", topics.RENDER, 0),
    ]
    assert "comcenter.ingest: 12 records; events.a 12" in screen(facts(worker(), lags=lags))


def test_holds_stand_once_per_topic_and_reason_since_the_first_with_what_is_left() -> None:
    later = "2026-09-21T14:13:50Z"
    one = worker("one", holds={DISPATCH: [f"paused, since {later}"], "events.a": [f"paused, since {SINCE}"]})
    two = worker("two", holds={DISPATCH: [f"paused, since {SINCE}"]}, dispatch={})
    found = facts(one, two, left_s={DISPATCH: 86_400})
    held = {hold.topic: hold for hold in report(found).holds}
    assert (held[DISPATCH].since, held[DISPATCH].workers, held[DISPATCH].left_s) == (SINCE, ("one", "two"), 86_400)
    assert (held["events.a"].workers, held["events.a"].left_s) == (("one",), None)
    assert f"paused since {SINCE}, the oldest is kept for 24h00m: {DISPATCH}, events.a" in " ".join(
        screen(found).split()
    )


def test_dead_letters_are_told_by_reason_or_that_there_are_too_many() -> None:
    some = Letters(count=7, more=False, last_day={"token_expired": 3}, seconds_left=100)
    assert "7; of the last 24 h token_expired 3" in screen(facts(worker(), letters=some))
    assert "the oldest may be gone in 1m40s" in screen(facts(worker(), letters=some))
    many = Letters(count=10_000, more=True, last_day={}, seconds_left=0)
    assert "more than 10000: comcenter dlq stats counts them all" in screen(facts(worker(), letters=many))


CROWDED = facts(
    *(worker(f"a-host-with-a-long-name-{number:02}-123456-abcdef", mode_why="x" * 150) for number in range(4)),
    silent=("s" * 120,),
    breakers=(BREAKER,),
    lags=tuple(lag(f"events.service_{number:03}", 0, 10**9) for number in range(40)),
    orders__standing=(order(reason="why " * 100), order(expires_at_ms=NOW_MS)),
    letters=Letters(count=3, more=False, last_day={"schema_violation": 3}, seconds_left=9),
)


@pytest.mark.parametrize("found", [facts(), facts(worker()), CROWDED], ids=["nobody", "well", "crowded"])
def test_the_screen_is_never_wider_than_a_hundred_columns_and_has_every_section(found: Facts) -> None:
    lines = page(report(found))
    assert max(map(len, lines)) <= WIDTH
    assert [line.split("  ")[0] for line in lines[1:] if not line.startswith(" ")] == list(SECTIONS)
    assert json.loads(json.dumps(report(found).as_json()))["findings"] == findings(found)


def test_what_a_record_says_cannot_write_on_the_terminal() -> None:
    wicked = facts(worker(mode_why="\x1b[2J\x07", build_id="\r\n"), orders__standing=(order(reason="\x1b]0;x\x07"),))
    assert all(line.isprintable() for line in page(report(wicked)))


def test_a_clock_that_is_off_and_a_ledger_that_is_read_stand_beside_the_worker() -> None:
    one = worker(dispatch=every_part(ready=False))
    found = facts(one)
    fleet = Fleet(workers=(one,), silent=(), clock_off_s={"one": -300})
    found = replace(found, workers=Workers(fleet=fleet, heard_ms={}))
    told = " ".join(screen(found).split())
    assert "clock -300 s off" in told
    assert "reads the ledger of transactional 0 1 2" in told


def test_the_window_is_told_with_its_end_or_that_no_launch_is_known() -> None:
    assert "inside, no launch is known (LAUNCHED_AT)" in screen(facts(worker(in_window=True)))
    assert f"inside, until {moment(NOW_MS)}" in screen(facts(worker(in_window=True, window_until_ms=NOW_MS)))
    assert "window     outside" in screen(facts(worker()))


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (59, "59s"), (60, "1m00s"), (3599, "59m59s"), (3600, "1h00m")]
)
def test_a_span_is_told_in_its_two_largest_units(seconds: int, text: str) -> None:
    assert span(seconds) == text
