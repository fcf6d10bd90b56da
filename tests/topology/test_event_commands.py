"""`comcenter event validate` and `refused` as a producer runs them: what they print, and their exit codes."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from streams.cli.context import parse_hours
from streams.cli.main import app
from tests.builders import ISSUER, claims, event, token


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A producers file with the one issuer; the broker is never asked."""
    table = f'[{ISSUER}]\nservice = "{ISSUER}"\ntypes = ["new_match"]\njwks = "keys.json"\n'
    (tmp_path / "producers.toml").write_text(table, "utf-8")
    return {
        "ENVIRONMENT": "development",
        "PRODUCERS_FILE": str(tmp_path / "producers.toml"),
        "KAFKA_BOOTSTRAP": "127.0.0.1:1",
    }


def run(environ: dict[str, str], *arguments: str, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(app, ["event", *arguments], input=stdin, env=environ)


def fresh(*, issued: int = 0, expires: int = 300, **changes: Any) -> bytes:
    """Signed now; times in seconds from now."""
    now = int(time.time())
    return token(claims(iat=now + issued, exp=now + expires, **changes))


def encoded(body: dict[str, Any]) -> bytes:
    return json.dumps(body).encode()


def test_a_valid_event_ends_with_0_and_says_so(environ: dict[str, str]) -> None:
    done = run(environ, "validate", stdin=encoded(event()))
    assert (done.exit_code, done.stdout) == (0, "valid new_match 1.0\n")


def test_a_broken_event_ends_with_100_and_a_line_for_each_fault(environ: dict[str, str]) -> None:
    done = run(environ, "validate", stdin=encoded(event(data__details_url=None, data__match_score=101)))
    assert done.exit_code == 100
    assert done.stdout.splitlines() == [
        "schema_violation  /data: lacks `details_url`",
        "schema_violation  /data/match_score: more than maximum 100",
    ]


def test_a_good_token_ends_with_0_and_says_what_was_not_checked(environ: dict[str, str]) -> None:
    """As `sign` prints it, with its newline."""
    done = run(environ, "validate", stdin=fresh() + b"\n")
    assert done.exit_code == 0
    assert done.stdout.startswith("valid new_match 1.0, as a token (not checked")


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"aud": "scholarship_api"}, "token_audience  `aud` must contain `auto_com_center`"),
        ({"expires": 901}, "token_claims  `exp` must be after `iat`, by at most 900 s"),
        ({"issued": -1000, "expires": -500}, "token_expired  `exp` is before the record's append time"),
    ],
)
def test_a_bad_token_ends_with_100_and_the_reason(environ: dict[str, str], changes: dict[str, Any], line: str) -> None:
    done = run(environ, "validate", stdin=fresh(**changes))
    assert (done.exit_code, done.stdout.splitlines()) == (100, [line])


@pytest.mark.parametrize("stdin", [b"hello", b"[]", b"{", b"two words. And dots."])
def test_what_is_neither_event_nor_token_ends_with_2(environ: dict[str, str], stdin: bytes) -> None:
    done = run(environ, "validate", stdin=stdin)
    assert done.exit_code == 2
    assert "is not an event" in done.stderr


@pytest.mark.parametrize("stdin", [b"", b"\n", b" \t\r\n"])
def test_an_empty_file_is_neither_and_it_is_said_what_a_record_without_a_value_would_be(
    environ: dict[str, str], stdin: bytes
) -> None:
    done = run(environ, "validate", stdin=stdin)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "- is empty: give an event, or a signed token" in done.stderr
    assert "token_missing" in done.stderr


def test_half_a_token_is_a_malformed_one(environ: dict[str, str]) -> None:
    done = run(environ, "validate", stdin=fresh().rpartition(b".")[0])
    assert (done.exit_code, done.stdout.split()[0]) == (100, "token_malformed")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--issuer", "mallory"), f"there are: {ISSUER}"),
        (("--issuer", ISSUER, "--since", "yesterday"), "such as 90m or 24h"),
        (("--issuer", ISSUER, "--since", "0h"), "such as 90m or 24h"),
    ],
)
def test_refused_ends_with_2_when_it_was_asked_wrongly(
    environ: dict[str, str], arguments: tuple[str, ...], said: str
) -> None:
    """Before it looks for a broker."""
    done = run(environ, "refused", *arguments)
    assert done.exit_code == 2
    assert said in done.stderr


@pytest.mark.parametrize(
    ("text", "hours"), [("90m", 1.5), ("24h", 24), ("3d", 72), ("1800s", 0.5), ("2", 2), ("1.5", 1.5), (" 1h ", 1)]
)
def test_a_span_is_a_number_with_its_unit_or_a_number_of_hours(text: str, hours: float) -> None:
    """As `--since` takes it, here and in `comcenter explain`."""
    assert parse_hours(text) == pytest.approx(hours)


@pytest.mark.parametrize("text", ["", "h", "-1h", "0", "1w", "1h30m", "1e3", "\u0661h", "9999999h"])
def test_what_is_no_span_ends_with_2(text: str) -> None:
    with pytest.raises(typer.Exit) as ended:
        parse_hours(text)
    assert ended.value.exit_code == 2
