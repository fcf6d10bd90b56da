"""What ``comms.redrives`` tells: what was redriven, which job runs, and what somebody wants to end."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from schemas import registry
from streams import topics
from streams.core.letters import Place
from streams.core.redrive_job import RUNS, Job, JobState, Mark, Redrives
from tests.builders import NOW_S

NOW_MS = NOW_S * 1000
SCHEMA = registry.load().records["redrive"]


def job(**changes: Any) -> Job:
    made: dict[str, Any] = {
        "job": "j1",
        "state": JobState.RUNNING,
        "filter": "all",
        "because": "the schema came",
        "by": "ann@host",
        "total": 3,
        "done": 1,
        "started_ms": NOW_MS,
        "at_ms": NOW_MS,
    }
    return Job(**made | changes)


MARK = Mark(job="j1", at_ms=NOW_MS, to=topics.REDRIVE)


def test_what_is_written_is_what_the_schema_says_and_is_read_again() -> None:
    found = Redrives()
    for emit in (job().emit(), job().audit(), MARK.emit(Place(2, 41))):
        assert emit.topic == topics.REDRIVES
        assert not list(SCHEMA.violations(orjson.loads(emit.value or b"")))
        found.read(emit.key, emit.value)
    assert (found.last, found.audit, found.marks) == (job(), {"j1": job()}, {"2@41": MARK})
    assert found.cancelled == set()


def test_the_last_record_of_a_job_counts_and_the_audit_keeps_the_earlier_ones() -> None:
    found = Redrives()
    ended = job().now(JobState.FINISHED, done=3, at_ms=NOW_MS + 5)
    for emit in (job().emit(), job().audit(), ended.emit(), ended.audit(), job(job="j2").emit(), job(job="j2").audit()):
        found.read(emit.key, emit.value)
    assert found.last == job(job="j2")
    assert found.audit == {"j1": ended, "j2": job(job="j2")}


def test_a_wish_to_end_stays_known_under_the_heartbeats_that_follow() -> None:
    """The job's own next heartbeat may come after it."""
    found = Redrives()
    for emit in (job(state=JobState.CANCELLING).emit(), job(done=2).emit()):
        found.read(emit.key, emit.value)
    assert found.cancelled == {"j1"}


@pytest.mark.parametrize("key", [None, b"job", b"job:j1", b"2@41", b"\xff"])
@pytest.mark.parametrize("value", [None, b"", b"{", b"[]", b"{}", b'{"job":1,"at_ms":2,"to":"x"}', b'{"job":"x"}'])
def test_what_can_not_be_read_is_left_aside(key: bytes | None, value: bytes | None) -> None:
    found = Redrives()
    found.read(key, value)
    assert found == Redrives()


def test_members_that_a_newer_build_adds_are_left_aside() -> None:
    found = Redrives()
    found.read(b"2@41", orjson.dumps({**orjson.loads(MARK.emit(Place(2, 41)).value or b""), "new": 1}))
    assert found.marks == {"2@41": MARK}


@pytest.mark.parametrize("state", list(JobState))
@pytest.mark.parametrize(("silent_ms", "heard"), [(0, True), (9_999, True), (10_000, False)])
def test_a_job_runs_while_it_says_so(state: JobState, silent_ms: int, heard: bool) -> None:  # noqa: FBT001 - a column
    assert job(state=state).runs(NOW_MS + silent_ms, 10_000) is (heard and state in RUNS)
