"""When a breaker opens: the table of its limits, and what holds for every row of outcomes."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.settings import Settings
from schemas import registry
from streams.core.breaker import Closed, Limits, Open, Why, after, opening_record, read_opening
from streams.wiring.dead_letters import breaker_limits

LIMITS = Limits(run=50, ratio=0.5, window=200, min_sample=20, min_failures=3)
SMALL = Limits(run=4, ratio=0.5, window=8, min_sample=4, min_failures=2)
TOPIC = "events.scholarship_agent"


def fed(outcomes: str, limits: Limits = LIMITS) -> tuple[Closed | Open, int]:
    """Feed outcomes, ``x`` a refusal and ``.`` none, until the breaker opens; also how many were fed."""
    state: Closed | Open = Closed()
    for count, outcome in enumerate(outcomes, 1):
        assert isinstance(state, Closed)
        state = after(state, limits, refused=outcome == "x")
        if isinstance(state, Open):
            return state, count
    return state, len(outcomes)


def test_the_shipped_limits_are_those_of_the_product() -> None:
    assert breaker_limits(Settings()) == LIMITS


TABLE: list[tuple[str, str, Limits, Why | None, int]] = [
    # name, outcomes, limits, why it opens (None: it doesn't), and after how many
    ("nothing but good ones", "." * 1000, LIMITS, None, 1000),
    ("a few bad ones, and no more than a few were seen", "x" * 19, LIMITS, None, 19),
    ("nothing but bad ones from the first on", "x" * 1000, LIMITS, Why.RATIO, 20),
    ("half of the least sample", ".x" * 10, LIMITS, Why.RATIO, 20),
    ("one less than half of the least sample", "." * 2 + ".x" * 9, LIMITS, None, 20),
    ("good for long, then nothing but bad ones", "." * 500 + "x" * 500, LIMITS, Why.RUN, 550),
    ("a run that a good one breaks", "." * 500 + ("x" * 49 + "." * 60) * 3, LIMITS, None, 827),
    ("good for long, then two of three are bad", "." * 500 + "xx." * 500, LIMITS, Why.RATIO, 500 + 149),
    ("a third is bad, for ever", "..x" * 500, LIMITS, None, 1500),
    ("a run without a sample", "x" * 5, replace(LIMITS, run=5), Why.RUN, 5),
    ("a ratio of one of hundred needs three failures", "." * 97 + "xx", replace(LIMITS, ratio=0.01), None, 99),
    ("and has them", "." * 97 + "xxx", replace(LIMITS, ratio=0.01), Why.RATIO, 100),
    ("all of the window", "." * 500 + "x" * 300, replace(LIMITS, run=999, ratio=1.0), Why.RATIO, 700),
]


@pytest.mark.parametrize(("outcomes", "limits", "why", "count"), [row[1:] for row in TABLE], ids=[r[0] for r in TABLE])
def test_a_breaker_opens_at_its_limits(outcomes: str, limits: Limits, why: Why | None, count: int) -> None:
    state, fed_count = fed(outcomes, limits)
    assert fed_count == count
    assert (state.why if isinstance(state, Open) else None) is why


def test_an_open_breaker_tells_what_it_saw() -> None:
    opening, _ = fed("." * 300 + "x" * 50)
    assert opening == Open(why=Why.RUN, run=50, refused=50, seen=200)
    assert isinstance(opening, Open)
    assert opening.ratio == 0.25


def test_once_the_window_is_full_of_good_ones_another_changes_nothing() -> None:
    """The hot path of a healthy topic: no new state is made."""
    state, _ = fed("." * LIMITS.window)
    assert isinstance(state, Closed)
    assert after(state, LIMITS, refused=False) is state


outcomes_of = st.text(alphabet="x.", max_size=60)


@given(outcomes_of)
def test_a_breaker_agrees_with_a_count_by_hand(outcomes: str) -> None:
    """At each record: what the last ones were, how many in a row, and whether that is beyond a limit."""
    state, count = fed(outcomes, SMALL)
    for end in range(1, count + 1):
        assert by_hand(outcomes[:end]) is (end == count and isinstance(state, Open)), outcomes[:end]


def by_hand(outcomes: str) -> bool:
    recent, run = outcomes[-SMALL.window :], len(outcomes) - len(outcomes.rstrip("x"))
    enough = len(recent) >= SMALL.min_sample and recent.count("x") >= SMALL.min_failures
    beyond = run >= SMALL.run or (enough and recent.count("x") / len(recent) >= SMALL.ratio)
    return beyond and outcomes.endswith("x")


@given(outcomes_of)
def test_a_good_record_never_opens_a_breaker(outcomes: str) -> None:
    """Or a topic would be held for what came right."""
    state, _ = fed(outcomes, SMALL)
    if isinstance(state, Closed):
        assert isinstance(after(state, SMALL, refused=False), Closed)


@given(st.integers(1, 300), st.integers(1, 300))
def test_never_more_refusals_in_a_row_than_the_run_go_by(run: int, good: int) -> None:
    """Whatever the ratio says: this is what bounds the dead letters."""
    _, count = fed("." * good + "x" * 400, replace(LIMITS, run=run))
    assert count - good <= run


def test_an_opening_is_written_and_read_as_its_schema_says() -> None:
    opening = Open(why=Why.RUN, run=50, refused=60, seen=200)
    key, value = opening_record(TOPIC, opening)
    assert (key, read_opening(key, value)) == (TOPIC.encode(), opening)
    assert list(registry.load().records["breaker"].violations(orjson.loads(value))) == []
    assert read_opening(key, value[:-1] + b',"later":1}') == opening, "a newer build may add members"


GOOD = {"topic": TOPIC, "why": "run", "run": 50, "refused": 60, "seen": 200}


@pytest.mark.parametrize(
    "change",
    [
        {"topic": "events.other"}, {"topic": 7}, {"why": "mood"}, {"why": ["run"]}, {"run": -1}, {"run": True},
        {"run": 1.5}, {"refused": "60"}, {"seen": 0}, {"seen": None},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_opening_is_ignored_with_a_reason(change: dict[str, object]) -> None:
    assert isinstance(read_opening(TOPIC.encode(), orjson.dumps(GOOD | change)), str)


@pytest.mark.parametrize("value", [b"", b"[]", b"{", b"\xff", b"{}"])
def test_what_is_no_object_of_ours_is_ignored_with_a_reason(value: bytes) -> None:
    assert isinstance(read_opening(TOPIC.encode(), value), str)


def test_an_opening_under_another_key_is_ignored() -> None:
    assert isinstance(read_opening(None, orjson.dumps(GOOD)), str)
