"""Typed settings, read from the environment once at start. The only place that reads it.

Each field carries its unit and the reason for its default; ``docs/configuration.md`` is made from them
(`config.document`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AwareDatetime, Field, FilePath, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from config.key_source import SECURE, is_secure

HERE: Final = Path(__file__).parent

RECORD_LIVES_S: Final = 17 * 86_400
"""7 days on an inbound topic, 3 as a dead letter, 7 more after a redrive."""

Seconds = Annotated[float, Field(gt=0, json_schema_extra={"unit": "s"})]
Share = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Rate = Annotated[int, Field(ge=3)]
"""A unit for each of the three transactional partitions."""
Port = Annotated[int, Field(ge=0, le=65535)]


class ConfigError(ValueError):
    """The configuration can't be used. The message names every setting that is missing or wrong, one per line."""


def _row(why: str, default: Any = ..., unit: str = "") -> Any:  # noqa: ANN401 - as pydantic's own Field
    return Field(default, description=why, json_schema_extra={"unit": unit})


class Settings(BaseSettings):
    """Everything that varies between deployments."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", case_sensitive=False, env_ignore_empty=True)

    # What it is
    environment: Literal["production", "development"] = _row(
        "Production turns the 48-hour window on, and wants TLS for key sets and mail.", "production"
    )
    mode: Literal["dry_run", "live"] = _row(
        "What is asked for; guardrails may make it dry run all the same.", "dry_run"
    )
    app_base_url: str = _row("How others reach this service; shown by /canary.", "http://127.0.0.1:8000")
    build_id: str = _row("Which build this is. Not shown anywhere yet.", "unknown")
    host: str = _row("Address that the HTTP server binds; loopback unless a proxy stands in front.", "127.0.0.1")
    port: Port = _row("Port of the HTTP server; 0 takes a free one.", 8000)
    launched_at: AwareDatetime | None = _row(
        "Launch time, RFC 3339; in production an unset one means inside the window.", None
    )

    # Flags
    disable_send: bool = _row("Nothing leaves the house.", default=True)
    promo_sends: bool = _row("Promotional messages may go out.", default=False)
    promo_share: Share = _row("The part of the cap set aside for promotional messages while they may go out.", 0.2)
    retries_enabled: bool = _row("Transient failures are tried again; off: given up at the first.", default=True)
    rate_limit_enabled: bool = _row("The cap binds; inside the window it can't be turned off.", default=True)
    rate_limit_per_minute: Rate = _row(
        "Provider calls begun in any 60 s, over the whole fleet; 10 at most inside the window.", 10
    )
    ab_testing: bool = _row("Reported; there is one variant of each template so far.", default=False)

    # Kafka
    kafka_bootstrap: str | None = _row("Brokers, host:port,…; unset in development starts the embedded broker.", None)
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = _row(
        "How to talk to the brokers.", "PLAINTEXT"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = _row("With SASL only.", "PLAIN")
    kafka_sasl_username: str | None = _row("With SASL only.", None)
    kafka_sasl_password: SecretStr | None = _row("With SASL only.", None)
    kafka_ssl_ca_file: FilePath | None = _row("CA bundle of the brokers; unset means the system's.", None)
    topic_prefix: str = _row("Put before every topic and group name, so that deployments may share a cluster.", "")
    topic_replication: int = _row("Replicas of a topic that `topics apply` creates; -1 is the broker's default.", -1)
    kafka_session_timeout: Seconds = _row("A worker that is silent for so long loses its partitions.", 10.0, "s")
    kafka_heartbeat_interval: Seconds = _row("At most a third of the session timeout.", 3.0, "s")
    kafka_rebalance_timeout: Seconds = _row("How long a rebalance of the agents' group may take.", 60.0, "s")
    ingest_max_poll_interval: Seconds = _row(
        "A held topic isn't fetched; Faust's client would leave the group after this, so it is days.", 604_800.0, "s"
    )
    dispatch_max_poll_interval: Seconds = _row(
        "Time between polls of the dispatcher; librdkafka's rebalance timeout, too.", 300.0, "s"
    )
    commit_interval: Seconds = _row("How often offsets are committed; what is lost to a crash is done again.", 1.0, "s")
    kafka_probe_every: Seconds = _row("How often the brokers are asked whether they are there.", 2.0, "s")
    kafka_probe_timeout: Seconds = _row("A broker that takes longer counts as away.", 3.0, "s")

    # Publishing
    publish_max_in_flight: Count = _row("Records not yet confirmed; beyond it the agents wait.", 5000, "records")
    publish_timeout: Seconds = _row("The broker's time to confirm a record; then the process ends with 1.", 120.0, "s")
    publish_stall_after: Seconds = _row("An unconfirmed record older than this turns /readyz to 503.", 5.0, "s")
    publish_refused_for: Seconds = _row("A refused topic is tried again for so long; then the process ends.", 30.0, "s")
    drain_timeout: Seconds = _row("Time for agents' outputs in flight when partitions are taken away.", 4.0, "s")
    shutdown_timeout: Seconds = _row(
        "Time from SIGTERM to the end; must stay below the platform's own. Calls have 2.5 s less.", 8.5, "s"
    )
    watchdog_after: Seconds = _row("Records waiting and no progress for so long ends the process.", 60.0, "s")

    # Trust
    producers_file: FilePath = _row("Who may produce what, and where their keys are.", HERE / "producers.toml")
    jwks_refresh_every: Seconds = _row("How often each key set is fetched.", 20.0, "s")
    jwks_cool_down: Seconds = _row(
        "At least so long between two fetches of one key set, after success and failure alike.", 5.0, "s"
    )
    jwks_unknown_for: Seconds = _row(
        "A kid that a fetch did not bring asks for no early fetch for so long; the regular ones go on.", 60.0, "s"
    )
    jwks_timeout: Seconds = _row("Time for one request to a key-set server or to the token endpoint.", 5.0, "s")
    jwks_max_bytes: Count = _row("A larger key set is refused.", 262_144, "bytes")
    jwks_max_age: Seconds = _row("Keys verify for so long while their server is away.", 86_400.0, "s")
    jwks_kept_for: Seconds = _row(
        "A withdrawn key is remembered for so long: no record from before may be older, redriven or not.",
        2_592_000,
        "s",
    )
    jwks_record_every: Seconds = _row("How often the topic of keys is told that a key still stands.", 300.0, "s")
    jwks_recall_timeout: Seconds = _row("Time to read the topic of keys at start.", 10.0, "s")
    jwks_discovery_every: Seconds = _row("How long an address that OpenID discovery gave is used.", 3600.0, "s")
    gate1_fresh_for: Seconds = _row("Gate 1 is GREEN for so long after key set and token last worked.", 60.0, "s")
    gate1_probe_every: Seconds = _row("How often a token is asked for.", 20.0, "s")
    oauth_issuer: str | None = _row("The auth service's `iss`; where discovery begins. Unset: gate 1 stays RED.", None)
    oauth_jwks_uri: str | None = _row("The auth service's key set, if discovery is not to be used.", None)
    oauth_token_endpoint: str | None = _row("Where gate 1's probe gets a token (client credentials).", None)
    oauth_client_id: str | None = _row("The probe's client.", None)
    oauth_client_secret: SecretStr | None = _row("Its secret.", None)

    # Dead letters
    breaker_run: Count = _row(
        "So many refusals in a row hold an inbound topic: a bad deploy waits in its topic, not in the dead letters.",
        50,
        "records",
    )
    breaker_ratio: Share = _row("So large a share of refusals, of the last records of a topic, holds it too.", 0.5)
    breaker_window: Count = _row(
        "How many the last records are: enough to see a ratio, few enough to see it soon.", 200, "records"
    )
    breaker_min_sample: Count = _row("With fewer records seen a ratio says nothing.", 20, "records")
    breaker_min_failures: Count = _row("With fewer of them refused a ratio says nothing.", 3, "records")
    breaker_recall_timeout: Seconds = _row("Time to read at start which breakers are open.", 10.0, "s")
    dead_letter_look_every: Seconds = _row(
        "How often the oldest dead letter is looked at; what is told of it counts down in between.", 60.0, "s"
    )

    # Holds
    held_look_every: Seconds = _row("How often it is looked at how long what waits is still kept.", 60.0, "s")
    held_warn_at: Share = _row("An incident, once so large a share of a topic's retention is over.", 0.8)

    # Control
    operators_file: FilePath = _row("Who may order, and with which keys.", HERE / "operators.toml")
    control_signing_key_file: FilePath | None = _row(
        "Your private key, PEM, for the commands that order; its public half stands in the operators file.", None
    )
    control_fresh_for: Seconds = _row(
        "Dispatch is held when the topic of orders was not confirmed read to its end for so long.", 1.0, "s"
    )
    control_confirm_every: Seconds = _row("How often the broker is asked where that end is.", 0.25, "s")
    control_answer_within: Seconds = _row(
        "How long a command waits until every worker has applied its order.", 10.0, "s"
    )

    # Fleet
    rate_window: Seconds = _row("The length of the cap's window; tests shorten it.", 60.0, "s")
    dispatch_concurrency: Count = _row(
        "Calls that one partition's owner may have running; as many may be parked at a kill.", 5
    )
    dispatch_begin_within: Seconds = _row("A call begins so soon after its INTENT, or not at all.", 2.0, "s")
    ledger_timeout: Seconds = _row("The broker's time for one step of a transaction; a few attempts follow.", 20.0, "s")
    backlog_look_every: Seconds = _row(
        "How often is counted what waits in dispatch; what was fetched since is known at any time.", 5.0, "s"
    )
    retry_scale: Share = _row("Retry tiers (30 s, 5 min, 30 min) are so much of their length; tests shorten them.", 1.0)
    heartbeat_every: Seconds = _row("How often a worker says on comms.workers what it does.", 2.0, "s")
    heartbeat_gone_after: Seconds = _row("A worker that is silent for so long counts as gone.", 10.0, "s")
    heartbeat_forgotten_after: Seconds = _row(
        "One that is gone for so long is no longer listed; every start has a name of its own.", 3600.0, "s"
    )

    # Providers
    smtp_url: SecretStr | None = _row("smtp://[user:password@]host:port or smtps://…; needed for live e-mail.", None)
    smtp_timeout: Seconds = _row("Deadline of one mail.", 20.0, "s")

    @field_validator("topic_prefix")
    @classmethod
    def _legal_prefix(cls, value: str) -> str:
        if not all(c.isascii() and (c.isalnum() or c in "._-") for c in value):
            raise ValueError("only letters, digits, '.', '_' and '-' may stand in a topic's name")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _usable_server(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _is_server(value.get_secret_value()):
            raise ValueError("must be smtp://[user:password@]host:port or smtps://…")
        return value

    @property
    def slowest_call(self) -> float:
        """The longest deadline, in seconds, of a call to a provider."""
        return self.smtp_timeout

    @property
    def production(self) -> bool:
        """Whether this is the real thing."""
        return self.environment == "production"


def load(*, for_worker: bool = False, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read and validate the environment; ``overrides`` win over it. A worker needs more than a tool does.

    Raises:
        ConfigError: one message that names every missing or wrong setting.
    """
    try:
        settings = Settings(**(overrides or {}))
    except ValidationError as error:
        lines = [f"  {str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors(include_input=False)]
        raise ConfigError("these settings are wrong:\n" + "\n".join(lines)) from None
    problems = _conflicts(settings) + (_worker_problems(settings) if for_worker else [])
    if problems:
        raise ConfigError("these settings are wrong:\n" + "\n".join(f"  {line}" for line in problems))
    return settings


def _conflicts(s: Settings) -> list[str]:
    """What two settings say against each other: each row is a fault and what to change."""
    sasl_lacks = s.kafka_security_protocol.startswith("SASL") and not (s.kafka_sasl_username and s.kafka_sasl_password)
    rows = {
        "KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD: required with KAFKA_SECURITY_PROTOCOL=SASL_…": sasl_lacks,
        "KAFKA_HEARTBEAT_INTERVAL: must be at most a third of KAFKA_SESSION_TIMEOUT": (
            s.kafka_heartbeat_interval * 3 > s.kafka_session_timeout
        ),
        "DISPATCH_MAX_POLL_INTERVAL: must not be below KAFKA_SESSION_TIMEOUT": (
            s.dispatch_max_poll_interval < s.kafka_session_timeout
        ),
        "DRAIN_TIMEOUT: must be below SHUTDOWN_TIMEOUT": s.drain_timeout >= s.shutdown_timeout,
        "CONTROL_CONFIRM_EVERY: must be at most half of CONTROL_FRESH_FOR": (
            s.control_confirm_every * 2 > s.control_fresh_for
        ),
        "JWKS_REFRESH_EVERY: must not be below JWKS_COOL_DOWN, and below GATE1_FRESH_FOR": (
            not s.jwks_cool_down <= s.jwks_refresh_every < s.gate1_fresh_for
        ),
        "JWKS_RECORD_EVERY: must be at most half of JWKS_MAX_AGE, or the memory of keys is always too old": (
            s.jwks_record_every * 2 > s.jwks_max_age
        ),
        f"JWKS_KEPT_FOR: must be at least {RECORD_LIVES_S}, as long as a record may live and be redriven": (
            s.jwks_kept_for < RECORD_LIVES_S
        ),
        "GATE1_PROBE_EVERY: must be below GATE1_FRESH_FOR, or gate 1 turns RED between two probes": (
            s.gate1_probe_every >= s.gate1_fresh_for
        ),
        "BREAKER_MIN_SAMPLE: must not be above BREAKER_WINDOW, or no ratio is ever judged": (
            s.breaker_min_sample > s.breaker_window
        ),
    }
    return _oauth_conflicts(s) + [line for line, wrong in rows.items() if wrong]


def _oauth_conflicts(s: Settings) -> list[str]:
    together = {
        "OAUTH_ISSUER": s.oauth_issuer,
        "OAUTH_TOKEN_ENDPOINT": s.oauth_token_endpoint,
        "OAUTH_CLIENT_ID": s.oauth_client_id,
        "OAUTH_CLIENT_SECRET": s.oauth_client_secret,
    }
    missing = [name for name, value in together.items() if value is None]
    problems = [
        f"{name}: required beside the other OAUTH_ settings" for name in missing if len(missing) < len(together)
    ]
    if s.oauth_jwks_uri is not None and s.oauth_issuer is None:
        problems.append("OAUTH_ISSUER: required with OAUTH_JWKS_URI")
    addresses = {
        "OAUTH_ISSUER": s.oauth_issuer if s.oauth_jwks_uri is None else None,  # else it is a name, not an address
        "OAUTH_JWKS_URI": s.oauth_jwks_uri,
        "OAUTH_TOKEN_ENDPOINT": s.oauth_token_endpoint,
    }
    return problems + [
        f"{name}: must be {SECURE}"
        for name, url in addresses.items()
        if url is not None and not is_secure(url, production=s.production)
    ]


def _worker_problems(s: Settings) -> list[str]:
    problems = []
    if s.production and s.kafka_bootstrap is None:
        problems.append("KAFKA_BOOTSTRAP: required in production (ENVIRONMENT=development starts the embedded broker)")
    if s.mode == "live" and not s.disable_send and s.smtp_url is None:
        problems.append("SMTP_URL: required with MODE=live and DISABLE_SEND=false")
    if s.mode == "live" and s.smtp_timeout >= s.dispatch_max_poll_interval:
        problems.append("SMTP_TIMEOUT: must be below DISPATCH_MAX_POLL_INTERVAL, or a slow mail costs the partitions")
    return problems


def _is_server(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("smtp", "smtps") and bool(parts.hostname) and parts.port is not None
    except ValueError:
        return False
