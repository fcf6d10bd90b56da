"""Settings of trust: what belongs together, what must not be plain http, and where an issuer's keys are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from config import producers
from config.key_source import KeySource, is_secure
from config.settings import ConfigError, Settings, load
from schemas import registry
from streams.app import warn_of_unknown_types
from streams.wiring.trust import auth_source, key_set_limits

SECRET = "hunter2-s3cret"
OAUTH: dict[str, Any] = {
    "oauth_issuer": "https://auth.example",
    "oauth_token_endpoint": "https://auth.example/token",
    "oauth_client_id": "me",
    "oauth_client_secret": SECRET,
}


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings read the environment: these tests begin without any of ours."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def named(values: Mapping[str, Any]) -> set[str]:
    """The settings that the one message about these values names."""
    with pytest.raises(ConfigError) as caught:
        load(overrides=values)
    assert SECRET not in str(caught.value)
    return {name for name in map(str.upper, Settings.model_fields) if f"  {name}:" in str(caught.value)}


def test_an_auth_service_needs_nothing_but_the_four_that_belong_together() -> None:
    assert load(overrides=OAUTH).oauth_issuer == "https://auth.example"
    assert load().oauth_issuer is None


@pytest.mark.parametrize("missing", sorted(OAUTH))
def test_each_of_the_four_is_missed_beside_the_others(missing: str) -> None:
    assert named({name: value for name, value in OAUTH.items() if name != missing}) == {missing.upper()}


@pytest.mark.parametrize("given", sorted(OAUTH))
def test_one_of_the_four_alone_misses_the_others(given: str) -> None:
    """All are named at once."""
    assert named({given: OAUTH[given]}) == {name.upper() for name in OAUTH} - {given.upper()}


def test_a_key_set_address_without_an_issuer_misses_it() -> None:
    assert named({"oauth_jwks_uri": "https://auth.example/jwks.json"}) == {"OAUTH_ISSUER"}


@pytest.mark.parametrize("name", ["oauth_issuer", "oauth_token_endpoint", "oauth_jwks_uri"])
@pytest.mark.parametrize(
    "url", ["http://auth.example", "auth.example", "ftp://auth.example", "https://", "https://[::1", "file:///x", "/x"]
)
def test_addresses_of_the_auth_service_are_https(name: str, url: str) -> None:
    """The probe sends a secret there, and what comes from there is believed."""
    assert named({**OAUTH, name: url}) == {name.upper()}


def test_plain_http_is_for_loopback_in_development_only() -> None:
    local = {
        **OAUTH,
        "oauth_issuer": "http://127.0.0.1:9",
        "oauth_token_endpoint": "http://localhost:9/token",
        "oauth_jwks_uri": "http://[::1]:9/jwks.json",
    }
    assert load(overrides={**local, "environment": "development"}).oauth_jwks_uri == local["oauth_jwks_uri"]
    assert named(local) == {"OAUTH_TOKEN_ENDPOINT", "OAUTH_JWKS_URI"}


def test_an_issuer_whose_key_set_is_named_is_a_name_and_no_address() -> None:
    values = {**OAUTH, "oauth_issuer": "scholar_auth", "oauth_jwks_uri": "https://auth.example/jwks.json"}
    assert load(overrides=values).oauth_issuer == "scholar_auth"


def test_the_secret_shows_nowhere() -> None:
    settings = load(overrides=OAUTH)
    shown = [repr(settings), str(settings), settings.model_dump_json(), str(settings.model_dump())]
    assert not any(SECRET in text for text in shown)
    assert settings.oauth_client_secret is not None
    assert settings.oauth_client_secret.get_secret_value() == SECRET
    named({**OAUTH, "oauth_client_secret": [SECRET]})


TIMES: dict[str, tuple[dict[str, float], set[str]]] = {
    "fetched as often as it may": ({"jwks_refresh_every": 5.0, "jwks_cool_down": 5.0}, set()),
    "fetched more often than it may": ({"jwks_refresh_every": 4.9, "jwks_cool_down": 5.0}, {"JWKS_REFRESH_EVERY"}),
    "fetched just in time": ({"jwks_refresh_every": 59.9}, set()),
    "fetched too late to stay fresh": ({"jwks_refresh_every": 60.0}, {"JWKS_REFRESH_EVERY"}),
    "probed just in time": ({"gate1_probe_every": 59.9}, set()),
    "probed too late to stay fresh": ({"gate1_probe_every": 60.0}, {"GATE1_PROBE_EVERY"}),
    "fresh for less than either takes": (
        {"gate1_fresh_for": 20.0},
        {"JWKS_REFRESH_EVERY", "GATE1_PROBE_EVERY"},
    ),
    "no time at all": ({"jwks_unknown_for": 0.0}, {"JWKS_UNKNOWN_FOR"}),
    "a time that is none": ({"jwks_max_age": float("nan")}, {"JWKS_MAX_AGE"}),
}


@pytest.mark.parametrize(("values", "names"), TIMES.values(), ids=TIMES)
def test_times_that_would_turn_gate_1_red_by_themselves_are_refused(values: dict[str, float], names: set[str]) -> None:
    if names:
        assert named(values) == names
    else:
        assert load(overrides=values)


def test_the_auth_services_keys_are_where_they_are_said_to_be_or_discovered() -> None:
    """And known under a name that no producer has."""
    assert auth_source(load()) == ()
    name = "oauth:https://auth.example"
    assert auth_source(load(overrides=OAUTH)) == (KeySource(issuer=name, discovery="https://auth.example"),)
    jwks = "https://keys.example/jwks.json"
    assert auth_source(load(overrides={**OAUTH, "oauth_jwks_uri": jwks})) == (KeySource(issuer=name, jwks=jwks),)
    (local,) = auth_source(load(overrides={**OAUTH, "environment": "development"}))
    assert not local.production


def test_every_limit_on_key_sets_comes_from_its_setting() -> None:
    values = {
        "jwks_refresh_every": 21.0,
        "jwks_cool_down": 2.0,
        "jwks_unknown_for": 3.0,
        "jwks_max_age": 40.0,
        "jwks_kept_for": 5e6,
        "jwks_record_every": 6.0,
        "jwks_timeout": 7.0,
        "jwks_max_bytes": 8,
        "jwks_discovery_every": 9.0,
    }
    limits = key_set_limits(load(overrides=values))
    fetch = limits.fetch
    found = [limits.refresh_every, limits.cool_down, limits.unknown_for, limits.max_age, limits.kept_for]
    found += [limits.record_every, fetch.timeout, fetch.max_bytes, fetch.discovery_every]
    assert found == list(values.values())


ROW = '[a]\nservice = "a_service"\ntypes = ["t"]\n'


def listed(tmp_path: Path, text: str, *, production: bool = True) -> KeySource:
    """Where the keys of the one issuer of this list are."""
    file = tmp_path / "producers.toml"
    file.write_text(text, "utf-8")
    (row,) = producers.read(file, production=production)
    return row.keys


def test_an_issuers_keys_may_be_discovered(tmp_path: Path) -> None:
    source = listed(tmp_path, ROW + 'discovery = "https://a.example"\n')
    assert source == KeySource(issuer="a", discovery="https://a.example")
    assert not source.is_url


def test_a_list_for_development_allows_loopback(tmp_path: Path) -> None:
    text = ROW + 'discovery = "http://localhost:9"\n'
    source = listed(tmp_path, text, production=False)
    assert source.allows("http://127.0.0.1:9/jwks.json")
    with pytest.raises(ConfigError, match=r"a\.discovery: must be https"):
        listed(tmp_path, text)


WRONG_ROWS: dict[str, tuple[str, str]] = {
    "a member that is not known": (
        ROW + 'jwks = "k"\ntopic = "x"\n',
        "a.topic: is not known; there are service, types",
    ),
    "a misspelt member beside the right one": (ROW + 'jwks = "k"\njkws = "k"\n', "a.jkws: is not known"),
    "a name like the auth service's": (
        ROW.replace("[a]", '["oauth:https://a"]') + 'jwks = "k"\n',
        "oauth:https://a: must not begin with oauth:, which is the auth service's",
    ),
    "a name with a control character": (
        ROW.replace("[a]", r'["a\u001b[31m"]') + 'jwks = "k"\n',
        r"'a\x1b[31m': an issuer's name must be printable",
    ),
    "a name of two lines": (ROW.replace("[a]", r'["a\nb"]') + 'jwks = "k"\n', r"'a\nb': an issuer's name must be"),
    "no name": (ROW.replace("[a]", '[""]') + 'jwks = "k"\n', "'': an issuer's name must be printable"),
}


@pytest.mark.parametrize(("text", "says"), WRONG_ROWS.values(), ids=WRONG_ROWS)
def test_a_row_that_cannot_be_meant_is_refused_with_what_to_do(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        listed(tmp_path, text)
    assert says in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_an_event_type_that_no_schema_has_is_warned_of_at_the_start(tmp_path: Path) -> None:
    """A list may be older or newer than the build, so it is no error; a misspelt one must be seen."""
    types = {"a": ["welcom", "welcome", "wellcome"], "b": ["welcome"]}
    rows = (f'[{issuer}]\nservice = "a"\ntypes = {names}\njwks = "k"\n' for issuer, names in types.items())
    file = tmp_path / "producers.toml"
    file.write_text("".join(rows), "utf-8")
    with capture_logs() as logged:
        warn_of_unknown_types(producers.read(file, production=True), registry.load())
    assert logged == [
        {"event": "types_unknown", "log_level": "warning", "issuer": "a", "types": ["welcom", "wellcome"]}
    ]


BAD_SOURCES: dict[str, tuple[str, str]] = {
    "neither": ("", "a: needs either `jwks`"),
    "both": ('jwks = "https://a.example/k"\ndiscovery = "https://a.example"\n', "a: needs either `jwks`"),
    "discovery in a file": ('discovery = "keys.json"\n', "a.discovery: must be https"),
    "discovery over http": ('discovery = "http://a.example"\n', "a.discovery: must be https"),
    "discovery that is empty": ('discovery = ""\n', "a.discovery: must be an https URL"),
    "discovery that is a number": ("discovery = 5\n", "a.discovery: must be an https URL"),
    "an empty jwks": ('jwks = ""\n', "a.jwks: must be an https URL or a file"),
    "a misspelt member": ('jkws = "https://a.example/k"\n', "a: needs either `jwks`"),
}


@pytest.mark.parametrize(("text", "says"), BAD_SOURCES.values(), ids=BAD_SOURCES)
def test_keys_must_have_one_place_that_can_be_trusted(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        listed(tmp_path, ROW + text)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("url", "secure", "in_development"),
    [
        ("https://a.example/k", True, True),
        ("https://127.0.0.1/k", True, True),
        ("http://127.0.0.1:9/k", False, True),
        ("http://localhost/k", False, True),
        ("http://[::1]/k", False, True),
        ("http://127.0.0.1.evil.example/k", False, False),
        ("http://localhost.evil.example/k", False, False),
        ("http://127.0.0.1@evil.example/k", False, False),
        ("http://evil.example/127.0.0.1", False, False),
        ("http://0.0.0.0/k", False, False),
        ("//127.0.0.1/k", False, False),
        ("https://user@a.example/k", False, False),
        ("https://user:secret@a.example/k", False, False),
        ("https://@a.example/k", False, False),
        ("http://user:secret@127.0.0.1/k", False, False),
        ("https://a.example/k?user=@b", True, True),
        ("https://a b/k", False, False),
        ("https://a.example/k k", False, False),
        ("https://a.example/k\n", False, False),
        (" https://a.example/k", False, False),
        ("https://a\t.example/k", False, False),
        ("https://a.example/\x1b[31m", False, False),
        ("", False, False),
    ],
)
def test_what_counts_as_secure(url: str, secure: bool, in_development: bool) -> None:  # noqa: FBT001 - columns
    assert is_secure(url, production=True) is secure
    assert is_secure(url, production=False) is in_development
