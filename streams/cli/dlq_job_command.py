"""`comcenter dlq status` and `cancel`: how the redrive stands, and its end before its time."""

from __future__ import annotations

import getpass
import json
import socket
import time
import uuid
from dataclasses import asdict
from typing import Annotated, Final

import typer

from adapters import kafka_config
from adapters.kafka_log import TopicWriter
from config.settings import Settings
from streams import topics
from streams.cli.dlq_shared import AsJson, Opened, now_ms, opened
from streams.cli.exits import Exit, fail
from streams.core.letters import moment
from streams.core.redrive_job import RUNS, Job, JobState, Redrives

EARLIER: Final = 5
WATCH_S: Final = 1.0
CANCEL_S: Final = 30.0


def new_job(what: str, because: str) -> Job:
    """One that is about to begin, in the name of whoever runs this."""
    at_ms = now_ms()
    return Job(
        job=uuid.uuid4().hex[:8],
        state=JobState.RUNNING,
        filter=what,
        because=because,
        by=_whoever(),
        total=0,
        done=0,
        started_ms=at_ms,
        at_ms=at_ms,
    )


def _whoever() -> str:
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):  # a container's user may have no name
        return socket.gethostname()


def require_alone(settings: Settings, known: Redrives) -> None:
    """No redrive runs, or the end of the command."""
    job = known.last
    if job is not None and _runs(settings, job):
        fail(
            f"a redrive runs already: {job_line(job)}\n  wait for it, or `comcenter dlq cancel`; "
            f"one that was killed counts as running for {settings.heartbeat_gone_after:g} s",
            Exit.FINDINGS,
        )


def _runs(settings: Settings, job: Job) -> bool:
    return job.runs(now_ms(), int(settings.heartbeat_gone_after * 1000))


def job_line(job: Job) -> str:
    """One line for the eye."""
    return (
        f"{job.job}  {job.state.value}  {job.done} of {job.total}  since {moment(job.started_ms)} by {job.by}  "
        f"last heard {moment(job.at_ms)}  {job.filter}  because {job.because}"
    )


def status(
    watch: Annotated[bool, typer.Option("--watch", help="Until it ends.")] = False,
    json_output: AsJson = False,
) -> None:
    """Show the redrive that runs or was the last, and some before it."""
    with opened(CANCEL_S) as one:
        while True:
            known = one.box.redrives()
            running = known.last is not None and _runs(one.settings, known.last)
            _tell(known, running=running, json_output=json_output)
            if not (watch and running):
                return
            time.sleep(WATCH_S)


def _tell(known: Redrives, *, running: bool, json_output: bool) -> None:
    last = known.last
    earlier = sorted(known.audit.values(), key=lambda job: job.started_ms)
    earlier = [job for job in earlier if last is None or job.job != last.job][-EARLIER:]
    if json_output:
        told = None if last is None else asdict(last)
        print(json.dumps({"running": running, "job": told, "earlier": [asdict(job) for job in earlier]}))
        return
    for job in earlier:
        print(job_line(job))
    if last is None:
        print("no redrive in the last 7 days")
    else:
        silent = last.state in RUNS and not running
        print(job_line(last) + ("  SILENT: it was killed, or can't reach Kafka; begin again" if silent else ""))


def cancel(json_output: AsJson = False) -> None:
    """End the redrive that runs, and wait until it says so. What it has not redriven stays a dead letter."""
    with opened(CANCEL_S) as one:
        job = one.box.redrives().last
        if job is None or not _runs(one.settings, job):
            print(json.dumps({"job": None}) if json_output else "no redrive is running")
            return
        _order(one, job)
        ended = _ended(one, job)
    print(json.dumps({"job": asdict(ended)}) if json_output else job_line(ended))
    if ended.state in RUNS:
        fail(f"it was told to end, and has not said so within {CANCEL_S:g} s", Exit.FINDINGS)


def _order(one: Opened, job: Job) -> None:
    """Its heartbeat stays what it was: this is not one."""
    order = job.now(JobState.CANCELLING, done=job.done, at_ms=job.at_ms).emit()
    writer = TopicWriter(kafka_config.producer(one.settings, one.bootstrap, max_bytes=topics.OURS_MAX_BYTES))
    writer.put(one.settings.topic_prefix + order.topic, order.key or b"", order.value)
    writer.close(CANCEL_S)


def _ended(one: Opened, job: Job) -> Job:
    """How it ended, or how it stands when there was no waiting any longer."""
    deadline = time.monotonic() + CANCEL_S
    while True:
        known = one.box.redrives()
        found = known.audit.get(job.job, job)
        if found.state not in RUNS or time.monotonic() > deadline:
            return found
        time.sleep(WATCH_S / 4)
