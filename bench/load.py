"""The work that every contender is given: signed 1.3 kB events in an inbound topic of three partitions."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from time import time
from typing import Final

from confluent_kafka import Producer
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from adapters import kafka_config
from config import settings as config
from schemas import registry
from streams import topics
from streams.core import signing
from streams.wiring.kafka import topic_admin

ISSUER: Final = "scholarship_agent"
INBOUND: Final = f"events.{ISSUER}"
PADDED_TO: Final = 1300
"""Bytes of a token, as an event of the platform has."""


def tokens(count: int, key: signing.PrivateKey) -> list[bytes]:
    """Signed events, each with an id of its own; the scholarship's name pads them to the size wanted."""
    known = registry.load()
    event = known.versions("new_match")["1.0"].example()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    private = signing.read_key(pem)

    def one(jti: str) -> bytes:
        claims = signing.claims(event, issuer=ISSUER, service=ISSUER, jti=jti, now_s=int(time()), lifetime_s=900)
        return signing.sign(claims, private, kid="bench").encode()

    missing = (PADDED_TO - len(one(str(uuid.uuid4())))) * 3 // 4
    event["data"]["scholarship_name"] += "x" * max(min(missing, 150), 0)
    return [one(str(uuid.uuid4())) for _ in range(count)]


def rsa_key() -> signing.PrivateKey:
    """RS256, the platform's algorithm."""
    return generate_private_key(65537, 2048)


def deployment(folder: Path, key: signing.PrivateKey, bootstrap: str, prefix: str) -> dict[str, str]:
    """Keys, producers file and topics; returns the environment of a contender."""
    jwk = signing.public_jwk(key, kid="bench")
    (folder / "jwks.json").write_text(json.dumps({"keys": [jwk]}), "utf-8")
    tables = (f'[{i}]\nservice = "{i}"\ntypes = ["new_match"]\njwks = "jwks.json"\n' for i in (ISSUER, "scholar_auth"))
    (folder / "producers.toml").write_text("\n".join(tables), "utf-8")
    environment = {
        "ENVIRONMENT": "development",
        "KAFKA_BOOTSTRAP": bootstrap,
        "TOPIC_PREFIX": prefix,
        "PRODUCERS_FILE": str(folder / "producers.toml"),
        "KAFKA_SESSION_TIMEOUT": "6",
        "KAFKA_HEARTBEAT_INTERVAL": "2",
        "KAFKA_REBALANCE_TIMEOUT": "6",
        "DISPATCH_MAX_POLL_INTERVAL": "6",
        "PORT": "0",
    }
    settings = config.load(overrides={name.lower(): value for name, value in environment.items()})
    topic_admin(settings, bootstrap).apply(topics.table([ISSUER, "scholar_auth"]))
    return environment


def fill(bootstrap: str, prefix: str, values: list[bytes]) -> None:
    """Put the work into the topic, spread over its partitions."""
    settings = config.load(overrides={"environment": "development"})
    producer = Producer(kafka_config.producer(settings, bootstrap, max_bytes=topics.INBOUND_MAX_BYTES))
    for index, value in enumerate(values):
        producer.produce(prefix + INBOUND, key=f"student-{index}".encode(), value=value)
        if index % 1000 == 0:
            producer.poll(0)
    if producer.flush(60):
        raise RuntimeError("the broker did not take the load")
