"""Reads what dead letters there are, and what was redriven of them. For tools: no group, nothing committed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Final

from adapters import kafka_config
from adapters.kafka_reader import TopicReader
from config.settings import Settings
from streams import topics
from streams.core import letters
from streams.core.letter_choice import Filter
from streams.core.letters import Letter
from streams.core.records import Record
from streams.core.redrive_job import Redrives
from streams.inbound import from_kafka

REDRIVES_S: Final = 30.0


class NotReadError(RuntimeError):
    """Not all could be read in the time given; the message says what to do."""


class Letterbox:
    """Of one deployment. ``issuers``: who produces to which inbound topic; ``seconds``: how long to read."""

    def __init__(self, reader: TopicReader, issuers: Mapping[str, str], *, prefix: str, seconds: float) -> None:
        self._reader = reader
        self._issuers = issuers
        self._prefix = prefix
        self._seconds = seconds

    def find(self, meant: Filter) -> Iterator[tuple[Letter, Record]]:
        """The dead letters that are meant, one by one, so that not all of them are held at once.

        Raises:
            BrokerUnavailableError: no answer.
            NotReadError: it took too long.
        """
        topic = self._prefix + topics.DEAD_LETTER
        for message in self._reader.scan([topic], since_ms=meant.since_ms, seconds=self._seconds):
            record = from_kafka(message, prefix=self._prefix)
            letter = letters.read(record, self._issuers)
            if meant.takes(letter):
                yield letter, record
        if not self._reader.complete:
            raise NotReadError(f"not all was read in {self._seconds:g} s: raise --seconds, or give a later --since")

    def letters(self, meant: Filter) -> list[Letter]:
        """The same without the records, oldest first. Raises as `find` does."""
        found = [letter for letter, _ in self.find(meant)]
        return sorted(found, key=lambda letter: (letter.at_ms, letter.place))

    def originals(self, chosen: Sequence[Letter]) -> Iterator[Record]:
        """The records of these, read one by one when asked for.

        Raises:
            BrokerUnavailableError: no answer.
        """
        places = sorted(letter.place for letter in chosen)
        for partition, group in groupby(places, key=lambda place: place.partition):
            offsets = {place.offset for place in group}
            for message in self._reader.pick(self._prefix + topics.DEAD_LETTER, partition, offsets):
                yield from_kafka(message, prefix=self._prefix)

    def redrives(self) -> Redrives:
        """What was redriven, and how the redrive stands. Raises as `find` does."""
        found = Redrives()
        for message in self._reader.scan([self._prefix + topics.REDRIVES], since_ms=0, seconds=REDRIVES_S):
            record = from_kafka(message, prefix=self._prefix)
            found.read(record.key, record.value)
        if not self._reader.complete:
            raise NotReadError(f"{topics.REDRIVES} was not read to its end in {REDRIVES_S:g} s")
        return found


@contextmanager
def letterbox(settings: Settings, bootstrap: str, issuers: Mapping[str, str], *, seconds: float) -> Iterator[Letterbox]:
    """Open while it is used."""
    reader = TopicReader(kafka_config.rdkafka(settings, bootstrap))
    try:
        yield Letterbox(reader, issuers, prefix=settings.topic_prefix, seconds=seconds)
    finally:
        reader.close()
