"""Runs a worker: starts its parts in order, waits for a signal or a fault, ends within its bound.

Exit codes: 0 after SIGTERM or SIGINT, 1 after a fault, 102 when it can't begin (no broker, topics missing).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog

from adapters.kafka_admin import BrokerUnavailableError
from streams import topics
from streams.app import Worker
from streams.blocking import BlockingThread

log = structlog.get_logger(__name__)

OK: Final = 0
CRASHED: Final = 1
CANNOT_START: Final = 102
LOOK_EVERY_S: Final = 0.5
REMIND_EVERY_S: Final = 10.0


class CannotStartError(RuntimeError):
    """The worker can't begin; the message says what to do."""


async def run(worker: Worker) -> int:
    """Run until a signal or a fault; returns the exit code."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        require_cython(worker)
        if not await either(BlockingThread("topics").run(partial(require_topics, worker)), stop):
            return OK
        await listen(worker)
        for ready in (read_orders, recall_modes, recall_keys, recall_breakers):
            if not await either(ready(worker), stop):
                return OK
    except (CannotStartError, BrokerUnavailableError) as error:
        log.error("cannot_start", why=str(error))
        return CANNOT_START
    async with started(worker) as running:
        why = await first_of(stop, worker, running)
    if why:
        log.error("worker_failed", why=why)
    log.info("stopped", why=why)
    return CRASHED if why else OK


async def either(work: Coroutine[Any, Any, None], stop: asyncio.Event) -> bool:
    """Wait for ``work``, or for the signal; whether the work was done. Raises what the work raises."""
    doing, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if doing.done():
        doing.result()
        return True
    doing.cancel()
    return False


def require_cython(worker: Worker) -> None:
    """Faust's compiled stream is in use: the pure one acks records of an old generation without processing them.

    Raises:
        CannotStartError: it isn't.
    """
    if not worker.health.cython_stream:
        raise CannotStartError("Faust has no compiled stream here: install a wheel of faust-streaming, unset NO_CYTHON")


async def listen(worker: Worker) -> None:
    """Bind the HTTP server first, so that a taken port is an error of the start.

    Raises:
        CannotStartError: the address can't be bound.
    """
    try:
        await worker.listener.start()
    except OSError as error:
        raise CannotStartError(f"HOST and PORT can't be bound: {error.strerror}") from None


def require_topics(worker: Worker) -> None:
    """All topics of the table are there, and those that must not be parted aren't.

    Raises:
        CannotStartError, BrokerUnavailableError: it isn't so, or nobody can tell.
    """
    missing = worker.admin.missing(worker.table)
    if missing:
        raise CannotStartError(f"topics are missing ({', '.join(missing)}): run `comcenter topics apply`")
    parted = worker.admin.parted(worker.table)
    if parted:
        named = ", ".join(f"{each.topic} has {each.found} partitions, not {each.wanted}" for each in parted)
        raise CannotStartError(f"{named}: a changed count parts messages from their ledger; make these topics anew")


async def read_orders(worker: Worker) -> None:
    """Read what was ordered before anything else is read: a pause holds from the first record on."""
    worker.control.follower.start()
    await worker.control.reader.read_to_end(remind_every=REMIND_EVERY_S)


async def recall_modes(worker: Worker) -> None:
    """Read since when the fleet is live, and say so if this worker changes it: events are judged by it."""
    worker.modes.follower.start()
    while not await worker.modes.follower.caught_up(REMIND_EVERY_S):
        log.warning("modes_unread", topic=topics.MODES)
    await worker.modes.memory.record()


async def recall_keys(worker: Worker) -> None:
    """Read what is remembered of keys, so that a start during an outage can verify.

    If it takes too long the worker goes on; until it is read, records whose key isn't known wait.
    """
    worker.trust.memory.start()
    if not await worker.trust.memory.caught_up(worker.settings.jwks_recall_timeout):
        log.warning("keys_not_recalled", seconds=worker.settings.jwks_recall_timeout)


async def recall_breakers(worker: Worker) -> None:
    """Read which topics are held by their breakers, so that a restart doesn't let a bad deploy through again."""
    worker.breaking.memory.start()
    if not await worker.breaking.memory.caught_up(worker.settings.breaker_recall_timeout):
        log.warning("breakers_not_recalled", seconds=worker.settings.breaker_recall_timeout)


@dataclass(frozen=True, slots=True)
class Running:
    """Tasks that must not end before the worker does, and the one that starts Faust (until the first assignment).

    ``memory``: why a thread that reads the memory of keys or modes has ended; empty while they read.
    """

    background: Sequence[asyncio.Future[None]]
    starting: asyncio.Future[None]
    memory: Callable[[], str]


@contextlib.asynccontextmanager
async def started(worker: Worker) -> AsyncIterator[Running]:
    """The parts of a worker, running. On the way out: no new records, outputs confirmed, commits, then the rest."""
    for publisher in worker.publishers:
        publisher.start()
    trust = worker.trust
    trust.gate.apply()
    control = worker.control
    control.switches.apply()
    for dispatcher in worker.dispatchers:
        worker.app.add_dependency(dispatcher)
    running = Running(
        background=(
            asyncio.ensure_future(trust.key_sets.keep_fresh(partial(keys_fetched, worker))),
            *(asyncio.ensure_future(probe.run(trust.gate.apply)) for probe in trust.probe),
            asyncio.ensure_future(worker.probe.run()),
            asyncio.ensure_future(worker.heart.beat()),
            asyncio.ensure_future(worker.modes.memory.keep()),
            asyncio.ensure_future(worker.oldest.run()),
            asyncio.ensure_future(worker.backlog.run()),
            asyncio.ensure_future(worker.retention.run()),
            asyncio.ensure_future(control.switches.keep(lambda: control.follower.alive)),
        ),
        starting=asyncio.ensure_future(_start(worker)),
        memory=lambda: trust.memory.fault() or worker.modes.follower.fault(),
    )
    try:
        yield running
    finally:
        running.starting.cancel()
        await bounded(_stop(worker, running), worker.settings.shutdown_timeout)


def keys_fetched(worker: Worker) -> None:
    """What may go on after a fetch: records that waited for a key, and what the gate held."""
    worker.intake.look()
    worker.trust.gate.apply()


async def _start(worker: Worker) -> None:
    await worker.app.start()
    worker.health.started = True
    log.info("started", port=worker.listener.port, mode=worker.mode().mode, why=worker.mode().why)


async def _stop(worker: Worker, running: Running) -> None:
    # Dispatch first, and at once: it begins nothing more, and its calls have all the time that there is.
    finishing = [dispatcher.finish() for dispatcher in worker.dispatchers]
    await worker.app.stop()
    await asyncio.gather(*finishing)
    for publisher in worker.publishers:
        await publisher.stop(1.0)
    for task in running.background:
        task.cancel()
    await asyncio.gather(*running.background, running.starting, return_exceptions=True)
    await worker.trust.memory.stop()
    await worker.breaking.memory.stop()
    await worker.control.follower.stop()
    await worker.modes.follower.stop()
    await asyncio.to_thread(worker.writer.close, 1.0)
    await worker.listener.stop()
    worker.metrics.close()


async def bounded(ending: Coroutine[Any, Any, None], seconds: float) -> None:
    """Let a worker end in good order, but not for longer than it may take: what isn't committed is read again."""
    task = asyncio.ensure_future(ending)
    done, _ = await asyncio.wait({task}, timeout=seconds)  # not wait_for: that waits for the cancelled one to agree
    if not done:
        log.error("shutdown_timed_out", seconds=seconds)
        os._exit(CRASHED)
    await task


async def first_of(stop: asyncio.Event, worker: Worker, running: Running) -> str:
    """Wait for the end: empty after a signal, else why this worker can't go on."""
    loop = asyncio.get_running_loop()
    while not stop.is_set():
        for publisher in worker.publishers:
            if publisher.failed is not None and publisher.failed.done():
                return publisher.failed.result()
        why = ended(running) or next((each.failed for each in worker.dispatchers if each.failed), "")
        if why:
            return why
        if worker.app.crashed:
            return f"Faust crashed: {type(worker.app.crash_reason).__name__}"
        found = [watchdog.look(loop.time()) for watchdog in worker.watchdogs]
        worker.health.watchdog = "; ".join(fault for fault in found if fault)
        if worker.health.watchdog:
            return worker.health.watchdog
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), LOOK_EVERY_S)
    return ""


def ended(running: Running) -> str:
    """Which task or thread ended that should not have; empty if none."""
    if running.starting.done() and running.starting.exception() is not None:
        return f"Faust could not start: {type(running.starting.exception()).__name__}"
    for task in running.background:
        if task.done():
            return f"a background task ended with {type(task.exception()).__name__}"
    return running.memory()
