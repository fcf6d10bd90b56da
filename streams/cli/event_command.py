"""`comcenter event`: make, check, sign and send an event, and see one's refusals, as a producer would."""

from __future__ import annotations

import json
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer
from confluent_kafka import KafkaException, Message, Producer

from adapters import kafka_config
from config.settings import Settings
from schemas import registry
from streams import topics
from streams.cli.context import load_settings, producer_row, require_bootstrap
from streams.cli.exits import Exit, fail
from streams.cli.refused_command import refused
from streams.cli.sources import SOURCE, read_bytes, read_event
from streams.cli.validate_command import validate
from streams.core import jws, signing
from streams.core.reasons import Rejected
from streams.core.token import EVENT_TYPE

app = typer.Typer(help="Make, check, sign and send events.", no_args_is_help=True)
app.command("validate")(validate)
app.command("refused")(refused)

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


@app.command("sign")
def sign(
    source: str = SOURCE,
    issuer: str = typer.Option(..., help="`iss`, as in the producers file."),
    key: Path = typer.Option(..., help="Private key, unencrypted PEM (RSA, P-256 or Ed25519)."),
    kid: str = typer.Option(..., help="The key's id in the issuer's key set."),
    jti: str = typer.Option("", help="The event's id at the issuer; keep it to send an event again. New if not given."),
    lifetime: int = typer.Option(300, help="Seconds until it expires, at most 900."),
) -> None:
    """Print the signed event JWT of an event."""
    event, row = read_event(source), producer_row(load_settings(), issuer)
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
def send(source: str = SOURCE) -> None:
    """Produce a signed event JWT to its issuer's topic, and wait until the broker has confirmed it."""
    value = read_bytes(source).strip()
    token = jws.read(value, token_type=EVENT_TYPE)
    if isinstance(token, Rejected):
        fail(f"not an event JWT: {token.detail}", Exit.USAGE)
    settings = load_settings()
    bootstrap = require_bootstrap(settings)
    row = producer_row(settings, str(token.payload.get("iss")))
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
