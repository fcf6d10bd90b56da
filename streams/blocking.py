"""A thread for calls that block and can't be cancelled, which doesn't keep the process from ending.

`concurrent.futures` joins its threads when the interpreter ends, so one that waits for a broker that is gone would
hold up an end that has a bound.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class BlockingThread:
    """One call at a time, in their order. What is still running when the process ends is left alone."""

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = SimpleQueue()
        self._name = name
        self._thread: threading.Thread | None = None

    async def run(self, call: Callable[[], T]) -> T:
        """Wait for ``call``, and return or raise what it does. Cancelled, it goes on, unless it was not begun."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
            self._thread.start()
        future: Future[T] = Future()
        self._calls.put((call, future))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """End the thread behind what was asked of it so far."""
        stop: Future[None] = Future()
        self._calls.put((_stop, stop))

    def _serve(self) -> None:
        while True:
            call, future = self._calls.get()
            if call is _stop:
                return
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(call())
            except BaseException as error:  # noqa: BLE001 - whoever waits for the call is told
                future.set_exception(error)


def _stop() -> None:
    """Never called: it says that nothing more comes."""
