"""What the documentation names must exist: links, commands, metrics, settings, topics, reasons, places in the code."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import typer.main

from adapters.telemetry import METRICS
from config import document
from config.settings import Settings
from schemas.compat.verdict import Mode
from streams import topics
from streams.cli.main import app
from streams.core.reasons import Reason

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"(?<![\w./:-])comcenter(?: [^|;&#\n>]*)?(?=$|[|;&#\n>])", re.MULTILINE)
METRIC = re.compile(r"\bcomcenter_\w+")
SETTING = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+(?:_\*)?(?!\w)|\b[A-Z][A-Z0-9]+(?==)")
PLACE = re.compile(r"`((?:streams|adapters|config|schemas|tests)/[\w./]+\.py)(?:::([\w.]+))?`")

NOT_SETTINGS = {
    # Variables of make, of the compose file and of a shell.
    "PYTHON", "ONLY", "SEED", "REQUIRE", "PRODUCERS_FOLDER", "PATH",
    # Placeholders of command lines, codes of librdkafka, a constant of Java.
    "OWNER", "COMMIT", "EVENT_ID", "DISPATCH_ID", "ISSUER", "_MSG_TIMED_OUT", "MSG_TIMED_OUT", "UTF_8",
}  # fmt: skip


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def code(text: str) -> Iterator[str]:
    """The code of a page: what is fenced, and what stands between backticks elsewhere."""
    for fence in FENCE.finditer(text):
        yield fence[2]
    for span in SPAN.finditer(FENCE.sub("", text)):
        yield span[1]


def slugs(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands() -> list[tuple[str, str]]:
    """Every `comcenter …` that a page shows, with the page."""
    return [
        (name_of(page), found[0].strip())
        for page in PAGES
        for text in code(page.read_text("utf-8"))
        for found in COMMAND.finditer(text)
    ]


def values() -> set[str]:
    """The words that a setting may have as its value."""
    annotations = (field.annotation for field in Settings.model_fields.values())
    return {str(value) for kind in annotations if get_origin(kind) is Literal for value in get_args(kind)}


def exposed(name: str) -> str:
    """A metric of the table as `/metrics` names it."""
    return name + {"counter": "_total", "histogram": "_seconds", "gauge": ""}[METRICS[name].kind]


@pytest.fixture(scope="module")
def settings() -> set[str]:
    return {name.upper() for name in Settings.model_fields}


def test_the_page_of_settings_is_the_one_that_the_settings_make() -> None:
    """`make docs` mends it."""
    assert (ROOT / "docs/configuration.md").read_text("utf-8") == document.page()


def test_every_setting_stands_in_the_page_once() -> None:
    listed = [name for names in document.groups().values() for name in names]
    assert listed == list(Settings.model_fields)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    """To a file or folder of the repository, and to a heading where it names one."""
    for target in LINK.findall(FENCE.sub("", page.read_text("utf-8"))):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        assert place.exists(), f"{target}: no such file"
        assert place.is_relative_to(ROOT), f"{target}: outside the repository"
        assert not anchor or anchor in slugs(place), f"{target}: no such heading"


def test_every_command_that_is_shown_exists() -> None:
    """Down to its sub-command, its options and the number of its arguments."""
    shown = commands()
    assert len(shown) > 20, "the pattern finds what the pages show"
    for page, line in shown:
        fault = fault_of(line)
        assert not fault, f"{page}: `{line}`: {fault}"


def fault_of(line: str) -> str:
    """Why a command line can't be run; empty if it can."""
    command: Any = typer.main.get_command(app)
    words = shlex.split(line)[1:]
    while words and hasattr(command, "commands"):
        if words[0] not in command.commands:
            return f"there is no {words[0]}"
        command = command.commands[words.pop(0)]
    options = {name: param for param in command.params for name in (*param.opts, *param.secondary_opts)}
    given = 0
    while words:
        word = words.pop(0)
        if not word.startswith("--"):
            given += 1
        elif word not in options:
            return f"there is no {word}"
        elif not options[word].is_flag:
            words = words[1:]
    taken = sum(param.param_type_name == "argument" for param in command.params)
    return f"it takes {taken} arguments" if given > taken else ""


@pytest.mark.parametrize(
    "line", ["comcenter lag", "comcenter event sing", "comcenter demo --twice", "comcenter run now"]
)
def test_a_command_that_does_not_exist_is_found_out(line: str) -> None:
    assert fault_of(line)


def test_every_target_of_make_that_is_shown_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for page in PAGES:
        lines = [line for text in code(page.read_text("utf-8")) for line in text.splitlines()]
        shown = {
            word for line in lines for words in re.findall(r"\bmake((?: [a-z]+)+)", line) for word in words.split()
        }
        assert shown <= targets, name_of(page)


def test_every_metric_that_is_named_exists() -> None:
    known = {exposed(name) for name in METRICS}
    for page in PAGES:
        assert set(METRIC.findall(page.read_text("utf-8"))) <= known, name_of(page)


def test_every_metric_that_exists_is_described() -> None:
    described = set(METRIC.findall((ROOT / "docs/operations.md").read_text("utf-8")))
    assert {exposed(name) for name in METRICS} <= described


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_setting_that_is_named_exists(page: Path, settings: set[str]) -> None:
    known = settings | values() | NOT_SETTINGS | set(Mode)
    for text in code(page.read_text("utf-8")):
        for found in SETTING.findall(text):
            family = found.removesuffix("*")
            assert found in known or (family != found and any(name.startswith(family) for name in settings)), found


def test_every_refusal_is_described_in_the_contract() -> None:
    contract = (ROOT / "docs/contract.md").read_text("utf-8")
    rows = set(re.findall(r"^\| `(\w+)` \|", section(contract, "Refusals"), re.MULTILINE))
    assert rows == {reason.value for reason in Reason}


def test_the_table_of_topics_is_the_one_of_the_code() -> None:
    contract = (ROOT / "docs/contract.md").read_text("utf-8")
    rows = re.findall(r"^\| `\S+` \|.*$", section(contract, "Topics"), re.MULTILINE)
    assert rows == [row(topic) for topic in topics.table(["<service>"])]


def row(topic: topics.Topic) -> str:
    """A topic as the contract shows it."""
    hours = topic.retention_ms // topics.HOUR_MS
    kept = {72: "72 h", -1: "compact" if topic.cleanup == "compact" else "unlimited"}
    retention = kept.get(hours, f"{hours // 24} d")
    partitions = f"{topic.partitions}, fixed" if topic.fixed else str(topic.partitions)
    size = f"{topic.max_bytes // topics.MIB} MiB"
    return f"| `{topic.name}` | {topic.key} | {partitions} | {retention} | {topic.clock} | {size} |"


def section(text: str, title: str) -> str:
    """From a heading of the second level to the next one."""
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_place_in_the_code_that_is_named_exists(page: Path) -> None:
    """`file.py::name` or `file.py::Class.method`."""
    for path, name in PLACE.findall(page.read_text("utf-8")):
        file = ROOT / path
        assert file.is_file(), path
        assert not name or name in defined(file), f"{path}::{name}"


def defined(file: Path) -> set[str]:
    """Functions, classes and their methods."""
    names = set()
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            methods = (part for part in node.body if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef))
            names |= {f"{node.name}.{method.name}" for method in methods}
    return names
