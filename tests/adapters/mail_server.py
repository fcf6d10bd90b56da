"""A real SMTP server (aiosmtpd) on loopback, in the test's own event loop, that ends every mail as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP

from adapters.processes import HOST, free_ports
from adapters.smtp import SmtpSender, SmtpServer
from tests.fakes import Ending

TIMEOUT_S = 0.3


@dataclass(slots=True)
class MailServer:
    """What the server says, and what it got. ``replies`` are by command (``MAIL``, ``RCPT``, ``DATA``)."""

    ending: Ending = Ending.TAKEN
    replies: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    connections: int = 0
    contents: list[bytes] = field(default_factory=list)
    envelopes: list[tuple[str, list[str]]] = field(default_factory=list)
    port: int = 0

    def mails(self) -> list[EmailMessage]:
        """What arrived, read as a mail client reads it."""
        return [message_from_bytes(content, policy=default) for content in self.contents]

    def sender(self, *, timeout: float = TIMEOUT_S, require_tls: bool = False) -> SmtpSender:
        """The product's sender for this server."""
        url = f"smtp://{HOST}:{self.port}"
        return SmtpSender(SmtpServer.from_url(url, timeout=timeout, require_tls=require_tls))

    # Called by aiosmtpd, by name.

    async def handle_MAIL(  # noqa: N802
        self, _server: object, _session: object, envelope: Any, address: str, _options: object
    ) -> str:
        await asyncio.sleep(self.delay)
        envelope.mail_from = address
        return self.replies.get("MAIL", "250 fine")

    async def handle_RCPT(  # noqa: N802
        self, _server: object, _session: object, envelope: Any, address: str, _options: object
    ) -> str:
        await asyncio.sleep(self.delay)
        refusals = {Ending.REFUSED_FOR_EVER: "550 5.1.1 nobody here", Ending.REFUSED_FOR_NOW: "450 4.2.1 later"}
        envelope.rcpt_tos.append(address)
        return refusals.get(self.ending) or self.replies.get("RCPT", "250 fine")

    async def handle_DATA(self, server: Any, _session: object, envelope: Any) -> str:  # noqa: N802
        await asyncio.sleep(self.delay)
        self.contents.append(envelope.content)
        self.envelopes.append((envelope.mail_from, list(envelope.rcpt_tos)))
        if self.ending is Ending.CUT:
            server.transport.close()
        if self.ending is Ending.SILENT:
            await asyncio.sleep(TIMEOUT_S * 10)
        return self.replies.get("DATA", "250 2.0.0 queued as q-1")


@asynccontextmanager
async def mail_server(server: MailServer) -> AsyncIterator[MailServer]:
    """Serve on a free port; with `Ending.AWAY` nobody listens there."""
    server.port = free_ports(1)[0]
    if server.ending is Ending.AWAY:
        yield server
        return
    loop = asyncio.get_running_loop()

    def connected() -> SMTP:
        server.connections += 1
        return SMTP(server, hostname="mail.test", loop=loop, enable_SMTPUTF8=False)

    listening = await loop.create_server(connected, HOST, server.port)
    try:
        yield server
    finally:
        listening.close()
