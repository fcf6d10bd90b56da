"""Three in the morning: a bad version of a template goes out, is stopped, rolled back, and the rest goes out mended.

Real workers on Kafka, the commands as an operator types them, and a mail server that keeps what it got.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from streams import topics
from streams.demo.sink import MailSink
from tests.builds import Build, build
from tests.integration.test_end_to_end import comcenter, receipts
from tests.waiting import eventually
from tests.world import Centre, Outgoing, WorkerProcess, example

pytestmark = [pytest.mark.best_broker, pytest.mark.timeout(180)]

WHY = ("--reason", "the subject is wrong")
BAD, GOOD, WRONG = "90.1", "90.2", "WRONG "
SCOPE = f"template:new_match@{BAD}"
STUDENTS = 27
CAP = {
    # Nine calls in any three seconds, so that there is time to stop it.
    "RATE_LIMIT_ENABLED": "true",
    "RATE_LIMIT_PER_MINUTE": "9",
    "RATE_WINDOW": "2",
    "DISPATCH_BEGIN_WITHIN": "1",
}


def told(centre: Centre, *arguments: str) -> dict[str, Any]:
    """What a command says as JSON, if it ends well."""
    done = comcenter(centre, *arguments, "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def signed(centre: Centre, student: int, event_type: str = "new_match", *, jti: str = "") -> Outgoing:
    """An event for a student with an address of their own; signed anew each time."""
    recipient = {**example(event_type)["recipient"], "id": f"student-{student}"}
    recipient["contacts"] = {"email": f"student-{student}@example.org"}
    made = centre.event(jti or f"{event_type}-{student}", event_type, recipient=recipient)
    return Outgoing(value=made.value, event_id=made.event_id, key=f"student-{student}".encode())


def reached(folder: Path) -> list[tuple[str, str]]:
    """Student and subject of every mail."""
    read = [message_from_bytes(file.read_bytes(), policy=policy.default) for file in folder.glob("*.eml")]
    return [(str(mail["To"]).partition("@")[0], str(mail["Subject"])) for mail in read]


@dataclass(slots=True, kw_only=True)
class Night:
    """What happens in that night. ``matches``: the events of which the bad version was made, by student."""

    centre: Centre
    sink: MailSink
    matches: dict[str, Outgoing] = field(default_factory=dict)
    got_it: set[str] = field(default_factory=set)

    def live(self, code: Build) -> list[WorkerProcess]:
        changes = {"MODE": "live", "DISABLE_SEND": "false", "SMTP_URL": self.sink.url, **CAP, **code.environ()}
        started = [self.centre.worker(**changes) for _ in range(2)]
        return [each.wait_ready() for each in started]

    def wrong(self) -> set[str]:
        """Who got the bad version."""
        return {student for student, subject in reached(self.sink.folder) if subject.startswith(WRONG)}

    def ended(self, events: Iterable[Outgoing], *, seconds: float = 30.0) -> None:
        wanted = {one.event_id for one in events}
        eventually(lambda: wanted <= set(receipts(self.centre)), seconds=seconds, what=f"the end of {sorted(wanted)}")

    def aside(self, count: int) -> None:
        """So many messages were set aside, however often they were moved round since."""
        eventually(lambda: len(set(self.centre.ids(topics.HELD["transactional"]))) == count, what=f"{count} set aside")

    def goes_wrong(self) -> None:
        self.matches = {f"student-{number}": signed(self.centre, number) for number in range(STUDENTS)}
        self.centre.produce(self.matches.values())
        eventually(lambda: bool(self.wrong()), what="the first wrong mail")

    def is_stopped(self) -> None:
        """By name and version: what has begun is over when the command says so, and everything else keeps going."""
        told(self.centre, "flags", "set", "DISABLE_SEND", "true", "--scope", SCOPE, *WHY)
        self.got_it = self.wrong()
        others = [signed(self.centre, number, "deadline_soon") for number in range(3)]
        self.centre.produce(others)
        self.ended(others)
        assert 0 < len(self.got_it) < STUDENTS
        assert self.wrong() == self.got_it

    def is_counted(self) -> None:
        """Who got it, who would, and how long that is kept."""
        held = STUDENTS - len(self.got_it)
        self.aside(held)
        affected = told(self.centre, "template", "affected", f"new_match@{BAD}", "--since", "1h", "--limit", "2")
        assert affected["counts"] == {"sent": len(self.got_it), "held": held}
        assert len(affected["messages"]) == 2
        (waiting,) = told(self.centre, "flags")["waiting"]
        assert (waiting["topic"], waiting["used"]) == (topics.HELD["transactional"], 0.0)

    def one_is_recalled(self) -> Outgoing:
        told(self.centre, "flags", "set", "DISABLE_SEND", "true", "--scope", "type:welcome", *WHY)
        greeting = signed(self.centre, 1, "welcome")
        self.centre.produce([greeting])
        self.aside(STUDENTS - len(self.got_it) + 1)
        assert told(self.centre, "recall", "type:welcome", *WHY)["preflight"]["fates"] == {"recalled": 1}
        self.ended([greeting])
        return greeting

    def is_rolled_back(self, old: Iterable[WorkerProcess], good: Build) -> None:
        self.live(good)
        for worker in old:
            worker.terminate()
            assert worker.exit_code(10) == 0

    def the_rest_goes_out(self) -> None:
        """What a dry run foretells is what the release does."""
        rest = {"rendered_again": STUDENTS - len(self.got_it)}
        assert told(self.centre, "release", SCOPE, "--rerender", "--dry-run")["preflight"]["fates"] == rest
        assert told(self.centre, "release", SCOPE, "--rerender", *WHY)["preflight"]["fates"] == rest
        self.ended(self.matches.values(), seconds=60)

    def are_sent_again(self, *events: Outgoing) -> list[Outgoing]:
        """Under new signatures; returns what came behind them, in the same partitions, and has ended."""
        again = [signed(self.centre, student_of(one), type_of(one)) for one in events]
        behind = [signed(self.centre, student_of(one), "deadline_soon", jti=f"behind {one.event_id}") for one in events]
        assert all(new.value != old.value for new, old in zip(again, events, strict=True))
        self.centre.produce([*again, *behind])
        self.ended(behind)
        return behind


def student_of(event: Outgoing) -> int:
    return int(event.event_id.rpartition("-")[2])


def type_of(event: Outgoing) -> str:
    return event.event_id.partition("/")[2].rpartition("-")[0]


def test_a_bad_template_is_stopped_counted_rolled_back_and_the_rest_goes_out_mended(
    centre: Centre, tmp_path: Path
) -> None:
    """Each student has one mail, the wrong one or the mended one; an event that is sent again changes nothing."""
    bad = build(tmp_path / "bad", "new_match", BAD, subject=WRONG)
    good = build(tmp_path / "good", "new_match", GOOD)
    outbox = tmp_path / "outbox"
    outbox.mkdir()
    with MailSink(outbox) as sink:
        night = Night(centre=centre, sink=sink)
        old = night.live(bad)
        night.goes_wrong()
        night.is_stopped()
        night.is_counted()
        recalled = night.one_is_recalled()
        night.is_rolled_back(old, good)
        night.the_rest_goes_out()
        before = Counter(centre.ids(topics.RECEIPTS))
        mended = next(event for student, event in night.matches.items() if student not in night.got_it)
        behind = night.are_sent_again(night.matches[min(night.got_it)], mended, recalled)

        assert Counter(centre.ids(topics.RECEIPTS)) == before + Counter(one.event_id for one in behind)
        found = Counter(student for student, subject in reached(outbox) if "match" in subject.lower())
        assert found == dict.fromkeys(night.matches, 1)
        assert night.wrong() == night.got_it
    ended = receipts(centre)
    assert ended[recalled.event_id]["state"] == "suppressed"
    assert Counter(version_of(ended[one.event_id]) for one in night.matches.values()) == {
        BAD: len(night.got_it),
        GOOD: STUDENTS - len(night.got_it),
    }
    assert centre.read(topics.DEAD_LETTER) == []
    story = comcenter(centre, "explain", mended.event_id).stdout
    assert f"new_match@{BAD}" in story
    assert f"new_match@{GOOD}" in story
    assert story.count("sent on email") == 1


def version_of(receipt: Mapping[str, Any]) -> str:
    return str(receipt["route"]["template_version"])
