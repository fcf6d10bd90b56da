"""A local SMTP server that keeps every mail as a file, so that a person can look at what would have gone out."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

from adapters.processes import free_ports


class SinkUnavailableError(RuntimeError):
    """There is no SMTP sink; the message says what to install."""


class MailSink:
    """aiosmtpd on 127.0.0.1 and a free port; mails land in ``folder`` as ``<n>.eml``.

    Raises:
        SinkUnavailableError: aiosmtpd isn't installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from aiosmtpd.controller import Controller  # noqa: PLC0415 - an optional extra
        except ImportError:
            raise SinkUnavailableError("aiosmtpd is missing: install the extra `embedded`") from None
        self.folder = folder
        self.received = 0
        self._port = free_ports(1)[0]
        self._controller: Any = Controller(self, hostname="127.0.0.1", port=self._port)

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: N802, ANN401
        """Called by aiosmtpd for every mail."""
        self.received += 1
        (self.folder / f"{self.received}.eml").write_bytes(envelope.content)
        return "250 kept"

    @property
    def url(self) -> str:
        """For ``SMTP_URL``."""
        return f"smtp://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._controller.stop()
