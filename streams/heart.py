"""A worker's heart: says on ``comms.workers`` what this worker is doing, every two seconds and after each order."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from config.settings import Settings
from streams import topics
from streams.core.backlog import Part
from streams.core.control import ControlState
from streams.core.flags import WINDOW_S, EffectiveMode
from streams.gate import GateState
from streams.heartbeat import WorkerState, beat, worker_name
from streams.holds import Holds
from streams.key_memory import Writer
from streams.modes import in_force, in_window, launched_at_s, rate_limit_now


class Orders(Protocol):
    """`streams.control.ControlReader`."""

    @property
    def state(self) -> ControlState:
        """What was ordered."""

    @property
    def applied_offset(self) -> int:
        """The offset after the last record."""

    @property
    def obeyed(self) -> int:
        """How many of the records were orders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """What the heart looks at."""

    mode: Callable[[], EffectiveMode]
    gate: Callable[[], GateState]
    holds: Holds
    orders: Orders
    dispatch: Callable[[], Mapping[str, list[Part]]] = dict


class Heart:
    """Beats while the worker runs."""

    def __init__(
        self,
        settings: Settings,
        writer: Writer,
        pulse: Pulse,
        *,
        name: Callable[[], str] = worker_name,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._write = partial(writer.put, settings.topic_prefix + topics.WORKERS)
        self._pulse = pulse
        self._now = now
        self._beating = False
        self.name = name()
        self._started_ms = int(now() * 1000)

    def state(self) -> WorkerState:
        """What there is to say now."""
        mode, gate, orders = self._pulse.mode(), self._pulse.gate(), self._pulse.orders
        flags = in_force(self._settings, orders.state, self._now())
        inside = in_window(self._settings, orders.state, self._now())
        launched_at = launched_at_s(self._settings, orders.state)
        return WorkerState(
            worker=self.name,
            at_ms=int(self._now() * 1000),
            started_ms=self._started_ms,
            build_id=self._settings.build_id,
            mode=mode.mode.value,
            mode_why=mode.why,
            gate1_green=gate.green,
            gate1_why=gate.why,
            gate1_since_ms=gate.since_ms,
            holds=self._pulse.holds.texts(),
            control_offset=orders.applied_offset,
            control_obeyed=orders.obeyed,
            flags={one.setting.value: one.on for one in flags},
            flags_from={one.setting.value: one.source.value for one in flags},
            rate_limit_per_minute=rate_limit_now(self._settings, orders.state, self._now()),
            in_window=inside,
            window_until_ms=int((launched_at + WINDOW_S) * 1000) if inside and launched_at is not None else 0,
            dispatch=self._pulse.dispatch(),
        )

    def say(self) -> None:
        """Say it now, once the worker runs: somebody waits to hear that an order was applied."""
        if self._beating:
            self._write(self.name.encode(), self.state().encode())

    async def beat(self) -> None:
        """Until cancelled."""
        self._beating = True
        try:
            await self._beat()
        finally:
            self._beating = False

    async def _beat(self) -> None:
        await beat(self.name, self._write, self.state, every=self._settings.heartbeat_every)
