"""Fault 14: orders that can't be read, at the start and in mid-run. Nothing is sent while nobody can tell."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import pytest

from adapters.processes import HOST, free_ports
from tests.faults.fates import assert_fates
from tests.faults.proxy import FETCH, LIST_OFFSETS, BlackHoleProxy
from tests.faults.scene import Scene
from tests.faults.switch import BOUND_S, LOOK_S, Operator, all_dispatch
from tests.faults.worker import ORDERS_AT
from tests.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.fault(14), pytest.mark.timeout(300)]
EVENTS: Final = 1200
LATENCY_S: Final = 0.03
HOLE_S: Final = 4.0
LONG: Final = {"KAFKA_SESSION_TIMEOUT": "20", "DISPATCH_MAX_POLL_INTERVAL": "20"}
"""That the group finds the workers gone meanwhile is another fault."""
SLACK_S: Final = 0.1
"""What may lie between the last look and the call."""

Hole = Callable[[BlackHoleProxy], None]


def no_confirmations(proxy: BlackHoleProxy) -> None:
    """Records come, and nobody says where the end is."""
    proxy.drop_responses({LIST_OFFSETS})


def no_records(proxy: BlackHoleProxy) -> None:
    """The end is known, and what stands before it does not come; what was fetched before lies in full buffers."""
    proxy.drop_responses({FETCH})


def nothing_at_all(proxy: BlackHoleProxy) -> None:
    """No answer to anything."""
    proxy.black_hole()


def begun_after(scene: Scene, moment: float) -> float:
    """How long after it the last call began, in seconds."""
    return max((call.begun - moment for call in scene.provider.calls), default=0.0)


def from_the_start(scene: Scene, composition: str) -> None:
    """The switch is thrown, and the worker that comes can't read it; then one that can."""
    events = scene.fill(EVENTS // 10)
    scene.provider.latency_s = LATENCY_S
    operator = Operator.of(scene.centre)
    operator.switch(on=True)

    nowhere = f"{HOST}:{free_ports(1)[0]}"
    worker = scene.worker(composition, **{ORDERS_AT: nowhere})
    eventually(lambda: worker.get("/healthz")[0] == 200, seconds=40, what="it to live")
    time.sleep(2 * HOLE_S + scene.rng.random())
    ready, unread = worker.get("/readyz")[0], len(scene.provider.calls)
    worker.terminate()
    code = worker.exit_code(10)
    scene.worker().wait_ready()
    time.sleep(LOOK_S)
    thrown = len(scene.provider.calls) - unread
    operator.switch(on=False)
    found = scene.all_ended(events)

    print(f"fault 14 ({composition}, from the start): {unread} calls, /readyz {ready}, exit {code}; {found.line()}")
    assert unread == 0, f"{unread} calls were begun with the orders unread"
    assert thrown == 0, "a call began although the switch was thrown"
    assert (ready, code) == (503, 0)
    assert_fates(scene.centre, found, may_park=0)


def in_mid_run(proxy: BlackHoleProxy, scene: Scene, composition: str, hole: Hole) -> None:
    """The switch is thrown as soon as nobody can be sure of hearing it."""
    scene.centre.extra.update(LONG)
    events = scene.fill(EVENTS)
    scene.provider.latency_s = LATENCY_S
    for worker in [scene.worker(composition, name) for name in ("a", "b")]:
        worker.wait_ready()
    operator = Operator.of(scene.centre)
    all_dispatch(scene)
    time.sleep(scene.rng.random())

    hole(proxy)
    operator.switch(on=True)
    since, begun = time.monotonic(), len(scene.provider.calls)
    time.sleep(HOLE_S)
    late = begun_after(scene, since)
    proxy.heal()
    time.sleep(2 * LOOK_S)
    healed = begun_after(scene, since)
    operator.switch(on=False)
    found = scene.all_ended(events)

    print(
        f"fault 14 ({composition}, {hole.__name__.replace('_', ' ')}): at {round(100 * begun / EVENTS)} %, the last "
        f"call begun {max(late, 0):.2f} s after; {found.line()}"
    )
    assert late < BOUND_S + SLACK_S, f"a call began {late:.1f} s after the orders were out of reach"
    assert healed == late, "a call began although the switch was thrown"
    assert begun < EVENTS, "nothing was left to hold"
    assert_fates(scene.centre, found, may_park=0)


def test_a_worker_that_cannot_read_the_orders_begins_nothing(scene: Scene) -> None:
    from_the_start(scene, "watched")


@pytest.mark.parametrize("hole", [no_confirmations, no_records, nothing_at_all], ids=lambda hole: hole.__name__)
def test_a_second_after_the_orders_are_out_of_reach_nobody_calls(
    proxy: BlackHoleProxy, scene: Scene, hole: Hole
) -> None:
    in_mid_run(proxy, scene, "watched", hole)


def test_planted_a_worker_that_goes_by_what_it_knows_is_caught_at_the_start(scene: Scene) -> None:
    with pytest.raises(AssertionError, match="with the orders unread") as caught:
        from_the_start(scene, "planted-fails-open")
    print(f"fault 14 (planted): red, {str(caught.value).splitlines()[0]}")


def test_planted_a_worker_that_goes_by_what_it_knows_is_caught_in_mid_run(proxy: BlackHoleProxy, scene: Scene) -> None:
    with pytest.raises(AssertionError, match="out of reach") as caught:
        in_mid_run(proxy, scene, "planted-fails-open", no_records)
    print(f"fault 14 (planted): red, {str(caught.value).splitlines()[0]}")
