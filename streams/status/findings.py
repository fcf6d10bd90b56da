"""What needs a person: one row per rule. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from streams.core.letters import moment
from streams.status.facts import Facts
from streams.status.sections import grouped, rate_limits
from streams.switches import CONTROL_UNREAD


def _nobody(facts: Facts) -> Iterator[str]:
    if not facts.workers.states:
        yield "no worker is heard: start one (comcenter run); until then nothing is read and nothing goes out"


def _silent(facts: Facts) -> Iterator[str]:
    for name in facts.workers.fleet.silent:
        yield f"{name} is silent: it ended without saying so, or can't reach Kafka"


def _red(facts: Facts) -> Iterator[str]:
    for state in facts.workers.states:
        if not state.gate1_green:
            yield f"gate 1 is RED on {state.worker}: {state.gate1_why}"


def _open_breakers(facts: Facts) -> Iterator[str]:
    for one in facts.breakers:
        yield f"the breaker of {one.topic} is open since {moment(one.since_ms)}: mend the cause, then let it go"


def _unread(facts: Facts) -> Iterator[str]:
    for state in facts.workers.states:
        reasons = {text.partition(",")[0].partition(":")[0] for texts in state.holds.values() for text in texts}
        if CONTROL_UNREAD in reasons:
            yield f"{state.worker} can't say what was ordered ({CONTROL_UNREAD}), so its dispatch is held"
        elif state.control_offset < facts.orders.end:
            yield f"{state.worker} has read orders up to {state.control_offset} of {facts.orders.end}"


def _other_operators(facts: Facts) -> Iterator[str]:
    for state in facts.workers.states:
        all_read = state.control_offset == facts.orders.end
        if facts.orders.listed and all_read and state.control_obeyed != facts.orders.obeyed:
            yield f"{state.worker} obeys other operators than this OPERATORS_FILE lists"


def _differ(facts: Facts) -> Iterator[str]:
    """A fleet that doesn't agree is half deployed: a cap of two minds is no cap."""
    states = facts.workers.states
    found = {"mode": grouped(states, lambda state: state.mode), "the cap a minute": rate_limits(facts)}
    for name in dict.fromkeys(name for state in states for name in state.flags):
        known = [state for state in states if name in state.flags]
        found[name] = grouped(known, lambda state, name=name: "on" if state.flags[name] else "off")  # type: ignore[misc]
    for name, said in found.items():
        if len(said) > 1:
            yield f"workers differ in {name}: " + "; ".join(f"{value}: {', '.join(who)}" for value, who in said.items())


RULES: Final[tuple[Callable[[Facts], Iterator[str]], ...]] = (
    _nobody,
    _silent,
    _red,
    _open_breakers,
    _unread,
    _other_operators,
    _differ,
)
"""In the order in which they are told."""


def findings(facts: Facts) -> list[str]:
    """Empty if all is well. What an operator has ordered is no finding."""
    return [text for rule in RULES for text in rule(facts)]
