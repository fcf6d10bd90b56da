"""What one event costs, step by step, without a broker: medians of several rounds, in microseconds."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from schemas import registry
from streams import templates
from streams.core import keys, signing
from streams.core.contract import Event, validate
from streams.core.fanout import fan_out
from streams.core.jws import Unverified, read, verify_bytes
from streams.core.keyring import Arrival, NoKey
from streams.core.messages import Message, Mode
from streams.core.records import Record
from streams.core.render import Renderer
from streams.core.token import EVENT_TYPE, Claims, Producer, TokenRules, verify

ROUNDS = 7


class OneKeySet:
    """The same keys for every issuer."""

    def __init__(self, key_set: keys.KeySet) -> None:
        self._keys = key_set

    def find(self, _issuer: str, kid: str, _arrival: Arrival) -> keys.Key | NoKey:
        """By kid."""
        return self._keys.keys.get(kid, NoKey.UNKNOWN)


def per_step(values: list[bytes], document: bytes, producer: Producer, now_s: float) -> dict[str, float]:
    """Microseconds per event for each step of ingest and render, and for ingest as a whole."""
    key_set = keys.parse(document)
    rules = TokenRules({producer.issuer: producer}, OneKeySet(key_set))
    known, shipped = registry.load(), templates.load()
    renderer = Renderer(shipped)
    records = [_record(value, producer.topic, now_s) for value in values]
    unverified = [_ok(read(value, token_type=EVENT_TYPE), Unverified) for value in values]
    claims = [_ok(verify(record, rules), Claims) for record in records]
    events = [_ok(validate(claim, known), Event) for claim in claims]
    orders = [_ok(_fan_out(event, shipped), tuple)[0] for event in events]
    messages = [_ok(renderer.render(order), Message) for order in orders]
    return {
        "read token": _time(lambda value: read(value, token_type=EVENT_TYPE), values),
        "check signature": _time(lambda token: verify_bytes(token, key_set), unverified),
        "verify, whole": _time(lambda record: verify(record, rules), records),
        "validate": _time(lambda claim: validate(claim, known), claims),
        "fan out": _time(lambda event: _fan_out(event, shipped), events),
        "encode order": _time(lambda order: order.encode(), orders),
        "render": _time(renderer.render, orders),
        "encode message": _time(lambda message: message.encode(), messages),
    }


def _fan_out(event: Event, shipped: Any) -> Any:  # noqa: ANN401 - either outcome
    return fan_out(event, shipped, mode=Mode.DRY_RUN, appended_ms=0)


def _record(value: bytes, topic: str, now_s: float) -> Record:
    at = int(now_s * 1000)
    return Record(
        topic=topic, partition=0, offset=0, key=b"k", value=value, timestamp_ms=at, appended_ms=at, received_ms=at
    )


def _ok(outcome: Any, kind: type) -> Any:  # noqa: ANN401 - whatever the step makes
    if not isinstance(outcome, kind):
        raise TypeError(f"the benchmark's own event was refused: {outcome}")
    return outcome


def _time(call: Callable[[Any], object], items: list[Any]) -> float:
    rounds = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for item in items:
            call(item)
        rounds.append((time.perf_counter() - begun) / len(items) * 1e6)
    return statistics.median(rounds)


def key_document(key: signing.PrivateKey) -> bytes:
    """A JWK set of one key."""
    import json  # noqa: PLC0415 - for this one line

    return json.dumps({"keys": [signing.public_jwk(key, kid="bench")]}).encode()
