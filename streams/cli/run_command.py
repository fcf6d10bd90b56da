"""`comcenter run`: the worker."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator
from typing import Final

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
from streams.supervisor import Policy, Supervisor, environs, worker_command
from streams.templates import TemplateLoadError

MAX_WORKERS: Final = 64
GRACE_S: Final = 1.5
"""Beyond a worker's own bound on its end."""
UNUSABLE = (ConfigError, SchemaLoadError, TemplateLoadError)
log = structlog.get_logger(__name__)


def run(
    workers: int = typer.Option(1, min=1, max=MAX_WORKERS, help="Processes; worker i listens on PORT + i."),
) -> None:
    """Run a worker until SIGTERM or Ctrl-C. All settings come from the environment (docs/configuration.md).

    In development, without KAFKA_BOOTSTRAP, it starts the embedded broker and creates the topics. With --workers, one
    that ends with a fault is started again.
    """
    settings = load_settings(for_worker=True)
    configure_logging()
    try:
        with broker(settings) as bootstrap:
            running = _run(settings, bootstrap) if workers == 1 else _run_many(settings, bootstrap, workers)
            code = asyncio.run(running)
    except (*UNUSABLE, BrokerUnavailableError, EmbeddedBrokerUnavailable, ServerFailed) as error:
        fail(str(error), Exit.CANNOT_LOAD)
    raise typer.Exit(code)


async def _run(settings: Settings, bootstrap: str) -> int:
    built = build(settings, bootstrap)
    if settings.kafka_bootstrap is None:
        await asyncio.to_thread(built.admin.apply, built.table)
    return await worker.run(built)


async def _run_many(settings: Settings, bootstrap: str, workers: int) -> int:
    if settings.kafka_bootstrap is None:
        built = build(settings, bootstrap)
        await asyncio.to_thread(built.admin.apply, built.table)
    environ = {**os.environ, "KAFKA_BOOTSTRAP": bootstrap}
    return await Supervisor(
        worker_command(),
        environs(environ, workers=workers, port=settings.port),
        Policy(grace=settings.shutdown_timeout + GRACE_S),
    ).run()


@contextlib.contextmanager
def broker(settings: Settings) -> Iterator[str]:
    """The configured brokers, or the embedded one for as long as this runs."""
    if settings.kafka_bootstrap is not None:
        yield settings.kafka_bootstrap
        return
    with EmbeddedBroker() as embedded:
        log.info("embedded_broker", bootstrap=embedded.bootstrap)
        yield embedded.bootstrap
