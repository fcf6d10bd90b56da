"""What waits in held topics and how long Kafka still keeps it, for the commands that list holds."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import typer

from adapters.kafka_admin import BrokerUnavailableError
from config.settings import Settings
from streams import topics
from streams.cli.context import issuers_of
from streams.core.control import ControlState
from streams.core.retention import Oldest
from streams.core.switches import Setting
from streams.wiring.control import stages
from streams.wiring.waiting import open_waiting, read_beside


def kept(settings: Settings, bootstrap: str, held: Collection[str]) -> tuple[Oldest, ...]:
    """By topic, of those held, what waits longest. A listing goes on without it: what is wrong is said beside it."""
    if not held:
        return ()
    try:
        return open_waiting(settings, bootstrap, issuers_of(settings)).oldest(read_beside(held))
    except BrokerUnavailableError as error:
        typer.echo(f"comcenter: how long what waits is kept can't be told: {error}", err=True)
        return ()


def held_by(state: ControlState, inbound: Iterable[str], now_ms: int) -> frozenset[str]:
    """The topics that orders hold, and those with what they have set aside."""
    stopped = (names for stage, names in stages(inbound).items() if state.stops(stage, now_ms))
    switches = [one for one in state.standing(Setting.DISABLE_SEND, now_ms) if one.value is True]
    aside = topics.HELD.values() if any(not one.scope.in_place for one in switches) else ()
    return frozenset({topic for names in stopped for topic in names} | set(aside))
