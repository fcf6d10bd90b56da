"""When a worker is able to work: once it has read the ledgers of the partitions that it began with."""

from __future__ import annotations

from dataclasses import dataclass, field

from streams.health import Health
from streams.ledgers import Ledgers


@dataclass(slots=True)
class Taking:
    """An owner that reads its ledger, or has."""

    ready: bool = False
    recalled: int = 0


@dataclass(slots=True)
class Category:
    """A dispatcher, as far as its partitions are concerned."""

    name: str = "transactional"
    assigned: bool = False
    owners: dict[int, Taking] = field(default_factory=dict)


def health(ledgers: Ledgers) -> Health:
    made = Health(
        kafka_reachable=lambda: True,
        gate1_green=lambda: True,
        publishers_stalled=lambda: False,
        cython_stream=True,
        starting=ledgers.starting,
        reading=ledgers.reading,
    )
    made.started = True
    return made


def test_until_the_first_ledgers_are_read_a_worker_is_not_ready_and_says_how_far_it_is() -> None:
    one = Category()
    found = health(Ledgers([one]))
    assert "has not said yet" in found.faults()["dispatch"]
    one.assigned, one.owners = True, {1: Taking(recalled=120_000), 0: Taking(ready=True, recalled=5)}
    assert found.faults() == {"dispatch": "ledger of transactional[1] is being read: 120000 entries"}
    assert found.notes() == {}
    one.owners[1].ready = True
    assert (found.faults(), found.notes()) == ({}, {})


def test_what_a_later_rebalance_brings_is_told_and_does_not_turn_it_unready() -> None:
    """The other partitions go on; what is said is the same."""
    one = Category(assigned=True, owners={0: Taking(ready=True)})
    found = health(Ledgers([one]))
    assert found.faults() == {}
    one.owners[2] = Taking(recalled=3)
    assert (found.faults(), found.notes()) == ({}, {"dispatch": "ledger of transactional[2] is being read: 3 entries"})


def test_a_worker_to_which_no_partition_falls_is_ready() -> None:
    """There are more workers than partitions: it stands by."""
    found = health(Ledgers([Category(assigned=True)]))
    assert (found.faults(), found.notes()) == ({}, {})


def test_each_category_begins_by_itself() -> None:
    first, second = Category(assigned=True), Category("promotional", assigned=True, owners={0: Taking()})
    found = health(Ledgers([first, second]))
    assert found.faults() == {"dispatch": "ledger of promotional[0] is being read: 0 entries"}
    first.owners[0] = Taking()
    assert found.faults() == {"dispatch": "ledger of promotional[0] is being read: 0 entries"}
    second.owners[0].ready = True
    assert found.faults() == {}
