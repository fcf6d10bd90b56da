"""The cap: shares that add up to the last unit, and a window that never holds more than its share."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import cycle, islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams import topics
from streams.core.cap import PARTITIONS, Limit, Window
from streams.core.messages import Category

PROPERTY = settings(deadline=None, database=None, max_examples=400)
SPAN_MS = 62_000
TRANSACTIONAL, PROMOTIONAL = Category.TRANSACTIONAL, Category.PROMOTIONAL


def shares(limit: Limit, category: Category) -> list[int]:
    return [limit.units(category, partition) for partition in range(PARTITIONS[category])]


def limit(per_minute: int, *, promo_on: bool = False, promo_share: float = 0.2) -> Limit:
    return Limit(per_minute=per_minute, promo_share=promo_share, promo_on=promo_on)


@pytest.mark.parametrize("promo_on", [False, True])
@pytest.mark.parametrize("promo_share", [0.001, 0.2, 0.5, 0.999, 1.0])
def test_shares_add_up_to_the_last_unit(promo_on: bool, promo_share: float) -> None:  # noqa: FBT001 - a column
    """For every cap from 1 to 200, over both categories; no partition has more than one unit more than another."""
    for per_minute in range(1, 201):
        made = limit(per_minute, promo_on=promo_on, promo_share=promo_share)
        found = {category: shares(made, category) for category in Category}
        assert sum(map(sum, found.values())) == per_minute
        for units in found.values():
            assert max(units) - min(units) <= 1
            assert min(units) >= 0


def test_promotional_messages_have_nothing_while_they_are_off_and_at_least_a_unit_while_they_are_on() -> None:
    """Beyond a unit for each transactional partition, which goes first."""
    assert shares(limit(3, promo_on=True), TRANSACTIONAL) == [1, 1, 1]
    for per_minute in range(4, 201):
        assert shares(limit(per_minute), PROMOTIONAL) == [0]
        (set_aside,) = shares(limit(per_minute, promo_on=True), PROMOTIONAL)
        assert set_aside >= 1
        assert abs(set_aside - per_minute * 0.2) <= 1


def test_ten_a_minute_are_shared_out_as_the_seed_has_it() -> None:
    assert shares(limit(10), TRANSACTIONAL) == [4, 3, 3]
    assert (shares(limit(10, promo_on=True), TRANSACTIONAL), shares(limit(10, promo_on=True), PROMOTIONAL)) == (
        [3, 3, 2],
        [2],
    )


def test_the_cap_knows_as_many_partitions_as_the_topics_have() -> None:
    """A partition without a share would never send; a share without a partition would never be used."""
    assert {category: topics.DISPATCH_PARTITIONS[category] for category in Category} == PARTITIONS
    for row in topics.OWN:
        for category in Category:
            beside = (topics.DISPATCH, topics.HELD, topics.LEDGER)
            if row.name in {names[category] for names in beside} | set(topics.RETRY[category].values()):
                assert (row.partitions, row.fixed) == (PARTITIONS[category], True), row.name


# The window.


def test_a_unit_comes_back_when_the_window_has_passed_and_not_before() -> None:
    window = Window(SPAN_MS)
    for at_ms in (0, 10, 20):
        assert window.room(3, at_ms) > 0
        window.spend(f"m-{at_ms}", at_ms)
    assert [window.room(3, now) for now in (20, SPAN_MS - 1, SPAN_MS, SPAN_MS + 10, SPAN_MS + 20)] == [0, 0, 1, 2, 3]


def test_what_surely_did_not_begin_gives_its_unit_back_at_once_and_only_once() -> None:
    window = Window(SPAN_MS)
    for dispatch_id in ("a", "b"):
        window.spend(dispatch_id, 0)
    window.give_back("a")
    assert window.room(2, 1) == 1
    window.give_back("a")
    window.give_back("never seen")
    assert window.room(2, 1) == 1
    assert window.room(2, SPAN_MS) == 2, "and it is not counted again when it leaves"


def test_the_last_unit_of_a_message_is_the_one_that_comes_back() -> None:
    window = Window(SPAN_MS)
    window.spend("a", 0)
    window.spend("a", 40_000)
    window.give_back("a")
    assert window.room(1, SPAN_MS - 1) == 0
    assert window.room(1, SPAN_MS) == 1


def test_a_share_that_shrinks_does_so_at_once_and_one_that_grows_waits_for_a_window() -> None:
    """What the partitions beside it spent of the share that it gets must have passed first."""
    window = Window(SPAN_MS)
    assert window.room(5, 0) == 5
    assert window.room(2, 10) == 2
    assert window.room(9, 20) == 2
    assert [window.room(9, now) for now in (10 + SPAN_MS, 19 + SPAN_MS, 20 + SPAN_MS)] == [2, 2, 9]


def test_a_share_that_grew_while_nobody_had_the_partition_waits_all_the_same() -> None:
    """What others spent of it, by the last word of the owner before, has to pass first."""
    window = Window(SPAN_MS)
    window.share(2, 0)

    assert window.room(5, SPAN_MS * 10) == 2
    assert window.room(5, SPAN_MS * 11 - 1) == 2
    assert window.room(5, SPAN_MS * 11) == 5


def test_a_share_that_grows_step_by_step_waits_for_each_step() -> None:
    window = Window(SPAN_MS)
    for now, units in ((0, 1), (1000, 2), (2000, 3)):
        window.room(units, now)
    assert [window.room(3, now + SPAN_MS) for now in (999, 1000, 1999, 2000)] == [1, 2, 2, 3]


def test_a_share_that_goes_up_and_down_again_opens_nothing() -> None:
    window = Window(SPAN_MS)
    for now in range(0, 5 * SPAN_MS, SPAN_MS // 4):
        assert window.room(3 if now // (SPAN_MS // 4) % 2 else 2, now) == 2


@dataclass(slots=True)
class Owner:
    """Spends whenever there is room, at append times up to two seconds before or after its own, and keeps the books."""

    window: Window = field(default_factory=lambda: Window(SPAN_MS))
    used: list[tuple[int, str]] = field(default_factory=list)
    shares: list[tuple[int, int]] = field(default_factory=list)
    count: int = 0

    def spend(self, units: int, now_ms: int, drift_ms: int) -> None:
        self.shares.append((now_ms, units))
        if self.window.room(units, now_ms) > 0:
            self.count += 1
            self.window.spend(f"m-{self.count}", now_ms + drift_ms)
            self.used.append((now_ms + drift_ms, f"m-{self.count}"))

    def give_back(self, which: int) -> None:
        if self.used:
            _, dispatch_id = self.used.pop(which % len(self.used))
            self.window.give_back(dispatch_id)

    def most_in(self, span_ms: int, until_ms: int) -> int:
        return sum(until_ms - span_ms < at_ms <= until_ms for at_ms, _ in self.used)


STEPS = st.lists(st.tuples(st.integers(0, 20_000), st.integers(-2000, 0), st.integers(0, 30)), max_size=60)


@PROPERTY
@given(STEPS, st.integers(1, 6))
def test_no_sliding_span_holds_more_than_the_share(steps: list[tuple[int, int, int]], units: int) -> None:
    """For appends in any order within two seconds, and units that come back: neither 60 nor 62 seconds hold more."""
    owner, now = Owner(), 100_000
    for pause, drift, back in steps:
        now += pause
        owner.spend(units, now, drift)
        if back < 5:
            owner.give_back(back)
        assert owner.most_in(SPAN_MS, now) <= units
    assert all(owner.most_in(60_000, at_ms) <= units for at_ms, _ in owner.used)


@PROPERTY
@given(st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 5)), max_size=60))
def test_while_shares_move_between_partitions_the_sum_of_what_is_spent_stays_within_the_cap(
    steps: list[tuple[int, int]],
) -> None:
    """Two that share five units, and hear of each change at once: no 62 seconds hold more than five of both."""
    one, other, now = Owner(), Owner(), 100_000
    for pause, units in steps:
        now += pause
        for _ in range(3):
            one.spend(units, now, 0)
            other.spend(5 - units, now, 0)
        assert one.most_in(SPAN_MS, now) + other.most_in(SPAN_MS, now) <= 5


@PROPERTY
@given(st.integers(1, 6), st.lists(st.integers(1, 500), min_size=1, max_size=9))
def test_with_a_backlog_the_whole_share_is_used(units: int, pauses: list[int]) -> None:
    """Each whole window holds as many calls as it may, once the first has passed, however often it is looked at."""
    owner, now = Owner(), 100_000
    begun = now
    for pause in islice(cycle(pauses), 400):
        now += pause
        while owner.window.room(units, now) > 0:
            owner.spend(units, now, 0)
        if now - begun > SPAN_MS:
            assert owner.most_in(SPAN_MS, now) == units
