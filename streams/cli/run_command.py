"""`comcenter run`: the worker."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import structlog
import typer

from adapters.embedded_broker import EmbeddedBroker, EmbeddedBrokerUnavailable
from adapters.kafka_admin import BrokerUnavailableError
from adapters.processes import ServerFailed
from adapters.telemetry import configure_logging
from config.settings import ConfigError, Settings
from schemas.registry import SchemaLoadError
from streams import worker
from streams.app import build
from streams.cli.context import load_settings
from streams.cli.exits import Exit, fail
from streams.templates import TemplateLoadError

UNUSABLE = (ConfigError, SchemaLoadError, TemplateLoadError)
log = structlog.get_logger(__name__)


def run() -> None:
    """Run a worker until SIGTERM or Ctrl-C. All settings come from the environment (docs/configuration.md).

    In development, without KAFKA_BOOTSTRAP, it starts the embedded broker and creates the topics.
    """
    settings = load_settings(for_worker=True)
    configure_logging()
    try:
        with broker(settings) as bootstrap:
            code = asyncio.run(_run(settings, bootstrap))
    except (*UNUSABLE, BrokerUnavailableError, EmbeddedBrokerUnavailable, ServerFailed) as error:
        fail(str(error), Exit.CANNOT_LOAD)
    raise typer.Exit(code)


async def _run(settings: Settings, bootstrap: str) -> int:
    built = build(settings, bootstrap)
    if settings.kafka_bootstrap is None:
        await asyncio.to_thread(built.admin.apply, built.table)
    return await worker.run(built)


@contextlib.contextmanager
def broker(settings: Settings) -> Iterator[str]:
    """The configured brokers, or the embedded one for as long as this runs."""
    if settings.kafka_bootstrap is not None:
        yield settings.kafka_bootstrap
        return
    with EmbeddedBroker() as embedded:
        log.info("embedded_broker", bootstrap=embedded.bootstrap)
        yield embedded.bootstrap
