from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml  # no stubs; it comes with yamllint
from typer.testing import CliRunner

from schemas.compat import rules, waivers
from streams.cli.main import app
from streams.cli.schema_command import Format
from tests.schemas.repositories import Repository

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/schema-check.md").read_text("utf-8")
V10 = b"""{
  "type": "object",
  "properties": {
    "name": { "type": "string", "maxLength": 100 },
    "nick": { "type": "string" }
  },
  "required": ["name"],
  "additionalProperties": false
}
"""
V11 = V10.replace(b"100", b"50").replace(b'"nick": { "type": "string" }', b'"age": { "type": "integer" }')


def fenced(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_the_example_of_the_page_is_what_the_command_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = Repository(tmp_path)
    repository.commit({"events/welcome/1.0.json": V10})
    repository.write({"events/welcome/1.1.json": V11})
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["schema", "check", "--against", "git:HEAD"])
    assert fenced("text") == [result.stdout]


def test_the_page_names_every_rule_and_every_format() -> None:
    known = {*rules.BY_NAME, *rules.FILE_RULES}
    named = {name for row in re.findall(r"^\| (`.*?) \|", section("Rules"), re.MULTILINE) for name in row.split(", ")}
    assert {name.strip("`") for name in named if name != "rule"} == known
    assert set(re.findall(r"^\| `(\w+)` \|", section("Formats"), re.MULTILINE)) == set(Format)


def test_the_waiver_of_the_page_is_one() -> None:
    (shown,) = fenced("toml")
    assert len(waivers.read(shown)) == 1


def test_the_page_uses_the_inputs_and_the_hook_that_exist() -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    steps, repos = (yaml.safe_load(each) for each in fenced("yaml"))
    assert set(steps["steps"][1]["with"]) <= set(action["inputs"])
    (shown,) = re.findall(r"^Inputs: (.*?)\.", PAGE, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", shown)) == set(action["inputs"])
    assert [hook["id"] for hook in repos["repos"][0]["hooks"]] == [hook["id"] for hook in hooks]
