"""E-mail over SMTP (aiosmtplib): one connection per mail for now, every ending told apart.

RFC 5321 for replies and their classes, RFC 5322 for the message, RFC 3834 for ``Auto-Submitted``.
"""

from __future__ import annotations

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
        """Hand one mail over, within the server's timeout."""
        try:
            mail = compose(message)
        except ValueError:
            return Refused(code="address_invalid", retryable=False)
        server = self._server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.username,
            password=server.password,
            use_tls=server.implicit_tls,
            start_tls=True if server.require_tls and not server.implicit_tls else None,
            timeout=server.timeout,
        )
        try:
            await client.connect()
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            return _before_data(error)
        try:
            return await _hand_over(client, mail)
        finally:
            client.close()


async def _hand_over(client: aiosmtplib.SMTP, mail: EmailMessage) -> Delivery:
    sender, recipient = parseaddr(str(mail["From"]))[1], parseaddr(str(mail["To"]))[1]
    try:
        await client.mail(sender)
        await client.rcpt(recipient)
    except (aiosmtplib.SMTPException, OSError) as error:
        return _before_data(error)
    try:
        reply = await client.data(mail.as_bytes(policy=mail.policy.clone(linesep="\r\n")))
    except aiosmtplib.SMTPResponseException as error:
        return _reply(error.code)
    except (aiosmtplib.SMTPException, OSError) as error:
        return Unknown(what=f"{type(error).__name__} after DATA")
    return Delivered(provider=PROVIDER, provider_id=reply.message[:200] or None)


def _before_data(error: Exception) -> Refused:
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return _reply(error.code)
    return Refused(code=type(error).__name__, retryable=True)


def _reply(code: int) -> Refused:
    """4yz: try again later; 5yz: never (RFC 5321, section 4.2.1)."""
    return Refused(code=str(code), retryable=code < PERMANENT)


def compose(message: Message) -> EmailMessage:
    """The mail: text with an HTML alternative, and a ``Message-ID`` that is the same for every copy.

    Raises:
        ValueError: an address or a header that can't stand in a mail.
    """
    name, sender = parseaddr(message.sender)
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
