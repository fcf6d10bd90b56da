"""The words of the check: verdicts, modes, and what one finding says. All closed sets."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias

Schema: TypeAlias = dict[str, Any] | bool
"""A JSON Schema of draft 2020-12."""


class Verdict(StrEnum):
    """What is known of one change."""

    COMPATIBLE = "compatible"  # proved
    INCOMPATIBLE = "incompatible"  # an instance shows it
    UNPROVED = "unproved"  # neither; the reason is told
    FORBIDDEN = "forbidden"  # against a rule of the registry, whatever the instances say


class Direction(StrEnum):
    """Who must be able to read whom."""

    BACKWARD = "BACKWARD"  # the newer reads what the older wrote
    FORWARD = "FORWARD"  # the older reads what the newer writes


class Mode(StrEnum):
    """The names that schema registries use; `*_TRANSITIVE` looks at all versions of the major, not just the last."""

    BACKWARD = "BACKWARD"
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    FORWARD = "FORWARD"
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    FULL = "FULL"
    FULL_TRANSITIVE = "FULL_TRANSITIVE"

    @property
    def transitive(self) -> bool:
        """Whether all earlier versions of the major count."""
        return self.value.endswith("_TRANSITIVE")

    @property
    def directions(self) -> tuple[Direction, ...]:
        """The directions that must hold."""
        if self.value.startswith("FULL"):
            return tuple(Direction)
        return (Direction(self.value.removesuffix("_TRANSITIVE")),)


class Absent:
    """Where a schema says nothing: not the same as `null` or `true`."""

    def __repr__(self) -> str:
        return "(absent)"


ABSENT: Final = Absent()


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterexample:
    """An instance that the writer's schema allows and the reader's refuses; both were asked."""

    instance: Any
    refused_at: str  # JSON pointer into the instance
    refused_by: str  # the reader's keyword


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where to look: a file below the schema folder, a JSON pointer into it, and its line (from 1)."""

    file: str
    pointer: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One reason why a change may not pass."""

    rule: str
    verdict: Verdict
    subject: str  # events/<type> or records/<name>
    older: str  # version, or "" where there is none
    newer: str
    directions: tuple[Direction, ...]
    place: Place
    message: str
    way_out: str
    old: Any = ABSENT  # the fragment in the older schema
    new: Any = ABSENT
    counterexample: Counterexample | None = None  # none where no instance is at stake
    fingerprint: str = ""

    @property
    def waivable(self) -> bool:
        """An incompatibility that an instance shows can't be waived, only mended."""
        return self.verdict is not Verdict.INCOMPATIBLE
