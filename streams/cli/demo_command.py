"""`comcenter demo`: from nothing to the first receipt, on this machine."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from types import FrameType

import typer

from adapters.embedded_broker import EmbeddedBrokerUnavailable
from adapters.kafka_admin import BrokerUnavailableError
from adapters.processes import ServerFailed
from config.settings import ConfigError
from schemas import registry
from streams.cli.exits import Exit, fail
from streams.demo.events import ISSUER, KID, demo_events
from streams.demo.sink import SinkUnavailableError
from streams.demo.story import Outcome, play, summary
from streams.demo.world import DemoError, World


class DemoMode(StrEnum):
    """What the demo's worker is asked for."""

    DRY_RUN = "dry_run"
    LIVE = "live"


def demo(
    once: bool = typer.Option(False, "--once", help="End after the story instead of staying up."),
    json_output: bool = typer.Option(False, "--json", help="End with one JSON line on standard output."),
    mode: DemoMode = typer.Option("dry_run", help="live delivers to the local mail sink."),
    out: Path | None = typer.Option(None, help="Keep the rendered messages in this folder."),
    port: int = typer.Option(0, help="Port of the worker's HTTP server; 0 takes a free one."),
) -> None:
    """Start a broker, keys, a mail sink and a worker; produce five events and show what became of each.

    With KAFKA_BOOTSTRAP set it uses that cluster, under the topic prefix `demo.`. All else is made on the spot and gone
    at the end, unless --out says where to keep what was rendered. Exit code 100 if an event did not end as it should.
    """
    say: Callable[[str], None] = lambda line: print(line, file=sys.stderr if json_output else sys.stdout, flush=True)  # noqa: E731
    signal.signal(signal.SIGTERM, _interrupt)
    begun = time.monotonic()
    try:
        with World(mode=mode.value, port=port) as world:
            outcomes = _tell(world, say, begun, show_files=not once)
            if out is not None:
                shutil.copytree(world.places.outbox, out, dirs_exist_ok=True)
                say(f"\nrendered messages  {out}")
            if json_output:
                print(json.dumps(summary(world, outcomes, begun=begun)), flush=True)
            if not once:
                _stay_up(world, say)
    except KeyboardInterrupt:
        say("ended")
        raise typer.Exit(Exit.OK) from None
    except (
        BrokerUnavailableError, ConfigError, DemoError, EmbeddedBrokerUnavailable, ServerFailed, SinkUnavailableError,
    ) as error:  # fmt: skip
        fail(str(error))
    if not all(outcome.as_expected for outcome in outcomes):
        raise typer.Exit(Exit.FINDINGS)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _tell(world: World, say: Callable[[str], None], begun: float, *, show_files: bool) -> list[Outcome]:
    say(f"broker   {world.broker}")
    say(f"worker   {world.base_url}  (mode {world.mode}; /canary /healthz /readyz /metrics)")
    events = demo_events(registry.load(), world.key)
    say(f"\nproducing {len(events)} signed events to events.{ISSUER} …\n")
    outcomes: list[Outcome] = []
    for outcome in play(world, events):
        mark = "ok " if outcome.as_expected else "BAD"
        if not outcomes:
            first = f"(first outcome after {time.monotonic() - begun:.1f} s)"
        say(f"{mark} {outcome.event.title:36} → {outcome.state}  {outcome.detail}  {first}")
        first = ""
        for path in outcome.files if show_files else ():
            say(f"      {path}")
        outcomes.append(outcome)
    if world.mode == "live":
        mails = sorted(world.places.outbox.glob("*.eml"))
        say(f"\n{len(mails)} mails reached the local sink" + "".join(f"\n      {mail}" for mail in mails if show_files))
    return outcomes


def _stay_up(world: World, say: Callable[[str], None]) -> None:
    places = world.places
    files = ("PRODUCERS_FILE", "OPERATORS_FILE", "CONTROL_SIGNING_KEY_FILE")
    exports = ("KAFKA_BOOTSTRAP", *files, "ENVIRONMENT", "TOPIC_PREFIX")
    settings = " ".join(f"{name}={world.environment[name]}" for name in exports if name in world.environment)
    signing = f"--issuer {ISSUER} --kid {KID} --key {places.key(ISSUER)}"
    say(f"""
The centre stays up. In another terminal, in this folder:

  export PATH="$PWD/.venv/bin:$PATH" {settings}
  comcenter event new new_match | comcenter event sign {signing} | comcenter event send
  comcenter explain EVENT_ID        # the id that `send` printed
  comcenter flags set DISABLE_SEND true --reason "to see it"     # the kill switch
  comcenter release all --reason "seen" --yes

rendered messages  {places.outbox}
worker's log       {places.log}
canary             curl -i {world.base_url}/canary

Ctrl-C ends it, and removes all of it.""")
    while True:
        time.sleep(1)
