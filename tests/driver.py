"""`TopologyDriver`: bytes in, records out, no broker. As Kafka Streams' TopologyTestDriver does."""

from __future__ import annotations

from streams import topics
from streams.core.reasons import Reason, Stage, Undecided
from streams.core.records import Emit, Record
from streams.topology import Outcome, Processed, Topology


class Tally:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.seen: list[tuple[Stage, Outcome]] = []

    def processed(self, stage: Stage, _record: Record, outcome: Outcome) -> None:
        self.seen.append((stage, outcome))


class TopologyDriver:
    """Feeds records to the topology that the agents run; what it emits to a topic that it reads goes round again."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._offset = 0
        self.out: list[Emit] = []
        self.undecided: list[Undecided] = []

    def pipe(self, record: Record) -> list[Emit]:
        """Process one record and all that comes of it; returns what left the pipeline."""
        left = []
        outcome = self._topology.process(record)
        if isinstance(outcome, Undecided):
            self.undecided.append(outcome)
            return []
        for emit in outcome:
            self.out.append(emit)
            if emit.topic in self._topology.steps:
                left += self.pipe(self._appended(emit, record))
            else:
                left.append(emit)
        return left

    def _appended(self, emit: Emit, cause: Record) -> Record:
        self._offset += 1
        return Record(
            topic=emit.topic,
            partition=0,
            offset=self._offset,
            key=emit.key,
            value=emit.value,
            headers=emit.headers,
            timestamp_ms=cause.appended_ms,
            appended_ms=cause.appended_ms,
            received_ms=cause.received_ms,
        )

    def topics(self) -> set[str]:
        """Where anything was produced."""
        return {emit.topic for emit in self.out}

    def reasons(self) -> list[Reason]:
        """Why records became dead letters, in order."""
        return [Reason(header(emit, "dlq.reason")) for emit in self.out if emit.topic == topics.DEAD_LETTER]


def header(emit: Emit, name: str) -> str:
    """The last header of that name."""
    return [value for header_name, value in emit.headers if header_name == name and value is not None][-1].decode()


def emitted(outcome: Processed) -> list[Emit]:
    """The records of an outcome that is final."""
    assert not isinstance(outcome, Undecided)
    return outcome
