"""`comcenter explain`: what became of one event."""

from __future__ import annotations

import json
import time
from dataclasses import asdict

import typer

from adapters import kafka_config
from adapters.kafka_admin import BrokerUnavailableError
from adapters.kafka_reader import TopicReader
from streams import topics
from streams.cli.context import load_settings, parse_hours, producer_rows, require_bootstrap
from streams.cli.exits import Exit, fail
from streams.explain import event_id_of, story
from streams.inbound import from_kafka


def explain(
    event_id: str = typer.Argument(help="<iss>/<jti>, as a receipt or `event send` names it."),
    since: str = typer.Option("24h", help="How far back to look: such as 90m, 24h or 3d."),
    seconds: float = typer.Option(20.0, "--limit", help="How long to look, in seconds.", min=0.1),
    json_output: bool = typer.Option(False, "--json", help="One JSON document."),
) -> None:
    """Read the topics and tell an event's story, step by step. Exit code 100 if there is no trace of it."""
    hours = parse_hours(since)
    settings = load_settings()
    bootstrap = require_bootstrap(settings)
    rows = producer_rows(settings)
    table = [row for row in topics.table(row.service for row in rows) if row.key in topics.OF_EVENTS]
    names = [settings.topic_prefix + row.name for row in table]
    since_ms = int((time.time() - hours * 3600) * 1000)
    reader = TopicReader(kafka_config.rdkafka(settings, bootstrap))
    try:
        read = (
            from_kafka(message, prefix=settings.topic_prefix)
            for message in reader.scan(names, since_ms=since_ms, seconds=seconds)
        )
        steps = story(event_id, [record for record in read if event_id_of(record) == event_id])
    except BrokerUnavailableError as error:
        fail(str(error))
    finally:
        reader.close()
    if json_output:
        body = {"event_id": event_id, "complete": reader.complete, "steps": [asdict(step) for step in steps]}
        print(json.dumps(body))
    else:
        for step in steps:
            print(f"{step.at}  {step.what}\n{'':31}{step.place}")
        if not steps:
            print(f"no trace of {event_id} in the last {since} (an id is <iss>/<jti>)")
        if not reader.complete:
            print(f"not all was read in {seconds:g} s: raise --limit, or lower --since")
    if not steps:
        raise typer.Exit(Exit.FINDINGS)
