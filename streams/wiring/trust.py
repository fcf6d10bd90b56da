"""Builds what decides whom to believe: key sets and their memory, gate 1 and its token probe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from adapters import kafka_config
from adapters.kafka_log import TopicFollower, TopicWriter
from adapters.key_fetch import FetchLimits
from adapters.keysets import KeySetLimits, KeySets
from adapters.oauth import TokenEndpoint
from config.key_source import AUTH_PREFIX, KeySource
from config.producers import ProducerRow
from config.settings import Settings
from streams import steady, topics
from streams.auth_probe import AuthProbe
from streams.core import keys, token
from streams.core.access import AccessRules
from streams.gate import Auth, Gate1
from streams.holds import Holds
from streams.key_memory import KeyMemory


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """``probe`` is empty where no auth service is configured."""

    rules: token.TokenRules
    key_sets: KeySets
    memory: TopicFollower
    gate: Gate1
    probe: tuple[AuthProbe, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustParts:
    """What the gate sets, which topics have records that wait, and what a composition may exchange."""

    holds: Holds
    waits: Callable[[str], bool]
    keys: Callable[[token.Keys], token.Keys] = lambda keys: keys
    gate: type[Gate1] = Gate1


def new_trust(
    settings: Settings, bootstrap: str, rows: Sequence[ProducerRow], writer: TopicWriter, parts: TrustParts
) -> Trust:
    """Keys of every registered issuer and of the auth service, and the gate over them."""
    producers = tuple(producer_of(row) for row in rows)
    auth = auth_source(settings)
    sources = [*(row.keys for row in rows), *auth]
    follower = TopicFollower(
        kafka_config.rdkafka(settings, bootstrap),
        settings.topic_prefix + topics.KEYS,
        lambda entry: memory.read(entry.key, entry.value, key_sets),  # which are made below: each needs the other
    )
    memory = KeyMemory(writer, prefix=settings.topic_prefix, is_read=follower.is_caught_up, now=steady.now)
    key_sets = KeySets(sources, keys.parse, key_set_limits(settings), memory, now=steady.now)
    probe = tuple(new_probe(settings, source, key_sets) for source in auth)
    seen_by_gate = (
        Auth(keys_of=source.issuer, probe=each.fresh, fresh_for=settings.gate1_fresh_for)
        for source, each in zip(auth, probe, strict=True)
    )
    return Trust(
        rules=token.TokenRules({producer.issuer: producer for producer in producers}, parts.keys(key_sets)),
        key_sets=key_sets,
        memory=follower,
        gate=parts.gate(producers, key_sets, next(seen_by_gate, None), parts.holds, waits=parts.waits),
        probe=probe,
    )


def producer_of(row: ProducerRow) -> token.Producer:
    """A row of ``producers.toml`` as the core sees it."""
    topic = topics.INBOUND_PREFIX + row.service
    return token.Producer(issuer=row.issuer, service=row.service, topic=topic, types=row.types)


def auth_source(settings: Settings) -> tuple[KeySource, ...]:
    """Where the auth service's keys are: OAUTH_JWKS_URI, else what discovery at OAUTH_ISSUER says; empty if unset."""
    if settings.oauth_issuer is None:
        return ()
    name, jwks = AUTH_PREFIX + settings.oauth_issuer, settings.oauth_jwks_uri or ""
    discovery = "" if jwks else settings.oauth_issuer
    return (KeySource(issuer=name, jwks=jwks, discovery=discovery, production=settings.production),)


def new_probe(settings: Settings, source: KeySource, key_sets: KeySets) -> AuthProbe:
    """The token probe; the settings were checked to be there together."""
    secret = settings.oauth_client_secret
    endpoint = TokenEndpoint(
        settings.oauth_token_endpoint or "",
        settings.oauth_client_id or "",
        secret.get_secret_value() if secret else "",
        timeout=settings.jwks_timeout,
    )
    rules = AccessRules(issuer=settings.oauth_issuer or "", keys_of=source.issuer, keys=key_sets)
    return AuthProbe(endpoint, rules, every=settings.gate1_probe_every, retry=settings.jwks_cool_down, now=steady.now)


def key_set_limits(settings: Settings) -> KeySetLimits:
    """The bounds on fetching and keeping keys."""
    return KeySetLimits(
        refresh_every=settings.jwks_refresh_every,
        cool_down=settings.jwks_cool_down,
        unknown_for=settings.jwks_unknown_for,
        max_age=settings.jwks_max_age,
        kept_for=settings.jwks_kept_for,
        record_every=settings.jwks_record_every,
        fetch=FetchLimits(
            timeout=settings.jwks_timeout,
            max_bytes=settings.jwks_max_bytes,
            discovery_every=settings.jwks_discovery_every,
        ),
    )
