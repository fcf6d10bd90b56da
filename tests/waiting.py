"""Waiting for something that another process does: polled, bounded, and loud when it doesn't come."""

from __future__ import annotations

import time
from collections.abc import Callable


def eventually(check: Callable[[], bool], *, seconds: float = 30.0, every: float = 0.2, what: str = "") -> float:
    """Return how many seconds it took until ``check`` was true; fail after ``seconds``."""
    begun = time.monotonic()
    while not check():
        if time.monotonic() - begun > seconds:
            raise AssertionError(f"not within {seconds:g} s: {what or check}")
        time.sleep(every)
    return time.monotonic() - begun
