"""`comcenter topics`, against real brokers."""

from __future__ import annotations

import json

import pytest

from streams import topics
from tests.integration.test_end_to_end import comcenter
from tests.world import AUTH, ISSUER, Centre

pytestmark = pytest.mark.timeout(120)


def test_topics_are_created_once_and_then_found_as_the_table_says(
    centre: Centre, request: pytest.FixtureRequest
) -> None:
    """`apply` leaves existing ones alone; on Apache Kafka `check` finds no difference."""
    applied = comcenter(centre, "topics", "apply", "--json")
    assert json.loads(applied.stdout) == {"created": [], "topics": len(topics.table([ISSUER, AUTH]))}

    checked = comcenter(centre, "topics", "check", "--json")

    differences = json.loads(checked.stdout)["differences"]
    if request.node.callspec.params["broker"] == "kafka":
        assert differences == []
        assert checked.returncode == 0
    assert [d for d in differences if d["what"] in {"topic", "partitions"}] == []


def test_every_difference_is_named_and_ends_with_100(centre: Centre) -> None:
    """Here: topics of another prefix are missing, all of them."""
    centre.extra["TOPIC_PREFIX"] = f"{centre.prefix}other."
    checked = comcenter(centre, "topics", "check")
    assert checked.returncode == 100
    assert checked.stdout.count("topic is missing, should be present") == len(topics.table([ISSUER, AUTH]))


def test_a_broker_that_is_not_there_is_a_clear_error(centre: Centre) -> None:
    """Exit code 102, naming the setting."""
    centre.extra["KAFKA_BOOTSTRAP"] = "127.0.0.1:1"
    checked = comcenter(centre, "topics", "check")
    assert checked.returncode == 102
    assert "KAFKA_BOOTSTRAP" in checked.stderr
