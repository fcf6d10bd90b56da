"""A thread for calls that block: their order, their outcomes, and an end that doesn't wait for them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from functools import partial

import pytest

from streams.blocking import BlockingThread

STUCK = """
import asyncio, threading
from streams.blocking import BlockingThread

async def leave() -> None:
    thread, begun = BlockingThread("stuck"), threading.Event()
    asyncio.ensure_future(thread.run(lambda: (begun.set(), threading.Event().wait())))
    await asyncio.to_thread(begun.wait)

asyncio.run(leave())
"""


def test_calls_are_made_one_at_a_time_in_their_order() -> None:
    async def play() -> list[int]:
        thread, made = BlockingThread("test"), list[int]()
        await asyncio.gather(*(thread.run(partial(made.append, number)) for number in range(20)))
        thread.close()
        return made

    assert asyncio.run(play()) == list(range(20))


def test_what_a_call_raises_reaches_whoever_waits_for_it_and_the_thread_goes_on() -> None:
    async def play() -> int:
        thread = BlockingThread("test")
        with pytest.raises(ValueError, match="not a number"):
            await thread.run(partial(_refuse, "not a number"))
        threads = await thread.run(threading.active_count)
        thread.close()
        return threads

    assert asyncio.run(play()) >= 2


def _refuse(why: str) -> None:
    raise ValueError(why)


def test_a_call_that_never_returns_does_not_keep_the_process() -> None:
    """A broker that is gone must not hold up an end that has a bound."""
    done = subprocess.run([sys.executable, "-c", STUCK], timeout=30, check=False)  # noqa: S603 - our own program
    assert done.returncode == 0
