"""The cap: how many calls may begin, over the whole fleet, in any minute. Pure; times are the broker's, in ms.

It is shared out to partitions to the last unit, so that each owner can keep its own part without asking anybody. A unit
is spent when an INTENT is appended and comes back when the window has passed, or when the call surely did not begin.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from streams.core.messages import Category

PARTITIONS: Final[Mapping[Category, int]] = {Category.TRANSACTIONAL: 3, Category.PROMOTIONAL: 1}
"""As `streams.topics` makes them; fixed, since a changed count would part messages from their ledger."""


LEAST: Final = PARTITIONS[Category.TRANSACTIONAL]
"""The lowest cap: a unit for each transactional partition."""
UNCAPPED: Final = 1_000_000_000
"""The share of a partition while the cap is off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What the cap is made of. ``promo_share`` is set aside while promotional messages may go out."""

    per_minute: int
    promo_share: float
    promo_on: bool

    def units(self, category: Category, partition: int) -> int:
        """The part of one partition. Over all of them they add up to ``per_minute``."""
        promotional = round(self.per_minute * self.promo_share) if self.promo_on else 0
        if self.promo_on and self.promo_share > 0:
            promotional = max(promotional, 1)
        # No transactional partition goes without a unit: promotional messages wait first.
        promotional = max(min(promotional, self.per_minute - PARTITIONS[Category.TRANSACTIONAL]), 0)
        of_category = promotional if category is Category.PROMOTIONAL else self.per_minute - promotional
        each, left = divmod(of_category, PARTITIONS[category])
        return each + (1 if partition < left else 0)


@dataclass(slots=True)
class Window:
    """One partition's spending. ``span_ms``: the promised window, and how long after its INTENT a call may begin."""

    span_ms: int
    _spent: deque[tuple[int, str]] = field(default_factory=deque)
    _returned: set[tuple[int, str]] = field(default_factory=set)
    _shares: deque[tuple[int, int]] = field(default_factory=deque)

    def spend(self, dispatch_id: str, at_ms: int) -> None:
        """A unit was spent at this time; times may come a little out of order."""
        self._spent.append((at_ms, dispatch_id))

    def give_back(self, dispatch_id: str) -> None:
        """The last unit that was spent on a message was not used."""
        for spent in reversed(self._spent):
            if spent[1] == dispatch_id and spent not in self._returned:
                self._returned.add(spent)
                return

    def share(self, units: int, at_ms: int) -> None:
        """The share is this from then on, whoever has the partition; told in the order in which it was."""
        if not self._shares or self._shares[-1][1] != units:
            self._shares.append((at_ms, units))

    def room(self, units: int, now_ms: int) -> int:
        """How many may begin now, given the share at this moment."""
        return max(self._share(units, now_ms) - self._in_window(now_ms), 0)

    def forget(self, now_ms: int) -> None:
        """Let go of what has passed: a ledger holds 30 days, and a minute of it counts."""
        while self._spent and self._spent[0][0] <= now_ms - self.span_ms:
            self._returned.discard(self._spent.popleft())

    def _in_window(self, now_ms: int) -> int:
        self.forget(now_ms)
        return len(self._spent) - len(self._returned)

    def _share(self, units: int, now_ms: int) -> int:
        """A share that shrinks does so at once; one that grows waits until what others spent of it has passed."""
        self.share(units, now_ms)
        while len(self._shares) > 1 and self._shares[1][0] <= now_ms - self.span_ms:
            self._shares.popleft()
        return min(share for _, share in self._shares)
