"""Fault 7: three workers restarted in turn, under load and under the cap. The cap holds; nothing is lost."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Final

import pytest

from streams import topics
from tests.faults.fates import assert_fates
from tests.faults.rate import Pace, assert_cap, used
from tests.faults.scene import CONCURRENCY, ONE_KILL, PARTITIONS, Scene
from tests.waiting import eventually
from tests.world import Outgoing, WorkerProcess

pytestmark = [pytest.mark.faults, pytest.mark.fault(7), pytest.mark.timeout(900)]
PACE: Final = Pace(factor=4, cap=60)
SCALED: Final = {
    **PACE.environment(),
    "KAFKA_SESSION_TIMEOUT": "2.5",
    "KAFKA_HEARTBEAT_INTERVAL": "0.75",
    "GATE1_FRESH_FOR": "15",
}
NAMES: Final = ("a", "b", "c")
EVENTS: Final = 800
ENOUGH: Final = 300
LEAST_USED: Final = 0.9


def settled_assignment(scene: Scene) -> float:
    """When each partition's calls come from one worker, and no worker has none. Monotonic."""
    calls, begun = scene.provider.calls, len(scene.provider.calls)
    alive = {worker.process.pid for worker in scene.centre.workers if worker.process.running}
    eventually(
        lambda: {call.pid for call in calls[begun:]} >= alive, seconds=90, every=0.05, what="each worker to begin calls"
    )
    return time.monotonic()


def restart(scene: Scene, worker: WorkerProcess, name: str, composition: str, *, kill: bool) -> None:
    """In good order, or not; the next of that name follows at once."""
    if kill:
        worker.kill()
    else:
        worker.terminate()
        assert worker.exit_code(20) == 0
    scene.worker(composition, name).wait_ready()


def rolling(scene: Scene, composition: str, turns: Sequence[str], quiet_s: float) -> list[tuple[float, float]]:
    """Restart each in turn, the last one by SIGKILL. Returns the stretches without a rebalance, by monotonic time."""
    now = {name: scene.worker(composition, name) for name in NAMES}
    for worker in now.values():
        worker.wait_ready()
    quiet = []
    for turn, name in enumerate(turns):
        begun = settled_assignment(scene)
        time.sleep(quiet_s + scene.rng.random() * PACE.span_s / 4)
        quiet.append((begun, time.monotonic()))
        restart(scene, now[name], name, composition, kill=turn == len(NAMES))
        now[name] = scene.centre.workers[-1]
    begun = settled_assignment(scene)
    time.sleep(quiet_s)
    return [*quiet, (begun, time.monotonic())]


def left(scene: Scene) -> list[int]:
    """Messages not yet settled, by partition."""
    committed, topic = scene.centre.committed("dispatch.transactional"), topics.DISPATCH_TRANSACTIONAL
    return [end - committed.get((topic, p), 0) for p, end in sorted(scene.centre.ends(topic).items())]


def test_under_the_cap_a_rolling_restart_neither_exceeds_nor_wastes_it(scene: Scene) -> None:
    """All durations of the cap are a quarter: a window of 15 s, a call within 0.5 s of its INTENT."""
    scene.centre.extra.update(SCALED)
    events = scene.fill(EVENTS)

    quiet = rolling(scene, "watched", [*NAMES, NAMES[0]], PACE.span_s * 1.5)

    calls, waiting = list(scene.provider.calls), left(scene)
    most, use = assert_cap(calls, PACE), used(calls, quiet, PACE)
    by_name = Counter(call.worker for call in calls)
    print(
        f"fault 7 (durations / {PACE.factor:g}): {len(calls)} calls over 4 restarts, the last a SIGKILL; at most "
        f"{most} in {PACE.window_s:g} s (cap {PACE.cap}); by worker {dict(by_name)}; used {use.calls} of {use.units} "
        f"in {use.spans} spans without a rebalance ({use.share:.1%} of cap x 60/62); backlog then {waiting}"
    )
    assert all(waiting), "not every partition had a backlog to the end"
    assert set(by_name) == set(NAMES)
    assert len(calls) >= ENOUGH, "too few calls to mean anything"
    assert use.spans >= len(quiet)
    assert use.share >= LEAST_USED, f"{use.share:.1%} used"
    finish(scene, events)


def finish(scene: Scene, events: Sequence[Outgoing]) -> None:
    """Without the cap the rest goes out; then all must be accounted for."""
    scene.centre.stop_workers()
    scene.worker(RATE_LIMIT_ENABLED="false")
    found = scene.all_ended(events)
    print(f"fault 7: {found.line()}; parked of at most {ONE_KILL} ({CONCURRENCY} calls x {PARTITIONS} partitions)")
    assert_fates(scene.centre, found, may_park=ONE_KILL)
    assert found.count("sent") + found.parked == len(events)


def test_planted_a_cap_that_is_forgotten_on_takeover_is_caught_by_the_oracle(scene: Scene) -> None:
    scene.centre.extra.update(SCALED)
    scene.fill(EVENTS // 2)
    rolling(scene, "planted-forgets-the-cap", ["a"], PACE.span_s / 4)
    with pytest.raises(AssertionError, match="where the cap is") as caught:
        assert_cap(list(scene.provider.calls), PACE)
    print(f"fault 7 (planted): red, {str(caught.value).splitlines()[0]}")
