"""The five events of the demo: two good ones, and three that are refused, each for its own reason."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from schemas.registry import Registry
from streams.core import signing

ISSUER = "scholarship_agent"
KID = "demo-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoEvent:
    """A token to produce, and what is to become of it."""

    title: str
    event_id: str
    recipient_id: str
    token: bytes
    expected: str


def demo_events(registry: Registry, key: signing.PrivateKey) -> list[DemoEvent]:
    """Sign the five with ``key``, now."""
    deadline, match = (_example(registry, name) for name in ("deadline_soon", "new_match"))
    broken = deepcopy(match)
    broken["data"]["match_score"] = "high"
    unknown = {**deepcopy(match), "type": "lottery_won"}
    return [
        _event("deadline_soon", deadline, key, "accepted"),
        _event("new_match", match, key, "accepted"),
        _tampered(_event("new_match, signature tampered with", match, key, "token_signature")),
        _event("new_match that breaks its schema", broken, key, "schema_violation"),
        _event("an event of an unknown type", unknown, key, "event_type_unknown"),
    ]


def _example(registry: Registry, name: str) -> dict[str, Any]:
    event = registry.versions(name)[registry.latest(name)].example()
    event["occurred_at"] = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return event


def _event(title: str, event: Mapping[str, Any], key: signing.PrivateKey, expected: str) -> DemoEvent:
    jti = str(uuid.uuid4())
    body = signing.claims(event, issuer=ISSUER, service=ISSUER, jti=jti, now_s=int(time.time()))
    return DemoEvent(
        title=title,
        event_id=f"{ISSUER}/{jti}",
        recipient_id=event["recipient"]["id"],
        token=signing.sign(body, key, kid=KID).encode(),
        expected=expected,
    )


def _tampered(event: DemoEvent) -> DemoEvent:
    """The same with one byte of the signature changed (not of the last group, whose spare bits would show)."""
    token = bytearray(event.token)
    place = token.rindex(b".") + 10
    token[place] = ord("A") if token[place] != ord("A") else ord("B")
    return DemoEvent(
        title=event.title,
        event_id=event.event_id,
        recipient_id=event.recipient_id,
        token=bytes(token),
        expected=event.expected,
    )
