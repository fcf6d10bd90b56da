"""Fault 5: SIGKILL after SENT. Outcome and offset are one transaction; a replay from the beginning is skipped."""

from __future__ import annotations

import pytest
from confluent_kafka import Consumer, TopicPartition

from streams import topics
from tests.faults.fates import assert_fates
from tests.faults.scene import ONE_KILL, Scene
from tests.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.fault(5), pytest.mark.timeout(300)]
EVENTS = 240
TOPIC = topics.DISPATCH_TRANSACTIONAL
GROUP = "dispatch.transactional"


def rewind(scene: Scene) -> int:
    """Set the group back to the beginning; returns how many records it will read again."""
    centre = scene.centre
    committed = {p: offset for (topic, p), offset in centre.committed(GROUP).items() if topic == TOPIC}
    consumer = Consumer({"bootstrap.servers": centre.bootstrap, "group.id": f"{centre.prefix}comcenter.{GROUP}"})
    try:
        beginning = [TopicPartition(centre.prefix + TOPIC, p, 0) for p in committed]
        consumer.commit(offsets=beginning, asynchronous=False)
    finally:
        consumer.close()
    return sum(committed.values())


def all_read(scene: Scene) -> bool:
    """Whether the group has committed as much as there is."""
    committed = scene.centre.committed(GROUP)
    return all(committed.get((TOPIC, p), 0) >= end for p, end in scene.centre.ends(TOPIC).items())


def test_a_replay_of_what_was_sent_is_skipped(scene: Scene) -> None:
    events = scene.fill(EVENTS)
    point = scene.provider.checkpoint("settled", scene.rng.randrange(6, 30))
    victim = scene.worker("tells-of-settled")
    point.wait(60)
    victim.kill()
    place = round(100 * len(scene.provider.calls) / EVENTS)
    settled = {call.event_id for call in scene.provider.calls if call.dispatch_id in point.ids}
    told = scene.fates(events)
    assert {word for event_id in settled for word in told.ends[event_id]} == {"sent"}, "SENT and receipt are one"

    second = scene.worker()
    found = scene.all_ended(events)
    assert_fates(scene.centre, found, may_park=ONE_KILL)
    eventually(lambda: all_read(scene), what="everything to be committed")
    second.terminate()
    assert second.exit_code(20) == 0
    again = rewind(scene)
    scene.worker()
    eventually(lambda: all_read(scene), seconds=60, what="everything to be read again")

    replayed = scene.fates(events)
    print(
        f"fault 5: killed after SENT at {place} %, {found.line()}; then {again} records read again from the beginning: "
        f"calls {replayed.calls.total()} as before, receipts {replayed.count('sent')}"
    )
    assert again >= EVENTS
    assert_fates(scene.centre, replayed, may_park=ONE_KILL)
    assert replayed.calls == found.calls
    assert replayed.ends == found.ends
