"""Errors as problem details (RFC 9457): every one with a stable ``code``."""

from __future__ import annotations

from http import HTTPStatus

import orjson
from aiohttp import web


def problem(status: int, code: str, detail: str) -> web.Response:
    """An error response; ``detail`` says what to do."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
    }
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/problem+json")
