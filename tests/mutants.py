"""Tokens that are mutated in structure and then signed by the issuer's own key: only what they say is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from tests import forge
from tests.builders import claims, event, private_key

KEY: Final = private_key("EdDSA")
EVENT: Final = event()
WORDS: Final = [
    "auto_com_center",
    "scholarship_agent",
    "SystemService",
    "event+jwt",
    "rsa",
    "none",
    "EdDSA",
    "",
    "x",
    "\0",
]
NUMBERS: Final = [0, 1, -1, 900, 2**31, 2**53, 2**63 - 1, -(2**63), 0.5, -0.0, 1e15, 1e300]
OFFSETS: Final = [-(10**6), -1800, -900, -400, -200, -70, -50, -10, 10, 50, 70, 200, 500, 850, 1000, 10**6]
"""Seconds from now; none within five of a limit, so that the moment of the check doesn't matter."""
HEADER_NAMES: Final = ["alg", "kid", "typ", "cty", "crit", "b64", "jku", "x5u", "x5c", "jwk", "zip", "x"]
CLAIM_NAMES: Final = ["iss", "aud", "sub", "roles", "iat", "exp", "nbf", "jti", "event", "x"]


@dataclass(slots=True)
class Draft:
    """A token before it is written down. ``repeated`` holds members that stand twice, by the text of their value."""

    header: dict[str, Any]
    payload: Any
    now_s: int
    repeated: list[tuple[str, str]]


def draft(random: Random, now_s: int) -> Draft:
    """A good token, each a little different: times, audiences, extras, order."""
    since, life = random.choice([-300, -100, -30, 0, 30]), random.choice([60, 300, 600, 900])
    life = max(life, 120 - since)
    body = claims(
        deepcopy(EVENT), iat=now_s + since, exp=now_s + since + min(life, 900), jti=f"event-{random.random()}"
    )
    if random.random() < 0.3:
        body["aud"] = random.sample(["auto_com_center", "scholarship_api", "x"], 3)
    if random.random() < 0.3:
        body["iat"], body["exp"] = float(body["iat"]), float(body["exp"])
    if random.random() < 0.3:
        body[random.choice(["extra", "nonce", "azp"])] = junk(random)
    shuffled = list(body.items())
    random.shuffle(shuffled)
    return Draft(forge.header(alg="EdDSA", kid="ed"), dict(shuffled), now_s, [])


def junk(random: Random, depth: int = 2) -> Any:
    """Any JSON value, often one that means something somewhere."""
    kind = random.randrange(9 if depth else 6)
    if kind < 2:
        return random.choice(WORDS)
    if kind < 4:
        return random.choice(NUMBERS)
    if kind < 6:
        return random.choice([None, True, False])
    if kind < 8:
        return [junk(random, depth - 1) for _ in range(random.randrange(3))]
    return {random.choice(WORDS): junk(random, depth - 1) for _ in range(random.randrange(3))}


def _replaced(random: Random, made: Draft) -> None:
    made.payload[random.choice(CLAIM_NAMES)] = junk(random)


def _removed(random: Random, made: Draft) -> None:
    made.payload.pop(random.choice(CLAIM_NAMES), None)


def _retyped(random: Random, made: Draft) -> None:
    """A number as a string, a scalar in a list, a list taken apart, a truth for a number."""
    name = random.choice(list(made.payload))
    value = made.payload[name]
    first = value[0] if isinstance(value, list) and value else None
    made.payload[name] = random.choice([str(value), [value], [[value]], {"v": value}, first, bool(value)])


def _shifted(random: Random, made: Draft) -> None:
    name = random.choice(["iat", "exp", "nbf"])
    made.payload[name] = made.now_s + random.choice(OFFSETS) + random.choice([0, 0.25])


def _in_a_list(random: Random, made: Draft) -> None:
    """Something else beside what is right: in the audience or among the roles."""
    name, right = random.choice([("aud", "auto_com_center"), ("roles", "SystemService")])
    made.payload[name] = [right, junk(random)]
    random.shuffle(made.payload[name])


def _renamed(random: Random, made: Draft) -> None:
    name = random.choice(list(made.payload))
    made.payload[random.choice([name.upper(), name + " ", name.title(), name[::-1]])] = made.payload.pop(name)


def _nested(random: Random, made: Draft) -> None:
    """Somewhere inside the event."""
    body = made.payload.get("event")
    if isinstance(body, dict) and body:
        made.payload["event"] = {**deepcopy(body), random.choice(list(body)): junk(random)}


def _header_replaced(random: Random, made: Draft) -> None:
    made.header[random.choice(HEADER_NAMES)] = junk(random)


def _header_removed(random: Random, made: Draft) -> None:
    made.header.pop(random.choice(["alg", "kid", "typ"]), None)


def _repeated(random: Random, made: Draft) -> None:
    name = random.choice(list(made.payload))
    made.repeated.append((name, json.dumps(random.choice([made.payload[name], junk(random)]))))


def _not_json(random: Random, made: Draft) -> None:
    made.repeated.append(
        (
            "z",
            random.choice(
                ["NaN", "Infinity", "-Infinity", "1e999", "01", "'x'", '"\\ud800"', "1" * 30, "9223372036854775808"]
            ),
        )
    )


def _another_payload(random: Random, made: Draft) -> None:
    made.payload = random.choice([[made.payload], "text", 1, None, {}, {"payload": made.payload}])


MUTATIONS: Final[tuple[Callable[[Random, Draft], None], ...]] = (
    _replaced, _removed, _retyped, _shifted, _in_a_list, _renamed, _nested, _header_replaced, _header_removed,
    _repeated, _not_json, _another_payload,
)  # fmt: skip


def mutate(random: Random, made: Draft) -> Draft:
    """One to three mutations, one after the other."""
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        if isinstance(made.payload, dict) and made.payload:
            random.choice(MUTATIONS)(random, made)
    return made


def written(made: Draft) -> bytes:
    """The token, signed over exactly what it says."""
    payload = json.dumps(made.payload)
    for name, text in made.repeated:
        if payload.endswith("}"):
            payload = f"{payload[:-1]}{', ' if len(payload) > 2 else ''}{json.dumps(name)}: {text}}}"
    return forge.sign(made.header, payload.encode(), KEY)
