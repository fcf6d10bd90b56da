"""Reads topics without a group: from a time to their end, on from where they end now, or the first records only.

For tools, and for looks from time to time; what every worker must follow is read by `adapters.kafka_log`.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from adapters.kafka_admin import BrokerUnavailableError

POLL_S: Final = 0.2
FAR: Final = 2**63
"""Beyond every offset."""
Place = tuple[str, int]

NO_LEADER_YET: Final = frozenset({KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE})


class TopicReader:
    """One consumer, assigned by hand. ``config``: settings that every confluent-kafka client shares."""

    def __init__(self, config: Mapping[str, Any], *, timeout: float = 10.0) -> None:
        self._timeout = timeout
        self._consumer = Consumer(
            {
                "isolation.level": "read_committed",
                **config,
                "group.id": "comcenter.reader",  # librdkafka wants one; nothing is ever committed under it
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
            }
        )

    def close(self) -> None:
        """Let go of the connections."""
        self._consumer.close()

    def ends(self, topics: Sequence[str]) -> dict[Place, int]:
        """The offset after the last record of every partition.

        Raises:
            BrokerUnavailableError: no answer, or a topic is missing.
        """
        try:
            places = self._places(topics)
            return {
                place: self._consumer.get_watermark_offsets(TopicPartition(*place), timeout=self._timeout)[1]
                for place in places
            }
        except KafkaException as error:
            raise BrokerUnavailableError(f"can't read the topics' ends: {error.args[0].str()}") from None

    def firsts(self, topics: Sequence[str], *, seconds: float) -> dict[Place, Message]:
        """The first record that still stands in each partition; nothing for an empty one.

        Raises:
            BrokerUnavailableError: no answer, a topic is missing, or it took longer than ``seconds``.
        """
        try:
            places = self._places(topics)
        except KafkaException as error:
            raise BrokerUnavailableError(f"can't find the first records: {error.args[0].str()}") from None
        return self.heads(dict.fromkeys(places, OFFSET_BEGINNING), seconds=seconds)

    def heads(self, starts: Mapping[Place, int], *, seconds: float) -> dict[Place, Message]:
        """The first record from each start on; nothing where none stands there.

        Raises:
            BrokerUnavailableError: it took longer than ``seconds``.
        """
        open_places = set(starts)
        self._consumer.assign([TopicPartition(*place, offset) for place, offset in starts.items()])
        found: dict[Place, Message] = {}
        deadline = time.monotonic() + seconds
        while open_places and time.monotonic() < deadline:
            message = self._consumer.poll(POLL_S)
            if message is None:
                continue
            place, fault = (message.topic() or "", message.partition() or 0), message.error()
            if fault is None:
                found.setdefault(place, message)
            if fault is None or fault.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the end; the code has no public name
                open_places.discard(place)
        self._consumer.unassign()
        if open_places:
            raise BrokerUnavailableError(f"no first record from {len(open_places)} partitions within {seconds:g} s")
        return found

    def scan(self, topics: Sequence[str], *, since_ms: int, seconds: float) -> Iterator[Message]:
        """Every record from ``since_ms`` (epoch) to the end, at most ``seconds`` long.

        The end is as it was when the first record came; some that came later may be among them. `complete`
        tells afterwards whether the ends were reached. Raises as `ends` does.
        """
        self.complete = False
        try:
            places = [TopicPartition(topic, partition, since_ms) for topic, partition in self._places(topics)]
            starts = self._starts(places, within=min(seconds, self._timeout))
        except KafkaException as error:
            raise BrokerUnavailableError(f"can't find where to begin: {error.args[0].str()}") from None
        yield from self.rest({(tp.topic, tp.partition): tp.offset for tp in starts if tp.offset >= 0}, seconds=seconds)

    def _starts(self, places: list[TopicPartition], *, within: float) -> list[TopicPartition]:
        """Where to begin. A leader that moves, or isn't there yet, is asked again for a while."""
        deadline = time.monotonic() + within
        while True:
            try:
                return self._consumer.offsets_for_times(places, timeout=self._timeout)
            except KafkaException as error:
                if error.args[0].code() not in NO_LEADER_YET or time.monotonic() > deadline:
                    raise
                time.sleep(POLL_S)

    def rest(self, starts: Mapping[Place, int], *, seconds: float) -> Iterator[Message]:
        """Every record from these offsets to the end as it is when reached; at most ``seconds`` long.

        `complete` tells afterwards whether the ends were reached.
        """
        self.complete = False
        open_places = set(starts)
        self._consumer.assign([TopicPartition(*place, offset) for place, offset in starts.items()])
        ends: dict[Place, int] = {}
        deadline = time.monotonic() + seconds
        while open_places and time.monotonic() < deadline:
            message = self._consumer.poll(POLL_S)
            if message is None:
                continue
            fault, place = message.error(), (message.topic() or "", message.partition() or 0)
            if fault is None:
                # Where records keep coming no fetch is ever empty, and only an empty one tells of an end.
                if place not in ends:
                    ends[place] = self._end_as_fetched(place)
                if (message.offset() or 0) + 1 >= ends[place]:
                    open_places.discard(place)
                yield message
            elif fault.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the end; the code has no public name
                open_places.discard(place)
        self.complete = not open_places

    def _end_as_fetched(self, place: Place) -> int:
        """Where a partition ended when its records were fetched; no question to the broker."""
        _, high = self._consumer.get_watermark_offsets(TopicPartition(*place), cached=True)
        return high if high > 0 else FAR

    def pick(self, topic: str, partition: int, offsets: Collection[int]) -> Iterator[Message]:
        """The records at these offsets of one partition, in order; what is gone meanwhile is left out.

        The one who asks may take its time between two records.

        Raises:
            BrokerUnavailableError: no answer.
        """
        self._consumer.assign([TopicPartition(topic, partition, min(offsets))])
        last, silent_s = max(offsets), 0.0
        while True:
            message = self._consumer.poll(POLL_S)
            silent_s = silent_s + POLL_S if message is None else 0.0
            if silent_s > self._timeout:
                raise BrokerUnavailableError(f"{topic} can't be read: no answer for {self._timeout:g} s")
            if message is None:
                continue
            fault, offset = message.error(), message.offset() or 0
            if fault is None and offset in offsets:
                yield message
            ended = fault is not None and fault.code() == KafkaError._PARTITION_EOF  # noqa: SLF001 - as above
            if ended or (fault is None and offset >= last):
                return

    def follow(self, starts: Mapping[Place, int], *, seconds: float) -> Iterator[Message]:
        """Records from ``starts`` on, as they come, for at most ``seconds``; stop by breaking off."""
        self._consumer.assign(
            [TopicPartition(*place, offset if offset > 0 else OFFSET_BEGINNING) for place, offset in starts.items()]
        )
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            message = self._consumer.poll(POLL_S)
            if message is not None and message.error() is None:
                yield message

    def _places(self, topics: Sequence[str]) -> list[Place]:
        metadata = self._consumer.list_topics(timeout=self._timeout)
        missing = [topic for topic in topics if topic not in metadata.topics]
        if missing:
            raise BrokerUnavailableError(f"topics are missing ({', '.join(missing)}): run `comcenter topics apply`")
        return [(topic, partition) for topic in topics for partition in metadata.topics[topic].partitions]
