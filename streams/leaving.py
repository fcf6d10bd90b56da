"""How owners end: told to begin nothing more, waited for, and cut off at last.

What is cut off is settled, too: only calls whose answer nobody knows are parked.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from streams.owner import Owner

log = structlog.get_logger(__name__)

SETTLE_S: Final = 1.0
"""Time to write what came of the calls, once nobody waits for them any more."""


class Leaving:
    """Owners that were told to end, and have not ended yet."""

    def __init__(self, category: str) -> None:
        self._category = category
        self._owners: dict[asyncio.Future[None], Owner] = {}

    def add(self, owner: Owner, task: asyncio.Future[None]) -> None:
        """Tell it to begin nothing more. ``task`` runs it."""
        owner.stop()
        self._owners[task] = owner
        task.add_done_callback(self._ended)

    async def wait(self, seconds: float) -> None:
        """Until all have ended. Beyond ``seconds`` calls are cut off; `SETTLE_S` later, what still runs is."""
        late = await _late(set(self._owners), seconds)
        if not late:
            return
        log.warning("drain_timed_out", category=self._category, owners=len(late), seconds=seconds)
        for task in late:
            self._owners[task].cut()
        for task in await _late(late, SETTLE_S):
            task.cancel()

    def _ended(self, task: asyncio.Future[None]) -> None:
        del self._owners[task]


async def _late(tasks: set[asyncio.Future[None]], seconds: float) -> set[asyncio.Future[None]]:
    """Those that have not ended by then."""
    return (await asyncio.wait(tasks, timeout=seconds))[1] if tasks else set()
