"""`comcenter event`: make, check, sign and send an event, as a producer would."""

from __future__ import annotations

import json
import sys
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import typer
from confluent_kafka import KafkaException, Message, Producer

from adapters import kafka_config
from config import producers
from config.producers import ProducerRow
from config.settings import ConfigError, Settings
from schemas import registry
from streams import topics
from streams.cli.context import load_settings, require_bootstrap
from streams.cli.exits import Exit, fail
from streams.core import jws, signing
from streams.core.encoding import EncodingError, json_object
from streams.core.reasons import Rejected
from streams.core.token import EVENT_TYPE

app = typer.Typer(help="Make, check, sign and send events.", no_args_is_help=True)

_SOURCE = typer.Argument("-", help="A file, or - for standard input.")
SEND_TIMEOUT_S = 15.0


@app.command("new")
def new(
    event_type: str = typer.Argument(help="Such as deadline_soon."),
    version: str = typer.Option("", help="<major>.<minor>; the newest if not given."),
    email: str = typer.Option("", help="The recipient's address; the example's if not given."),
) -> None:
    """Print an example event of a type, valid as it is, that happened just now."""
    known = registry.load()
    if not known.versions(event_type):
        fail(f"no event type {event_type}; there are: {', '.join(sorted(known.events))}", Exit.USAGE)
    versions = known.versions(event_type)
    schema = versions.get(version or known.latest(event_type))
    if schema is None:
        fail(f"{event_type} is known in {', '.join(sorted(versions, key=registry.version_key))}", Exit.USAGE)
    event = schema.example()
    event["occurred_at"] = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    if email:
        event["recipient"]["contacts"] = {"email": email}
    print(json.dumps(event, indent=2, ensure_ascii=False))


@app.command("validate")
def validate(source: str = _SOURCE) -> None:
    """Check an event against the schema of its type and version, offline. 100 if it breaks it."""
    event = _read_event(source)
    versions = registry.load().versions(str(event.get("type")))
    schema = versions.get(str(event.get("version")))
    if schema is None:
        known = f"known in {', '.join(sorted(versions))}" if versions else "not a type that is known here"
        print(f"{event.get('type')} {event.get('version')}: {known}")
        raise typer.Exit(Exit.FINDINGS)
    violations = list(schema.violations(event))
    for violation in violations:
        print(f"{violation.pointer or '/'}: breaks `{violation.keyword}`")
    if violations:
        raise typer.Exit(Exit.FINDINGS)
    print(f"valid {event['type']} {event['version']}")


@app.command("sign")
def sign(
    source: str = _SOURCE,
    issuer: str = typer.Option(..., help="`iss`, as in the producers file."),
    key: Path = typer.Option(..., help="Private key, unencrypted PEM (RSA, P-256 or Ed25519)."),
    kid: str = typer.Option(..., help="The key's id in the issuer's key set."),
    jti: str = typer.Option("", help="The event's id at the issuer; keep it to send an event again. New if not given."),
    lifetime: int = typer.Option(300, help="Seconds until it expires, at most 900."),
) -> None:
    """Print the signed event JWT of an event."""
    event, row = _read_event(source), _row(load_settings(), issuer)
    try:
        private = signing.read_key(key.read_bytes())
        body = signing.claims(
            event,
            issuer=issuer,
            service=row.service,
            jti=jti or str(uuid.uuid4()),
            now_s=int(time.time()),
            lifetime_s=lifetime,
        )
    except (OSError, signing.SigningError) as error:
        fail(str(error), Exit.USAGE)
    print(signing.sign(body, private, kid=kid))


@app.command("send")
def send(source: str = _SOURCE) -> None:
    """Produce a signed event JWT to its issuer's topic, and wait until the broker has confirmed it."""
    value = _open(source).strip()
    token = jws.read(value, token_type=EVENT_TYPE)
    if isinstance(token, Rejected):
        fail(f"not an event JWT: {token.detail}", Exit.USAGE)
    settings = load_settings()
    bootstrap = require_bootstrap(settings)
    row = _row(settings, str(token.payload.get("iss")))
    event = token.payload.get("event")
    recipient = event.get("recipient") if isinstance(event, dict) else None
    if not isinstance(recipient, dict) or not isinstance(recipient.get("id"), str):
        fail("the token has no event.recipient.id, which is the record's key", Exit.USAGE)
    topic = settings.topic_prefix + topics.INBOUND_PREFIX + row.service
    message = _produce(settings, bootstrap, topic, recipient["id"], value)
    place = f"{message.topic()}[{message.partition()}]@{message.offset()}"
    print(f"{row.issuer}/{token.payload.get('jti')} queued at {place}")


def _produce(settings: Settings, bootstrap: str, topic: str, key: str, value: bytes) -> Message:
    reports: list[tuple[Any, Message]] = []
    producer = Producer(
        {
            **kafka_config.producer(settings, bootstrap, max_bytes=topics.INBOUND_MAX_BYTES),
            "delivery.timeout.ms": int(SEND_TIMEOUT_S * 1000),
        }
    )
    try:
        producer.produce(topic, key=key.encode(), value=value, on_delivery=lambda e, m: reports.append((e, m)))
    except KafkaException as error:
        fail(f"not sent: {error.args[0].str()}")
    producer.flush(SEND_TIMEOUT_S + 1)
    if not reports:
        fail(f"not confirmed within {SEND_TIMEOUT_S:g} s: is there a broker at {bootstrap}?")
    refusal, message = reports[0]
    if refusal is not None:
        fail(f"not confirmed: {refusal.str()}")
    return message


def _row(settings: Settings, issuer: str) -> ProducerRow:
    try:
        rows = producers.read(settings.producers_file, production=settings.production)
    except ConfigError as error:
        fail(str(error))
    found = next((row for row in rows if row.issuer == issuer), None)
    if found is None:
        fail(
            f"{issuer} is not in {settings.producers_file}; there are: {', '.join(r.issuer for r in rows)}", Exit.USAGE
        )
    return found


def _read_event(source: str) -> dict[str, Any]:
    try:
        return dict(json_object(_open(source)))
    except EncodingError as error:
        fail(f"{source} is not an event: {error}", Exit.USAGE)


def _open(source: str) -> bytes:
    stdin: BinaryIO = sys.stdin.buffer
    try:
        return stdin.read() if source == "-" else Path(source).read_bytes()
    except OSError as error:
        fail(str(error), Exit.USAGE)
