"""The mode of the fleet over time, on ``comms.modes``: written when it changes, read from the beginning by all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from adapters.kafka_log import Entry
from streams.core.flags import EffectiveMode
from streams.core.messages import Mode
from streams.core.mode_history import KEY, ModeChange, ModeHistory, read_mode
from streams.key_memory import Writer

log = structlog.get_logger(__name__)

LOOK_EVERY_S: Final = 1.0
AGAIN_AFTER_S: Final = 5.0


class ModeMemory:
    """Knows the history, and adds to it. ``mode``: this worker's own, by environment and clock."""

    def __init__(
        self,
        writer: Writer,
        mode: Callable[[], EffectiveMode],
        *,
        topic: str,
        worker: str,
        build_id: str,
        look_every: float = LOOK_EVERY_S,
    ) -> None:
        self._writer = writer
        self._mode = mode
        self._topic = topic
        self._worker = worker
        self._build_id = build_id
        self._look_every = look_every
        self._read = asyncio.Event()
        self.history = ModeHistory()

    def read(self, entry: Entry) -> None:
        """One record, in the topic's order."""
        mode = read_mode(entry.value)
        if isinstance(mode, Mode):
            self.history = self.history.after(mode, entry.timestamp_ms)
            self._read.set()
        else:
            log.warning("mode_record_ignored", offset=entry.offset, why=mode)

    def at(self, appended_ms: int) -> Mode:
        """Live only if this worker is, and the fleet was when the record was appended."""
        return self.history.at(appended_ms) if self._mode().mode is Mode.LIVE else Mode.DRY_RUN

    async def record(self) -> None:
        """Write the own mode if it is not what was written last, and wait until that is read back.

        So what is appended after a worker in live has started is sent, and nothing from before it.
        """
        said = self._mode()
        while self.history.last is not said.mode:
            self._read.clear()
            change = ModeChange(mode=said.mode, why=said.why, worker=self._worker, build_id=self._build_id)
            self._writer.put(self._topic, KEY, change.encode())
            log.info("mode_recorded", mode=said.mode, why=said.why, before=self.history.last)
            try:
                await asyncio.wait_for(self._read.wait(), AGAIN_AFTER_S)
            except TimeoutError:
                log.warning("mode_not_recorded", mode=said.mode)

    async def keep(self) -> None:
        """Record each change of the own mode while the worker runs: the window ends by itself. Until cancelled."""
        mine = self._mode().mode
        while True:
            await asyncio.sleep(self._look_every)
            if self._mode().mode is not mine:
                mine = self._mode().mode
                await self.record()
