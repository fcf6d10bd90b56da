"""Since when the fleet is live."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.messages import Mode
from streams.core.mode_history import ModeChange, ModeHistory, read_mode

LIVE_AT_MS, DRY_AGAIN_AT_MS = 1_000, 5_000


def history() -> ModeHistory:
    """Dry, then live, then dry again."""
    return ModeHistory().after(Mode.DRY_RUN, 10).after(Mode.LIVE, LIVE_AT_MS).after(Mode.DRY_RUN, DRY_AGAIN_AT_MS)


@pytest.mark.parametrize(
    ("at_ms", "mode"),
    [
        (0, Mode.DRY_RUN),
        (10, Mode.DRY_RUN),
        (LIVE_AT_MS - 1, Mode.DRY_RUN),
        (LIVE_AT_MS, Mode.LIVE),
        (DRY_AGAIN_AT_MS - 1, Mode.LIVE),
        (DRY_AGAIN_AT_MS, Mode.DRY_RUN),
        (10**15, Mode.DRY_RUN),
    ],
)
def test_each_moment_has_the_mode_of_the_last_change_before_it(at_ms: int, mode: Mode) -> None:
    """An event is judged by when it was appended, not by when it is read."""
    assert history().at(at_ms) is mode


def test_nothing_was_live_before_anybody_said_so() -> None:
    """What stands in the topics before the first start is never sent."""
    assert ModeHistory().at(10**15) is Mode.DRY_RUN
    assert ModeHistory().last is None


def test_a_broker_clock_that_was_set_back_does_not_reorder_the_changes() -> None:
    """What was written last is in force from then on."""
    found = ModeHistory().after(Mode.LIVE, 5_000).after(Mode.DRY_RUN, 3_000)

    assert found.last is Mode.DRY_RUN
    assert found.at(5_000) is Mode.DRY_RUN
    assert found.at(4_999) is Mode.DRY_RUN


@given(changes=st.lists(st.tuples(st.integers(0, 100), st.sampled_from(Mode)), max_size=8), at_ms=st.integers(-10, 200))
def test_a_message_is_live_only_where_the_last_record_before_it_says_so(
    changes: list[tuple[int, Mode]], at_ms: int
) -> None:
    """Against the plain reading of the log, from its end."""
    changes.sort(key=lambda change: change[0])
    found = ModeHistory()
    for when, mode in changes:
        found = found.after(mode, when)

    plain = next((mode for when, mode in reversed(changes) if when <= at_ms), Mode.DRY_RUN)
    assert found.at(at_ms) is plain


@pytest.mark.parametrize(
    "value", [None, b"", b"[]", b"{}", b'{"mode": 1}', b'{"mode": "LIVE"}', b"\xff", b'{"mode": null}']
)
def test_a_record_that_names_no_mode_is_said_to_name_none(value: bytes | None) -> None:
    """Anybody might write to a topic; what can't be read changes nothing."""
    found = read_mode(value)
    assert not isinstance(found, Mode)
    assert found


def test_what_is_written_is_read() -> None:
    """The record and its reader agree."""
    change = ModeChange(mode=Mode.LIVE, why="", worker="w1", build_id="b1")
    assert read_mode(change.encode()) is Mode.LIVE
