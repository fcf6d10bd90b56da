"""What can't be ordered is refused before anything is written, with what would do. No broker is ever asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from typer.testing import CliRunner, Result

from config import settings as config
from streams.cli.main import app
from streams.core.signing import kid_in
from streams.wiring.control import read_operators
from tests.builders import OPERATOR, private_key
from tests.builders import jwks as key_set

WHY = ("--reason", "a bad night")
THROW = ("flags", "set", "DISABLE_SEND", "true")


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """One operator, with the key at hand."""
    (tmp_path / "nora.json").write_bytes(key_set({"op": private_key("EdDSA", OPERATOR)}))
    (tmp_path / "operators.toml").write_text(f'[{OPERATOR}]\njwks = "nora.json"\n', "utf-8")
    return {
        "ENVIRONMENT": "development",
        "KAFKA_BOOTSTRAP": "127.0.0.1:1",
        "OPERATORS_FILE": str(tmp_path / "operators.toml"),
        "CONTROL_SIGNING_KEY_FILE": str(pem(tmp_path, OPERATOR)),
    }


def pem(folder: Path, name: str) -> Path:
    file = folder / f"{name}.pem"
    file.write_bytes(private_key("EdDSA", name).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return file


def run(environ: dict[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env=environ)


WRONG: list[tuple[tuple[str, ...], str]] = [
    (("flags", "set", "MODE", "live", *WHY), "no setting; there are: DISABLE_SEND"),
    (("flags", "set", "DISABLE_SEND", "yes", *WHY), "true or false"),
    (("flags", "set", "RATE_LIMIT_PER_MINUTE", "0", *WHY), "whole number"),
    (("flags", "set", "LAUNCHED_AT", "today", *WHY), "RFC 3339"),
    (("flags", "set", "PAUSE", "true", "--scope", "channel:sms", *WHY), "PAUSE takes all or stage:"),
    ((*THROW, "--scope", "everything", *WHY), "is no scope"),
    ((*THROW, "--scope", "stage:ingest", *WHY), "DISABLE_SEND takes any scope of messages"),
    ((*THROW, "--reason", " "), "--reason"),
    ((*THROW, "--reason", "x" * 501), "--reason"),
    ((*THROW, "--expires", "soon", *WHY), "--expires"),
    (("flags", "set", "DROP", "true", "--expires", "1h", *WHY), "can't expire"),
    (("release", "all"), "--reason"),
    (("resume",), "--reason"),
    (("recall", "all", "--reason", ""), "--reason"),
    (("release", "all", "--drop", "--rerender", *WHY), "one of them"),
    (("release", "all", "--seconds", "0", *WHY), "--seconds"),
    (("template", "affected", "new_match@", "--since", "1h"), "a template is NAME or NAME@VERSION"),
    (("template", "affected", "new_match", "--since", "soon"), "--since"),
    (("template", "affected", "new_match"), "--since"),
    (("recall", "stage:ingest", *WHY), "DISABLE_SEND takes"),
    (("pause", "everything", *WHY), "everything"),
    (THROW, "--reason"),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG, ids=[" ".join(row[0])[:50] for row in WRONG])
def test_what_cannot_be_ordered_is_a_mistake_of_usage(
    environ: dict[str, str], arguments: tuple[str, ...], words: str
) -> None:
    done = run(environ, *arguments)
    assert done.exit_code == 2
    assert words in " ".join(done.stderr.split())


def test_without_a_key_nothing_is_signed(environ: dict[str, str]) -> None:
    environ["CONTROL_SIGNING_KEY_FILE"] = ""
    done = run(environ, "pause", *WHY)
    assert (done.exit_code, "CONTROL_SIGNING_KEY_FILE is not set" in done.stderr) == (2, True)


def test_a_file_that_is_no_key_is_named(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "nothing.pem").write_bytes(b"nothing")
    environ["CONTROL_SIGNING_KEY_FILE"] = str(tmp_path / "nothing.pem")
    done = run(environ, "pause", *WHY)
    assert (done.exit_code, "CONTROL_SIGNING_KEY_FILE: not an unencrypted" in done.stderr) == (102, True)


def test_the_key_of_nobody_in_the_list_is_told_with_what_to_put_there(environ: dict[str, str], tmp_path: Path) -> None:
    """Its public half, and never the private one."""
    environ["CONTROL_SIGNING_KEY_FILE"] = str(pem(tmp_path, "mallory"))
    done = run(environ, "pause", *WHY)
    public = json.loads(key_set({"op": private_key("EdDSA", "mallory")}))["keys"][0]["x"]
    assert (done.exit_code, public in done.stderr) == (102, True)
    assert '"d"' not in done.stderr


def test_a_broker_that_does_not_answer_is_a_clear_error(environ: dict[str, str]) -> None:
    """And it doesn't say that nothing was ordered, which nobody can know."""
    done = run(environ, *THROW, *WHY)
    assert (done.exit_code, "not confirmed within 15 s, and perhaps ordered" in done.stderr) == (102, True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[nora", "can't be read"),
        ("nora = 1", "nora: must be a table"),
        ('[nora]\njwks = "none.json"', "nora.jwks"),
        ('[nora]\njwks = "nora.json"\nrole = "x"', "nora: must be a table"),
        ('[nora]\nkey = {kid = "a", kty = "oct", k = "AAAA"}', "nora: no usable key"),
        ("[nora]\nkey = {kid = 2026-01-01}", "nora.key: must be a JWK"),
        ('[nora]\njwks = "nora.json"\nuntil = "tomorrow"', "nora.until: must be a time"),
        ('[nora]\njwks = "nora.json"\nuntil = 2026-11-24T06:00:00', "nora.until: must be a time"),
        ('[nora]\njwks = "operators.toml"', "nora: the key set is unreadable"),
    ],
)
def test_an_operators_file_that_is_wrong_is_named(environ: dict[str, str], text: str, words: str) -> None:
    Path(environ["OPERATORS_FILE"]).write_text(text, "utf-8")
    done = run(environ, "flags")
    assert (done.exit_code, words in done.stderr) == (102, True), done.stderr


def test_a_key_may_stand_in_the_list_itself(tmp_path: Path) -> None:
    """As the shipped file shows it."""
    key = json.loads(key_set({"op": private_key("EdDSA", "omar")}))["keys"][0]
    inline = ", ".join(f'{name} = "{key[name]}"' for name in ("kid", "kty", "crv", "x"))
    listed = tmp_path / "listed.toml"
    listed.write_text(f"[omar]\nkey = {{ {inline} }}\n", "utf-8")
    known = read_operators(config.load(overrides={"operators_file": listed}))
    assert {name: kid_in(one.keys, private_key("EdDSA", "omar")) for name, one in known.items()} == {"omar": "op"}


def test_who_leaves_is_listed_with_when(environ: dict[str, str]) -> None:
    listed = Path(environ["OPERATORS_FILE"])
    listed.write_text('[nora]\njwks = "nora.json"\nuntil = 2026-11-24T06:00:00Z\n', "utf-8")
    known = read_operators(config.load(overrides={"operators_file": listed}))
    assert known[OPERATOR].until_ms == 1_795_500_000_000


def test_the_shipped_list_is_empty_and_its_example_is_good(tmp_path: Path) -> None:
    """Nobody can order until somebody is listed; what the comments show can be taken as it is."""
    shipped = config.load().operators_file
    assert read_operators(config.load()) == {}
    example = [line.removeprefix("# ") for line in shipped.read_text("utf-8").splitlines() if line.startswith("# ")]
    inline = example[example.index("[omar]") :]
    (tmp_path / "example.toml").write_text("\n".join(inline), "utf-8")
    assert set(read_operators(config.load(overrides={"operators_file": tmp_path / "example.toml"}))) == {"omar"}


def test_a_preflight_alone_needs_no_key_and_no_reason_but_a_broker(environ: dict[str, str]) -> None:
    environ["CONTROL_SIGNING_KEY_FILE"] = ""
    done = run(environ, "release", "all", "--dry-run")
    assert (done.exit_code, done.stdout) == (102, "")
    assert "CONTROL_SIGNING_KEY_FILE" not in done.stderr


def test_who_was_affected_can_not_be_told_without_a_broker(environ: dict[str, str]) -> None:
    environ["KAFKA_PROBE_TIMEOUT"] = "0.2"
    done = run(environ, "template", "affected", "new_match@1.1", "--since", "1h")
    assert (done.exit_code, "can't tell how far" in done.stderr, done.stdout) == (102, True, "")
