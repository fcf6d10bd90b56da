"""E-mail over SMTP (aiosmtplib): one connection per mail for now, every ending told apart.

RFC 5321 for replies and their classes, RFC 5322 for the message, RFC 3834 for ``Auto-Submitted``.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, parseaddr
from typing import Final
from urllib.parse import unquote, urlsplit

import aiosmtplib

from streams.core.messages import Message
from streams.core.ports import Delivered, Delivery, Refused, Unknown

PERMANENT: Final = 500
PROVIDER: Final = "smtp"
ADDRESS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@(?=.{1,253}\Z)[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
"""A plain address: the dot-atom of RFC 5321, section 4.1.2, at a domain name; no quoting, no literals, ASCII."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpServer:
    """Where mail goes. ``timeout``: seconds for one mail; ``require_tls``: never hand over in plain text."""

    host: str
    port: int
    username: str | None
    password: str | None
    implicit_tls: bool
    require_tls: bool
    timeout: float

    @classmethod
    def from_url(cls, url: str, *, timeout: float, require_tls: bool) -> SmtpServer:
        """From ``smtp://[user:password@]host:port`` or ``smtps://…``; `config.settings` has checked the form."""
        parts = urlsplit(url)
        return cls(
            host=parts.hostname or "",
            port=parts.port or 0,
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            implicit_tls=parts.scheme == "smtps",
            require_tls=require_tls,
            timeout=timeout,
        )


class SmtpSender:
    """Sends one message to one recipient. What happens after DATA began and isn't answered is unknown, not failed."""

    def __init__(self, server: SmtpServer) -> None:
        self._server = server

    async def send(self, message: Message) -> Delivery:
        """Hand one mail over; the server's timeout is for all of it."""
        try:
            mail = compose(message)
        except ValueError:
            return Refused(code="address_invalid", retryable=False)
        attempt = _Attempt(self._server)
        try:
            async with asyncio.timeout(self._server.timeout):
                return await attempt.run(mail, to=message.to, sender=parseaddr(message.sender)[1])
        except TimeoutError:
            return attempt.failed("deadline")
        finally:
            attempt.client.close()


class _Attempt:
    """One connection for one mail; knows whether the content was begun, and so what a failure means."""

    def __init__(self, server: SmtpServer) -> None:
        self.client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.username,
            password=server.password,
            use_tls=server.implicit_tls,
            start_tls=True if server.require_tls and not server.implicit_tls else None,
            timeout=server.timeout,
        )
        self._mail_begun = self._content_begun = False

    async def run(self, mail: EmailMessage, *, to: str, sender: str) -> Delivery:
        try:
            await self.client.connect()
            self._mail_begun = True
            await self.client.mail(sender)
            await self.client.rcpt(to)
            self._content_begun = True
            reply = await self.client.data(mail.as_bytes(policy=mail.policy.clone(linesep="\r\n")))
        except aiosmtplib.SMTPResponseException as error:
            return self._answered(error.code, error.message)
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            return self.failed(type(error).__name__)
        return self._answered(reply.code, reply.message)

    def _answered(self, code: int, text: str) -> Delivery:
        """2yz: taken; 4yz: try again later; 5yz: never (RFC 5321, section 4.2.1). Anything else says nothing."""
        match code // 100:
            case 2 if self._content_begun:
                return Delivered(provider=PROVIDER, provider_id=text[:200] or None)
            case 4 | 5:  # before MAIL FROM it speaks of the connection (credentials, TLS), not of this message
                return Refused(code=str(code), retryable=code < PERMANENT or not self._mail_begun)
            case _:
                return self.failed(f"reply {code}")

    def failed(self, what: str) -> Delivery:
        """It ended without an answer: surely not sent before the content was begun, unknown after that."""
        return Unknown(what=f"{what} after DATA") if self._content_begun else Refused(code=what, retryable=True)


def compose(message: Message) -> EmailMessage:
    """The mail: text with an HTML alternative, and a ``Message-ID`` that is the same for every copy.

    Raises:
        ValueError: an address or a header that can't stand in a mail.
    """
    name, sender = parseaddr(message.sender)
    if ADDRESS.fullmatch(message.to) is None or ADDRESS.fullmatch(sender) is None or not message.sender.isprintable():
        raise ValueError("not an address")
    mail = EmailMessage()
    mail["From"] = Address(display_name=name, addr_spec=sender)
    mail["To"] = Address(addr_spec=message.to)
    mail["Subject"] = message.parts.get("subject", "")
    mail["Date"] = formatdate(message.appended_ms / 1000)
    mail["Message-ID"] = f"<{message.route.dispatch_id}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.parts.get("text", ""))
    if "html" in message.parts:
        mail.add_alternative(message.parts["html"], subtype="html")
    return mail
