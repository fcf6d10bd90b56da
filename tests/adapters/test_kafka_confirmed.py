"""What a follower of orders may call confirmed. With a broker: tests/integration/test_control.py."""

from __future__ import annotations

import pytest

from adapters.kafka_confirmed import ConfirmedFollower, Listener
from adapters.kafka_log import Entry


class Told:
    """A listener that can't take one of the records."""

    def __init__(self, bad: int = -1) -> None:
        self.bad = bad
        self.taken: list[int] = []
        self.batches = 0
        self.confirmed: list[float] = []

    def entry(self, entry: Entry) -> None:
        if entry.offset == self.bad:
            raise RuntimeError("a bug")
        self.taken.append(entry.offset)

    def batch(self) -> None:
        self.batches += 1

    def follower(self) -> ConfirmedFollower:
        """Not started: no broker is asked."""
        listener = Listener(entry=self.entry, batch=self.batch, confirmed=self.confirmed.append)
        return ConfirmedFollower({"bootstrap.servers": "127.0.0.1:1"}, "orders", listener, every=0.25)


def entry(offset: int) -> Entry:
    return Entry(key=None, value=None, partition=0, offset=offset, timestamp_ms=0, broker_time=True)


def test_records_are_told_one_by_one_and_the_batch_once() -> None:
    told = Told()
    follower = told.follower()
    follower._take([entry(0), entry(1)])
    follower._confirm(5.0)
    assert (told.taken, told.batches, told.confirmed) == ([0, 1], 1, [5.0])


def test_beyond_a_record_that_could_not_be_taken_nothing_is_confirmed() -> None:
    """A bug must not let an order be passed over: dispatch stays held until somebody looks."""
    told = Told(bad=1)
    follower = told.follower()
    with pytest.raises(RuntimeError, match="a bug"):
        follower._take([entry(0), entry(1), entry(2)])
    follower._take([entry(3)])
    follower._confirm(5.0)
    assert (told.taken, told.confirmed) == ([0, 3], [])


def test_a_follower_that_was_not_started_is_not_alive() -> None:
    assert not Told().follower().alive
