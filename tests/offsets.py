"""Where a partition ends, also of a topic that was made just now."""

from __future__ import annotations

from time import sleep

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

_NO_LEADER_YET = frozenset({KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE})


def end_of(consumer: Consumer, place: TopicPartition) -> int:
    """The end offset; a topic that was made just now may not have its leader yet."""
    for _ in range(50):
        try:
            return int(consumer.get_watermark_offsets(place, timeout=20)[1])
        except KafkaException as error:
            if not error.args[0].retriable() and error.args[0].code() not in _NO_LEADER_YET:
                raise
            sleep(0.1)
    raise AssertionError(f"{place.topic} has no leader")
