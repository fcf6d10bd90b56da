"""Fault 20: dead letters outlive a retention pass although their event is old; a worker's clock is 5 minutes wrong."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streams import topics
from tests.brokers.choose import KAFKA
from tests.brokers.jars import KafkaUnavailable
from tests.brokers.kafka import KafkaBroker
from tests.conftest import SessionBrokers
from tests.faults.clock import SHIFT
from tests.faults.fates import assert_fates
from tests.faults.rate import Pace, assert_cap
from tests.faults.scene import ONE_KILL, Scene
from tests.waiting import eventually
from tests.world import INBOUND, Centre

pytestmark = [pytest.mark.faults, pytest.mark.fault(20), pytest.mark.timeout(400)]
OFTEN: Final = {"log.retention.check.interval.ms": "1000", "log.initial.task.delay.ms": "1000"}
OLD: Final = timedelta(days=3, hours=1)
"""Beyond the retention of dead letters, by the event's own time."""
LETTERS: Final = 15
"""Fewer than make a breaker open (BREAKER_MIN_SAMPLE)."""
PACE: Final = Pace(factor=4, cap=60)
WRONG_S: Final = 300


@pytest.fixture
def tidy(brokers: SessionBrokers, topic_prefix: str, tmp_path: Path) -> Iterator[Centre]:
    """A deployment on a node that looks for expired records every second."""
    node, missing = KafkaBroker(settings=OFTEN), ""
    try:
        node.start()
    except KafkaUnavailable as error:
        missing = str(error)
    if missing:
        brokers.lacks(KAFKA, missing)
    made = Centre(node.bootstrap, topic_prefix, tmp_path).set_up()
    yield made
    made.stop_workers()
    made.stop_auth()
    node.stop()


def lows(centre: Centre, name: str) -> int:
    """How many records of a topic the broker has deleted."""
    return sum(centre.ends(name).values()) - len(centre.read(name))


def by_producers_time(centre: Centre, name: str) -> None:
    """A topic as the dead letters', but for whose time counts."""
    letters = next(topic for topic in topics.OWN if topic.name == topics.DEAD_LETTER)
    config = replace(letters, clock=topics.Clock.PRODUCER).config()
    admin = AdminClient({"bootstrap.servers": centre.bootstrap})
    full = centre.prefix + name
    admin.create_topics([NewTopic(full, 1, 1, config=config)])[full].result(20)


def test_a_dead_letter_is_kept_from_when_it_became_one(tidy: Centre) -> None:
    """The same records by their producer's time are gone after the pass, which shows that there was one."""
    then = datetime.now(UTC) - OLD
    old_ms = int(then.timestamp() * 1000)
    tidy.worker().wait_ready()
    by_producers_time(tidy, "other")
    with tidy.producer() as producer:
        for number in range(LETTERS):
            event = tidy.event(f"old-{number}", recipient=None, occurred_at=then.isoformat(timespec="seconds"))
            for topic in (INBOUND, "other"):
                producer.produce(tidy.prefix + topic, key=b"student-7", value=event.value, timestamp=old_ms)
    eventually(lambda: sum(tidy.ends(topics.DEAD_LETTER).values()) == LETTERS, what="the dead letters")

    took = eventually(lambda: lows(tidy, "other") == LETTERS, seconds=90, every=1, what="a retention pass")
    time.sleep(3)

    letters = tidy.read(topics.DEAD_LETTER)
    print(f"fault 20: by their producer's time {LETTERS} gone after {took:.0f} s; dead letters kept {len(letters)}")
    assert len(letters) == LETTERS
    assert lows(tidy, topics.DEAD_LETTER) == 0


def test_workers_whose_clocks_are_wrong_keep_the_cap_and_send_once(scene: Scene) -> None:
    """Five minutes ahead twice, then behind, each taking over from one that was killed."""
    assert scene.centre.auth is not None
    service = scene.centre.auth.service  # else gate 1 is RED to the one that is behind: its token comes from the future
    service.issued_ago_s, service.lifetime_s = WRONG_S + 100, 2 * WRONG_S + 400
    scene.centre.extra.update(PACE.environment())
    events, calls, begun = scene.fill(300), scene.provider.calls, []
    for shift in (WRONG_S, WRONG_S, -WRONG_S):
        before = len(calls)
        worker = scene.worker(**{SHIFT: str(shift)}).wait_ready()
        time.sleep(PACE.span_s * 1.5 + scene.rng.random())
        worker.kill()
        begun.append(len(calls) - before)
    most = assert_cap(list(calls), PACE)
    scene.worker(RATE_LIMIT_ENABLED="false")
    found = scene.all_ended(events)
    print(
        f"fault 20 (clocks +5, +5, -5 min; durations / {PACE.factor:g}): calls {begun}, at most {most} in "
        f"{PACE.window_s:g} s (cap {PACE.cap}); {found.line()}"
    )
    assert all(count >= PACE.cap // 2 for count in begun), "a wrong clock stopped a worker"
    assert_fates(scene.centre, found, may_park=3 * ONE_KILL)
