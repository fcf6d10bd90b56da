"""Holds and what is beside them, through real processes: a preflight, a drop in place, time left, and its incident."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson
import pytest

from streams import topics
from tests.integration.test_end_to_end import comcenter, receipts
from tests.waiting import eventually
from tests.world import ISSUER, Centre, WorkerProcess

pytestmark = [pytest.mark.best_broker, pytest.mark.timeout(180)]

WHY = ("--reason", "a test")
SOON = {
    # Some three seconds of the seven days, instead of four fifths of them.
    "HELD_WARN_AT": "0.000005",
    "HELD_LOOK_EVERY": "0.5",
}
TOPIC = topics.DISPATCH_TRANSACTIONAL


def incidents(centre: Centre) -> list[dict[str, Any]]:
    return [orjson.loads(record.value or b"") for record in centre.read(topics.INCIDENTS)]


def seconds_left(worker: WorkerProcess) -> float | None:
    pattern = rb'^comcenter_held_retention_seconds\{topic="comms.dispatch.transactional"\} (\S+)$'
    shown = re.search(pattern, worker.get("/metrics")[2], re.MULTILINE)
    return None if shown is None else float(shown[1])


def test_what_is_held_near_the_end_of_its_time_is_one_incident_over_a_takeover_and_is_over_after_the_release(
    centre: Centre,
) -> None:
    """Told by whoever has partition 0; every worker shows the seconds; `flags` says it beside the order."""
    first, second = (each.wait_ready() for each in [centre.worker(**SOON), centre.worker(**SOON)])
    assert comcenter(centre, "flags", "set", "DISABLE_SEND", "true", *WHY).returncode == 0
    centre.produce([centre.event("held"), centre.event("late")])
    eventually(lambda: len(incidents(centre)) == 1, what="the incident")
    eventually(lambda: None not in (seconds_left(first), seconds_left(second)), what="the metric")
    assert 600_000 < (seconds_left(first) or 0) < 604_800
    (opened,) = incidents(centre)
    assert (opened["kind"], opened["phase"], opened["topic"]) == ("held_retention", "open", TOPIC)
    assert opened["holds"] == ["kill_switch"]

    teller = next(one for one in (first, second) if f"-{one.process.pid}-" in opened["worker"])
    teller.terminate()
    assert teller.exit_code(10) == 0
    other = first if teller is second else second
    eventually(lambda: "dispatch_assigned" in other.log.read_text("utf-8"), what="the takeover")
    told = comcenter(centre, "flags").stdout
    assert f"{TOPIC}: 2 records wait at most" in told
    assert "kept for 167h59m more" in told
    assert [one["incident"] for one in incidents(centre)] == [opened["incident"]]

    flight = json.loads(comcenter(centre, "release", "all", "--drop", "--dry-run", "--json").stdout)["preflight"]
    assert (flight["messages"], flight["fates"], flight["complete"]) == (2, {"recalled": 2}, True)
    assert receipts(centre) == {}
    released = json.loads(comcenter(centre, "release", "all", "--drop", *WHY, "--json").stdout)
    assert released["preflight"]["fates"] == {"recalled": 2}
    assert released["workers"]["complete"]
    eventually(lambda: len(receipts(centre)) == 2, what="both receipts")
    assert {(one["state"], one["reason"]) for one in receipts(centre).values()} == {("suppressed", "recalled")}
    eventually(lambda: len(incidents(centre)) == 2, what="its end")
    assert {one["incident"] for one in incidents(centre)} == {opened["incident"]}
    assert incidents(centre)[-1]["phase"] == "cleared"
    eventually(lambda: seconds_left(other) is None, what="the metric to end")
    assert "held_retention" in other.log.read_text("utf-8")


def test_a_resume_says_what_waits_in_every_step_and_what_becomes_of_it(centre: Centre) -> None:
    """In a dry run, which is final; what is before dispatch is counted by records."""
    centre.worker().wait_ready()
    assert comcenter(centre, "pause", "dispatch", *WHY).returncode == 0
    centre.produce([centre.event("one")])
    eventually(lambda: f"{ISSUER}/one" in centre.ids(TOPIC), what="what is rendered")
    assert comcenter(centre, "pause", *WHY).returncode == 0
    centre.produce([centre.event("two")])

    def waiting() -> bool:
        """One event, which a fetch under way may have taken a step on; the other's commit comes later."""
        flight.update(json.loads(comcenter(centre, "resume", "--dry-run", "--json").stdout)["preflight"])
        return [one["records"] for one in flight["waiting"]] == [1]

    flight: dict[str, Any] = {}
    eventually(waiting, what="one event before dispatch")
    assert (flight["messages"], flight["fates"]) == (1, {"held": 1}), "the pause of dispatch still stands"
    assert flight["waiting"][0]["topic"] in (f"events.{ISSUER}", topics.RENDER)
    told = comcenter(centre, "resume", "dispatch", *WHY).stdout
    assert "1 messages of stage:dispatch wait" in told
    assert "still held" in told
    assert receipts(centre) == {}
    told = comcenter(centre, "resume", *WHY).stdout
    assert "1 end as simulated" in told
    eventually(lambda: len(receipts(centre)) == 2, what="both receipts")
