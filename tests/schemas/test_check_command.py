from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from streams.cli.main import app
from tests.schemas.repositories import Repository
from tests.schemas.trees import event

STR, INT = {"type": "string"}, {"type": "integer"}
V10, V11 = "events/welcome/1.0.json", "events/welcome/1.1.json"
CLOSED = {"type": "object", "properties": {"name": STR, "nick": STR}, "additionalProperties": False}
WITHOUT_NICK = {**CLOSED, "properties": {"name": STR}}
WITH_MORE = {**CLOSED, "properties": {"name": STR, "nick": STR, "age": INT}}
PATTERN = {"type": "string", "pattern": "^a$"}
OTHER_PATTERN = {"type": "string", "pattern": "^[ab]$"}


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """One published version, and the current directory at the top."""
    (tmp_path / "repository").mkdir()
    made = Repository(tmp_path / "repository")
    made.commit({V10: event(CLOSED)})
    monkeypatch.chdir(made.top)
    return made


def check(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["schema", "check", *arguments])


def test_a_breaking_change_ends_with_100_and_reads_as_an_explanation(repository: Repository) -> None:
    repository.write({V11: event(WITHOUT_NICK)})
    result = check("--against", "git:HEAD")
    assert result.exit_code == 100
    assert "schemas/events/welcome/1.1.json:6: incompatible property_removed" in result.stdout
    assert "1.1 refuses what 1.0 allows: `nick` is no longer known, and the model is closed" in result.stdout
    assert 'instance    {"data":{"nick":"x"}}' in result.stdout
    assert "refused     at /data by `additionalProperties`" in result.stdout
    assert "way out     keep it as an optional property" in result.stdout
    assert "\x1b" not in result.stdout


def test_a_compatible_change_ends_with_0(repository: Repository) -> None:
    repository.write({V11: event(WITH_MORE)})
    result = check("--against", "git:HEAD")
    assert result.exit_code == 0
    assert result.stdout == "passed: schemas against git:HEAD, BACKWARD_TRANSITIVE: compared 1, found 0, waived 0\n"


def test_the_mode_decides_who_must_read_whom(repository: Repository) -> None:
    repository.write({V11: event(WITH_MORE)})
    assert check("--against", "git:HEAD", "--mode", "FORWARD").exit_code == 100
    assert check("--against", "git:HEAD", "--mode", "FULL_TRANSITIVE").exit_code == 100
    assert check("--against", "git:HEAD", "--mode", "SIDEWARD").exit_code == 2


def test_an_edited_published_file_ends_with_100(repository: Repository) -> None:
    repository.commit({V10: event(WITH_MORE)})
    result = check("--against", "git:HEAD^")
    assert result.exit_code == 100
    assert "schemas/events/welcome/1.0.json:13: forbidden published_file_changed" in result.stdout
    assert check("--against", "git:HEAD").exit_code == 0


def test_a_removed_version_ends_with_100(repository: Repository) -> None:
    repository.write({"events/other/1.0.json": event(STR), V10: None})
    result = check("--against", "git:HEAD")
    assert result.exit_code == 100
    assert "version_removed" in result.stdout


def test_branches_tags_and_commits_are_refs_and_an_option_is_none(repository: Repository) -> None:
    commit = repository.git("rev-parse", "HEAD").strip()
    repository.git("tag", "v1")
    for ref in ("main", "v1", commit, commit[:10], "HEAD"):
        assert check("--against", f"git:{ref}").exit_code == 0, ref
    assert check("--against", "git:--help").exit_code == 102
    assert check("--against", "git:").exit_code == 102


@pytest.mark.usefixtures("repository")
def test_an_unknown_ref_ends_with_102_and_says_what_to_do() -> None:
    result = check("--against", "git:origin/nowhere")
    assert result.exit_code == 102
    assert result.stderr == (
        "comcenter: git knows no `origin/nowhere` here; fetch it first (git fetch origin), or name another\n"
    )
    assert result.stdout == ""


def test_in_a_shallow_clone_the_fetch_depth_is_named(repository: Repository, tmp_path: Path) -> None:
    repository.commit({V11: event(WITH_MORE)})
    folder = str(repository.cloned(tmp_path / "clone", depth=1))
    result = check(folder, "--against", "git:HEAD^")
    assert result.exit_code == 102
    assert "shallow, with a fetch depth of 1" in result.stderr
    assert "fetch-depth: 0" in result.stderr
    assert check(folder, "--against", "git:HEAD").exit_code == 0


def test_a_ref_without_the_folder_makes_everything_new(repository: Repository) -> None:
    repository.git("rm", "-r", "--quiet", "schemas")
    repository.commit({})
    repository.write({V10: event(CLOSED)})
    result = check("--against", "git:HEAD")
    assert result.exit_code == 0
    assert "everything is new" in result.stdout


def test_a_base_folder_that_is_not_there_makes_everything_new(repository: Repository, tmp_path: Path) -> None:
    result = check("--against", str(tmp_path / "published"))
    assert result.exit_code == 0
    assert f"note: there is no {tmp_path}/published: everything is new" in result.stdout
    assert repository.folder.exists()


def test_two_folders_are_compared_without_git(tmp_path: Path) -> None:
    for name, files in {"old": {V10: event(CLOSED)}, "new": {V10: event(CLOSED), V11: event(WITHOUT_NICK)}}.items():
        for path, document in files.items():
            (tmp_path / name / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / path).write_text(json.dumps(document))
    assert check(str(tmp_path / "new"), "--against", str(tmp_path / "old")).exit_code == 100
    assert check(str(tmp_path / "old"), "--against", str(tmp_path / "old")).exit_code == 0


def test_outside_a_repository_a_ref_ends_with_102(tmp_path: Path) -> None:
    (tmp_path / "events").mkdir()
    result = check(str(tmp_path), "--against", "git:HEAD")
    assert result.exit_code == 102
    assert "git" in result.stderr


@pytest.mark.parametrize(
    ("content", "says"), [(b"{", "not JSON"), ({"type": "strnig"}, "not a schema"), (b"\xff", "not JSON")]
)
def test_what_can_not_be_loaded_ends_with_102(repository: Repository, content: Any, says: str) -> None:
    repository.write({V11: content})
    result = check("--against", "git:HEAD")
    assert result.exit_code == 102
    assert "schemas: events/welcome/1.1.json" in result.stderr
    assert says in result.stderr


@pytest.mark.parametrize("folder", ["nowhere", "README.md", "empty"])
def test_a_folder_without_schemas_ends_with_102(repository: Repository, folder: str) -> None:
    """A check of nothing must not pass for one that found nothing."""
    (repository.top / "README.md").write_text("x")
    (repository.top / "empty").mkdir()
    result = check(folder, "--against", "git:HEAD")
    assert result.exit_code == 102
    assert "name the" in result.stderr


@pytest.mark.usefixtures("repository")
def test_without_a_base_it_is_a_usage_error() -> None:
    assert check().exit_code == 2


def test_files_with_odd_names_are_read_from_git(repository: Repository) -> None:
    repository.commit({"events/b\u00fccher sale/1.0.json": event(STR)})
    repository.write({"events/b\u00fccher sale/1.1.json": event(INT)})
    result = check("--against", "git:HEAD")
    assert result.exit_code == 100
    assert "b\u00fccher sale 1.0 → 1.1" in result.stdout


def test_a_waiver_lets_an_unproved_change_pass_until_it_expires(repository: Repository) -> None:
    repository.commit({V10: event(PATTERN)})
    repository.write({V11: event(OTHER_PATTERN)})
    assert check("--against", "git:HEAD").exit_code == 100
    (finding,) = document(check("--against", "git:HEAD", "--format", "json"))["findings"]
    assert finding["verdict"] == "unproved"

    waiver = f'[[waiver]]\nfingerprint = "{finding["fingerprint"]}"\nreason = "looked at"\nexpires = '
    repository.write({"waivers.toml": f"{waiver}2999-12-31\n".encode()})
    result = check("--against", "git:HEAD")
    assert result.exit_code == 0
    assert "waived: welcome 1.0 → 1.1, BACKWARD: not_proved" in result.stdout

    repository.write({"waivers.toml": f"{waiver}2020-01-31\n".encode()})
    result = check("--against", "git:HEAD")
    assert result.exit_code == 100
    assert "schemas/waivers.toml:1: forbidden waiver_expired" in result.stdout

    repository.write({"waivers.toml": b"[[waiver]]\n"})
    assert check("--against", "git:HEAD").exit_code == 102


def document(result: Result) -> Any:
    return json.loads(result.stdout)


def test_an_output_file_leaves_the_text_on_the_screen(repository: Repository, tmp_path: Path) -> None:
    repository.write({V11: event(WITHOUT_NICK)})
    file = tmp_path / "report.json"
    result = check("--against", "git:HEAD", "--format", "json", "--output", str(file))
    assert result.exit_code == 100
    assert json.loads(file.read_text("utf-8"))["passed"] is False
    assert "property_removed" in result.stdout
    assert check("--against", "git:HEAD", "--output", str(tmp_path / "none" / "x")).exit_code == 102


def test_as_a_process_of_its_own_it_behaves_the_same(repository: Repository) -> None:
    repository.write({V11: event(WITHOUT_NICK)})
    command = [
        sys.executable,
        "-m",
        "streams.cli.main",
        "schema",
        "check",
        str(repository.folder),
        "--against",
        "git:HEAD",
    ]
    done = subprocess.run(  # noqa: S603 - our own module
        command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False
    )
    assert done.returncode == 100
    assert "property_removed" in done.stdout
    assert done.stderr == ""


def test_the_rules_are_listed_with_an_example_each() -> None:
    shown = CliRunner().invoke(app, ["schema", "rules"])
    listed = json.loads(CliRunner().invoke(app, ["schema", "rules", "--json"]).stdout)
    assert shown.exit_code == 0
    assert len(listed["narrowing"]) + len(listed["files"]) >= 25
    for rule in [*listed["narrowing"], *listed["files"]]:
        assert f"\n{rule['name']}\n" in f"\n{shown.stdout}"
        assert rule["example"]
        assert rule["way_out"]
