"""The mode of the fleet over time, as a worker writes and reads it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from adapters.kafka_log import Entry
from streams.core.flags import EffectiveMode
from streams.core.messages import Mode
from streams.core.mode_history import KEY
from streams.mode_memory import ModeMemory

LIVE, DRY = EffectiveMode(mode=Mode.LIVE), EffectiveMode(mode=Mode.DRY_RUN, why="inside the window")


class Log:
    """comms.modes: what is put is handed to its followers, at the broker's time."""

    def __init__(self) -> None:
        self.values: list[bytes] = []
        self.times: list[int] = []
        self.written = asyncio.Event()
        self.now_ms = 1_000
        self.followers: list[Callable[[Entry], None]] = []

    def put(self, topic: str, key: bytes, value: bytes | None) -> None:
        """Append."""
        assert (topic, key) == ("comms.modes", KEY)
        self.values.append(value or b"")
        self.times.append(self.now_ms)
        self.written.set()
        for follower in self.followers:
            follower(self._entry(len(self.values) - 1))

    def replay(self, memory: ModeMemory) -> None:
        """A worker that starts reads everything."""
        for offset in range(len(self.values)):
            memory.read(self._entry(offset))
        self.followers.append(memory.read)

    def _entry(self, offset: int) -> Entry:
        value, at_ms = self.values[offset], self.times[offset]
        return Entry(key=KEY, value=value, partition=0, offset=offset, timestamp_ms=at_ms, broker_time=True)


def worker(log: Log, mode: Callable[[], EffectiveMode], **more: float) -> ModeMemory:
    """One that has read the log."""
    memory = ModeMemory(log, mode, topic="comms.modes", worker="w1", build_id="b1", **more)
    log.replay(memory)
    return memory


def test_the_first_worker_in_live_says_so_and_only_what_comes_after_it_is_live() -> None:
    """A dry run's backlog is simulated for good."""

    async def play() -> None:
        log = Log()
        memory = worker(log, lambda: LIVE)

        await memory.record()

        assert memory.at(log.now_ms) is Mode.LIVE
        assert memory.at(log.now_ms - 1) is Mode.DRY_RUN

    asyncio.run(play())


def test_a_restart_in_live_writes_nothing_and_keeps_what_waited_live() -> None:
    """A deployment must not turn its backlog into a simulation."""

    async def play() -> None:
        log = Log()
        await worker(log, lambda: LIVE).record()
        log.now_ms += 60_000

        restarted = worker(log, lambda: LIVE)
        await restarted.record()

        assert len(log.values) == 1
        assert restarted.at(log.now_ms - 30_000) is Mode.LIVE

    asyncio.run(play())


def test_a_dry_run_in_between_is_remembered_after_live_again() -> None:
    """What came while nobody was to be sent anything is never sent."""

    async def play() -> None:
        log = Log()
        await worker(log, lambda: LIVE).record()
        log.now_ms = 5_000
        await worker(log, lambda: DRY).record()
        log.now_ms = 9_000
        memory = worker(log, lambda: LIVE)
        await memory.record()

        assert [memory.at(at_ms) for at_ms in (4_999, 5_000, 8_999, 9_000)] == [
            Mode.LIVE,
            Mode.DRY_RUN,
            Mode.DRY_RUN,
            Mode.LIVE,
        ]

    asyncio.run(play())


def test_a_worker_in_dry_run_sends_nothing_however_live_the_fleet_is() -> None:
    """The stricter of both counts."""

    async def play() -> None:
        log = Log()
        await worker(log, lambda: LIVE).record()
        dry = worker(log, lambda: DRY)

        assert dry.at(log.now_ms + 1) is Mode.DRY_RUN

    asyncio.run(play())


def test_a_window_that_ends_by_itself_is_recorded_while_the_worker_runs() -> None:
    """Nobody restarts a worker because 48 hours are over."""

    async def play() -> None:
        log, mode = Log(), [DRY]
        memory = worker(log, lambda: mode[0], look_every=0.001)
        await memory.record()
        keeping = asyncio.ensure_future(memory.keep())
        await asyncio.sleep(0)
        log.written.clear()

        mode[0] = LIVE
        log.now_ms = 7_000
        await asyncio.wait_for(log.written.wait(), 5)
        keeping.cancel()

        assert memory.history.last is Mode.LIVE
        assert memory.at(6_999) is Mode.DRY_RUN
        assert memory.at(7_000) is Mode.LIVE

    asyncio.run(play())


def test_a_record_that_can_not_be_read_changes_nothing() -> None:
    """Garbage on the topic makes nothing live and nothing dry."""

    async def play() -> None:
        log = Log()
        memory = worker(log, lambda: LIVE)
        await memory.record()

        log.put("comms.modes", KEY, b"\xff")

        assert memory.at(log.now_ms) is Mode.LIVE
        assert memory.history.last is Mode.LIVE

    asyncio.run(play())


def test_the_other_workers_hear_of_a_change() -> None:
    """In a roll-out from live to dry run, those that still run as live send nothing that comes from then on."""

    async def play() -> None:
        log = Log()
        old = worker(log, lambda: LIVE)
        await old.record()
        log.now_ms = 5_000

        await worker(log, lambda: DRY).record()

        assert old.at(5_000) is Mode.DRY_RUN
        assert old.at(4_999) is Mode.LIVE

    asyncio.run(play())
