"""What commands share: settings, and a broker to talk to."""

from __future__ import annotations

from config import settings as config
from config.settings import Settings
from streams.cli.exits import Exit, fail


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
