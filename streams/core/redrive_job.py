"""What ``comms.redrives`` tells: which dead letters were redriven, and how the job stands that does it. Pure.

A mark is written in the transaction of the record that it is about, so a crash leaves both or neither.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, TypeVar

import orjson
from pydantic import TypeAdapter, ValidationError

from streams import topics
from streams.core.letters import Place
from streams.core.records import Emit

T = TypeVar("T")
JOB: Final = "job"
"""Key of the job that runs or was the last; ``job:<id>`` is its key in the audit, where later ones leave it alone."""


class JobState(StrEnum):
    """How a redrive stands."""

    RUNNING = "running"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    FINISHED = "finished"
    FAILED = "failed"


RUNS: Final = frozenset({JobState.RUNNING, JobState.CANCELLING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A dead letter that was redriven: by which job, when (milliseconds since the epoch), to which topic."""

    job: str
    at_ms: int
    to: str

    def emit(self, place: Place) -> Emit:
        """Its record."""
        return Emit(topic=topics.REDRIVES, key=str(place).encode(), value=orjson.dumps(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A redrive. ``at_ms`` is its heartbeat; ``total`` and ``done`` count the dead letters that it is about.

    ``because`` and ``by`` are for the audit: why, and who.
    """

    job: str
    state: JobState
    filter: str
    because: str
    by: str
    total: int
    done: int
    started_ms: int
    at_ms: int

    def now(self, state: JobState, *, done: int, at_ms: int) -> Job:
        """The same a little later."""
        return replace(self, state=state, done=done, at_ms=at_ms)

    def runs(self, now_ms: int, silent_ms: int) -> bool:
        """Whether it runs: it says so, and said so less than ``silent_ms`` ago."""
        return self.state in RUNS and now_ms - self.at_ms < silent_ms

    def emit(self) -> Emit:
        """Its record, as the one that runs."""
        return Emit(topic=topics.REDRIVES, key=JOB.encode(), value=orjson.dumps(self))

    def audit(self) -> Emit:
        """Its record in the audit: written at the beginning and at the end."""
        return replace(self.emit(), key=f"{JOB}:{self.job}".encode())


_JOBS: Final = TypeAdapter(Job)
_MARKS: Final = TypeAdapter(Mark)


@dataclass(slots=True)
class Redrives:
    """All that the topic tells, record by record. ``cancelled``: jobs that somebody wants to end."""

    marks: dict[str, Mark] = field(default_factory=dict)
    last: Job | None = None
    audit: dict[str, Job] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)

    def read(self, key: bytes | None, value: bytes | None) -> None:
        """One record, in the topic's order. What can't be read is left aside: a newer build may have written it."""
        name = (key or b"").decode("ascii", "replace")
        if name.startswith(JOB):
            job = _read(_JOBS, value)
            if job is not None:
                self._job(name, job)
        elif (mark := _read(_MARKS, value)) is not None:
            self.marks[name] = mark

    def _job(self, name: str, job: Job) -> None:
        if name == JOB:
            self.last = job
        else:
            self.audit[job.job] = job
        if job.state is JobState.CANCELLING:
            self.cancelled.add(job.job)


def _read(kind: TypeAdapter[T], value: bytes | None) -> T | None:
    try:
        return kind.validate_json(value or b"", strict=True)
    except ValidationError:
        return None
