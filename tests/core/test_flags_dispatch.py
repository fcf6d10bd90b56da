"""The mode that counts, and examples of what the gate says; every combination is in `test_gate_table`."""

from __future__ import annotations

from itertools import product

import pytest

from streams.core.dispatch import Conditions, Expire, Hold, Keep, Send, Simulate, Suppress, Verdict, gate
from streams.core.flags import WINDOW_S, Flags, effective_mode
from streams.core.messages import Category, Mode
from streams.core.reasons import Suppression
from tests.builders import NOW_S, message, route

LIVE, DRY = Mode.LIVE, Mode.DRY_RUN
LAUNCHES: dict[str, float | None] = {
    "unset": None,
    "in the future": NOW_S + 1.0,
    "just now": float(NOW_S),
    "48 h ago less a second": NOW_S - WINDOW_S + 1.0,
    "48 h ago": float(NOW_S - WINDOW_S),
    "long ago": 0.0,
}
OUTSIDE = {"48 h ago", "long ago"}


@pytest.mark.parametrize(
    ("asked", "disable_send", "production", "launch"), list(product(Mode, [True, False], [True, False], LAUNCHES))
)
def test_a_message_goes_out_only_if_everything_says_live(
    asked: Mode,
    disable_send: bool,  # noqa: FBT001 - a column of the table
    production: bool,  # noqa: FBT001
    launch: str,
) -> None:
    """Asked for live, sending not disabled, and in production 48 hours after launch."""
    found = effective_mode(
        asked=asked,
        flags=Flags(disable_send=disable_send),
        production=production,
        launched_at_s=LAUNCHES[launch],
        now_s=NOW_S,
    )
    live = asked is LIVE and not disable_send and (not production or launch in OUTSIDE)
    assert found.mode is (LIVE if live else DRY)
    overruled = asked is LIVE and not live
    assert bool(found.why) is overruled


def test_the_reason_names_the_guardrail() -> None:
    def why(**changes: object) -> str:
        asked: dict[str, object] = {"asked": LIVE, "flags": Flags(disable_send=False), "production": True}
        asked |= {"launched_at_s": float(NOW_S), "now_s": float(NOW_S)} | changes
        return effective_mode(**asked).why  # type: ignore[arg-type] # a table of arguments

    assert "DISABLE_SEND" in why(flags=Flags())
    assert "LAUNCHED_AT is not set" in why(launched_at_s=None)
    assert "48-hour window" in why()


def test_out_of_the_box_nothing_is_sent_and_nothing_is_promoted() -> None:
    """The defaults are the safe ones, under the names of the environment."""
    assert Flags().names() == {
        "DISABLE_SEND": True,
        "PROMO_SENDS": False,
        "RETRIES_ENABLED": True,
        "RATE_LIMIT_ENABLED": True,
        "AB_TESTING": False,
    }


def conditions(mode: Mode = LIVE, *, promo: bool = False, now_s: float = NOW_S) -> Conditions:
    return Conditions(mode=mode, flags=Flags(promo_sends=promo), now_s=now_s)


OVER = NOW_S * 1000
PROMO_OFF = Suppress(Suppression.PROMO_DISABLED)
GATE: list[tuple[str, int | None, Category, bool, Mode, Mode, Verdict]] = [
    # name, not_after_ms, category, PROMO_SENDS, mode now, mode at append, verdict
    ("all is well", None, Category.TRANSACTIONAL, False, LIVE, LIVE, Send()),
    ("a millisecond left", OVER + 1, Category.TRANSACTIONAL, False, LIVE, LIVE, Send()),
    ("its time is over now", OVER, Category.TRANSACTIONAL, False, LIVE, LIVE, Expire()),
    ("dry run now", None, Category.TRANSACTIONAL, False, DRY, LIVE, Simulate()),
    ("dry run when it was appended", None, Category.TRANSACTIONAL, False, LIVE, DRY, Simulate()),
    ("dry run both times", None, Category.TRANSACTIONAL, False, DRY, DRY, Simulate()),
    ("promotional and off waits", None, Category.PROMOTIONAL, False, LIVE, LIVE, Keep(Hold.PROMO_DISABLED)),
    ("promotional and off, dry run", None, Category.PROMOTIONAL, False, DRY, LIVE, PROMO_OFF),
    ("promotional and off, from a dry run", None, Category.PROMOTIONAL, False, LIVE, DRY, PROMO_OFF),
    ("promotional and on", None, Category.PROMOTIONAL, True, LIVE, LIVE, Send()),
    ("promotional, on, dry run", None, Category.PROMOTIONAL, True, DRY, LIVE, Simulate()),
    ("expired before suppressed", OVER, Category.PROMOTIONAL, False, LIVE, LIVE, Expire()),
    ("expired before simulated", OVER - 1, Category.TRANSACTIONAL, False, DRY, DRY, Expire()),
    ("suppressed before simulated", None, Category.PROMOTIONAL, False, DRY, DRY, PROMO_OFF),
]


@pytest.mark.parametrize("row", GATE, ids=[row[0] for row in GATE])
def test_the_gate_asks_in_order(row: tuple[str, int | None, Category, bool, Mode, Mode, Verdict]) -> None:
    """Expired, then suppressed, then simulated, then sent."""
    _, not_after_ms, category, promo, now, at_append, verdict = row
    mail = message(not_after_ms=not_after_ms, route=route(category=category), mode=at_append)
    assert gate(mail, conditions(now, promo=promo)) == verdict
