"""Who has applied an order: what the fleet's heartbeats say about it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from streams.heartbeat import WorkerState


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What was written to ``comms.control``: the last offset of it, and what a worker has read when it has read all.

    ``obeyed`` of the records before ``end`` are orders, by the operators that the writer knows.
    """

    offset: int
    end: int
    obeyed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The workers that count, by name. ``others``: they read the record, and obey other operators."""

    applied: tuple[str, ...]
    behind: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    @property
    def workers(self) -> int:
        """How many there are."""
        return len(self.applied) + len(self.behind) + len(self.silent) + len(self.others)

    @property
    def complete(self) -> bool:
        """Whether there are workers, and all have applied it."""
        return 0 < len(self.applied) == self.workers

    @property
    def settled(self) -> bool:
        """Whether waiting longer would change nothing."""
        return self.workers > 0 and not self.behind and not self.silent

    def sentence(self) -> str:
        """As it is told to who gave the order."""
        if not self.workers:
            return "written, but no worker is running"
        if self.complete:
            return f"{self.workers} of {self.workers} workers applied"
        told = [f"{len(self.applied)} of {self.workers}"]
        told += [f"{name} silent" for name in self.silent]
        told += [f"{name} has not applied it yet" for name in self.behind]
        told += [f"{name} obeys other operators (OPERATORS_FILE)" for name in self.others]
        return "; ".join(told)


def answer(
    fleet: Mapping[str, WorkerState], heard: Collection[str], written: Written, *, now_ms: int, gone_after_ms: int
) -> Answer:
    """Who has applied what was written. ``fleet``: the last heartbeat of each worker that didn't say goodbye.

    A worker counts if it was ``heard`` since the writing, or fell silent not longer ago than ``gone_after_ms``. One
    that is gone for longer reads the order before it dispatches again.
    """
    found: dict[str, list[str]] = {"applied": [], "behind": [], "silent": [], "others": []}
    for name, state in sorted(fleet.items()):
        if name in heard or now_ms - state.at_ms <= gone_after_ms:
            found[_place(state, written, heard=name in heard)].append(name)
    return Answer(**{place: tuple(names) for place, names in found.items()})


def _place(state: WorkerState, written: Written, *, heard: bool) -> str:
    if state.control_offset <= written.offset:
        return "behind" if heard else "silent"
    return "others" if state.control_offset == written.end and state.control_obeyed != written.obeyed else "applied"
