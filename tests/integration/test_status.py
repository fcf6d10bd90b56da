"""The fleet on one screen, from real workers: what waits and for how long, who is there, and who fell silent."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from typing import Any

import pytest

from streams import topics
from streams.core.messages import Category
from streams.status.page import WIDTH
from tests.integration.test_end_to_end import comcenter, receipts
from tests.waiting import eventually
from tests.world import INBOUND, Centre, Outgoing, WorkerProcess

pytestmark = [pytest.mark.best_broker, pytest.mark.timeout(180)]

ONE, TWO = Category.TRANSACTIONAL, Category.PROMOTIONAL
WHY = ("--reason", "a test")


def status(centre: Centre, *, code: int = 0) -> dict[str, Any]:
    done = comcenter(centre, "status", "--json")
    assert done.returncode == code, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def told(centre: Centre) -> dict[str, Any]:
    """Whatever it finds."""
    done = comcenter(centre, "status", "--json")
    assert done.returncode in (0, 100), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def backlog(found: dict[str, Any], category: Category) -> dict[str, Any]:
    return next(one for one in found["backlog"] if one["category"] == category)


def metric(worker: WorkerProcess, name: str) -> dict[str, float]:
    """By the labels as they stand."""
    lines = worker.get("/metrics")[2].decode().splitlines()
    found = (line.rpartition(" ") for line in lines if line.startswith(name))
    return {labels.removeprefix(name): float(value) for labels, _, value in found}


def test_two_workers_a_backlog_under_the_cap_a_switch_and_one_that_is_killed(centre: Centre) -> None:
    """In a dry run, which spends the cap as well."""
    centre.extra |= {"RATE_LIMIT_ENABLED": "true", "RATE_LIMIT_PER_MINUTE": "10", "BACKLOG_LOOK_EVERY": "0.5"}
    centre.extra |= {"HEARTBEAT_EVERY": "0.5", "HEARTBEAT_GONE_AFTER": "4"}
    first, second = [each.wait_ready() for each in (centre.worker(), centre.worker())]

    def all_owned() -> bool:
        workers = told(centre)["workers"]
        owned = sorted((name, part) for one in workers for name, parts in one["partitions"].items() for part in parts)
        return owned == [(TWO, 0), (ONE, 0), (ONE, 1), (ONE, 2)] and not any(one["reading"] for one in workers)

    eventually(all_owned, what="every partition told once")
    assert status(centre)["findings"] == []
    centre.produce(centre.events_to_many(60))
    eventually(lambda: len(receipts(centre)) == 10, what="the first window spent")

    def counted() -> bool:
        found = told(centre)
        lagging = next(one["records"] for one in found["lag"] if one["topic"] == topics.DISPATCH[ONE])
        return (backlog(found, ONE)["waiting"], lagging) == (50, 50)

    eventually(counted, what="what waits")
    found = status(centre)
    here = backlog(found, ONE)
    assert (here["units"], here["room"], here["aside"], here["eta_why"]) == (10, 0, 0, "")
    assert 5 * 62 <= here["eta_s"] <= 12 * 62, "the slowest partition decides"
    assert (
        sum(metric(each, "comcenter_waiting")[f'{{topic="{topics.DISPATCH[ONE]}"}}'] for each in (first, second)) == 50
    )
    etas = [metric(each, "comcenter_backlog_eta_seconds")[f'{{category="{ONE}"}}'] for each in (first, second)]
    assert max(etas) == here["eta_s"]
    assert sum(metric(each, "comcenter_rate_units")[f'{{category="{ONE}"}}'] for each in (first, second)) == 10
    assert next(one["records"] for one in found["lag"] if one["topic"] == INBOUND) == 0

    assert comcenter(centre, "flags", "set", "DISABLE_SEND", "true", *WHY).returncode == 0
    held = status(centre)
    assert (backlog(held, ONE)["eta_s"], backlog(held, ONE)["eta_why"]) == (None, "held")
    assert {(one["topic"], one["reason"]) for one in held["holds"]} == {
        (name, "kill_switch") for name in topics.DISPATCH.values()
    }
    assert [one["reason"] for one in held["orders"]] == ["a test"]
    assert all(one["orders_applied"] >= 1 for one in held["workers"])

    second.kill()
    eventually(lambda: len(told(centre)["silent"]) == 1, what="the one that was killed to be missed")
    lines = comcenter(centre, "status").stdout.splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert any(f"-{second.process.pid}-" in line for line in lines if "NEEDS A PERSON" in line)


def test_without_a_worker_the_rest_is_told_all_the_same(centre: Centre) -> None:
    """And that nobody is there needs a person."""
    centre.produce([centre.event("waits")])
    found = status(centre, code=100)
    assert [finding.partition(":")[0] for finding in found["findings"]] == ["no worker is heard"]
    assert (found["workers"], found["gate1"]) == ([], "RED")
    assert found["dead_letters"] == {"count": 0, "more": False, "last_day": {}, "seconds_left": None}
    assert all(one["records"] >= 0 for one in found["lag"])


def test_dead_letters_are_counted_by_reason_with_what_is_left_of_the_oldest(centre: Centre) -> None:
    centre.worker().wait_ready()
    centre.produce([centre.event("bad", event_type="welcome", version="9.9"), centre.event("good")])
    eventually(lambda: told(centre)["dead_letters"]["count"] == 1, what="the dead letter")
    letters = told(centre)["dead_letters"]
    assert list(letters["last_day"].values()) == [1]
    assert 71 * 3600 < letters["seconds_left"] <= 72 * 3600


def test_watching_goes_on_until_it_is_interrupted_and_ends_well(centre: Centre) -> None:
    command = [sys.executable, "-m", "streams.cli.main", "status", "--watch", "0.5", "--json"]
    environment = {"PATH": "/usr/bin:/bin", **centre.environ()}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as watching:  # noqa: S603 - ours
        assert watching.stdout is not None
        seen = [json.loads(watching.stdout.readline()) for _ in range(3)]
        watching.send_signal(signal.SIGINT)
        assert watching.wait(20) == 0
    assert [one["at"] for one in seen] == sorted(one["at"] for one in seen)


def test_a_topic_that_is_never_quiet_is_read_to_its_end(centre: Centre) -> None:
    """As ``comms.workers`` of many workers: no fetch is ever empty."""
    centre.produce([Outgoing(value=b"x", key=b"one")], topic=topics.WORKERS)
    over = threading.Event()

    def chatter() -> None:
        with centre.producer(**{"linger.ms": 0}) as producer:
            while not over.wait(0.05):
                producer.produce(centre.prefix + topics.WORKERS, key=b"one", value=b"x")
                producer.poll(0)

    talking = threading.Thread(target=chatter)
    talking.start()
    try:
        eventually(lambda: len(centre.read(topics.WORKERS, seconds=10)) > 20, what="more of it")
    finally:
        over.set()
        talking.join()
