"""The action, the pre-commit hook and our own CI step, run as shell on temporary repositories."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml  # no stubs; it comes with yamllint

from tests.schemas.repositories import WHO, Repository
from tests.schemas.trees import event

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
V10, V11, V12 = (f"events/welcome/{version}.json" for version in ("1.0", "1.1", "1.2"))
STR, INT = {"type": "string"}, {"type": "integer"}


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A search path on which `comcenter` is this tree's."""
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin/comcenter"
    command.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m streams.cli.main "$@"\n')
    command.chmod(0o755)
    return f"{command.parent}:{os.environ['PATH']}"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    (tmp_path / "repository").mkdir()
    made = Repository(tmp_path / "repository")
    made.commit({V10: event(STR)})
    return made


def run_action(at: Path, path: str, **inputs: str) -> tuple[int, str]:
    """The steps one after the other, as GitHub runs them: a fresh shell each, stop at the first that fails."""
    values = {f"inputs.{name}": inputs.get(name, each["default"]) for name, each in ACTION["inputs"].items()}
    values |= {"github.action_path": str(ROOT), "runner.temp": str(at.parent / "temp")}
    printed = ""
    for step in ACTION["runs"]["steps"]:
        assert step["shell"] == "bash"
        assert "${{" not in step["run"], "an input within a script could be a script"
        environment = {
            name: re.sub(r"\$\{\{ ([\w.]+) \}\}", lambda found: values[found[1]], value)
            for name, value in step["env"].items()
        }
        done = subprocess.run(  # noqa: S603 - the steps of our own file
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],  # noqa: S607 - as GitHub does
            env={"PATH": path, "GITHUB_PATH": str(at.parent / "github_path"), **environment},
            cwd=at,
            capture_output=True,
            text=True,
            check=False,
        )
        printed += done.stdout + done.stderr
        if done.returncode:
            return done.returncode, printed
    return 0, printed


def test_the_action_fails_on_a_breaking_change_and_annotates_the_line(repository: Repository, path: str) -> None:
    repository.commit({V11: event(INT)})
    status, printed = run_action(repository.top, path)
    assert status == 100
    assert "::error file=schemas/events/welcome/1.1.json,line=5,title=type_narrowed" in printed


def test_the_action_passes_on_a_compatible_change(repository: Repository, path: str) -> None:
    repository.commit({V11: event({"type": ["string", "null"]})})
    status, printed = run_action(repository.top, path)
    assert status == 0
    assert "::error" not in printed
    assert printed.startswith("passed")


def test_the_action_deepens_a_shallow_checkout(repository: Repository, path: str, tmp_path: Path) -> None:
    """`actions/checkout` fetches one commit, unless told otherwise."""
    repository.commit({V11: event(INT)})
    clone = repository.cloned(tmp_path / "clone", depth=1).parent
    assert run_action(clone, path)[0] == 100


@pytest.mark.parametrize("against", ["git:origin/release", "git:release"])
def test_the_action_fetches_a_branch_to_compare_with(
    repository: Repository, path: str, tmp_path: Path, against: str
) -> None:
    repository.git("branch", "release")
    repository.commit({V11: event(STR)})
    repository.commit({V12: event(INT)})
    clone = repository.cloned(tmp_path / "clone", depth=1).parent
    status, printed = run_action(clone, path, against=against)
    assert status == 100
    assert "1.0%2C 1.1 → 1.2" in printed


def test_the_action_ends_with_102_where_the_ref_can_not_be_had(repository: Repository, path: str) -> None:
    status, printed = run_action(repository.top, path, against="git:origin/nowhere", sarif="report.sarif")
    assert status == 102
    assert "git knows no `origin/nowhere`" in printed
    assert not (repository.top / "report.sarif").exists()


def test_the_action_writes_sarif_where_asked(repository: Repository, path: str) -> None:
    repository.commit({V11: event(INT)})
    status, _ = run_action(repository.top, path, sarif="report.sarif")
    (run,) = json.loads((repository.top / "report.sarif").read_text("utf-8"))["runs"]
    assert status == 100
    assert [result["ruleId"] for result in run["results"]] == ["type_narrowed"]


def test_the_action_passes_its_mode_on(repository: Repository, path: str) -> None:
    repository.commit({V11: event({"type": ["string", "null"]})})
    assert run_action(repository.top, path, mode="FULL")[0] == 100


def test_an_input_of_the_action_is_never_a_command(repository: Repository, path: str) -> None:
    repository.commit({})
    status, _ = run_action(repository.top, path, against='git:$(touch hacked)`touch hacked`"; touch hacked; "')
    assert status == 102
    assert not (repository.top / "hacked").exists()


def committing(repository: Repository, path: str, at: Path, *, hook: str) -> int:
    hooks = repository.top.parent / "hooks"
    hooks.mkdir(exist_ok=True)
    (hooks / "pre-commit").write_text(f"#!/bin/sh\n{hook}\n")
    (hooks / "pre-commit").chmod(0o755)
    command = ["git", *WHO, "-c", f"core.hooksPath={hooks}", "-C", str(at), "commit", "--quiet", "--all", "-m", "m"]
    return subprocess.run(command, env={**os.environ, "PATH": path}, capture_output=True, check=False).returncode  # noqa: S603 - git


def test_the_hook_stops_a_commit_that_breaks_readers(repository: Repository, path: str) -> None:
    (hook,) = HOOKS
    assert not hook["pass_filenames"]
    assert re.search(hook["files"], f"schemas/{V11}")
    repository.write({V11: event(INT)})
    repository.git("add", "--all")
    assert committing(repository, path, repository.top, hook=hook["entry"]) == 1
    repository.write({V11: event({"type": ["string", "null"]})})
    assert committing(repository, path, repository.top, hook=hook["entry"]) == 0


def test_the_hook_works_in_a_second_worktree(repository: Repository, path: str, tmp_path: Path) -> None:
    """There git hands its own variables to hooks."""
    repository.git("worktree", "add", "--quiet", "-b", "other", str(tmp_path / "other"))
    (tmp_path / "other/schemas" / V10).write_text(json.dumps(event(INT)))
    assert committing(repository, path, tmp_path / "other", hook=HOOKS[0]["entry"]) == 1


def test_the_hook_lets_the_first_commit_pass(tmp_path: Path, path: str) -> None:
    (tmp_path / "repository").mkdir()
    fresh = Repository(tmp_path / "repository")
    fresh.write({V10: event(STR)})
    fresh.git("add", "--all")
    assert committing(fresh, path, fresh.top, hook=HOOKS[0]["entry"]) == 0


def own_step(at: Path, path: str) -> tuple[int, str]:
    (at / ".ci").mkdir(exist_ok=True)
    (at / ".ci/schemas").write_bytes((ROOT / ".ci/schemas").read_bytes())
    command = ["bash", str(at / ".ci/schemas"), "comcenter"]
    done = subprocess.run(command, env={"PATH": path}, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    return done.returncode, done.stdout


def test_our_own_ci_compares_with_the_previous_commit(repository: Repository, path: str) -> None:
    repository.commit({V11: event(INT)})
    status, printed = own_step(repository.top, path)
    assert status == 100
    assert "type_narrowed" in printed


def test_our_own_ci_says_so_where_there_is_no_previous_commit(
    repository: Repository, path: str, tmp_path: Path
) -> None:
    """The first commit, a shallow clone, and a tree without git."""
    repository.commit({V11: event(INT)})
    clone = repository.cloned(tmp_path / "clone", depth=1).parent
    bare = tmp_path / "bare"
    bare.mkdir()
    (tmp_path / "first").mkdir()
    first = Repository(tmp_path / "first")
    first.commit({V10: event(STR)})
    for at in (clone, bare, first.top):
        status, printed = own_step(at, path)
        assert (status, "nothing was compared" in printed) == (0, True), at
