"""How long until what waits is gone, under the cap that is now in force. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One partition of a category, as its owner sees it.

    ``waiting``: records that have not had their turn; ``aside``: those of them that stand in ``comms.held.<category>``.
    ``room``: calls that may begin now; ``units``: calls per window. ``ready``: its ledger is read.
    """

    partition: int
    ready: bool
    waiting: int
    aside: int
    room: int
    units: int

    def queued(self, *, aside_flows: bool) -> int:
        """How many wait for the cap: what an order has set aside doesn't, while one still does so."""
        return self.waiting if aside_flows else self.waiting - self.aside


def seconds_left(parts: Iterable[Part], *, span_s: float, stopped: bool, aside_flows: bool) -> float:
    """Until the last of them has begun, in seconds, if nothing is added: the slowest partition decides.

    An upper bound by less than one window of ``span_s``. Infinity while ``stopped``, and for a partition without a
    share. What spends nothing (expired, suppressed, a duplicate) goes sooner; when a retry is due is not looked at.
    """
    return max((_of_part(part, span_s, stopped=stopped, aside_flows=aside_flows) for part in parts), default=0.0)


def _of_part(part: Part, span_s: float, *, stopped: bool, aside_flows: bool) -> float:
    queued = part.queued(aside_flows=aside_flows)
    if queued <= 0:
        return 0.0
    if stopped or part.units <= 0:
        return math.inf
    return math.ceil(max(queued - part.room, 0) / part.units) * span_s
