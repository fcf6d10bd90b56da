"""Fault 6: SIGSTOP the owner beyond the session timeout, then SIGCONT. It can write nothing more to the ledger."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from tests.faults.fates import PARKED, assert_fates
from tests.faults.scene import ONE_KILL, Scene
from tests.waiting import eventually
from tests.world import SHORT, WorkerProcess

pytestmark = [pytest.mark.faults, pytest.mark.fault(6), pytest.mark.timeout(300)]
EVENTS = 120
SESSION_S = float(SHORT["KAFKA_SESSION_TIMEOUT"])
ONE = {"DISPATCH_CONCURRENCY": "1"}
"""One recipient, so one partition and one owner; one call at a time, so one late call at most."""

Stop = Callable[[Scene], tuple[WorkerProcess, str, Callable[[], None]]]
"""Stops the owner; returns it, the dispatch id that it has at hand, and what lets that go on."""


def before_its_call(scene: Scene) -> tuple[WorkerProcess, str, Callable[[], None]]:
    """It has looked at the gate for the last time, and not yet called."""
    point = scene.provider.checkpoint("begin", scene.rng.randrange(EVENTS // 10, EVENTS // 2))
    point.wait(90)
    owner = scene.with_pid(point.pid)
    owner.process.send(signal.SIGSTOP)
    return owner, point.ids[0], point.go.set


def within_its_call(scene: Scene) -> tuple[WorkerProcess, str, Callable[[], None]]:
    """The provider has the call, and answers while the owner is stopped."""
    provider, nth = scene.provider, scene.rng.randrange(EVENTS // 10, EVENTS // 2)
    eventually(lambda: len(provider.calls) >= nth, seconds=90, every=0.01, what="some calls")
    provider.hold()
    eventually(lambda: bool(provider.held), seconds=20, every=0.01, what="a call whose answer is held")
    call = provider.held[0]
    owner = scene.with_pid(call.pid)
    owner.process.send(signal.SIGSTOP)
    provider.let_go()
    return owner, call.dispatch_id, lambda: None


def play(scene: Scene, composition: str, stop: Stop) -> None:
    scene.provider.latency_s = 0.05
    events = scene.fill_one(EVENTS)
    for worker in [scene.worker(composition, name, **ONE) for name in ("a", "b")]:
        worker.wait_ready()
    owner, at_hand, go = stop(scene)
    begun = list(scene.provider.calls)

    def taken_over() -> bool:
        return sum(call.pid != owner.process.pid for call in scene.provider.calls[len(begun) :]) > 3

    took = eventually(taken_over, seconds=90, what="a takeover")
    go()
    owner.process.send(signal.SIGCONT)

    found = scene.all_ended(events)
    late = {call.event_id for call in scene.provider.calls if call.dispatch_id == at_hand and call not in begun}
    fenced = scene.seen(owner, "owner_fenced")()
    print(
        f"fault 6 ({composition}, stopped {stop.__name__.replace('_', ' ')}): at {round(100 * len(begun) / EVENTS)} %, "
        f"taken over after {took:.1f} s (session timeout {SESSION_S:g} s), "
        f"late calls {len(late)}, fenced {'seen' if fenced else 'not seen'}; {found.line()}"
    )
    assert_fates(scene.centre, found, may_park=1)
    assert fenced, "the old owner was not fenced"
    assert all(PARKED in found.ends[event_id] for event_id in late), "a late call is not reported"
    assert owner.process.running


@pytest.mark.parametrize("stop", [before_its_call, within_its_call], ids=lambda stop: stop.__name__)
def test_an_owner_that_wakes_up_too_late_can_write_nothing_more(scene: Scene, stop: Stop) -> None:
    play(scene, "tells-of-begin", stop)


def test_an_owner_that_is_fenced_while_nobody_else_has_its_partition_ends_its_worker(scene: Scene) -> None:
    """The broker itself fences whoever leaves a transaction open for too long; the partition must not be left alone."""
    scene.provider.latency_s = 0.2
    events = scene.fill(EVENTS)
    worker = scene.worker("stalls", LEDGER_TIMEOUT="3").wait_ready()
    eventually(lambda: len(scene.provider.calls) > EVENTS // 4, every=0.01, what="some calls")
    worker.process.send(signal.SIGUSR1)

    code = worker.exit_code(90)
    scene.worker()
    found = scene.all_ended(events)

    fenced = scene.seen(worker, "owner_fenced")()
    print(f"fault 6 (fenced by the broker): exit {code}, fenced {'seen' if fenced else 'not seen'}; {found.line()}")
    assert fenced, "the broker did not fence it"
    assert code == 1, f"exit code {code}"
    assert_fates(scene.centre, found, may_park=ONE_KILL)


def test_planted_an_owner_that_nobody_fences_is_caught_by_the_oracle(scene: Scene) -> None:
    """It writes SENT behind the UNKNOWN of the one that took over."""
    with pytest.raises(AssertionError, match=r"ended in several ways|twice") as caught:
        play(scene, "planted-unfenced", before_its_call)
    print(f"fault 6 (planted): red, {str(caught.value).splitlines()[0]}")
