"""Heartbeats on ``comms.workers``: what each worker is doing now, so that one command can speak for the fleet."""

from __future__ import annotations

import asyncio
import os
import socket
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Final

import orjson
from pydantic import TypeAdapter, ValidationError

from streams.core.backlog import Part

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
    in_window: bool = False
    """Whether the guardrails of the 48 hours bind."""
    window_until_ms: int = 0
    """Until when; 0 outside, and while no launch is known."""
    dispatch: Mapping[str, list[Part]] = field(default_factory=dict)
    """Its partitions, by category."""

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
class LastBeat:
    """A worker's last record: its value, and when the broker appended it; None where that isn't the broker's time."""

    value: bytes | None
    appended_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """The workers heard lately, and the names of those that fell silent without a goodbye.

    ``clock_off_s``: by how many seconds a worker's clock is ahead of the broker's (negative: behind), if by many.
    """

    workers: tuple[WorkerState, ...]
    silent: tuple[str, ...]
    clock_off_s: Mapping[str, int] = field(default_factory=dict)

    @property
    def gate1_green(self) -> bool:
        """The fleet is RED if any worker is, and if there is none."""
        return bool(self.workers) and all(state.gate1_green for state in self.workers)


@dataclass(frozen=True, slots=True)
class _Heard:
    state: WorkerState
    heard_ms: int

    @property
    def off_ms(self) -> int:
        return self.state.at_ms - self.heard_ms


def fleet(last: Mapping[bytes, LastBeat], *, now_ms: int, gone_after_ms: int, forgotten_after_ms: int) -> Fleet:
    """What the last record of each worker says. ``last``: key to value, as compaction would leave it.

    A worker was heard when the broker says so, else when it says so itself. Who has been silent for so long that it is
    forgotten is no longer spoken of. A clock is off if it is apart from the broker's by more than ``gone_after_ms``.
    """
    known = sorted(_known(last.values()), key=lambda heard: heard.state.worker)
    known = [heard for heard in known if now_ms - heard.heard_ms <= max(forgotten_after_ms, gone_after_ms)]
    there = [heard for heard in known if abs(now_ms - heard.heard_ms) <= gone_after_ms]
    return Fleet(
        workers=tuple(heard.state for heard in there),
        silent=tuple(heard.state.worker for heard in known if heard not in there),
        clock_off_s={
            heard.state.worker: round(heard.off_ms / 1000) for heard in there if abs(heard.off_ms) > gone_after_ms
        },
    )


def _known(beats: Iterable[LastBeat]) -> list[_Heard]:
    read = ((decode(beat.value), beat.appended_ms) for beat in beats if beat.value is not None)
    return [_Heard(state, state.at_ms if at_ms is None else at_ms) for state, at_ms in read if state is not None]
