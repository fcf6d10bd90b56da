"""The whole status as one value: what `--json` prints, and what the page is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from streams.core.control import Order
from streams.core.letters import moment
from streams.status import sections
from streams.status.facts import Facts, Letters, OpenBreaker
from streams.status.findings import findings


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """``findings``: what needs a person; empty if all is well."""

    at: str
    bootstrap: str
    prefix: str
    findings: list[str]
    modes: list[sections.Mode]
    windows: list[sections.Window]
    gates: list[sections.Gate]
    flags: list[sections.Flag]
    rate_limits: Mapping[str, tuple[str, ...]]
    orders: tuple[Order, ...]
    orders_end: int
    operators_listed: bool
    holds: list[sections.Held]
    breakers: tuple[OpenBreaker, ...]
    lag: list[sections.GroupLag]
    backlog: list[sections.Backlog]
    dead_letters: Letters
    workers: list[sections.Worker]
    silent: tuple[str, ...]

    @property
    def gate1(self) -> str:
        """The fleet is RED if any worker is, and if there is none."""
        return "GREEN" if self.gates and all(gate.green for gate in self.gates) else "RED"

    def as_json(self) -> dict[str, Any]:
        """For a program."""
        orders = [{**asdict(one), "scope": str(one.scope)} for one in self.orders]
        return {**asdict(self), "gate1": self.gate1, "orders": orders}


def report(facts: Facts) -> Report:
    """Everything that is told of what was read."""
    return Report(
        at=moment(facts.at_ms),
        bootstrap=facts.bootstrap,
        prefix=facts.prefix,
        findings=findings(facts),
        modes=sections.modes(facts),
        windows=sections.windows(facts),
        gates=sections.gates(facts),
        flags=sections.flags(facts),
        rate_limits=sections.rate_limits(facts),
        orders=facts.orders.standing,
        orders_end=facts.orders.end,
        operators_listed=facts.orders.listed,
        holds=sections.holds(facts),
        breakers=facts.breakers,
        lag=sections.lags(facts),
        backlog=sections.backlogs(facts),
        dead_letters=facts.letters,
        workers=sections.workers(facts),
        silent=facts.workers.fleet.silent,
    )
