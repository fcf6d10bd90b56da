"""Several workers on one machine: starts them, starts again those that end with a fault, and ends them together.

Each worker is a process of its own; worker *i* listens on PORT + *i*. Exit codes as `streams.worker` gives them: 0
after a signal; 102 as soon as one can't begin, since no restart helps there.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from adapters.processes import bound_to_parent

log = structlog.get_logger(__name__)

OK: Final = 0
CANNOT_START: Final = 102
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 30.0
STEADY_S: Final = 60.0
"""Who ran for so long before it ended begins again at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Durations in seconds. ``grace``: from SIGTERM until a worker that hasn't ended is killed."""

    grace: float
    first_pause: float = FIRST_PAUSE_S
    longest_pause: float = LONGEST_PAUSE_S
    steady: float = STEADY_S

    def pause(self, failures: int) -> float:
        """How long to wait before the next start, after so many quick ends in a row."""
        doubled: float = self.first_pause * 2 ** max(failures - 1, 0)
        return min(doubled, self.longest_pause)


@dataclass(slots=True)
class Supervisor:
    """``command``: of one worker; ``environs``: one for each."""

    command: Sequence[str]
    environs: Sequence[Mapping[str, str]]
    policy: Policy
    code: int = OK
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> int:
        """Until a signal, or until one can't begin; returns the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        async with asyncio.TaskGroup() as group:
            for index, environ in enumerate(self.environs):
                group.create_task(self._keep(index, environ))
        return self.code

    async def _keep(self, index: int, environ: Mapping[str, str]) -> None:
        failures = 0
        while not self._stopping.is_set():
            begun = asyncio.get_running_loop().time()
            code = await self._once(index, environ)
            if self._stopping.is_set():
                return
            if code == CANNOT_START:
                self.code = CANNOT_START
                self._stopping.set()
                return
            quick = asyncio.get_running_loop().time() - begun < self.policy.steady
            failures = failures + 1 if quick else 1
            pause = self.policy.pause(failures)
            log.warning("worker_ended", worker=index, code=code, again_in=pause)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    async def _once(self, index: int, environ: Mapping[str, str]) -> int:
        process = await asyncio.create_subprocess_exec(*bound_to_parent(self.command), env=dict(environ))
        log.info("worker_started", worker=index, pid=process.pid)
        ending, stopping = asyncio.ensure_future(process.wait()), asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({ending, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not ending.done():
            await self._end(process, ending)
        return await ending

    async def _end(self, process: asyncio.subprocess.Process, ending: asyncio.Future[int]) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        done, _ = await asyncio.wait({ending}, timeout=self.policy.grace)
        if not done:
            log.error("worker_killed", pid=process.pid)
            with contextlib.suppress(ProcessLookupError):
                process.kill()


def environs(environ: Mapping[str, str], *, workers: int, port: int) -> list[dict[str, str]]:
    """One for each worker: the same, on ports of their own (all free ones if ``port`` is 0)."""
    return [{**environ, "PORT": str(port + index if port else 0)} for index in range(workers)]


def worker_command() -> list[str]:
    """The command of one worker."""
    return [sys.executable, "-m", "streams.cli.main", "run"]
