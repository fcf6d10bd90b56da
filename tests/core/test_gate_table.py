"""The gate, over every combination of what it looks at, against its rules written down as rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

from streams.core.dispatch import (
    NO_ORDERS,
    Conditions,
    Expire,
    Hold,
    Keep,
    Rerender,
    Send,
    SetAside,
    Simulate,
    Suppress,
    Verdict,
    gate,
)
from streams.core.flags import WINDOW_S, Flags, effective_mode
from streams.core.messages import Category, Mode, Route
from streams.core.reasons import Suppression
from tests.builders import NOW_S, message, route

NOW_MS: Final = NOW_S * 1000
APPENDED_MS: Final = NOW_MS - 5000


@dataclass(frozen=True, slots=True)
class Orders:
    """What operators have ordered about the one message of a case."""

    dropped: bool
    rendered_again: bool
    aside: bool

    def stops_aside(self, _route: Route, _now_ms: int) -> bool:
        return self.aside

    def drops(self, _route: Route, appended_ms: int, _now_ms: int) -> bool:
        assert appended_ms == APPENDED_MS
        return self.dropped

    def rerenders(self, _route: Route, appended_ms: int, _now_ms: int) -> bool:
        assert appended_ms == APPENDED_MS
        return self.rendered_again

    def changed_ms(self, _now_ms: int) -> int:
        return 0


@dataclass(frozen=True, slots=True)
class Case:
    """One combination, by the words of product.md."""

    not_after_ms: int | None
    stopped: tuple[Hold, ...]
    dropped: bool
    rendered_again: bool
    aside: bool
    suppressed: Suppression | None
    category: Category
    promo_sends: bool
    asked: Mode
    disable_send: bool
    launched_at_s: float | None
    production: bool
    at_append: Mode

    @property
    def inside_the_window(self) -> bool:
        return self.production and (self.launched_at_s is None or self.launched_at_s + WINDOW_S > NOW_S)

    @property
    def dry(self) -> bool:
        live = self.asked is Mode.LIVE and not self.disable_send and not self.inside_the_window
        return not live or self.at_append is Mode.DRY_RUN

    @property
    def promo_off(self) -> bool:
        return self.category is Category.PROMOTIONAL and not self.promo_sends

    def verdict(self) -> Verdict:
        """The gate's, under the mode that follows from environment and window."""
        flags = Flags(disable_send=self.disable_send, promo_sends=self.promo_sends)
        mode = effective_mode(
            asked=self.asked,
            flags=flags,
            production=self.production,
            launched_at_s=self.launched_at_s,
            now_s=NOW_S,
        ).mode
        conditions = Conditions(
            mode=mode,
            flags=flags,
            now_s=NOW_S,
            stopped=self.stopped,
            orders=Orders(self.dropped, self.rendered_again, self.aside),
            suppressed=lambda _route: self.suppressed,
        )
        mail = message(not_after_ms=self.not_after_ms, mode=self.at_append, route=route(category=self.category))
        return gate(mail, conditions, appended_ms=APPENDED_MS)


RULES: Final[tuple[tuple[str, Callable[[Case], bool], Callable[[Case], Verdict]], ...]] = (
    # The first that is true decides.
    ("its time is over", lambda c: c.not_after_ms is not None and c.not_after_ms <= NOW_MS, lambda _: Expire()),
    ("all dispatch is stopped", lambda c: bool(c.stopped), lambda c: Keep(c.stopped[0])),
    ("recalled", lambda c: c.dropped, lambda _: Suppress(Suppression.RECALLED)),
    ("to be rendered again", lambda c: c.rendered_again, lambda _: Rerender()),
    ("its scope is stopped", lambda c: c.aside, lambda _: SetAside(Hold.KILL_SWITCH)),
    ("suppressed", lambda c: c.suppressed is not None, lambda c: Suppress(c.suppressed or Suppression.OPERATOR)),
    ("promo, off, dry", lambda c: c.promo_off and c.dry, lambda _: Suppress(Suppression.PROMO_DISABLED)),
    ("promo, off, live", lambda c: c.promo_off, lambda _: Keep(Hold.PROMO_DISABLED)),
    ("dry, now or when appended", lambda c: c.dry, lambda _: Simulate()),
    ("send", lambda _: True, lambda _: Send()),
)
BOTH: Final = (False, True)
COMBINATIONS: Final[tuple[tuple[Any, ...], ...]] = (
    # In the order of a case's columns.
    (None, NOW_MS - 1, NOW_MS, NOW_MS + 1),
    ((), (Hold.KILL_SWITCH,), (Hold.PAUSED,), (Hold.GATE_RED, Hold.CONTROL_UNREAD)),
    BOTH,
    BOTH,
    BOTH,
    (None, Suppression.STOP),
    tuple(Category),
    BOTH,
    tuple(Mode),
    BOTH,
    (None, NOW_S - WINDOW_S + 1.0, float(NOW_S - WINDOW_S)),
    BOTH,
    tuple(Mode),
)


def test_every_combination_has_the_verdict_of_the_first_rule_that_is_true() -> None:
    """And every rule decides somewhere, so none of them is only written down."""
    deciding: Counter[str] = Counter()
    for columns in product(*COMBINATIONS):
        case = Case(*columns)
        name, _, verdict = next(rule for rule in RULES if rule[1](case))
        deciding[name] += 1
        assert case.verdict() == verdict(case), (name, case)
    assert set(deciding) == {name for name, _, _ in RULES}


def test_a_message_is_sent_only_if_everything_says_so() -> None:
    """Read the other way round: behind each `Send` stands live, twice, no hold, no order and no suppression."""
    sent = [case for columns in product(*COMBINATIONS) if (case := Case(*columns)).verdict() == Send()]
    assert sent != []
    for case in sent:
        assert (case.asked, case.at_append, case.disable_send) == (Mode.LIVE, Mode.LIVE, False)
        assert not case.inside_the_window
        assert (case.stopped, case.dropped, case.rendered_again, case.aside) == ((), False, False, False)
        assert case.suppressed is None
        assert case.category is Category.TRANSACTIONAL or case.promo_sends


def test_without_orders_nobody_is_stopped_dropped_or_rendered_again() -> None:
    for now_ms in (0, NOW_MS):
        assert not NO_ORDERS.stops_aside(route(), now_ms)
        assert not NO_ORDERS.drops(route(), 0, now_ms)
        assert not NO_ORDERS.rerenders(route(), 0, now_ms)
        assert NO_ORDERS.changed_ms(now_ms) == 0
