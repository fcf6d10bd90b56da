"""`comcenter gate`: what holds the fleet back."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from datetime import UTC, datetime

import typer

from adapters import kafka_config
from adapters.kafka_admin import BrokerUnavailableError
from adapters.kafka_reader import TopicReader
from streams.cli.context import load_settings, require_bootstrap
from streams.cli.exits import Exit, fail
from streams.cli.kept import kept
from streams.cli.preflight_report import of_topic, topic_line
from streams.heartbeat import Fleet, WorkerState
from streams.letterbox import NotReadError
from streams.status.reading import read_workers


def gate(json_output: bool = typer.Option(False, "--json", help="One JSON object on standard output.")) -> None:
    """Show gate 1 (scholar_auth) as every worker sees it: state, reason, since when. 100 while it is RED.

    The fleet is RED if any worker is. Workers say what they see on comms.workers, every HEARTBEAT_EVERY.
    """
    settings = load_settings()
    bootstrap = require_bootstrap(settings)
    reader = TopicReader(kafka_config.rdkafka(settings, bootstrap))
    try:
        heard = read_workers(reader, settings, int(time.time() * 1000)).fleet
    except (BrokerUnavailableError, NotReadError) as error:
        fail(str(error), Exit.CANNOT_LOAD)
    finally:
        reader.close()
    held = frozenset[str]().union(*(state.holds for state in heard.workers))
    waiting, at_ms = kept(settings, bootstrap, held), int(time.time() * 1000)
    if json_output:
        print(json.dumps({**as_json(heard), "waiting": [of_topic(one, at_ms) for one in waiting]}))
    else:
        print("\n".join([*lines(heard), *(f"  {topic_line(one, at_ms)}" for one in waiting)]))
    if not heard.gate1_green:
        raise typer.Exit(Exit.FINDINGS)


def as_json(heard: Fleet) -> dict[str, object]:
    """What ``--json`` prints."""
    return {
        "gate1": "GREEN" if heard.gate1_green else "RED",
        "workers": [asdict(state) for state in heard.workers],
        "silent": list(heard.silent),
        "clock_off_s": dict(heard.clock_off_s),
    }


def lines(heard: Fleet) -> list[str]:
    """What a person reads: the fleet, then each worker, then those that fell silent."""
    if not heard.workers:
        found = ["gate 1  RED  no worker is running"]
    else:
        word = "GREEN" if heard.gate1_green else "RED"
        found = [f"gate 1  {word}  since {_time(_since_ms(heard))}", *(_line(state, heard) for state in heard.workers)]
    return found + [f"  {name}  silent: it ended without saying so, or can't reach Kafka" for name in heard.silent]


def _since_ms(heard: Fleet) -> int:
    """RED since the first of the workers that are RED became so; GREEN since the last of all became so."""
    red = [state.gate1_since_ms for state in heard.workers if not state.gate1_green]
    return min(red) if red else max(state.gate1_since_ms for state in heard.workers)


def _line(state: WorkerState, heard: Fleet) -> str:
    word = "GREEN" if state.gate1_green else f"RED    {state.gate1_why}"
    held = [f"\n      held: {topic}  {'; '.join(reasons)}" for topic, reasons in sorted(state.holds.items())]
    off_s = heard.clock_off_s.get(state.worker, 0)
    clock = (
        f"\n      clock is {abs(off_s)} s off, {'ahead of' if off_s > 0 else 'behind'} the broker's" if off_s else ""
    )
    return f"  {state.worker}  {word}  since {_time(state.gate1_since_ms)}{clock}{''.join(held)}"


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
