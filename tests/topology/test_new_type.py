"""A new event type is files alone: a schema, texts and two rows, and an event of it becomes a message."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from schemas import registry, validation
from streams import templates, topics
from streams.core.ingest import IngestRules
from streams.core.messages import Mode
from streams.core.render import Renderer
from streams.core.token import Producer, TokenRules
from streams.topology import build_topology
from tests.builders import ISSUER, NOW_S, TOPIC, claims, default_keys, record, token
from tests.driver import Tally, TopologyDriver

TYPE = "made_for_a_test"
ROW = f"""
[{TYPE}]
version = "1.0"
event = "{TYPE}"
category = "transactional"
sender = "Scholarship Centre <no-reply@scholarships.example>"
channels = ["sms"]
required = ["scholarship_name"]
"""


def copied(folder: Path) -> tuple[Path, Path]:
    """The shipped schemas and templates, with the new type among them."""
    schemas, texts = folder / "schemas", folder / "templates"
    shutil.copytree(registry.ROOT, schemas)
    shutil.copytree(templates.ROOT, texts)
    file = schemas / "events" / TYPE / "1.0.json"
    file.parent.mkdir()
    shipped = (registry.ROOT / "events/application_submitted/1.0.json").read_text("utf-8")
    file.write_text(shipped.replace("application_submitted", TYPE), "utf-8")
    (texts / TYPE / "1.0").mkdir(parents=True)
    (texts / TYPE / "1.0/sms.text").write_text("An interview for {{ scholarship_name }}", "utf-8")
    with (texts / "registry.toml").open("a", encoding="utf-8") as rows:
        rows.write(ROW)
    return schemas, texts


def test_a_new_type_needs_a_schema_texts_and_two_rows(tmp_path: Path) -> None:
    """By the steps of docs/extending.md, on copies; the producer's row is the producer here."""
    schemas, texts = copied(tmp_path)
    shipped = templates.load(texts)
    producer = Producer(issuer=ISSUER, service=ISSUER, topic=TOPIC, types=frozenset({TYPE}))
    rules = IngestRules(
        tokens=TokenRules({ISSUER: producer}, default_keys()),
        schemas=registry.load(schemas),
        templates=shipped,
        mode_at=lambda _appended_ms: Mode.DRY_RUN,
    )
    driver = TopologyDriver(build_topology(rules, Renderer(shipped), Tally(), now=lambda: float(NOW_S)))

    assert validation.validate(schemas).problems == ()
    event = registry.load(schemas).versions(TYPE)["1.0"].example()
    left = driver.pipe(record(token(claims(event))))

    assert [emit.topic for emit in left] == [topics.DISPATCH_TRANSACTIONAL]
    message = json.loads(left[0].value or b"")
    assert message["parts"] == {"text": "An interview for STEM Futures Grant\n"}
