"""`comcenter schema ls` and `validate`: lines for people, JSON for programs, exit codes for both."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from schemas import registry
from streams.cli.exits import Exit
from streams.cli.main import app

EVENT = "events/new_match/1.0.json"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """One shipped event type and what is common, free to be broken."""
    for part in ("common", "events/new_match"):
        shutil.copytree(registry.ROOT / part, tmp_path / part)
    return tmp_path


def test_the_command_lists_problems_and_ends_with_100(tree: Path) -> None:
    sound = json.loads((tree / EVENT).read_text("utf-8"))
    (tree / EVENT).write_text(json.dumps(sound | {"title": ""}), "utf-8")
    run = CliRunner().invoke(app, ["schema", "validate", str(tree)])
    assert run.exit_code == Exit.FINDINGS
    first, last = run.stdout.splitlines()
    assert first.startswith(f"{tree / EVENT}#/title: described: ")
    assert last == "4 files and 3 examples checked, 1 problems"


def test_the_command_says_the_same_as_json(tree: Path) -> None:
    (tree / EVENT).write_text("{", "utf-8")
    run = CliRunner().invoke(app, ["schema", "validate", str(tree), "--json"])
    assert run.exit_code == Exit.FINDINGS
    said = json.loads(run.stdout)
    assert [(problem["file"], problem["rule"]) for problem in said["problems"]] == [(EVENT, "json")]


def test_the_command_finds_nothing_wrong_with_what_is_shipped() -> None:
    run = CliRunner().invoke(app, ["schema", "validate"])
    assert run.exit_code == Exit.OK
    assert run.stdout.endswith(" checked, 0 problems\n")


def test_without_the_extra_the_command_says_what_to_install() -> None:
    """The reference validator is no part of what a worker needs."""
    code = "import sys; sys.modules['jsonschema'] = None; from streams.cli.main import main; main()"
    run = subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, "-c", code, "schema", "validate"], capture_output=True, text=True, check=False
    )
    assert run.returncode == Exit.CANNOT_LOAD
    assert run.stderr == "comcenter: this needs jsonschema: install the extra, auto-com-center[schemas]\n"


def test_no_schemas_at_all_cannot_be_checked(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        run = CliRunner().invoke(app, ["schema", "validate", str(folder)])
        assert run.exit_code == Exit.CANNOT_LOAD
        assert "no schemas" in run.stderr


def test_the_list_has_every_version_with_its_hash_and_examples() -> None:
    run = CliRunner().invoke(app, ["schema", "ls", "--json"])
    rows = {(row["type"], row["version"]): row for row in json.loads(run.stdout)}
    shipped = registry.load()
    assert set(rows) == {(name, version) for name, versions in shipped.events.items() for version in versions}
    assert rows["deadline_soon", "1.1"]["examples"] == 3
    assert all(len(row["sha256"]) == 64 for row in rows.values())
    lines = CliRunner().invoke(app, ["schema", "ls"]).stdout.splitlines()
    assert [line.split()[0] for line in lines] == sorted(name for name, _ in rows)
