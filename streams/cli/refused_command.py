"""`comcenter event refused`: what was refused of one issuer, and why."""

from __future__ import annotations

import json
import time
from dataclasses import asdict

import typer

from adapters import kafka_config
from adapters.kafka_admin import BrokerUnavailableError
from adapters.kafka_reader import TopicReader
from streams import topics
from streams.cli.context import load_settings, parse_hours, producer_row, producers_of, require_bootstrap
from streams.cli.exits import fail
from streams.inbound import from_kafka
from streams.refusals import Refusal, refusals


def refused(
    issuer: str = typer.Option(..., help="`iss`, as in the producers file."),
    since: str = typer.Option("24h", help="How far back to look: such as 90m, 24h or 3d."),
    limit: int = typer.Option(100, help="At most so many, the newest.", min=1),
    seconds: float = typer.Option(20.0, help="How long to look, in seconds.", min=0.1),
    json_output: bool = typer.Option(False, "--json", help="One JSON document."),
) -> None:
    """List what ingest refused of an issuer, oldest first: when, why, and which record it was.

    Dead letters are kept for at least 72 hours. Exit code 0 also when there are some.
    """
    hours = parse_hours(since)
    settings = load_settings()
    bootstrap = require_bootstrap(settings)
    producer_row(settings, issuer)
    since_ms = int((time.time() - hours * 3600) * 1000)
    reader = TopicReader(kafka_config.rdkafka(settings, bootstrap))
    try:
        letters = (
            from_kafka(message, prefix=settings.topic_prefix)
            for message in reader.scan([settings.topic_prefix + topics.DEAD_LETTER], since_ms=since_ms, seconds=seconds)
        )
        found = refusals(issuer, producers_of(settings), letters)
    except BrokerUnavailableError as error:
        fail(str(error))
    finally:
        reader.close()
    if json_output:
        shown = [asdict(one) for one in found[-limit:]]
        print(json.dumps({"issuer": issuer, "complete": reader.complete, "total": len(found), "refusals": shown}))
    else:
        _tell(issuer, found, limit=limit, since=since)
        if not reader.complete:
            print(f"not all was read in {seconds:g} s: raise --seconds, or lower --since")


def _tell(issuer: str, found: list[Refusal], *, limit: int, since: str) -> None:
    for one in found[-limit:]:
        print(f"{one.failed_at}  {one.reason}  {one.event_id or 'without a readable id'}")
        print(f"{'':31}{one.topic}[{one.partition}]@{one.offset}  {one.detail}")
    if len(found) > limit:
        print(f"the newest {limit} of {len(found)}: raise --limit to see more")
    if not found:
        print(f"nothing of {issuer} was refused in the last {since}")
