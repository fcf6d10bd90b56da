"""`comcenter status` where it can't show anything, and how it draws: once, again and again, in a pipe."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from typer.testing import CliRunner

from adapters.kafka_admin import BrokerUnavailableError
from streams.cli import status_command
from streams.cli.main import app
from streams.status.facts import Facts
from streams.status.reading import StatusReader
from tests.status import facts, worker

ENVIRON = {"ENVIRONMENT": "development", "KAFKA_BOOTSTRAP": "127.0.0.1:1"}


def test_a_broker_that_does_not_answer_ends_it_with_what_to_do() -> None:
    done = CliRunner().invoke(app, ["status"], env=ENVIRON)
    assert done.exit_code == 102
    assert done.stderr.startswith("comcenter: no broker answers at 127.0.0.1:1")
    assert "check KAFKA_BOOTSTRAP and the network" in done.stderr
    assert done.stdout == ""


def test_seconds_without_watch_are_a_mistake_of_usage() -> None:
    done = CliRunner().invoke(app, ["status", "5"], env=ENVIRON)
    assert (done.exit_code, "SECONDS is for --watch" in done.stderr) == (2, True)


@pytest.mark.parametrize("arguments", [["status", "--watch", "0.1"], ["status", "--watch", "soon"]])
def test_how_often_is_a_number_that_spares_the_broker(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, arguments, env=ENVIRON).exit_code == 2


def test_an_operators_file_that_is_wrong_is_named(tmp_path: Path) -> None:
    (tmp_path / "operators.toml").write_text("[nora", "utf-8")
    done = CliRunner().invoke(app, ["status"], env=ENVIRON | {"OPERATORS_FILE": str(tmp_path / "operators.toml")})
    assert (done.exit_code, "operators.toml" in done.stderr) == (102, True)


class FakeReader:
    """Reads these facts in turn; what is an error is raised, and after the last one somebody presses Ctrl-C."""

    def __init__(self, *turns: Facts | Exception) -> None:
        self.turns: Iterator[Facts | Exception] = iter(turns)

    def read(self) -> Facts:
        found = next(self.turns, None)
        if found is None:
            raise KeyboardInterrupt
        if isinstance(found, Exception):
            raise found
        return found


def drawn(capsys: pytest.CaptureFixture[str], *turns: Facts | Exception, json_output: bool) -> tuple[str, str]:
    reader = cast("StatusReader", FakeReader(*turns))
    with pytest.raises(KeyboardInterrupt):
        status_command._again(reader, 0.0, json_output=json_output)
    shown = capsys.readouterr()
    return shown.out, shown.err


def test_watching_outlives_a_broker_that_is_away_for_a_while(capsys: pytest.CaptureFixture[str]) -> None:
    away = BrokerUnavailableError("no broker answers at kafka-1:9092")
    out, err = drawn(capsys, facts(worker()), away, facts(worker()), json_output=False)
    assert out.count("fine: nothing needs a person") == 2
    assert err == "comcenter: no broker answers at kafka-1:9092\n"


def test_in_a_pipe_there_is_no_escape_and_each_json_document_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = drawn(capsys, facts(worker()), facts(), json_output=False)
    assert "\x1b" not in out
    out, _ = drawn(capsys, facts(worker()), facts(), json_output=True)
    assert [bool(json.loads(line)["findings"]) for line in out.splitlines()] == [False, True]
