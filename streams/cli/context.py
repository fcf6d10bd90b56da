"""What commands share: settings, and a broker to talk to."""

from __future__ import annotations

import re
from typing import Final

from config import producers
from config import settings as config
from config.producers import ProducerRow
from config.settings import Settings
from streams.cli.exits import Exit, fail
from streams.core import moments
from streams.core.token import Producer
from streams.wiring.trust import producer_of

_SPAN: Final = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)([smhd]?)", re.ASCII)
_HOURS: Final = {"s": 1 / 3600, "m": 1 / 60, "h": 1.0, "": 1.0, "d": 24.0}


def load_settings(*, for_worker: bool = False) -> Settings:
    """The settings, or the end of the command with a message that names all that is wrong."""
    try:
        return config.load(for_worker=for_worker)
    except config.ConfigError as error:
        fail(str(error), Exit.CANNOT_LOAD)


def require_bootstrap(settings: Settings) -> str:
    """The brokers' address, or the end of the command."""
    if settings.kafka_bootstrap is None:
        fail("KAFKA_BOOTSTRAP is not set: which Kafka should this talk to (host:port,…)?", Exit.USAGE)
    return settings.kafka_bootstrap


def producer_rows(settings: Settings) -> tuple[ProducerRow, ...]:
    """Every issuer of the producers file, or the end of the command."""
    try:
        return producers.read(settings.producers_file, production=settings.production)
    except config.ConfigError as error:
        fail(str(error))


def producer_row(settings: Settings, issuer: str) -> ProducerRow:
    """One issuer of the producers file, or the end of the command."""
    rows = producer_rows(settings)
    found = next((row for row in rows if row.issuer == issuer), None)
    if found is None:
        known = ", ".join(row.issuer for row in rows)
        fail(f"{issuer} is not in {settings.producers_file}; there are: {known}", Exit.USAGE)
    return found


def producers_of(settings: Settings) -> dict[str, Producer]:
    """What each issuer is bound to, without the deployment's prefix."""
    return {row.issuer: producer_of(row) for row in producer_rows(settings)}


def issuers_of(settings: Settings) -> dict[str, str]:
    """Who produces to which inbound topic."""
    return {producer.topic: issuer for issuer, producer in producers_of(settings).items()}


def parse_moment(text: str, option: str, now_s: float) -> int:
    """``90m``, ``24h`` or ``3d`` ago, or an RFC 3339 date-time, as milliseconds since the epoch; or the end."""
    span = _SPAN.fullmatch(text.strip())
    if span is not None:
        return int((now_s - float(span[1]) * _HOURS[span[2]] * 3600) * 1000)
    try:
        return int(moments.parse(text.strip()).timestamp() * 1000)
    except (ValueError, OverflowError):
        fail(f"{option} {text}: a span such as 90m, 24h or 3d, or a time such as 2026-11-24T09:30:00Z", Exit.USAGE)


def parse_hours(text: str, option: str = "--since") -> float:
    """``90m``, ``24h``, ``3d`` or a number of hours, as hours; or the end of the command."""
    found = _SPAN.fullmatch(text.strip())
    if found is None or float(found[1]) == 0:
        fail(f"{option} {text}: a number and one of s, m, h, d, such as 90m or 24h", Exit.USAGE)
    return float(found[1]) * _HOURS[found[2]]
