"""The mail as it arrives at a real SMTP server, and the endings that only SMTP has."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import parsedate_to_datetime

import pytest

from adapters.smtp import SmtpServer
from streams.core.messages import Message
from streams.core.ports import Delivered, Delivery, Refused, Unknown
from tests.adapters.mail_server import MailServer, mail_server
from tests.builders import NOW_S, message, route


def deliver(server: MailServer, mails: Sequence[Message], *, require_tls: bool = False) -> list[Delivery]:
    async def scenario() -> list[Delivery]:
        async with mail_server(server):
            return [await server.sender(require_tls=require_tls).send(mail) for mail in mails]

    return asyncio.run(scenario())


def arrived(*mails: Message) -> list[EmailMessage]:
    """The mails as the server got them."""
    server = MailServer()
    assert all(isinstance(delivery, Delivered) for delivery in deliver(server, mails or [message()]))
    return server.mails()


def part(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    assert body is not None
    text: str = body.get_content()
    return text.replace("\r\n", "\n")  # lines end so on the wire (RFC 5321, section 2.3.8)


def test_a_mail_has_what_a_mail_needs() -> None:
    (mail,) = arrived()
    assert mail["From"] == "Scholarship Centre <no-reply@scholarships.example>"
    assert mail["To"] == "ben@example.org"
    assert mail["Subject"] == "Hello"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["MIME-Version"] == "1.0"
    assert parsedate_to_datetime(mail["Date"]).timestamp() == NOW_S
    for name in ("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"):
        assert len(mail.get_all(name, [])) == 1, name
    assert mail["Bcc"] is None


def test_every_copy_of_a_message_has_one_id_and_another_message_has_another() -> None:
    """So that a reader's mail program shows a repeated mail once."""
    first, copy, other = arrived(message(), message(), message(route=route(recipient_id="student-8")))
    assert first["Message-ID"] == f"<{route().dispatch_id}@scholarships.example>"
    assert copy["Message-ID"] == first["Message-ID"]
    assert (copy["Date"], copy["Subject"]) == (first["Date"], first["Subject"])
    assert other["Message-ID"] != first["Message-ID"]


def test_text_comes_with_an_html_alternative() -> None:
    """Text first: a reader takes the last that it can show (RFC 2046, section 5.1.4)."""
    (mail,) = arrived()
    assert mail.get_content_type() == "multipart/alternative"
    assert [each.get_content_type() for each in mail.iter_parts()] == ["text/plain", "text/html"]
    assert part(mail, "plain") == "Hello Ben\n"
    assert part(mail, "html") == "<p>Hello Ben</p>\n"


def test_a_message_without_html_is_plain_text() -> None:
    (mail,) = arrived(message(parts={"subject": "Hi", "text": "Hello\n"}))
    assert mail.get_content_type() == "text/plain"


TEXTS = {
    "beyond ASCII": "F\u00e4llig: \u5949\u5b66\u91d1 \U0001f393 caf\u00e9",
    "a line that is a dot": "first\n.\n..two\n.end",
    "a very long line": "x" * 5000,
    "a line like an mbox mark": "From me\n>From you",
    "a right-to-left text": "\u0645\u0646\u062d\u0629",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_text_arrives_as_it_was(text: str) -> None:
    (mail,) = arrived(message(parts={"subject": "Hi", "text": text + "\n", "html": f"<p>{text}</p>\n"}))
    assert part(mail, "plain") == text + "\n"
    assert part(mail, "html") == f"<p>{text}</p>\n"


def test_a_subject_beyond_ascii_arrives_as_it_was() -> None:
    """However long: folded on the wire, one line for the reader."""
    subject = "Neue F\u00f6rderung: \u5949\u5b66\u91d1 \U0001f393 " + "sehr lang " * 30 + "Ende"
    (mail,) = arrived(message(parts={"subject": subject, "text": "x"}))
    assert mail["Subject"] == subject


def test_a_subject_of_several_lines_is_refused_and_nothing_goes_out() -> None:
    server = MailServer()
    mail = message(parts={"subject": "Hi\r\nBcc: eve@example.org", "text": "x"})
    (delivery,) = deliver(server, [mail])
    assert isinstance(delivery, Refused)
    assert not delivery.retryable
    assert server.contents == []


def test_the_envelope_has_the_one_sender_and_the_one_recipient() -> None:
    server = MailServer()
    deliver(server, [message()])
    assert server.envelopes == [("no-reply@scholarships.example", ["ben@example.org"])]


REPLIES: list[tuple[str, str, Delivery]] = [
    ("MAIL", "550 5.7.1 not you", Refused(code="550", retryable=False)),
    ("MAIL", "451 4.3.0 later", Refused(code="451", retryable=True)),
    ("RCPT", "421 4.3.2 shutting down", Refused(code="421", retryable=True)),
    ("RCPT", "553 5.1.3 bad mailbox", Refused(code="553", retryable=False)),
    ("DATA", "554 5.6.0 spam", Refused(code="554", retryable=False)),
    ("DATA", "452 4.2.2 full", Refused(code="452", retryable=True)),
]


@pytest.mark.parametrize(("command", "reply", "delivery"), REPLIES)
def test_a_refusal_at_any_command_is_permanent_or_not_by_its_class(
    command: str, reply: str, delivery: Delivery
) -> None:
    """RFC 5321, section 4.2.1: 4yz later, 5yz never. Also the answer to the content itself."""
    assert deliver(MailServer(replies={command: reply}), [message()]) == [delivery]


@pytest.mark.parametrize("reply", ["nonsense", "2x0 fine", "000 what"])
def test_an_answer_to_the_content_that_says_nothing_leaves_it_unknown(reply: str) -> None:
    """The server has the mail and its answer can't be read: it was not refused, so it must not be sent again."""
    server = MailServer(replies={"DATA": reply})
    (delivery,) = deliver(server, [message()])
    assert len(server.contents) == 1
    assert isinstance(delivery, Unknown)


@pytest.mark.parametrize("reply", ["200 taken", "251 forwarded", "252 taken, will try"])
def test_any_positive_answer_to_the_content_means_that_it_was_taken(reply: str) -> None:
    """RFC 5321, section 4.2.1: 2yz is positive completion, and clients go by the first digit."""
    (delivery,) = deliver(MailServer(replies={"DATA": reply}), [message()])
    assert isinstance(delivery, Delivered)


@pytest.mark.parametrize("sender", ["", "Centre", "Centre <no-reply>"])
def test_a_sender_that_is_no_address_is_refused_and_the_server_never_called(sender: str) -> None:
    server = MailServer()
    (delivery,) = deliver(server, [message(sender=sender)])
    assert isinstance(delivery, Refused)
    assert not delivery.retryable
    assert server.connections == 0


def test_where_tls_is_required_nothing_goes_out_in_plain_text() -> None:
    """The server doesn't offer STARTTLS; another time it may."""
    server = MailServer()
    (delivery,) = deliver(server, [message()], require_tls=True)
    assert isinstance(delivery, Refused)
    assert delivery.retryable
    assert server.contents == []
    assert server.envelopes == []


def test_the_deadline_is_for_the_whole_mail() -> None:
    """A server that answers each command just in time would hold up the next owner of the partition."""

    async def scenario() -> tuple[Delivery, float]:
        async with mail_server(MailServer(delay=2.0)) as server:
            begun = time.monotonic()
            delivery = await server.sender(timeout=2.5).send(message())
            return delivery, time.monotonic() - begun

    delivery, seconds = asyncio.run(scenario())
    assert seconds < 8, "four commands, each answered after two seconds"
    assert not isinstance(delivery, Delivered)


def test_the_provider_id_is_what_the_server_said_and_not_endless() -> None:
    (short,) = deliver(MailServer(), [message()])
    (long,) = deliver(MailServer(replies={"DATA": "250 " + "q" * 400}), [message()])
    assert isinstance(short, Delivered)
    assert short == Delivered(provider="smtp", provider_id="2.0.0 queued as q-1")
    assert isinstance(long, Delivered)
    assert len(long.provider_id or "") == 200


URLS = [
    ("smtp://127.0.0.1:2525", ("127.0.0.1", 2525, None, None, False)),
    ("smtps://me:p%40ss%2Fword@mail.example.org:465", ("mail.example.org", 465, "me", "p@ss/word", True)),
    ("smtp://me%40example.org:x@[::1]:587", ("::1", 587, "me@example.org", "x", False)),
]


@pytest.mark.parametrize(("url", "parts"), URLS)
def test_a_server_is_read_from_its_url(url: str, parts: tuple[object, ...]) -> None:
    server = SmtpServer.from_url(url, timeout=1.0, require_tls=True)
    assert (server.host, server.port, server.username, server.password, server.implicit_tls) == parts
