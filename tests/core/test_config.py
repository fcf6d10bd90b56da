"""Settings and `producers.toml`: everything that is wrong is named at once, and no secret shows anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from config import producers
from config.settings import ConfigError, Settings, load
from streams.core.control import NOTHING_ORDERED
from streams.core.messages import Category, Mode
from streams.holds import Holds
from streams.modes import conditions_clock, mode_clock

SECRET = "hunter2-s3cret"
NAMES = {name.upper() for name in Settings.model_fields}


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings read the environment: these tests begin without any of ours."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def wrong(values: Mapping[str, Any], *, for_worker: bool = False) -> str:
    """The one message about these settings."""
    with pytest.raises(ConfigError) as caught:
        load(for_worker=for_worker, overrides=values)
    return str(caught.value)


def test_the_defaults_are_a_dry_run_in_production() -> None:
    settings = load()
    assert (settings.production, settings.mode, settings.disable_send) == (True, "dry_run", True)
    assert (settings.host, settings.promo_sends) == ("127.0.0.1", False)


def test_the_environment_is_read_and_overrides_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9001")
    monkeypatch.setenv("HOST", "")  # empty counts as unset
    assert (load().port, load().host) == (9001, "127.0.0.1")
    assert load(overrides={"port": 9002}).port == 9002


BAD: list[tuple[str, Any]] = [
    ("environment", "staging"),
    ("mode", "maybe"),
    ("port", 65_536),
    ("port", "http"),
    ("launched_at", "2026-11-20T09:30:00"),  # no zone: whose midnight?
    ("launched_at", "soon"),
    ("disable_send", "perhaps"),
    ("commit_interval", 0),
    ("commit_interval", -1),
    ("commit_interval", "nan"),
    ("smtp_timeout", "fast"),
    ("kafka_security_protocol", "TLS"),
    ("topic_prefix", "a b"),
    ("topic_prefix", "a/b"),
    ("topic_prefix", "caf\u00e9."),  # a letter, and not one that Kafka takes
    ("topic_replication", "many"),
    ("publish_max_in_flight", 0),  # would let nothing out, without a word
    ("publish_max_in_flight", -5),
    ("jwks_max_bytes", 0),  # would refuse every key set
    ("producers_file", "/nowhere/producers.toml"),
    ("smtp_url", "mail.example.org"),
    ("smtp_url", "http://mail.example.org:25"),
    ("smtp_url", "smtp://mail.example.org"),
    ("smtp_url", "smtp://:25"),
    ("smtp_url", "smtp://mail.example.org:99999"),
    ("smtp_url", "smtp://user:pw@[::1"),
    ("kafka_heartbeat_interval", 9),
    ("dispatch_max_poll_interval", 1),
    ("breaker_run", 0),  # would hold every topic at once
    ("breaker_ratio", 0),
    ("breaker_ratio", 1.5),
    ("breaker_min_sample", 201),  # of a window of 200: would never be there
]


@pytest.mark.parametrize(("name", "value"), BAD, ids=lambda part: str(part)[:30])
def test_a_setting_that_is_wrong_is_named(name: str, value: Any) -> None:
    assert name.upper() in wrong({name: value})


@pytest.mark.parametrize(
    "values",
    [
        {"mode": "maybe", "port": -1, "launched_at": "soon", "commit_interval": 0},
        {"kafka_heartbeat_interval": 9.0, "dispatch_max_poll_interval": 1.0, "kafka_security_protocol": "SASL_SSL"},
        {"mode": "maybe", "producers_file": "/nowhere", "smtp_url": "x"},
    ],
    ids=["of the wrong kind", "in conflict with another", "of no use"],
)
def test_one_message_names_every_setting_that_is_wrong(values: Mapping[str, Any]) -> None:
    """Whoever mends one must not find the next at the next start."""
    message = wrong(values)
    assert [name for name in values if name.upper() not in message] == []


def test_one_message_names_everything_that_a_worker_lacks() -> None:
    message = wrong({"mode": "live", "disable_send": False}, for_worker=True)
    assert {"KAFKA_BOOTSTRAP", "SMTP_URL"} == {name for name in NAMES if f"{name}:" in message}


def test_live_sending_needs_no_more_in_production_than_in_development_but_a_broker() -> None:
    values = {"mode": "live", "disable_send": False, "smtp_url": "smtp://m.example:25", "kafka_bootstrap": "k:1"}
    assert load(for_worker=True, overrides=values).mode == "live"
    del values["kafka_bootstrap"]
    assert load(for_worker=True, overrides={**values, "environment": "development"}).mode == "live"
    assert "KAFKA_BOOTSTRAP" in wrong(values, for_worker=True)


@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
def test_sasl_needs_a_name_and_a_password(protocol: str) -> None:
    message = wrong({"kafka_security_protocol": protocol, "kafka_sasl_username": "me"})
    assert "KAFKA_SASL_PASSWORD" in message
    load(overrides={"kafka_security_protocol": protocol, "kafka_sasl_username": "me", "kafka_sasl_password": SECRET})


def test_secrets_do_not_show() -> None:
    """Neither in text made from the settings, nor in the message about a setting beside them."""
    values = {
        "smtp_url": f"smtps://me:{SECRET}@mail.example.org:465",
        "kafka_security_protocol": "SASL_SSL",
        "kafka_sasl_username": "me",
        "kafka_sasl_password": SECRET,
    }
    settings = load(overrides=values)
    dumped = [repr(settings), str(settings), f"{settings}", settings.model_dump_json(), str(settings.model_dump())]
    assert not any(SECRET in text for text in dumped)
    assert SECRET not in wrong({**values, "mode": "maybe"})
    assert SECRET not in wrong({**values, "smtp_url": f"ftp://me:{SECRET}@mail.example.org:1"})
    assert SECRET not in wrong({**values, "kafka_sasl_password": [SECRET]})


def test_settings_do_not_change_after_the_start() -> None:
    settings, name = load(), "disable_send"
    with pytest.raises(ValueError, match="frozen"):
        setattr(settings, name, False)


def ago(hours: float) -> datetime:
    return datetime.now(UTC) - timedelta(hours=hours)


WINDOW: list[tuple[str, dict[str, Any], Mode]] = [
    ("production, launch time unset", {}, Mode.DRY_RUN),
    ("production, 47 hours after launch", {"launched_at": ago(47)}, Mode.DRY_RUN),
    ("production, 49 hours after launch", {"launched_at": ago(49)}, Mode.LIVE),
    ("production, before launch", {"launched_at": ago(-1)}, Mode.DRY_RUN),
    ("production, an old launch, sending disabled", {"launched_at": ago(99), "disable_send": True}, Mode.DRY_RUN),
    ("production, an old launch, dry run asked for", {"launched_at": ago(99), "mode": "dry_run"}, Mode.DRY_RUN),
    ("development, launch time unset", {"environment": "development"}, Mode.LIVE),
    ("development, just launched", {"environment": "development", "launched_at": ago(0)}, Mode.LIVE),
    ("development, sending disabled", {"environment": "development", "disable_send": True}, Mode.DRY_RUN),
]


@pytest.mark.parametrize(("values", "mode"), [row[1:] for row in WINDOW], ids=[row[0] for row in WINDOW])
def test_the_window_after_launch_comes_from_the_settings(values: dict[str, Any], mode: Mode) -> None:
    settings = load(overrides={"mode": "live", "disable_send": False, **values})
    clock = mode_clock(settings)
    assert clock().mode is mode
    assert {
        conditions_clock(settings, clock, lambda: NOTHING_ORDERED, Holds())(category).mode for category in Category
    } == {mode}


def test_a_launch_time_in_another_zone_is_the_same_moment() -> None:
    settings = load(overrides={"launched_at": "2026-11-20T09:30:00+02:00"})
    assert settings.launched_at == datetime(2026, 11, 20, 7, 30, tzinfo=UTC)


GOOD_ROW = '[a]\nservice = "a_service"\ntypes = ["t"]\njwks = "https://a.example/jwks.json"\n'


def listed(tmp_path: Path, text: str, *, production: bool = True) -> tuple[producers.ProducerRow, ...]:
    file = tmp_path / "producers.toml"
    file.write_text(text, "utf-8")
    return producers.read(file, production=production)


def test_the_shipped_producers_are_good_enough_for_production() -> None:
    rows = producers.read(load().producers_file, production=True)
    assert producers.GATE1_SERVICE in {row.service for row in rows}
    assert all(row.keys.allows(row.keys.jwks) for row in rows)
    assert len({row.issuer for row in rows}) == len(rows) >= 5


def test_a_key_file_lies_beside_the_list(tmp_path: Path) -> None:
    (row,) = listed(tmp_path, GOOD_ROW.replace("https://a.example/jwks.json", "keys/a.json"))
    assert (row.keys.jwks, row.keys.is_url) == (str(tmp_path / "keys/a.json"), False)
    assert (row.issuer, row.service, row.types) == ("a", "a_service", frozenset({"t"}))


def test_plain_http_is_for_loopback_in_development_only(tmp_path: Path) -> None:
    for host in ("127.0.0.1:9", "localhost", "[::1]:9"):
        text = GOOD_ROW.replace("https://a.example", f"http://{host}")
        assert listed(tmp_path, text, production=False)
        with pytest.raises(ConfigError, match=r"a\.jwks"):
            listed(tmp_path, text)
    with pytest.raises(ConfigError, match=r"a\.jwks"):
        listed(tmp_path, GOOD_ROW.replace("https", "http"), production=False)


@pytest.mark.parametrize("url", ["ftp://a.example/x", "file:///etc/passwd", "https://", "https:///x", "https://[::1/x"])
def test_a_key_set_address_that_cannot_be_fetched_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match=r"a\.jwks"):
        listed(tmp_path, GOOD_ROW.replace("https://a.example/jwks.json", url))


def test_one_message_names_everything_that_is_wrong_with_the_producers(tmp_path: Path) -> None:
    text = (
        GOOD_ROW + '[b]\nservice = "No Spaces"\ntypes = []\njwks = ""\n'
        '[c]\ntypes = [1]\njwks = 5\n[d]\nservice = 7\ntypes = "t"\njwks = "http://d.example"\n'
    )
    with pytest.raises(ConfigError) as caught:
        listed(tmp_path, text)
    named = {f"{row}.{member}" for row in "abcd" for member in ("service", "types", "jwks")}
    assert {each for each in named if f"{each}:" in str(caught.value)} == {each for each in named if each[0] != "a"}
    assert str(tmp_path / "producers.toml") in str(caught.value)


@pytest.mark.parametrize("text", ["", "a = 1", "[a", '[a]\nservice = "a"', "[a.b]\nx = 1", "[a]\n[a]"])
def test_a_list_that_is_no_list_of_producers_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"producers\.toml"):
        listed(tmp_path, text)


def test_a_list_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read"):
        producers.read(tmp_path / "none.toml", production=True)
