"""A worker's heart: says every two seconds on ``comms.workers`` what this worker is doing."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from config.settings import Settings
from streams import topics
from streams.core.flags import EffectiveMode
from streams.gate import GateState
from streams.heartbeat import WorkerState, beat, worker_name
from streams.holds import Holds
from streams.key_memory import Writer


class Heart:
    """Beats while the worker runs."""

    def __init__(
        self,
        settings: Settings,
        writer: Writer,
        mode: Callable[[], EffectiveMode],
        gate: Callable[[], GateState],
        holds: Holds,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._write = partial(writer.put, settings.topic_prefix + topics.WORKERS)
        self._mode = mode
        self._gate = gate
        self._holds = holds
        self._now = now
        self.name = worker_name()
        self._started_ms = int(now() * 1000)

    def state(self) -> WorkerState:
        """What there is to say now."""
        mode, gate = self._mode(), self._gate()
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
            holds=self._holds.texts(),
        )

    async def beat(self) -> None:
        """Until cancelled."""
        await beat(self.name, self._write, self.state, every=self._settings.heartbeat_every)
