"""Every snippet of docs/producers.md does what the page says, run as it stands."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from config import producers as config
from streams.core.ingest import ingest
from streams.core.keys import parse
from streams.core.reasons import Rejected, Undecided
from streams.core.token import Claims, TokenRules, verify
from tests import forge
from tests.builders import (
    ISSUER,
    NOW_S,
    OTHER,
    FixedKeys,
    claims,
    event,
    private_key,
    producers,
    record,
    rules,
    token,
)
from tests.conftest import SessionBrokers
from tests.producers.snippets import FENCED, PAGE, SNIPPET, snippets
from tests.producers.workplace import ROOT, Workplace, fitted

pytestmark = pytest.mark.timeout(300)
JTI = "match-203-student-7"
NEEDS_KAFKA = {"send-python.sh", "send-javascript.sh", "send-java.sh", "send-token.sh", "look.sh"}
"""Run by tests/integration/test_foreign_producers.py."""


def judged(workplace: Workplace, keys: str = "jwks.json") -> Claims | Rejected | Undecided:
    """What our verification says of the token that was signed, with the key set that was published."""
    key_set = parse(workplace.read(keys))
    assert key_set.dropped == ()
    published = TokenRules(producers(), FixedKeys({ISSUER: key_set}))
    return verify(record(workplace.read("event.jwt").strip(), appended_s=time.time()), published)


def test_a_token_that_the_page_signs_is_accepted(workplace: Workplace, language: str) -> None:
    """In each language: by the worker's own verification, and by the offline check."""
    workplace.sh(f"sign-{language}.sh")

    verified = judged(workplace)

    assert isinstance(verified, Claims), verified
    assert verified.event_id == f"{ISSUER}/{JTI}"
    assert verified.event == json.loads(workplace.read("event.json"))
    told = workplace.sh("check.sh").splitlines()
    assert len(told) == 2
    assert all(line.startswith("valid new_match 1.0") for line in told)


@pytest.mark.parametrize("language", ["python", "javascript"], indirect=True)
@pytest.mark.parametrize(("algorithm", "pem"), [("ES256", "ec.pem"), ("EdDSA", "ed.pem")])
def test_the_other_algorithms_take_no_more_than_their_name(
    workplace: Workplace, language: str, algorithm: str, pem: str
) -> None:
    """As the page says: another key, and another word."""
    workplace.sh("other-keys.sh")
    signer = {"python": "sign.py", "javascript": "sign.mjs"}[language]
    workplace.rewrite(signer, "RS256", algorithm)
    workplace.rewrite(signer, "key.pem", pem)
    workplace.rewrite("publish.sh", "key.pem=RS256", f"{pem}={algorithm}")
    workplace.sh("publish.sh")
    workplace.sh(f"sign-{language}.sh")
    assert isinstance(judged(workplace), Claims)


def test_a_rolled_key_stands_beside_the_old_one(tmp_path: Path, brokers: SessionBrokers) -> None:
    """What was signed under the old one still verifies."""
    workplace = fitted("python", tmp_path, brokers)
    for step in ("make-key.sh", "publish.sh", "example.sh", "sign-python.sh", "roll.sh"):
        workplace.sh(step)
    assert set(parse(workplace.read("jwks.json")).keys) == {"2026-11", "2027-02"}
    assert isinstance(judged(workplace), Claims)


def test_a_published_key_set_holds_no_private_member(tmp_path: Path, brokers: SessionBrokers) -> None:
    workplace = fitted("python", tmp_path, brokers)
    workplace.sh("make-key.sh")
    workplace.sh("publish.sh")
    (key,) = json.loads(workplace.read("jwks.json"))["keys"]
    assert set(key) == {"kty", "n", "e", "kid", "alg", "use", "key_ops"}
    assert key["key_ops"] == ["verify"]


def test_the_table_to_register_is_one_that_a_worker_reads(tmp_path: Path) -> None:
    (tmp_path / "producers.toml").write_text(snippets()["producers.toml"], "utf-8")
    (row,) = config.read(tmp_path / "producers.toml", production=True)
    assert (row.issuer, row.service) == (ISSUER, ISSUER)
    assert row.types == {"new_match", "deadline_soon"}


SECOND = 1000
FIRST_TRIES: list[tuple[str, bytes]] = [
    ("token_type", forge.sign(forge.header(typ="JWT"))),
    ("token_claims", token(claims(iat=NOW_S * SECOND, exp=(NOW_S + 300) * SECOND))),
    ("token_role", token(claims(roles="SystemService"))),
    ("token_unknown_key", token(header={"kid": "2026-11"})),
    ("token_topic", token(claims(iss=OTHER, sub=f"service:{OTHER}"), key=private_key("RS256", "other"))),
    ("schema_violation", token(claims(event(data__extra=1)))),
]


def test_the_mistakes_of_first_tries_end_as_the_page_says() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert rows == [reason for reason, _ in FIRST_TRIES]
    for reason, value in FIRST_TRIES:
        outcome = ingest(record(value), rules())
        assert isinstance(outcome, Rejected)
        assert outcome.reason == reason


def test_every_fence_of_the_page_is_a_snippet_and_every_one_is_run() -> None:
    """A name that no test mentions would be a snippet that nobody runs."""
    text = PAGE.read_text("utf-8")
    assert len(FENCED.findall(text)) == len(SNIPPET.findall(text)) == len(snippets())
    sources = "".join(path.read_text("utf-8") for path in sorted(Path(__file__).parent.glob("*.py")))
    sources += (ROOT / "tests/integration/test_foreign_producers.py").read_text("utf-8")
    shell = {name for name in snippets() if name.endswith(".sh")}
    run = {name for name in shell if name in sources or re.sub(r"-\w+\.sh$", "-{language}.sh", name) in sources}
    assert run == shell
    assert shell >= NEEDS_KAFKA
    files = snippets().keys() - shell - {"producers.toml"}
    assert all(any(name.removesuffix(".java") in snippets()[each] for each in shell) for name in files)


def test_the_page_names_the_versions_that_are_tested() -> None:
    text = PAGE.read_text("utf-8")
    pom: Any = ET.parse(Path(__file__).with_name("pom.xml")).getroot()  # noqa: S314 - our own file
    for dependency in pom.iterfind(".//{*}dependency"):
        group, artifact, version = (
            dependency.findtext(f"{{*}}{part}") for part in ("groupId", "artifactId", "version")
        )
        assert f"`{group}:{artifact}:{version}`" in text
    package = json.loads(Path(__file__).with_name("package.json").read_text("utf-8"))
    for name, version in package["dependencies"].items():
        assert f"{name}@{version.partition('.')[0]}" in text


def test_the_lock_file_pins_every_package_by_its_hash_and_names_no_address() -> None:
    lock = json.loads(Path(__file__).with_name("package-lock.json").read_text("utf-8"))
    locked = {name: entry for name, entry in lock["packages"].items() if name}
    assert locked
    assert all(entry["integrity"].startswith("sha512-") for entry in locked.values())
    assert not [name for name, entry in locked.items() if "resolved" in entry]
