"""The worker's side of `tests.faults.provider`: a sender that calls it, and places where a test may stop a worker."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

import aiohttp

from streams.core.messages import Message
from streams.core.ports import Delivered, Delivery, Refused, Sender, Unknown

PROVIDER: Final = "FAULT_PROVIDER"
"""Where the provider is."""
WORKER: Final = "FAULT_WORKER"
"""What this worker is called; a worker that takes another's place has its name."""
DEADLINE_S: Final = 120.0
PERMANENT: Final = range(400, 500)


class Wire:
    """One session with the provider, made when it is first used, in the loop that uses it."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def post(self, path: str, body: Mapping[str, Any]) -> tuple[int, float]:
        """Status, and the seconds of its Retry-After."""
        if self._session is None:
            deadline = aiohttp.ClientTimeout(total=DEADLINE_S)
            self._session = aiohttp.ClientSession(timeout=deadline, connector=aiohttp.TCPConnector(limit=0))
        async with self._session.post(os.environ[PROVIDER] + path, json=body) as response:
            return response.status, float(response.headers.get("Retry-After", "0"))

    async def close(self) -> None:
        """When the worker ends in good order."""
        if self._session is not None:
            await self._session.close()


WIRE: Final = Wire()


async def reach(name: str, dispatch_ids: Iterable[str]) -> None:
    """Be at a place; the test may keep us there."""
    await WIRE.post(f"/at/{name}", {"pid": os.getpid(), "ids": list(dispatch_ids)})


class WatchedSender:
    """Calls the provider. ``before`` and ``after`` name the places around the call, if a test is to know of them."""

    def __init__(self, *, before: str = "", after: str = "") -> None:
        self._before = before
        self._after = after

    async def send(self, message: Message) -> Delivery:
        """One call, with the time at which it began."""
        route = message.route
        if self._before:
            await reach(self._before, [route.dispatch_id])
        body = {
            "dispatch_id": route.dispatch_id,
            "event_id": route.event_id,
            "worker": os.environ.get(WORKER, str(os.getpid())),
            "pid": os.getpid(),
            "begun": time.monotonic(),
        }
        try:
            status, retry_after_s = await WIRE.post("/send", body)
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError) as error:
            return Unknown(what=type(error).__name__)
        if self._after:
            await reach(self._after, [route.dispatch_id])
        if status in PERMANENT:
            return Refused(code=str(status), retryable=False)
        if status != 200:
            return Refused(code=str(status), retryable=True, retry_after_s=retry_after_s)
        return Delivered(provider="watched", provider_id=None)


def senders(*, before: str = "", after: str = "") -> Mapping[str, Sender]:
    """The same for each channel."""
    sender = WatchedSender(before=before, after=after)
    return {"email": sender, "sms": sender}
