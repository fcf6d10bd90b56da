"""For CI systems that show tests: JUnit XML, as Jenkins' `junit-10.xsd` describes it."""

from __future__ import annotations

import re
from typing import Final
from xml.etree import ElementTree as ET

from schemas.compat.verdict import Finding
from schemas.report.content import Report, details, title

_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 can't hold, not even escaped (https://www.w3.org/TR/xml/#charsets)."""


def render(report: Report) -> str:
    """A test case for each pair that is fine, each finding (failed) and each waived one (skipped)."""
    fine = [each for each in report.compared if each.verdict == "compatible"]
    counts: dict[str, str] = {
        "tests": str(len(fine) + len(report.findings) + len(report.waived)),
        "failures": str(len(report.findings)),
        "errors": "0",
    }
    suites = ET.Element("testsuites", {"name": "schema check", **counts})
    suite = ET.SubElement(suites, "testsuite", {"name": str(report.mode), **counts, "skipped": str(len(report.waived))})
    for each in fine:
        name = f"{each.older} → {each.newer}, {each.direction}"
        ET.SubElement(suite, "testcase", name=_clean(name), classname=_clean(each.subject))
    for finding in report.findings:
        failure = ET.SubElement(_case(suite, finding), "failure", type=finding.rule, message=_clean(finding.message))
        place = f"{report.path(finding)}:{finding.place.line}"
        failure.text = _clean("\n".join([place, *(f"{label}: {value}" for label, value in details(finding))]))
    for waived in report.waived:
        ET.SubElement(_case(suite, waived.finding), "skipped", message=_clean(waived.waiver.reason))
    ET.indent(suites)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(suites, encoding="unicode")}\n'


def _case(suite: ET.Element, finding: Finding) -> ET.Element:
    name = f"{title(finding)}: {finding.rule} at {finding.place.pointer or '/'}"
    return ET.SubElement(suite, "testcase", name=_clean(name), classname=_clean(finding.subject))


def _clean(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
