"""Every event type of the build, through a real worker."""

from __future__ import annotations

import orjson
import pytest

from schemas import registry
from streams import templates, topics
from streams.core.messages import Category
from tests.waiting import eventually
from tests.world import Centre

pytestmark = pytest.mark.timeout(120)


def test_an_event_of_every_type_becomes_a_message_of_its_category(centre: Centre) -> None:
    """Transactional ones are simulated; promotional ones go by their own topic, and are off by default."""
    shipped = templates.load()
    wanted = {name: template.category for name in registry.load().events if (template := shipped.for_event(name))}
    centre.worker().wait_ready()

    centre.produce([centre.event(f"one-{name}", name) for name in wanted])

    eventually(lambda: len(centre.read(topics.RECEIPTS)) == len(wanted), seconds=60, what="a receipt for each type")
    receipts = [orjson.loads(record.value or b"") for record in centre.read(topics.RECEIPTS)]
    assert {receipt["route"]["event_type"]: receipt["route"]["category"] for receipt in receipts} == wanted
    states = {(receipt["route"]["category"], receipt["state"], receipt["reason"]) for receipt in receipts}
    assert states == {("transactional", "simulated", None), ("promotional", "suppressed", "promo_disabled")}
    assert len(centre.read(topics.DISPATCH_PROMOTIONAL)) == list(wanted.values()).count(Category.PROMOTIONAL)
    assert centre.read(topics.DEAD_LETTER) == []
