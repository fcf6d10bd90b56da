"""From orders to holds: which topics are not read for now, because somebody said so or because nobody can tell."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import structlog

from streams.core.control import ControlState
from streams.core.reasons import Stage
from streams.core.switches import Setting
from streams.holds import Holds

log = structlog.get_logger(__name__)

KILL_SWITCH: Final = "kill_switch"
PAUSED: Final = "paused"
CONTROL_UNREAD: Final = "control_unread"

REASONS: Final[Mapping[Setting, str]] = {Setting.DISABLE_SEND: KILL_SWITCH, Setting.PAUSE: PAUSED}
LOOK_EVERY_S: Final = 0.2


class Orders(Protocol):
    """`streams.control.ControlReader`."""

    @property
    def state(self) -> ControlState:
        """What was ordered."""

    def fresh(self, within_s: float) -> bool:
        """Whether that is surely all."""


class ControlEndedError(RuntimeError):
    """Nobody reads the orders any more."""


class Switches:
    """Holds and releases by what is ordered now. `apply` is called after each order, before each poll, and by time."""

    def __init__(
        self,
        orders: Orders,
        holds: Holds,
        stages: Mapping[Stage, tuple[str, ...]],
        *,
        fresh_for: float,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._orders = orders
        self._holds = holds
        self._stages = stages
        self._fresh_for = fresh_for
        self._now = now
        self._fresh = False

    def apply(self) -> None:
        """Each topic of a stage is held for each reason that stops the stage, and for no other of ours."""
        for stage, names in self._stages.items():
            wanted = self._wanted(stage)
            for name in names:
                for reason in (KILL_SWITCH, PAUSED, CONTROL_UNREAD):
                    (self._holds.hold if reason in wanted else self._holds.release)(name, reason)

    def _wanted(self, stage: Stage) -> set[str]:
        stops = self._orders.state.stops(stage, int(self._now() * 1000))
        wanted = {REASONS[order.setting] for order in stops}
        if stage is Stage.DISPATCH and not self._is_fresh():
            wanted.add(CONTROL_UNREAD)
        return wanted

    def _is_fresh(self) -> bool:
        fresh = self._orders.fresh(self._fresh_for)
        if fresh is not self._fresh:
            self._fresh = fresh
            (log.info if fresh else log.warning)("control", confirmed=fresh)
        return fresh

    async def keep(self, alive: Callable[[], bool]) -> None:
        """Apply again and again, since orders expire and confirmations grow old, for as long as the orders are read.

        Raises:
            ControlEndedError: they aren't any more.
        """
        while alive():
            self.apply()
            await asyncio.sleep(LOOK_EVERY_S)
        raise ControlEndedError
