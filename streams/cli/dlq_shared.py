"""What the commands about dead letters share: the filters, the letterbox, and how a letter is shown."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from adapters.kafka_admin import BrokerUnavailableError
from config.settings import Settings
from streams.cli.context import issuers_of, load_settings, parse_moment, require_bootstrap
from streams.cli.exits import fail
from streams.core.letter_choice import Filter
from streams.core.letters import LAST_MS, Letter, moment
from streams.core.reasons import Reason, Stage
from streams.letterbox import Letterbox, NotReadError, letterbox

# Each of the filters may be given more than once, and then means any of those.
Reasons = Annotated[list[Reason] | None, typer.Option("--reason", metavar="REASON", help="One of the refusals.")]
Stages = Annotated[list[Stage] | None, typer.Option("--stage", help="The step that gave it up.")]
Types = Annotated[list[str] | None, typer.Option("--type", help="Event type.")]
Issuers = Annotated[list[str] | None, typer.Option("--issuer", help="Whose event it is.")]
Templates = Annotated[list[str] | None, typer.Option("--template", help="NAME or NAME@VERSION.")]
Ids = Annotated[list[str] | None, typer.Option("--id", help="Event id, dispatch id or partition@offset.")]
Since = Annotated[str, typer.Option(help="From then on: such as 90m or 24h ago, or 2026-11-24T09:30:00Z.")]
Until = Annotated[str, typer.Option(help="Before then: as --since.")]
Seconds = Annotated[float, typer.Option(help="How long to read, in seconds.", min=0.1)]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]
Because = Annotated[str, typer.Option("--because", "--reason-text", help="Why, for the audit.")]


def meant(named: Mapping[str, list[Any] | None], since: str = "", until: str = "") -> Filter:
    """The filter that the options make, or the end of the command."""
    now_s = time.time()
    return Filter(
        named={row: frozenset(str(each) for each in wanted) for row, wanted in named.items() if wanted},
        since_ms=parse_moment(since, "--since", now_s) if since else 0,
        until_ms=parse_moment(until, "--until", now_s) if until else LAST_MS,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A letterbox, and what it was opened with."""

    box: Letterbox
    settings: Settings
    bootstrap: str


@contextmanager
def opened(seconds: float) -> Iterator[Opened]:
    """The letterbox of this deployment; what can't be read ends the command."""
    settings = load_settings()
    bootstrap = require_bootstrap(settings)
    try:
        with letterbox(settings, bootstrap, issuers_of(settings), seconds=seconds) as box:
            yield Opened(box=box, settings=settings, bootstrap=bootstrap)
    except (BrokerUnavailableError, NotReadError) as error:
        fail(str(error))


def now_ms() -> int:
    """This machine's clock."""
    return int(time.time() * 1000)


def as_json(letter: Letter, redriven: Mapping[str, object], at_ms: int) -> dict[str, object]:
    """A letter in a JSON document."""
    return {
        "place": str(letter.place),
        "at": moment(letter.at_ms),
        "failed_at": moment(letter.failed_at_ms),
        "stage": letter.stage,
        "reason": letter.reason,
        "detail": letter.detail,
        "origin": letter.origin,
        "issuer": letter.issuer,
        "event_id": letter.event_id,
        "event_type": letter.event_type,
        "dispatch_id": letter.dispatch_id,
        "template": letter.template,
        "template_version": letter.template_version,
        "attempts": letter.attempts,
        "redrives": letter.redrives,
        "truncated": letter.truncated,
        "seconds_left": letter.seconds_left(at_ms),
        "redriven": str(letter.place) in redriven,
    }


def left(seconds: int) -> str:
    """A span for the eye: ``71h12m``."""
    return f"{seconds // 3600}h{seconds % 3600 // 60:02}m" if seconds else "gone soon"
