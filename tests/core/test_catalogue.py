"""The pages for readers and the AsyncAPI document: made from the sources, not stale, true to the schemas."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from referencing import Registry
from referencing.jsonschema import DRAFT7

from streams import topics
from streams.catalogue import __main__ as command
from streams.catalogue import asyncapi, pages
from streams.catalogue.fields import fields
from streams.catalogue.source import document, gather

DOCS = Path(__file__).parents[2] / "docs"
SOURCE = gather()
API: dict[str, Any] = asyncapi.asyncapi(SOURCE)


def test_the_pages_of_events_are_the_ones_that_the_schemas_make() -> None:
    """`make docs` mends it."""
    committed = {page.name: page.read_text("utf-8") for page in (DOCS / "events").iterdir()}
    assert committed == pages.pages(SOURCE)


def test_the_asyncapi_document_is_the_one_that_topics_and_schemas_make() -> None:
    """`make docs` mends it; and YAML says what was meant."""
    text = (DOCS / "asyncapi.yaml").read_text("utf-8")
    assert text == asyncapi.written(SOURCE)
    assert yaml.safe_load(text) == API


def test_making_the_pages_removes_the_page_of_a_type_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "events").mkdir()
    (tmp_path / "events/lottery_won.md").write_text("# Lottery won\n", "utf-8")
    command.main(tmp_path)
    assert {page.name for page in (tmp_path / "events").iterdir()} == set(pages.pages(SOURCE))
    assert (tmp_path / "asyncapi.yaml").is_file()


@pytest.mark.parametrize("name", SOURCE.events)
def test_a_page_tells_of_every_member_version_and_example(name: str) -> None:
    text = pages.pages(SOURCE)[f"{name}.md"]
    latest = document(list(SOURCE.events[name].values())[-1])
    for member in latest["properties"]["data"]["properties"]:
        assert f"| `{member}` |" in text
    for version, file in SOURCE.events[name].items():
        assert f"[{version}](../../schemas/{file.place})" in text
        assert file.sha256 in text
    for example in latest["examples"]:
        assert json.dumps(example, indent=2, ensure_ascii=False) in text


def test_the_fields_of_a_nested_schema_are_all_there() -> None:
    data = document(SOURCE.events["payment_receipt"]["1.0"])["properties"]["data"]
    found = {field.path: field for field in fields(data)}
    assert found["lines[].price"].kind == "[money](README.md#money)"
    assert found["lines"].kind == "list of 0 to 50 of object"
    assert found["method.kind"].required
    assert not found["method"].required


def test_a_version_says_what_it_adds() -> None:
    text = pages.pages(SOURCE)["deadline_soon.md"]
    assert "(../../schemas/events/deadline_soon/1.1.json) | adds `missing_documents` |" in text


def test_every_topic_is_a_channel_with_its_settings() -> None:
    channels = API["channels"]
    assert list(channels) == [topic.name for topic in SOURCE.topics]
    for topic in SOURCE.topics:
        kafka = channels[topic.name]["bindings"]["kafka"]
        assert (kafka["topic"], kafka["partitions"]) == (topic.name, topic.partitions)
        assert kafka["topicConfiguration"]["retention.ms"] == topic.retention_ms


def test_a_channel_carries_what_its_producer_may_send_and_nothing_else() -> None:
    messages = set(API["channels"]["events.scholar_auth"]["messages"])
    assert messages >= {"welcome.1.0", "password_reset.1.0"}
    assert messages.isdisjoint(API["channels"]["events.scholarship_agent"]["messages"])


def test_every_record_of_ours_is_carried_by_a_topic() -> None:
    """A new internal record needs a row in `streams.catalogue.asyncapi`."""
    assert {carries.record for carries in asyncapi.OWN.values()} == {*SOURCE.records, "dead_letter"}
    assert set(asyncapi.OWN) <= {topic.name for topic in topics.OWN}


def references(value: Any) -> Iterator[str]:
    """Every `$ref` of the document."""
    if isinstance(value, dict) and isinstance(value.get("$ref"), str):
        yield value["$ref"]
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from references(inner)


def test_every_reference_leads_to_a_place_in_the_document() -> None:
    found = set(references(API))
    assert len(found) > 20
    for reference in found:
        place: Any = API
        assert reference.startswith("#/")
        for step in reference[2:].split("/"):
            place = place[step]


@pytest.mark.parametrize("name", [name for name in API["components"]["messages"] if "." in name])
def test_an_example_is_valid_under_the_payload_that_the_document_gives(name: str) -> None:
    """As a tool would see it, by the document alone; and a member more is refused."""
    message = API["components"]["messages"][name]
    registry: Registry[Any] = Registry().with_resource("urn:api", DRAFT7.create_resource(API))
    validator = jsonschema.Draft7Validator({"$ref": f"urn:api#/components/messages/{name}/payload"}, registry=registry)
    assert len(message["examples"]) >= 3
    for example in message["examples"]:
        claims = example["payload"]
        assert validator.is_valid(claims)
        assert not validator.is_valid(claims | {"event": claims["event"] | {"added_later": 1}})
        assert not validator.is_valid({**claims, "roles": []})


SPECIFICATION = "@asyncapi/specs@6.11.1"
SHA512 = "A3WBLqAKGoJ2+6FWFtpjBlCQ1oFCcs4GxF7zsIGvNqp/klGUHjlA3aAcZ9XMMpLGE8zPeYDz2x9FmO6DSuKraQ=="
NPM_SECONDS = 60.0


@pytest.fixture
def official(tmp_path: Path) -> dict[str, Any]:
    """The JSON Schema of AsyncAPI 3.0, which comes as a package for npm alone; the package is pinned by its hash."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("the schema of AsyncAPI comes through npm, which is not there")
    command = [npm, "pack", SPECIFICATION, "--prefer-offline", "--fetch-retries=0", "--pack-destination", str(tmp_path)]
    try:
        done = subprocess.run(command, capture_output=True, cwd=tmp_path, timeout=NPM_SECONDS, check=False)  # noqa: S603 - `npm`
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm did not bring {SPECIFICATION} in time")
    archives = list(tmp_path.glob("*.tgz"))
    if done.returncode != 0 or not archives:
        pytest.skip(f"npm could not bring {SPECIFICATION}")
    assert base64.b64encode(hashlib.sha512(archives[0].read_bytes()).digest()).decode() == SHA512
    with tarfile.open(archives[0]) as archive:
        file = archive.extractfile("package/schemas/3.0.0.json")
        assert file is not None
        schema: dict[str, Any] = json.load(file)
        return schema


def test_the_document_is_valid_under_the_official_schema_of_asyncapi(official: dict[str, Any]) -> None:
    validator = jsonschema.Draft7Validator(official)
    assert [error.message for error in validator.iter_errors(API)] == []
    spoilt = API | {"channels": {"comms.render": {"adress": "comms.render"}}}
    assert not validator.is_valid(spoilt)
