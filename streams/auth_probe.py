"""The token probe of gate 1: get a token as a client would, and check it as a door of ours would."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

import aiohttp
import structlog

from adapters.oauth import Blocked, Granted, TokenEndpoint, Unavailable
from streams.core.access import AccessRules, verify_access
from streams.core.reasons import Rejected
from streams.gate import Fresh

log = structlog.get_logger(__name__)

PENDING: Final = "blocked, pending gate 1"


class AuthProbe:
    """Asks again and again; `fresh` is what the gate reads. ``every`` and ``retry`` are seconds, see `pause`."""

    def __init__(
        self,
        endpoint: TokenEndpoint,
        rules: AccessRules,
        *,
        every: float,
        retry: float,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._endpoint = endpoint
        self._rules = rules
        self._every = every
        self._retry = retry
        self._clock = clock
        self._now = now
        self._worked_at: float | None = None
        self._fault = "not asked yet"
        self._blocked = False

    def fresh(self) -> Fresh:
        """When a token last was got and verified; why not since. After a "no" it counts as if it never had been."""
        return Fresh(None if self._worked_at is None else self._clock() - self._worked_at, self._fault)

    def pause(self) -> float:
        """Seconds until the next look. What may pass by itself is asked early; a "no" waits for somebody to act."""
        return self._retry if self._fault and not self._blocked else self._every

    async def look(self, session: aiohttp.ClientSession) -> None:
        """Ask once."""
        grant = await self._endpoint.token(session)
        fault, self._blocked = self._verdict_of(grant), isinstance(grant, Blocked)
        if fault and fault != self._fault:
            log.warning("token_probe_failed", fault=fault)
        if not fault and self._fault:
            log.info("token_probe_worked")
        self._fault = fault
        if not fault:
            self._worked_at = self._clock()
        if self._blocked:
            self._worked_at = None

    def _verdict_of(self, grant: Granted | Blocked | Unavailable) -> str:
        match grant:
            case Granted(token):
                access = verify_access(token, self._rules, now_s=self._now())
                return f"the token was refused: {access.detail}" if isinstance(access, Rejected) else ""
            case Blocked(why):
                return f"{PENDING}: {why}"
            case Unavailable(why):
                return why

    async def run(self, on_look: Callable[[], None]) -> None:
        """Look again and again; ``on_look`` is called after each. Runs until cancelled."""
        async with aiohttp.ClientSession() as session:
            while True:
                await self.look(session)
                on_look()
                await asyncio.sleep(self.pause())
