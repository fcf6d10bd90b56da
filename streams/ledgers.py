"""Whether the ledgers of this worker's partitions are read, which is what makes an owner able to work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol


class Owner(Protocol):
    """`streams.owner.Owner`, as far as its start is concerned."""

    @property
    def ready(self) -> bool:
        """Whether its ledger is read."""

    @property
    def recalled(self) -> int:
        """How many entries were read so far."""


class Dispatcher(Protocol):
    """`streams.dispatcher.Dispatcher`."""

    name: str

    @property
    def assigned(self) -> bool:
        """Whether the group has said which partitions are ours."""

    @property
    def owners(self) -> Mapping[int, Owner]:
        """By partition."""


class Ledgers:
    """Of all categories. The first ones are a matter of the start; what a rebalance brings later is only told."""

    def __init__(self, dispatchers: Sequence[Dispatcher]) -> None:
        self._dispatchers = dispatchers
        self._begun: set[str] = set()

    def reading(self) -> str:
        """Which ledgers are being read now, and how far; empty if none is."""
        return "; ".join(text for each in self._dispatchers for text in _reading(each))

    def starting(self) -> str:
        """The same while this worker has not read those that it began with: until then it is not able to work."""
        return "; ".join(text for each in self._dispatchers for text in self._starting(each))

    def _starting(self, dispatcher: Dispatcher) -> Iterator[str]:
        if dispatcher.name in self._begun:
            return
        if not dispatcher.assigned:
            yield f"the group of {dispatcher.name} has not said yet which partitions are ours"
            return
        unread = list(_reading(dispatcher))
        if not unread:
            self._begun.add(dispatcher.name)
        yield from unread


def _reading(dispatcher: Dispatcher) -> Iterator[str]:
    for partition, owner in sorted(dispatcher.owners.items()):
        if not owner.ready:
            yield f"ledger of {dispatcher.name}[{partition}] is being read: {owner.recalled} entries"
