"""`comcenter topics`: make the broker look like the table, or say where it doesn't."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from adapters.kafka_admin import BrokerUnavailableError, TopicAdmin
from config import producers
from config.settings import ConfigError
from streams import topics
from streams.cli.context import load_settings, require_bootstrap
from streams.cli.exits import Exit, fail
from streams.wiring.kafka import topic_admin

app = typer.Typer(help="Create and check topics.", no_args_is_help=True)


def _admin_and_table() -> tuple[TopicAdmin, tuple[topics.Topic, ...]]:
    settings = load_settings()
    try:
        rows = producers.read(settings.producers_file, production=settings.production)
    except ConfigError as error:
        fail(str(error))
    return topic_admin(settings, require_bootstrap(settings)), topics.table(row.service for row in rows)


@app.command("apply")
def apply(json_output: bool = typer.Option(False, "--json", help="One JSON document.")) -> None:
    """Create the topics that are missing. Existing ones are left as they are; `check` says what differs."""
    admin, table = _admin_and_table()
    try:
        created = admin.apply(table)
    except BrokerUnavailableError as error:
        fail(str(error))
    if json_output:
        print(json.dumps({"created": list(created), "topics": len(table)}))
    else:
        print(f"{len(created)} of {len(table)} topics created" + "".join(f"\n  {name}" for name in created))


@app.command("check")
def check(json_output: bool = typer.Option(False, "--json", help="One JSON document.")) -> None:
    """Compare partitions, retention, cleanup, timestamp type and size limit with the broker; 100 if any differs."""
    admin, table = _admin_and_table()
    try:
        differences = admin.check(table)
    except BrokerUnavailableError as error:
        fail(str(error))
    if json_output:
        print(json.dumps({"topics": len(table), "differences": [asdict(d) for d in differences]}))
    else:
        for d in differences:
            print(f"{d.topic}: {d.what} is {d.found}, should be {d.wanted}")
        print(f"{len(table)} topics checked, {len(differences)} differences")
    if differences:
        raise typer.Exit(Exit.FINDINGS)
