"""Fault 14: what stands on the topic of orders and is none, an order that is old, and a worker that stood still."""

from __future__ import annotations

import signal
import time
from collections import Counter
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from prometheus_client.parser import text_string_to_metric_families

from streams.core.control_token import LIFETIME_S
from streams.core.keyring import SKEW_S
from tests.faults.fates import assert_fates
from tests.faults.scene import Scene
from tests.faults.switch import BOUND_S, LOOK_S, all_dispatch
from tests.integration.test_control import append, log, token
from tests.integration.test_end_to_end import comcenter
from tests.waiting import eventually
from tests.world import Centre, WorkerProcess

pytestmark = [pytest.mark.faults, pytest.mark.fault(14), pytest.mark.timeout(300)]
EVENTS: Final = 1200
LATENCY_S: Final = 0.03
FACTOR: Final = 100
LATER_S: Final = 16 * 60 / FACTOR
"""A restart 16 minutes after the throw: the order's own time is long over by then."""
GOOD_FOR_S: Final = LIFETIME_S / FACTOR
LONG: Final = {"KAFKA_SESSION_TIMEOUT": "40", "DISPATCH_MAX_POLL_INTERVAL": "40"}
"""So that the worker that stood still has its partitions yet when it wakes."""
IGNORED: Final = Counter(
    token_malformed=1, token_missing=1, token_signature=2, token_issuer=1, token_expired=1, order_replayed=1
)


def short_lived(centre: Centre, jti: str, **claims: Any) -> bytes:
    """An order that may still be appended for three seconds, not five minutes; the allowance for clocks is used up."""
    exp = time.time() - SKEW_S + GOOD_FOR_S
    return token(centre, jti=jti, iat=exp - LIFETIME_S, exp=exp, **claims)


def forged(centre: Centre, value: bool, replay: bytes) -> list[bytes | None]:  # noqa: FBT001 - the order's value
    """Records that say so, and must not be obeyed: see `IGNORED`."""
    unsigned = token(centre, value=value, jti="unsigned").rpartition(b".")[0] + b"."
    stranger = token(centre, value=value, jti="stranger", key=Ed25519PrivateKey.generate())
    unlisted = token(centre, value=value, jti="unlisted", iss="mallory")
    old = token(centre, value=value, jti="old", aged_s=LIFETIME_S + SKEW_S + 40)
    return [b"garbage", None, unsigned, stranger, unlisted, old, replay]


def counted(worker: WorkerProcess) -> Counter[str]:
    """What the worker says it has ignored."""
    _, _, body = worker.get("/metrics")
    families = text_string_to_metric_families(body.decode())
    samples = (sample for family in families for sample in family.samples)
    return Counter({s.labels["reason"]: int(s.value) for s in samples if s.name == "comcenter_control_ignored_total"})


def play(scene: Scene, composition: str) -> None:
    centre, calls = scene.centre, scene.provider.calls
    events = scene.fill(EVENTS)
    scene.provider.latency_s = LATENCY_S
    a, b = [scene.worker(composition, name) for name in ("a", "b")]
    for worker in (a, b):
        worker.wait_ready()
    throw, release = token(centre, jti="throw-1"), token(centre, jti="release-1", value=False)
    append(centre, throw, release)
    all_dispatch(scene)

    append(centre, *forged(centre, value=True, replay=throw))
    eventually(lambda: all(counted(worker) == IGNORED for worker in (a, b)), seconds=10, what="all of it counted")
    all_dispatch(scene)
    append(centre, short_lived(centre, "throw-2"))
    thrown = time.monotonic()
    time.sleep(BOUND_S + LOOK_S)
    late = max(call.begun - thrown for call in calls)
    assert late < BOUND_S, f"a call began {late:.1f} s after the order"

    begun = len(calls)
    append(centre, *forged(centre, value=False, replay=release))
    eventually(
        lambda: all(counted(worker) == IGNORED + IGNORED for worker in (a, b)), seconds=10, what="all of it counted"
    )
    time.sleep(LOOK_S)
    assert len(calls) == begun, "what is no order let go"
    for worker in (a, b):
        worker.terminate()
        assert worker.exit_code(10) == 0
    time.sleep(max(thrown + LATER_S - time.monotonic(), 0))
    later = scene.worker(composition, "a").wait_ready()
    time.sleep(2 * LOOK_S)
    assert len(calls) == begun, "a restart forgot the order"
    assert counted(later) == IGNORED + IGNORED
    assert Counter("ignored" in one for one in log(centre)) == {True: 2 * IGNORED.total(), False: 3}

    append(centre, token(centre, jti="release-2", value=False))
    found = scene.all_ended(events)
    print(
        f"fault 14 ({composition}): {2 * IGNORED.total()} records ignored and counted, held through a restart "
        f"{LATER_S:g} s after the throw (16 min / {FACTOR}), at {round(100 * begun / EVENTS)} %; {found.line()}"
    )
    assert begun < EVENTS, "nothing was left to hold"
    assert_fates(centre, found, may_park=0)


def test_only_valid_orders_are_obeyed_and_one_that_is_old_still_holds_after_a_restart(scene: Scene) -> None:
    play(scene, "watched")


def test_planted_an_order_that_is_obeyed_twice_is_caught_by_the_oracle(scene: Scene) -> None:
    with pytest.raises(AssertionError, match=r"all of it counted|is no order") as caught:
        play(scene, "planted-obeys-twice")
    print(f"fault 14 (planted): red, {str(caught.value).splitlines()[0]}")


def test_a_worker_that_stood_still_is_named_and_calls_nobody_before_it_has_read(scene: Scene) -> None:
    """SIGSTOP, the switch, SIGCONT: "2 of 3; … silent" and 100; then it does as it is told."""
    centre, calls = scene.centre, scene.provider.calls
    centre.extra |= LONG | {"CONTROL_ANSWER_WITHIN": "3"}
    events = scene.fill(EVENTS)
    scene.provider.latency_s = LATENCY_S
    workers = [scene.worker(name=name) for name in ("a", "b", "c")]
    for worker in workers:
        worker.wait_ready()
    all_dispatch(scene)
    still = scene.rng.choice(workers)
    still.process.send(signal.SIGSTOP)
    try:
        thrown = comcenter(centre, "flags", "set", "DISABLE_SEND", "true", "--reason", "a fault")
    finally:
        begun, woke = len(calls), time.monotonic()
        still.process.send(signal.SIGCONT)
    time.sleep(2 * LOOK_S)

    after = [call for call in calls[begun:] if call.begun >= woke]
    again = comcenter(centre, "flags", "set", "AB_TESTING", "false", "--reason", "a fault")
    released = comcenter(centre, "release", "all", "--yes", "--reason", "a fault")
    found = scene.all_ended(events)
    told = thrown.stdout.splitlines()[-1]
    print(f"fault 14 (stood still): {told!r}, {len(after)} calls after it woke; {found.line()}")
    assert thrown.returncode == 100, thrown.stderr
    assert told.startswith("2 of 3; "), told
    assert f"-{still.process.pid}-" in told
    assert told.endswith(" silent")
    assert after == []
    assert begun < EVENTS, "nothing was left to hold"
    assert again.stdout.splitlines()[-1] == "3 of 3 workers applied"
    assert released.returncode == 0, released.stdout
    assert_fates(centre, found, may_park=0)
