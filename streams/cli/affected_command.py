"""`comcenter template affected`: who got a version of a template, and who would."""

from __future__ import annotations

import json
import time
from contextlib import closing
from dataclasses import asdict
from typing import Annotated, Any, Final

import typer

from adapters import kafka_config
from adapters.kafka_admin import BrokerUnavailableError
from adapters.kafka_reader import TopicReader
from config.settings import Settings
from streams import topics
from streams.cli.context import issuers_of, load_settings, parse_moment, require_bootstrap
from streams.cli.dlq_shared import AsJson, Seconds, Until
from streams.cli.exits import Exit, fail
from streams.core.affected import RECEIVED, Affected, Inquiry, Wanted, counts
from streams.core.letter_choice import Filter
from streams.core.letters import LAST_MS, moment
from streams.core.messages import Category
from streams.inbound import from_kafka
from streams.letterbox import NotReadError, letterbox
from streams.wiring.dispatch import read_topics
from streams.wiring.waiting import open_waiting

OF_DISPATCH: Final = tuple(topic for category in Category for topic in read_topics(category))


def affected(
    name: Annotated[str, typer.Argument(metavar="NAME[@VERSION]", help="The template, or one version of it.")],
    *,
    since: Annotated[str, typer.Option(help="From then on: such as 90m or 24h ago, or 2026-11-24T09:30:00Z.")],
    until: Until = "",
    limit: Annotated[int, typer.Option(help="List at most so many, the newest. Counts are whole.", min=0)] = 100,
    seconds: Seconds = 60.0,
    json_output: AsJson = False,
) -> None:
    """Count and list the messages of a template: sent, perhaps sent, held, waiting, or ended in another way.

    What has ended counts by when it ended, what waits by when it was queued. No address is shown. 100 without a trace.
    """
    now_s = time.time()
    wanted = Wanted.parse(
        name,
        since_ms=parse_moment(since, "--since", now_s),
        until_ms=parse_moment(until, "--until", now_s) if until else LAST_MS,
    )
    if isinstance(wanted, str):
        fail(f"{name}: {wanted}", Exit.USAGE)
    settings = load_settings()
    try:
        rows = _inquire(wanted, settings, require_bootstrap(settings), seconds)
    except (BrokerUnavailableError, NotReadError) as error:
        fail(str(error))
    print(json.dumps(as_json(wanted, rows, limit)) if json_output else "\n".join(lines(wanted, rows, limit)))
    if not rows:
        raise typer.Exit(Exit.FINDINGS)


def _inquire(wanted: Wanted, settings: Settings, bootstrap: str, seconds: float) -> list[Affected]:
    """What waits is read first: what ends meanwhile is then found among the receipts."""
    inquiry, deadline = Inquiry(wanted), time.monotonic() + seconds
    reading = open_waiting(settings, bootstrap, ()).reading(OF_DISPATCH, seconds=seconds)
    for record in reading.records():
        inquiry.waits(record)
    _require(reading.complete, "what waits", seconds)
    named = Filter(named={"template": frozenset({str(wanted)})}, since_ms=wanted.since_ms, until_ms=wanted.until_ms)
    with letterbox(settings, bootstrap, issuers_of(settings), seconds=_left(deadline)) as box:
        for letter, _ in box.find(named):
            inquiry.letter(letter)
    config = kafka_config.rdkafka(settings, bootstrap)
    with closing(TopicReader(config)) as reader:
        receipts = settings.topic_prefix + topics.RECEIPTS
        for message in reader.scan([receipts], since_ms=wanted.since_ms, seconds=_left(deadline)):
            inquiry.receipt(from_kafka(message, prefix=settings.topic_prefix))
        _require(reader.complete, topics.RECEIPTS, seconds)
    return inquiry.rows()


def _left(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0.1)


def _require(complete: bool, what: str, seconds: float) -> None:
    """A part of a count would be taken for the whole."""
    if not complete:
        raise NotReadError(f"{what} was not read to the end in {seconds:g} s: raise --seconds, or give a later --since")


def as_json(wanted: Wanted, rows: list[Affected], limit: int) -> dict[str, Any]:
    """For a program."""
    versions = sorted({row.version for row in rows})
    return {
        "template": wanted.template,
        "since": moment(wanted.since_ms),
        "until": None if wanted.until_ms == LAST_MS else moment(wanted.until_ms),
        "total": len(rows),
        "counts": {where.value: count for where, count in counts(rows).items()},
        "versions": {
            version: {where.value: n for where, n in counts(row for row in rows if row.version == version).items()}
            for version in versions
        },
        "messages": [{**asdict(row), "at": moment(row.at_ms)} for row in _newest(rows, limit)],
    }


def _newest(rows: list[Affected], limit: int) -> list[Affected]:
    return rows[-limit:] if limit else []


def lines(wanted: Wanted, rows: list[Affected], limit: int) -> list[str]:
    """For a person: the list, then the counts."""
    if not rows:
        return [f"no trace of {wanted} since {moment(wanted.since_ms)}"]
    shown = [_line(row) for row in _newest(rows, limit)]
    counted = counts(rows)
    told = [f"  {where.value:16} {count:6}" for where, count in counted.items()]
    reached = sum(count for where, count in counted.items() if where in RECEIVED)
    rest = f", the newest {limit} shown (--limit)" if len(rows) > limit else ""
    return [*shown, f"{len(rows)} messages of {wanted}; {reached} went out, or may have{rest}", *told]


def _line(row: Affected) -> str:
    who = f"{_safe(row.event_id)}  {_safe(row.recipient_id) or '-'}  {row.channel or '-'}"
    return f"{moment(row.at_ms)}  {row.where.value:16} {row.dispatch_id}  {row.version}  {who}"


def _safe(text: str) -> str:
    """An id is its producer's text: it must not write on a terminal."""
    return text if text.isprintable() else ascii(text)
