"""Heartbeats on ``comms.workers``: what each worker is doing now, so that one command can speak for the fleet."""

from __future__ import annotations

import asyncio
import os
import socket
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import orjson
from pydantic import TypeAdapter, ValidationError

FORGOTTEN_MS: Final = 3_600_000

Beat = Callable[[bytes, bytes | None], None]
"""Writes key and value; a value of None says goodbye."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerState:
    """One heartbeat (schemas/records/worker.json). Times are milliseconds since the epoch, by the worker's clock."""

    worker: str
    at_ms: int
    started_ms: int
    build_id: str
    mode: str
    mode_why: str
    gate1_green: bool
    gate1_why: str
    gate1_since_ms: int
    holds: Mapping[str, list[str]]
    # A worker of an earlier release doesn't say these.
    control_offset: int = 0
    """The offset after the last order that it has applied."""
    control_obeyed: int = 0
    """How many of the records before it were orders, by its operators."""
    flags: Mapping[str, bool] = field(default_factory=dict)
    flags_from: Mapping[str, str] = field(default_factory=dict)
    """Who made each flag what it is: environment, control or window."""
    rate_limit_per_minute: int = 0

    def encode(self) -> bytes:
        """As it stands on the topic."""
        return orjson.dumps(asdict(self))


_STATE: Final = TypeAdapter(WorkerState)


def decode(value: bytes) -> WorkerState | None:
    """A heartbeat as read; None if it is not one."""
    try:
        return _STATE.validate_json(value, strict=True)
    except ValidationError:
        return None


def worker_name() -> str:
    """Host, process and a random part: unique, and a person can find it."""
    return f"{socket.gethostname()[:40]}-{os.getpid()}-{uuid.uuid4().hex[:6]}"


async def beat(name: str, write: Beat, state: Callable[[], WorkerState], *, every: float) -> None:
    """Write the state again and again, in seconds, and say goodbye when cancelled."""
    try:
        while True:
            write(name.encode(), state().encode())
            await asyncio.sleep(every)
    finally:
        write(name.encode(), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """The workers heard lately, and the names of those that fell silent without a goodbye."""

    workers: tuple[WorkerState, ...]
    silent: tuple[str, ...]

    @property
    def gate1_green(self) -> bool:
        """The fleet is RED if any worker is, and if there is none."""
        return bool(self.workers) and all(state.gate1_green for state in self.workers)


def fleet(last: Mapping[bytes, bytes | None], *, now_ms: int, gone_after_ms: int) -> Fleet:
    """What the last record of each worker says. ``last``: key to value, as compaction would leave it.

    Who has been silent for longer than `FORGOTTEN_MS` is no longer spoken of.
    """
    known = sorted(_known(last.values()), key=lambda state: state.worker)
    known = [state for state in known if now_ms - state.at_ms <= max(FORGOTTEN_MS, gone_after_ms)]
    return Fleet(
        workers=tuple(state for state in known if abs(now_ms - state.at_ms) <= gone_after_ms),
        silent=tuple(state.worker for state in known if abs(now_ms - state.at_ms) > gone_after_ms),
    )


def _known(values: Iterable[bytes | None]) -> list[WorkerState]:
    states: list[Any] = [decode(value) for value in values if value is not None]
    return [state for state in states if state is not None]
