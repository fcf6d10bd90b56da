"""Retries: how long a transient failure waits, in which tier, and when it is given up."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.retry import TIERS, GiveUp, Tier, Wait, after_failure, hop, turn_ms
from tests.builders import NOW_S

PROPERTY = settings(deadline=None, database=None, max_examples=300)
NOW_MS = NOW_S * 1000
HALF_MINUTE, FIVE_MINUTES, HALF_HOUR = TIERS
DRAWS = st.floats(0, 1, exclude_max=True)
SCALES = st.sampled_from([1.0, 0.1, 0.01])

FAILURES: list[tuple[int, float, float, Tier, int]] = [
    # attempt, draw, the provider's floor in seconds, tier, milliseconds of wait
    (1, 0.0, 0.0, HALF_MINUTE, 0),
    (1, 0.5, 0.0, HALF_MINUTE, 15_000),
    (2, 0.5, 0.0, FIVE_MINUTES, 150_000),
    (3, 0.5, 0.0, HALF_HOUR, 900_000),
    (1, 0.5, 10.0, HALF_MINUTE, 15_000),
    (1, 0.5, 20.0, HALF_MINUTE, 20_000),
    (1, 0.0, 30.0, HALF_MINUTE, 30_000),
    (1, 0.0, 30.5, FIVE_MINUTES, 30_500),
    (1, 0.0, 301.0, HALF_HOUR, 301_000),
    (2, 0.0, 1.0, FIVE_MINUTES, 1_000),
    (3, 0.0, 86_400.0, HALF_HOUR, 86_400_000),
]


@pytest.mark.parametrize(("attempt", "draw", "floor", "tier", "wait_ms"), FAILURES)
def test_each_failure_waits_a_tier_longer_and_never_less_than_the_provider_asks(
    attempt: int, draw: float, floor: float, tier: Tier, wait_ms: int
) -> None:
    found = after_failure(attempt, now_ms=NOW_MS, draw=draw, retry_after_s=floor)
    assert found == Wait(tier, NOW_MS + wait_ms)


@pytest.mark.parametrize("attempt", [4, 5, 100])
def test_what_has_waited_in_every_tier_is_given_up_even_if_the_provider_names_a_time(attempt: int) -> None:
    assert after_failure(attempt, now_ms=NOW_MS, draw=0.0, retry_after_s=5.0) == GiveUp()


def test_the_tiers_are_those_of_the_contract() -> None:
    assert [(tier.name, tier.seconds) for tier in TIERS] == [("30s", 30.0), ("5m", 300.0), ("30m", 1800.0)]


@PROPERTY
@given(st.integers(1, 3), DRAWS, SCALES)
def test_without_a_floor_the_jitter_stays_inside_the_tier_so_no_record_hops(
    attempt: int, draw: float, scale: float
) -> None:
    found = after_failure(attempt, now_ms=NOW_MS, draw=draw, scale=scale)
    assert isinstance(found, Wait)
    assert found.tier == TIERS[attempt - 1]
    turn = turn_ms(found.tier, appended_ms=NOW_MS, not_before_ms=found.not_before_ms, scale=scale)
    assert NOW_MS <= turn == found.not_before_ms <= NOW_MS + found.tier.seconds * scale * 1000


@PROPERTY
@given(st.integers(1, 3), DRAWS, st.floats(0, 100_000), SCALES)
def test_whatever_the_floor_it_is_called_when_it_is_due_and_not_before(
    attempt: int, draw: float, floor: float, scale: float
) -> None:
    """It may hop from tier to tier, in each for no longer than that is long, and in the end it is due exactly then."""
    found = after_failure(attempt, now_ms=NOW_MS, draw=draw, retry_after_s=floor, scale=scale)
    assert isinstance(found, Wait)
    tier, appended, hops = found.tier, NOW_MS, 0
    while True:
        turn = turn_ms(tier, appended_ms=appended, not_before_ms=found.not_before_ms, scale=scale)
        assert turn - appended <= tier.seconds * scale * 1000
        further = hop(now_ms=turn, not_before_ms=found.not_before_ms, scale=scale)
        if further is None:
            break
        tier, appended, hops = further, turn, hops + 1
        assert hops <= floor / (HALF_HOUR.seconds * scale) + 4
    assert turn == found.not_before_ms >= NOW_MS + int(floor * 1000)


@pytest.mark.parametrize(
    ("left_ms", "tier"),
    [(-1, None), (0, None), (1, HALF_MINUTE), (30_000, HALF_MINUTE), (30_001, FIVE_MINUTES), (10**9, HALF_HOUR)],
)
def test_a_record_hops_to_the_shortest_tier_that_holds_what_is_left(left_ms: int, tier: Tier | None) -> None:
    assert hop(now_ms=NOW_MS, not_before_ms=NOW_MS + left_ms) == tier
