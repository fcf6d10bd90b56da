"""Binds the application to an address. What isn't HTTP is answered as a problem with the six headers, too."""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from streams.web.headers import harden
from streams.web.problems import problem

_SILENT: Final = logging.getLogger("comcenter.access")
"""Requests are counted and timed, not logged one by one."""
_SILENT.disabled = True


class _Protocol(RequestHandler):
    """aiohttp answers a malformed request below the application, where no middleware is; this is that place."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """An error that never reached a handler."""
        super().handle_error(request, status, exc, message)
        code = "internal_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "malformed_request"
        response = problem(status, code, "the request could not be read as HTTP/1.1")
        harden(response)
        response.force_close()
        return response


class Listener:
    """One HTTP server. ``port`` 0 takes a free one; `port` says which after `start`."""

    def __init__(self, app: web.Application, host: str, port: int) -> None:
        self._runner = web.AppRunner(app, access_log=None)
        self._host = host
        self.port = port
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Bind and serve.

        Raises:
            OSError: the address can't be bound.
        """
        await self._runner.setup()
        manager = self._runner.server
        assert manager is not None, "set up on the line before"
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Protocol(manager, loop=loop, access_log=_SILENT), self._host, self.port
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop accepting, end what is open."""
        if self._server is not None:
            self._server.close()
        await self._runner.cleanup()
