"""Fault 11, in dispatch: a refusal has nowhere to go. The owner stops, exit 1; nothing is sent twice or lost."""

from __future__ import annotations

import pytest
from confluent_kafka.admin import AdminClient

from streams import topics
from streams.wiring.kafka import topic_admin
from tests.faults.fates import PARKED, assert_accounted, assert_dispatch_commit, assert_lawful, assert_once
from tests.faults.provider import TAKEN, Answer
from tests.faults.scene import ONE_KILL, Scene
from tests.waiting import eventually
from tests.world import AUTH, ISSUER

pytestmark = [pytest.mark.faults, pytest.mark.fault(11), pytest.mark.timeout(300)]
EVENTS = 200
LEDGER_S = 4.0


def test_without_a_place_for_refusals_the_worker_stops_and_loses_nothing(scene: Scene) -> None:
    """What was called and refused, and could not be written, is parked by the next."""
    centre, events = scene.centre, scene.fill(EVENTS)
    refused = {event.event_id for event in scene.rng.sample(events, EVENTS // 10)}
    scene.provider.answer = lambda call, _nth: Answer(status=400) if call.event_id in refused else TAKEN
    admin = AdminClient({"bootstrap.servers": centre.bootstrap})
    worker = scene.worker(LEDGER_TIMEOUT=str(LEDGER_S)).wait_ready()
    name = centre.prefix + topics.DEAD_LETTER
    admin.delete_topics([name])[name].result(20)

    code = worker.exit_code(120)
    place = round(100 * len(scene.provider.calls) / EVENTS)
    topic_admin(centre.settings(), centre.bootstrap).apply(topics.table([ISSUER, AUTH]))
    scene.worker().wait_ready()
    found = scene.all_ended(events)

    open_still = found.parked
    print(f"fault 11 (dispatch): at {place} %, exit {code}; afterwards {found.line()}, {PARKED} at most {ONE_KILL}")
    assert code == 1, f"exit code {code}"
    assert_once(found.calls)
    assert_accounted(found)
    assert_lawful(centre)
    assert_dispatch_commit(centre)
    assert open_still <= ONE_KILL
    eventually(lambda: found.count("provider_refused") + open_still >= len(refused), seconds=1, what="each refusal")
