from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from schemas.compat import waivers
from schemas.compat.check import check
from schemas.compat.verdict import Finding, Mode, Verdict
from schemas.compat.waivers import Waiver, WaiverError
from tests.schemas.trees import event, tree

TODAY = date(2026, 11, 24)
V10, V11 = "events/welcome/1.0.json", "events/welcome/1.1.json"


def findings(newer: Any) -> tuple[Finding, ...]:
    base = {V10: event({"type": "string", "pattern": "^a$"})}
    return check(tree(base), tree({**base, V11: event(newer)}), Mode.BACKWARD).findings


UNPROVED = findings({"type": "string", "pattern": "^[ab]$"})
INCOMPATIBLE = findings({"type": "integer"})


def waiver(fingerprint: str, expires: date) -> Waiver:
    return Waiver(fingerprint=fingerprint, reason="looked at", expires=expires, line=3)


def test_a_waived_finding_does_not_count_to_the_end_of_its_last_day() -> None:
    left = waivers.apply(UNPROVED, [waiver(UNPROVED[0].fingerprint, TODAY)], today=TODAY)
    assert left.findings == ()
    assert [(each.finding, each.waiver.reason) for each in left.waived] == [(UNPROVED[0], "looked at")]
    assert left.notes == ()


def test_an_expired_waiver_fails_beside_the_finding() -> None:
    left = waivers.apply(UNPROVED, [waiver(UNPROVED[0].fingerprint, date(2026, 11, 23))], today=TODAY)
    assert [each.rule for each in left.findings] == ["not_proved", "waiver_expired"]
    expired = left.findings[1]
    assert (expired.place.file, expired.place.line, expired.verdict) == ("waivers.toml", 3, Verdict.FORBIDDEN)
    assert "2026-11-23" in expired.message
    assert left.waived == ()


def test_what_an_instance_shows_can_not_be_waived() -> None:
    left = waivers.apply(INCOMPATIBLE, [waiver(INCOMPATIBLE[0].fingerprint, TODAY)], today=TODAY)
    assert left.findings == INCOMPATIBLE
    assert left.waived == ()
    assert "counterexample" in left.notes[0]


@pytest.mark.parametrize("expires", [TODAY, date(2020, 1, 1)])
def test_a_waiver_of_nothing_is_a_note_and_no_failure(expires: date) -> None:
    """Once the change is in the base the finding is gone; builds must not begin to fail some day for a leftover."""
    left = waivers.apply((), [waiver("0123456789abcdef", expires)], today=TODAY)
    assert left.findings == ()
    assert "remove it" in left.notes[0]


def test_a_file_of_waivers_is_read_with_its_lines() -> None:
    text = '# why\n[[waiver]]\nfingerprint = "f"\nreason = "r"\nexpires = 2027-01-31\n\n[[waiver]]\n'
    text += 'fingerprint = "g"\nreason = "s"\nexpires = 2027-02-28\n'
    assert [(each.fingerprint, each.line) for each in waivers.read(text)] == [("f", 2), ("g", 7)]
    assert waivers.read("") == ()


WHOLE = 'fingerprint = "f"\nreason = "r"\nexpires = 2027-01-31\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[waiver]", "not TOML"),
        ('[[waiver]]\nfingerprint = "f"\nexpires = 2027-01-31\n', "reason"),
        ('[[waiver]]\nfingerprint = "f"\nreason = ""\nexpires = 2027-01-31\n', "reason"),
        ('[[waiver]]\nfingerprint = "f"\nreason = "r"\n', "expires"),
        ('[[waiver]]\nfingerprint = "f"\nreason = "r"\nexpires = "2027-01-31"\n', "expires"),
        ('[[waiver]]\nfingerprint = "f"\nreason = "r"\nexpires = 2027-01-31T00:00:00Z\n', "expires"),
        (f"[[waiver]]\n{WHOLE}until = 1\n", "until"),
        (f"[waiver]\n{WHOLE}", "[[waiver]]"),
        ("[[waver]]\n", "[[waiver]]"),
    ],
)
def test_an_entry_that_is_not_whole_is_named_with_what_to_write(text: str, says: str) -> None:
    with pytest.raises(WaiverError) as caught:
        waivers.read(text)
    assert "waivers.toml" in str(caught.value)
    assert says in str(caught.value)
