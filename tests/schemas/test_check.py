from __future__ import annotations

from typing import Any

import pytest

from schemas.compat.check import Checked, check
from schemas.compat.verdict import Direction, Mode, Verdict
from schemas.registry import SchemaLoadError
from tests.schemas.trees import event, tree

STR, INT = {"type": "string"}, {"type": "integer"}
V10, V11, V12, V20 = (f"events/welcome/{version}.json" for version in ("1.0", "1.1", "1.2", "2.0"))
SHORT = {"type": "string", "maxLength": 5}
REFERS = event({"$ref": "urn:common:name"})


def name_file(**more: Any) -> dict[str, Any]:
    return {"$id": "urn:common:name", "type": "string", **more}


def checked(base: dict[str, Any], head: dict[str, Any], mode: Mode = Mode.BACKWARD_TRANSITIVE) -> Checked:
    return check(tree(base, "base"), tree(head, "head"), mode)


def told(result: Checked) -> list[tuple[str, str, str]]:
    return [(finding.rule, finding.older, finding.newer) for finding in result.findings]


def pairs(result: Checked) -> list[tuple[str, str, Direction]]:
    return [(each.older, each.newer, each.direction) for each in result.compared]


def test_nothing_changed_is_nothing_to_compare() -> None:
    result = checked({V10: event(STR)}, {V10: event(STR)})
    assert result == Checked(compared=(), findings=())


def test_with_no_base_at_all_everything_is_new_and_still_compared_with_itself() -> None:
    """The first commit may bring two versions, and they must fit."""
    assert checked({}, {V10: event(STR), V11: event(STR)}).findings == ()
    assert told(checked({}, {V10: event(STR), V11: event(INT)})) == [("type_narrowed", "1.0", "1.1")]


def test_a_new_version_is_compared_with_every_earlier_one_of_its_major() -> None:
    """The chain {a: string} → {} → {a: integer}: each step is fine, and both together are not."""
    base = {V10: event({"properties": {"a": STR}}), V11: event({})}
    head = {**base, V12: event({"properties": {"a": INT}})}
    assert told(checked(base, head, Mode.FORWARD)) == []
    assert told(checked(base, head, Mode.FORWARD_TRANSITIVE)) == [("type_narrowed", "1.0", "1.2")]
    assert pairs(checked(base, head, Mode.FORWARD)) == [("1.1", "1.2", Direction.FORWARD)]


def test_a_major_owes_nothing_to_the_one_before() -> None:
    base = {V10: event(STR)}
    assert checked(base, {**base, V20: event(INT)}) == Checked(compared=(), findings=())


def test_full_looks_in_both_directions() -> None:
    base = {V10: event({"properties": {"a": STR}, "additionalProperties": False})}
    head = {**base, V11: event({"properties": {"a": STR, "b": STR}, "additionalProperties": False})}
    result = checked(base, head, Mode.FULL)
    assert pairs(result) == [("1.0", "1.1", Direction.BACKWARD), ("1.0", "1.1", Direction.FORWARD)]
    assert [(each.rule, each.directions) for each in result.findings] == [("property_removed", (Direction.FORWARD,))]


def test_the_same_break_of_several_versions_is_told_once() -> None:
    base = {V10: event(STR), V11: event({"type": "string", "maxLength": 100})}
    result = checked(base, {**base, V12: event({"type": "string", "pattern": "^a"})})
    assert told(result) == [("pattern_changed", "1.0, 1.1", "1.2")]


def test_a_finding_names_the_file_the_pointer_the_line_and_both_fragments() -> None:
    base = {V10: event(STR)}
    (finding,) = checked(base, {**base, V11: event(SHORT)}).findings
    assert finding.verdict is Verdict.INCOMPATIBLE
    assert (finding.place.file, finding.place.pointer) == (V11, "/properties/data/maxLength")
    assert finding.place.line == 6
    assert repr(finding.old) == "(absent)"
    assert finding.new == 5
    assert finding.counterexample is not None
    assert finding.counterexample.instance == {"data": "xxxxxx"}
    assert finding.way_out


def test_what_is_gone_is_shown_at_the_nearest_place_that_is_left() -> None:
    older = event({"type": "object", "properties": {"a": STR, "b": STR}, "additionalProperties": False})
    newer = event({"type": "object", "properties": {"a": STR}, "additionalProperties": False})
    (finding,) = checked({V10: older}, {V10: older, V11: newer}).findings
    assert finding.place.pointer == "/properties/data/properties/b"
    assert finding.old == STR
    assert 1 < finding.place.line < 15


def test_a_version_reads_another_by_what_follows_its_own_name() -> None:
    """Each schema asks for its own version; taken literally, no event could ever be read by a later one."""
    versioned = [event(STR, properties={"version": {"const": version}, "data": STR}) for version in ("1.0", "1.1")]
    assert checked({V10: versioned[0]}, {V10: versioned[0], V11: versioned[1]}).findings == ()


def test_a_version_that_claims_to_be_another_is_found_out() -> None:
    first, second = (event(STR, properties={"version": {"const": version}, "data": STR}) for version in ("1.0", "1.7"))
    result = checked({V10: first}, {V10: first, V11: second})
    assert told(result) == [("value_removed", "1.0", "1.1")]


def test_an_edited_published_file_is_refused_whatever_the_edit() -> None:
    """Here a harmless one: who reads by this version has the old file."""
    base = {V10: event({"type": "string", "maxLength": 5})}
    (finding,) = checked(base, {V10: event({"type": "string", "maxLength": 10})}).findings
    assert (finding.rule, finding.verdict) == ("published_file_changed", Verdict.FORBIDDEN)
    assert (finding.place.pointer, finding.old, finding.new) == ("/properties/data/maxLength", 5, 10)


def test_words_and_examples_of_a_published_file_may_change_and_a_property_of_such_a_name_may_not() -> None:
    before = event({"type": "object", "properties": {"title": STR}})
    assert checked({V10: before}, {V10: before | {"title": "Welcome", "examples": [{"data": {}}]}}).findings == ()
    after = event({"type": "object", "properties": {"title": INT}})
    assert told(checked({V10: before}, {V10: after})) == [("published_file_changed", "1.0", "1.0")]


def test_an_edit_that_python_would_not_notice_is_one() -> None:
    before, after = event({"const": 1}), event({"const": True})
    assert told(checked({V10: before}, {V10: after})) == [("published_file_changed", "1.0", "1.0")]
    assert told(checked({}, {V10: before, V11: after})) == [("value_removed", "1.0", "1.1")]


def test_a_removed_version_is_found_and_a_removed_type_too() -> None:
    base = {V10: event(STR), V11: event(STR), "events/other/1.0.json": event(STR)}
    result = checked(base, {V11: event(STR)})
    assert [(each.rule, each.subject, each.older) for each in result.findings] == [
        ("version_removed", "events/other", "1.0"),
        ("version_removed", "events/welcome", "1.0"),
    ]


@pytest.mark.parametrize(
    ("versions", "gaps"),
    [
        (["1.0", "1.1", "2.0", "2.1"], []),
        (["0.0", "0.1", "1.0"], []),
        (["3.0"], []),
        (["1.1"], ["1.1"]),
        (["1.0", "1.2"], ["1.2"]),
        (["1.0", "3.0"], ["3.0"]),
        (["1.0", "2.1"], ["2.1"]),
        ([*(f"1.{minor}" for minor in range(11))], []),
    ],
)
def test_versions_leave_no_gap(versions: list[str], gaps: list[str]) -> None:
    result = checked({}, {f"events/welcome/{version}.json": event(STR) for version in versions})
    assert [each.newer for each in result.findings if each.rule == "version_gap"] == gaps


def test_a_gap_that_is_published_already_is_past_mending() -> None:
    base = {V10: event(STR), V12: event(STR)}
    assert checked(base, base).findings == ()


def test_a_shared_file_is_taken_from_its_own_tree() -> None:
    """The older version as it was published, the newer as it will be."""
    base = {"common/name.json": name_file(maxLength=10), V10: REFERS}
    head = {"common/name.json": name_file(maxLength=5), V10: REFERS, V11: REFERS}
    result = checked(base, head)
    assert pairs(result) == [("1.0 as it was", "1.0", Direction.BACKWARD), ("1.0", "1.1", Direction.BACKWARD)]
    (finding,) = result.findings
    assert (finding.rule, finding.place.file, finding.place.pointer) == (
        "length_narrowed",
        "common/name.json",
        "/maxLength",
    )
    assert (finding.old, finding.new) == (10, 5)
    assert finding.message.endswith("; the same for events/welcome 1.0")


def test_a_shared_file_may_widen() -> None:
    base = {"common/name.json": name_file(maxLength=10), V10: REFERS}
    result = checked(base, {"common/name.json": name_file(maxLength=20), V10: REFERS})
    assert [each.verdict for each in result.compared] == [Verdict.COMPATIBLE]
    assert result.findings == ()


def record(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": ["id"]}


def test_a_record_may_gain_an_optional_member() -> None:
    """Its only writers are the releases of this program, which write what they declare."""
    base, head = {"records/r.json": record(id=STR)}, {"records/r.json": record(id=STR, note=STR)}
    result = checked(base, head)
    assert [each.direction for each in result.compared] == [Direction.BACKWARD, Direction.FORWARD]
    assert result.findings == ()


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (record(id=INT), [("type_narrowed", Direction.BACKWARD), ("type_narrowed", Direction.FORWARD)]),
        (record(id=STR, n=STR) | {"required": ["id", "n"]}, [("required_added", Direction.BACKWARD)]),
        (record(id={"type": ["string", "null"]}), [("type_narrowed", Direction.FORWARD)]),
        (record(id=STR) | {"required": []}, [("required_added", Direction.FORWARD)]),
    ],
)
def test_neighbouring_releases_must_read_each_others_records(head: Any, found: list[tuple[str, Direction]]) -> None:
    result = checked({"records/r.json": record(id=STR)}, {"records/r.json": head}, Mode.BACKWARD)
    assert [(each.rule, *each.directions) for each in result.findings] == found


def test_a_removed_record_is_found() -> None:
    assert told(checked({"records/r.json": record(id=STR)}, {})) == [("record_removed", "before", "")]


@pytest.mark.parametrize(
    ("path", "content", "says"),
    [
        (V10, b"{", "not JSON"),
        (V10, [], "a schema is a JSON object"),
        (V10, {"type": "strnig"}, "not a schema: /type"),
        (V10, {"pattern": "("}, "not a schema"),
        (V10, {"$ref": "urn:nowhere"}, "no file of this tree has that `$id`"),
        (V10, {"$ref": "#/$defs/none"}, "there is nothing there"),
        (V10, {"$schema": "http://json-schema.org/draft-07/schema#"}, "`$schema` must be"),
        (V10, b'{"not":' * 600 + b"{}" + b"}" * 600, "not a schema: "),
        (V10, b'{"not":' * 9000 + b"{}" + b"}" * 9000, "not JSON"),
        ("events/welcome/1.json", {}, "name it events/<type>/<major>.<minor>.json"),
        ("events/welcome/01.0.json", {}, "name it events/<type>/<major>.<minor>.json"),
        ("records/a/b.json", {}, "name it"),
    ],
)
def test_what_is_no_schema_is_named_with_its_tree(path: str, content: Any, says: str) -> None:
    with pytest.raises(SchemaLoadError) as caught:
        tree({path: content}, "git:main")
    assert str(caught.value).startswith(f"git:main: {path}: ")
    assert says in str(caught.value)


def test_what_is_none_of_ours_is_left_aside() -> None:
    read = tree({"events/README.md": b"x", "registry.py": b"x", V10: event(STR)})
    assert read.versions("welcome") == ["1.0"]


def test_a_fingerprint_stays_while_nothing_about_the_finding_changes() -> None:
    """Words and the lines of a file don't matter; what the schemas ask for does."""
    base = {V10: event(STR)}
    one, two, three = (
        checked(base, {**base, V11: newer}).findings[0].fingerprint
        for newer in (event(SHORT), event({"description": "d", **SHORT}), event({"type": "string", "maxLength": 6}))
    )
    assert one == two
    assert one != three
