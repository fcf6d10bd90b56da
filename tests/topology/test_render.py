"""From a render order to a message: every reason from bytes, every shipped text, and nothing smuggled through data."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import jinja2
import orjson
import pytest
from jinja2 import meta

from schemas import registry
from streams import templates, topics
from streams.core.messages import Category, Message, RenderOrder
from streams.core.reasons import Reason, Rejected, Stage
from streams.core.render import Renderer
from streams.core.templates import Template, Templates
from streams.topology import build_topology
from tests.builders import NOW_S, claims, event, order, record, route, rules, token
from tests.driver import Tally, TopologyDriver, header

SHIPPED = templates.load()
SCHEMAS = registry.load()
TEXTS = [
    (template.name, version, channel)
    for template in SHIPPED.by_name.values()
    for version, channels in template.sources.items()
    for channel in channels
]


def driver(shipped: Templates = SHIPPED) -> TopologyDriver:
    topology = build_topology(rules(shipped=shipped), Renderer(shipped), Tally(), now=lambda: float(NOW_S))
    return TopologyDriver(topology)


def custom(**parts: str) -> Templates:
    """One template, ``new_match``, whose e-mail has these parts."""
    template = Template(
        name="new_match",
        version="1.0",
        event_type="new_match",
        category=Category.TRANSACTIONAL,
        sender="Centre <no-reply@example.org>",
        channels=("email",),
        optional=("absent",),
        sources={"1.0": {"email": parts}},
    )
    return Templates({"new_match": template})


def ordered(**changes: Any) -> bytes:
    return order(**changes).encode()


def rendered(shipped: Templates, **changes: Any) -> Mapping[str, str]:
    """The parts of the message that comes of an order."""
    message = Renderer(shipped).render(order(**changes))
    assert isinstance(message, Message), message
    return message.parts


def changed(**changes: Any) -> bytes:
    return orjson.dumps(orjson.loads(ordered()) | changes)


MISSING, FAILED, INTERNAL = Reason.TEMPLATE_MISSING, Reason.RENDER_FAILED, Reason.INTERNAL_ERROR
BAD: list[tuple[str, Reason, bytes | None, Templates]] = [
    ("unknown template", MISSING, ordered(route=route(template="lottery")), SHIPPED),
    ("unknown version", MISSING, ordered(route=route(template_version="9.9")), SHIPPED),
    ("unknown channel", MISSING, ordered(route=route(channel="pigeon")), SHIPPED),
    ("no templates at all", MISSING, ordered(), Templates({})),
    ("a path for a template", MISSING, ordered(route=route(template="../new_match")), SHIPPED),
    ("data lacks a variable", FAILED, ordered(data={}), SHIPPED),
    ("an undefined variable", FAILED, ordered(), custom(text="{{ nobody_knows }}")),
    ("an undefined member", FAILED, ordered(data={"award": {}}), custom(text="{{ award.amount }}")),
    ("a member of null", FAILED, ordered(), custom(text="{{ absent.amount }}")),
    ("a date that is none", FAILED, ordered(data={"d": "soon"}), custom(text="{{ d | day }}")),
    ("a date that is a number", FAILED, ordered(data={"d": 5}), custom(text="{{ d | day }}")),
    ("arithmetic with text", FAILED, ordered(data={"n": "x"}), custom(text="{{ n / 100 }}")),
    (
        "a sum that is none",
        FAILED,
        ordered(data={"m": {"amount": 1.5, "currency": "USD"}}),
        custom(text="{{ m | money }}"),
    ),
    ("a sum without currency", FAILED, ordered(data={"m": {"amount": 1}}), custom(text="{{ m | money }}")),
    ("a sum beyond all numbers", FAILED, ordered(data={"m": {"amount": 1e999}}), custom(text="{{ m | money }}")),
    ("a moment without an offset", FAILED, ordered(data={"t": "2026-01-01T10:00:00"}), custom(text="{{ t | moment }}")),
    ("a division by zero", FAILED, ordered(data={"n": 0}), custom(text="{{ 1 / n }}")),
    ("an endless range", FAILED, ordered(), custom(text="{% for n in range(10**9) %}x{% endfor %}")),
    ("one part of several fails", FAILED, ordered(), custom(text="good", html="{{ nobody_knows }}")),
    ("the class of a text", FAILED, ordered(), custom(text="{{ ''.__class__ }}")),
    ("the way to all classes", FAILED, ordered(), custom(text="{{ ''.__class__.__mro__[1].__subclasses__() }}")),
    ("a class through format", FAILED, ordered(), custom(text="{{ '{0.__class__}'.format(recipient_id) }}")),
    ("a global through a filter", FAILED, ordered(), custom(text="{{ (''|attr('__class__')) ~ '' }}")),
    ("a change to the data", FAILED, ordered(data={"l": [1]}), custom(text="{{ l.append(2) }}")),
    ("a file", FAILED, ordered(), custom(text="{% include '/etc/passwd' %}")),
    ("null", INTERNAL, None, SHIPPED),
    ("nothing", INTERNAL, b"", SHIPPED),
    ("JSON null", INTERNAL, b"null", SHIPPED),
    ("a list", INTERNAL, b"[]", SHIPPED),
    ("an empty object", INTERNAL, b"{}", SHIPPED),
    ("not UTF-8", INTERNAL, b"\xff\x00", SHIPPED),
    ("cut off", INTERNAL, ordered()[:-1], SHIPPED),
    ("an event JWT", INTERNAL, token(), SHIPPED),
    ("a message", INTERNAL, b'{"parts":{}}', SHIPPED),
    ("route is null", INTERNAL, changed(route=None), SHIPPED),
    ("route is empty", INTERNAL, changed(route={}), SHIPPED),
    ("route is a list", INTERNAL, changed(route=[1]), SHIPPED),
    ("data is text", INTERNAL, changed(data="x"), SHIPPED),
    ("to is a list", INTERNAL, changed(to=[]), SHIPPED),
    ("an unknown mode", INTERNAL, changed(mode="wet_run"), SHIPPED),
    ("append time as text", INTERNAL, changed(appended_ms="now"), SHIPPED),
    ("a time limit as text", INTERNAL, changed(not_after_ms="now"), SHIPPED),
]


@pytest.mark.parametrize(("reason", "value", "shipped"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_a_bad_order_becomes_one_dead_letter_with_its_reason_and_nothing_else(
    reason: Reason, value: bytes | None, shipped: Templates
) -> None:
    """The order itself is kept for the redrive."""
    run = driver(shipped)

    left = run.pipe(record(value, topic=topics.RENDER, offset=3))

    assert run.reasons() == [reason]
    assert run.topics() == {topics.DEAD_LETTER}
    assert (left[0].key, left[0].value) == (b"student-7", value)
    assert header(left[0], "dlq.stage") == Stage.RENDER
    assert header(left[0], "dlq.original.topic") == topics.RENDER


def test_a_bad_order_leaves_the_next_one_unharmed() -> None:
    run = driver()
    for offset, value in enumerate([ordered(), None, b"{}", ordered(data={}), ordered()]):
        run.pipe(record(value, topic=topics.RENDER, offset=offset))
    good, bad = topics.DISPATCH_TRANSACTIONAL, topics.DEAD_LETTER
    assert [emit.topic for emit in run.out] == [good, bad, bad, bad, good]
    assert run.out[0].value == run.out[-1].value


def test_the_detail_names_the_template_and_quotes_no_data() -> None:
    shipped = custom(text="{{ (secret | int) / 0 }}{{ secret | day }}", subject="{{ secret.nothing }}")
    outcome = Renderer(shipped).render(order(data={"secret": "ana@example.org"}))
    assert isinstance(outcome, Rejected)
    assert "new_match@1.0" in outcome.detail
    assert "ana@" not in outcome.detail


@pytest.mark.parametrize(("name", "version", "channel"), TEXTS)
def test_every_shipped_text_renders_its_sample_and_the_examples_of_its_schemas(
    name: str, version: str, channel: str
) -> None:
    """With what is optional and without it; no null and no trace of the template is left, and its links are there."""
    template = SHIPPED.by_name[name]
    examples = [each for schema in SCHEMAS.versions(template.event_type).values() for each in schema.examples]
    least = {member: template.sample[member] for member in template.required}
    for data in (template.sample, least, *(each["data"] for each in examples)):
        parts = rendered(SHIPPED, data=data, route=route(template=name, template_version=version, channel=channel))
        assert set(parts) == ({"subject", "html", "text"} if channel == "email" else {"text"})
        for text in parts.values():
            assert text.strip()
            assert not [trace for trace in ("None", "{{", "{%", "Undefined") if trace in text]
        links = [data[member] for member in template.required if str(data[member]).startswith("https://")]
        assert links, "every message leads somewhere"
        assert all(link in parts["text"] for link in links)
        assert all(html.escape(link) in parts.get("html", html.escape(link)) for link in links)


@pytest.mark.parametrize(("name", "version", "channel"), TEXTS)
def test_markup_stands_in_html_alone(name: str, version: str, channel: str) -> None:
    parts = rendered(
        SHIPPED,
        data=SHIPPED.by_name[name].sample,
        route=route(template=name, template_version=version, channel=channel),
    )
    assert [part for part, text in parts.items() if "<" in text] == (["html"] if channel == "email" else [])


@pytest.mark.parametrize("name", sorted(SHIPPED.by_name))
def test_a_row_lists_the_variables_that_its_texts_use_and_no_others(name: str) -> None:
    """In the version in force; what we know ourselves is there for every template."""
    template = SHIPPED.by_name[name]
    environment = jinja2.Environment(autoescape=True)
    environment.filters |= dict.fromkeys(("day", "moment", "money"), str)
    used = set().union(
        *(
            meta.find_undeclared_variables(environment.parse(source))
            for parts in template.sources[template.version].values()
            for source in parts.values()
        )
    )
    assert used - {"recipient_id", "occurred_at"} == {*template.required, *template.optional}


def test_markup_in_data_is_escaped_in_html_and_left_alone_in_text() -> None:
    """Elements and attributes alike; the plain text shows what was written."""
    nasty = """<script>alert('1')</script>"&"""
    data = event()["data"] | {
        "scholarship_name": nasty,
        "details_url": 'https://a.example/"><img src=x onerror=alert(1)>',
    }
    parts = rendered(SHIPPED, data=data)
    assert "<script" not in parts["html"]
    assert "<img" not in parts["html"]
    assert "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&#34;&amp;" in parts["html"]
    assert nasty in parts["text"]
    assert nasty in parts["subject"]


def test_a_template_in_the_data_is_text() -> None:
    parts = rendered(SHIPPED, data=event()["data"] | {"scholarship_name": "{{ 7 * 7 }}{% raw %}"})
    assert "{{ 7 * 7 }}{% raw %}" in parts["text"]


BREAKS = ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "\t"]


@pytest.mark.parametrize("line_break", BREAKS, ids=ascii)
def test_a_subject_stays_on_one_line_whatever_is_in_the_data(line_break: str) -> None:
    """A second line would be a header of the sender's choice."""
    name = f"Grant{line_break}Bcc: eve@example.org{line_break}{line_break}body"
    subject = rendered(SHIPPED, data=event()["data"] | {"scholarship_name": name})["subject"]
    assert subject.splitlines() == [subject]
    assert subject == "New match (92 %): Grant Bcc: eve@example.org body"


def test_the_data_cannot_stand_in_for_what_we_know_ourselves() -> None:
    parts = rendered(
        custom(text="{{ recipient_id }} {{ occurred_at }}"), data={"recipient_id": "eve", "occurred_at": "x"}
    )
    assert parts["text"] == "student-7 2026-11-20T09:30:00Z\n"


def test_output_beyond_what_a_topic_takes_is_a_value() -> None:
    """Refused here and not by the broker; the order itself fits."""
    run = driver(custom(text="{{ 'x' * 5000000 }}"))
    left = run.pipe(record(ordered(), topic=topics.RENDER))
    assert run.reasons() == [Reason.RENDER_FAILED]
    assert left[0].value == ordered()
    assert run.topics() == {topics.DEAD_LETTER}


def test_output_of_just_the_size_that_a_topic_takes_goes_out() -> None:
    limit = topics.OURS_MAX_BYTES - topics.HEADROOM_BYTES
    around = driver(custom(text="x")).pipe(record(ordered(), topic=topics.RENDER))[0].size()
    for more, topic in ((0, topics.DISPATCH_TRANSACTIONAL), (1, topics.DEAD_LETTER)):
        text = "x" * (limit - around + 1 + more)
        assert driver(custom(text=text)).pipe(record(ordered(), topic=topics.RENDER))[0].topic == topic


def test_a_promotional_message_goes_to_its_own_topic() -> None:
    value = ordered(route=route(category=Category.PROMOTIONAL))
    left = driver().pipe(record(value, topic=topics.RENDER, headers=(("traceparent", b"00-1"), ("x", b"1"))))
    assert [emit.topic for emit in left] == [topics.DISPATCH_PROMOTIONAL]
    assert left[0].headers == (("traceparent", b"00-1"),)


@pytest.mark.parametrize("name", sorted(SHIPPED.by_name))
def test_what_is_written_to_our_topics_is_valid_under_the_schemas_of_records(name: str) -> None:
    """Render orders and messages, for every example of the event that may be sent."""
    template = SHIPPED.by_name[name]
    for version, schema in SCHEMAS.versions(template.event_type).items():
        for example in schema.examples:
            run = driver()
            run.pipe(record(token(claims(event(template.event_type, version) | example))))
            assert [emit.topic for emit in run.out] == [topics.RENDER, topics.DISPATCH[template.category]]
            for emit, shape in zip(run.out, ("render", "dispatch"), strict=True):
                assert list(SCHEMAS.records[shape].violations(orjson.loads(emit.value or b""))) == []
            assert RenderOrder.decode(run.out[0].value).data == example["data"]
