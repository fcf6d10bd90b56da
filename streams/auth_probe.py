"""The token probe of gate 1: get a token as a client would, and check it as a door of ours would."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

import aiohttp

from adapters.oauth import Blocked, Granted, TokenEndpoint, Unavailable
from streams.core.access import AccessRules, verify_access
from streams.core.reasons import Rejected
from streams.gate import Fresh

PENDING: Final = "blocked, pending gate 1"


class AuthProbe:
    """Asks ``every`` so many seconds, or ``retry`` after a fault; `fresh` is what the gate reads."""

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

    def fresh(self) -> Fresh:
        """When a token last was got and verified; why not since."""
        return Fresh(None if self._worked_at is None else self._clock() - self._worked_at, self._fault)

    async def look(self, session: aiohttp.ClientSession) -> None:
        """Ask once."""
        self._fault = self._verdict_of(await self._endpoint.token(session))
        if not self._fault:
            self._worked_at = self._clock()

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
                await asyncio.sleep(self._retry if self._fault else self._every)
