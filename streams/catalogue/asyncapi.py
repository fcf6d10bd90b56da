"""The AsyncAPI 3.0 document of our topics (https://www.asyncapi.com/docs/reference/specification/v3.0.0).

Schemas are written in AsyncAPI's own schema object, which most tools read; ours keep to keywords that it shares.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from schemas.files import PREFIX, SchemaFile
from streams import topics
from streams.catalogue.source import Source, document
from streams.topics import INBOUND_PREFIX, Topic

HEAD: Final = (
    "# Made by `make docs` from streams/topics.py, schemas/ and config/producers.toml; change those, not this.\n"
)
BINDING: Final = "0.5.0"
"""Version of the Kafka bindings (https://github.com/asyncapi/bindings/tree/master/kafka)."""
LISTS: Final = frozenset({"cleanup.policy"})
NUMBERS: Final = frozenset({"retention.ms", "max.message.bytes", "segment.ms"})
ISSUED: Final = 1_795_510_000
"""``iat`` of the examples, seconds since the epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carries:
    """What a topic of ours carries, and what this service does with it."""

    record: str
    actions: tuple[str, ...]


OWN: Final[Mapping[str, Carries]] = {
    topics.RENDER: Carries(record="render", actions=("send", "receive")),
    topics.DISPATCH_TRANSACTIONAL: Carries(record="dispatch", actions=("send", "receive")),
    topics.DISPATCH_PROMOTIONAL: Carries(record="dispatch", actions=("send", "receive")),
    topics.RECEIPTS: Carries(record="receipt", actions=("send",)),
    topics.DEAD_LETTER: Carries(record="dead_letter", actions=("send",)),
    topics.LEDGER["transactional"]: Carries(record="ledger", actions=("send", "receive")),
    topics.HELD["transactional"]: Carries(record="dispatch", actions=("send", "receive")),
    **{
        name: Carries(record="dispatch", actions=("send", "receive")) for name in topics.RETRY["transactional"].values()
    },
    topics.LEDGER["promotional"]: Carries(record="ledger", actions=("send", "receive")),
    topics.HELD["promotional"]: Carries(record="dispatch", actions=("send", "receive")),
    **{name: Carries(record="dispatch", actions=("send", "receive")) for name in topics.RETRY["promotional"].values()},
    topics.BREAKERS: Carries(record="breaker", actions=("send", "receive")),
    topics.REDRIVES: Carries(record="redrive", actions=("send", "receive")),
    topics.KEYS: Carries(record="key", actions=("send", "receive")),
    topics.MODES: Carries(record="mode", actions=("send", "receive")),
    topics.WORKERS: Carries(record="worker", actions=("send",)),
    topics.INCIDENTS: Carries(record="incident", actions=("send",)),
}
"""A topic without a row is listed without messages."""

DEAD_LETTER: Final = {
    "name": "dead_letter",
    "title": "Dead letter",
    "summary": "The original key, value and headers, untouched, with `dlq.*` headers that say why, where and when.",
    "contentType": "application/octet-stream",
    "headers": {
        "type": "object",
        "properties": {
            "dlq.reason": {"type": "string", "description": "One of the refusals of the contract."},
            "dlq.stage": {"type": "string", "enum": ["ingest", "render", "dispatch"]},
            "dlq.detail": {"type": "string", "description": "One sentence; never a token, an address or a body."},
        },
        "required": ["dlq.reason", "dlq.stage", "dlq.detail"],
    },
}

CLAIMS: Final = {
    "title": "Claims of an event JWT",
    "description": "The payload of the token; how it is signed and judged stands in docs/contract.md.",
    "type": "object",
    "properties": {
        "iss": {"type": "string", "description": "A registered issuer."},
        "aud": {"description": "`auto_com_center`, or a list that contains it."},
        "sub": {"type": "string", "pattern": "^service:", "description": "`service:<service>` of the issuer."},
        "roles": {"type": "array", "contains": {"const": "SystemService"}},
        "iat": {"type": "number", "description": "Seconds since the epoch."},
        "exp": {"type": "number", "description": "At most 900 s after `iat`."},
        "jti": {"type": "string", "minLength": 1, "maxLength": 128, "description": "The event's id at the issuer."},
        "event": {"type": "object"},
    },
    "required": ["iss", "aud", "sub", "roles", "iat", "exp", "jti", "event"],
}


def written(source: Source) -> str:
    """The document as YAML."""
    # Each part becomes an object of its own: what stands in two places would be written as an anchor and an alias.
    parts = json.loads(json.dumps(asyncapi(source)))
    text: str = yaml.safe_dump(parts, sort_keys=False, allow_unicode=True, width=120)
    return HEAD + text


def asyncapi(source: Source) -> dict[str, Any]:
    """The whole document."""
    return {
        "asyncapi": "3.0.0",
        "id": PREFIX,
        "info": {
            "title": "auto_com_center",
            "version": "1.0.0",
            "description": "Signed events in, messages to recipients out. Inbound values are event JWTs (compact JWS): "
            "the payloads here are their claims. With TOPIC_PREFIX every topic's name begins with it.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic, source) for topic in source.topics},
        "operations": dict(_operations(source)),
        "components": {"messages": dict(_messages(source)), "schemas": dict(_schemas(source))},
    }


def _carried(topic: Topic, source: Source) -> list[str]:
    """Names of the messages on a topic."""
    if topic.name in OWN:
        return [OWN[topic.name].record]
    types = {name for row in source.producers if topic.name == INBOUND_PREFIX + row.service for name in row.types}
    return [f"{name}.{version}" for name in sorted(types) for version in source.events.get(name, ())]


def _channel(topic: Topic, source: Source) -> dict[str, Any]:
    return {
        "address": topic.name,
        "description": f"Keyed by {topic.key}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _carried(topic, source)},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": {name: _setting(name, value) for name, value in topic.config().items()},
                "bindingVersion": BINDING,
            }
        },
    }


def _setting(name: str, value: str) -> str | int | list[str]:
    if name in LISTS:
        return value.split(",")
    return int(value) if name in NUMBERS else value


def _operations(source: Source) -> Iterator[tuple[str, dict[str, Any]]]:
    for topic in source.topics:
        inbound = topic.name.startswith(INBOUND_PREFIX)
        for action in ("receive",) if inbound else OWN[topic.name].actions if topic.name in OWN else ():
            yield f"{action}.{topic.name}", {"action": action, "channel": {"$ref": f"#/channels/{topic.name}"}}


def _messages(source: Source) -> Iterator[tuple[str, dict[str, Any]]]:
    for event_type, versions in source.events.items():
        for version, file in versions.items():
            yield f"{event_type}.{version}", _event(file, source)
    for name, file in source.records.items():
        record = document(file)
        payload = {"$ref": f"#/components/schemas/{name}"}
        yield name, {"name": name, "title": record["title"], "summary": record["description"], "payload": payload}
    yield "dead_letter", DEAD_LETTER


def _event(file: SchemaFile, source: Source) -> dict[str, Any]:
    schema = document(file)
    reference = {"$ref": f"#/components/schemas/{file.name}.{file.version}"}
    return {
        "name": f"{file.name} {file.version}",
        "title": f"{schema['title']} {file.version}",
        "summary": schema["description"],
        "contentType": "application/jwt",
        "headers": {"type": "object", "properties": {"traceparent": {"type": "string", "description": "W3C."}}},
        "payload": {"allOf": [{"$ref": "#/components/schemas/claims"}, {"properties": {"event": reference}}]},
        "bindings": {"kafka": {"key": {"type": "string", "description": "recipient id"}, "bindingVersion": BINDING}},
        "examples": [
            {"name": f"{file.name}-{number}", "payload": _claims(file.name, number, example, source)}
            for number, example in enumerate(schema["examples"], 1)
        ],
    }


def _claims(name: str, number: int, event: Mapping[str, Any], source: Source) -> dict[str, Any]:
    sender = source.senders(name)[0]
    return {
        "iss": sender.issuer,
        "aud": "auto_com_center",
        "sub": f"service:{sender.service}",
        "roles": ["SystemService"],
        "iat": ISSUED,
        "exp": ISSUED + 300,
        "jti": f"{name}-{number}",
        "event": event,
    }


def _schemas(source: Source) -> Iterator[tuple[str, Any]]:
    yield "claims", CLAIMS
    for name, file in (*source.common.items(), *source.records.items()):
        yield name, _component(file)
    for event_type, versions in source.events.items():
        for version, file in versions.items():
            yield f"{event_type}.{version}", _component(file)


def _component(file: SchemaFile) -> dict[str, Any]:
    # An `$id` would be the base of the references within.
    left_out = ("$schema", "$id", "examples")
    inner = {name: _bundled(value) for name, value in document(file).items() if name not in left_out}
    return {**inner, "x-schema-file": f"schemas/{file.place}", "x-schema-id": file.id}


def _bundled(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """References within this document; what stands beside one is kept by both drafts that way."""
    if isinstance(value, list):
        return [_bundled(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    if "$ref" not in value:
        return {name: _bundled(each) for name, each in value.items()}
    reference = {"$ref": f"#/components/schemas/{value['$ref'].rsplit(':', 1)[1]}"}
    beside = {name: each for name, each in value.items() if name != "$ref"}
    return {"allOf": [reference], **beside} if beside else reference
