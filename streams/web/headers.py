"""The six security headers that the platform checks, on every response."""

from __future__ import annotations

from typing import Final

from aiohttp import web

SECURITY_HEADERS: Final = {
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
}


def harden(response: web.StreamResponse) -> None:
    """Put the six on a response; one that has a policy of its own keeps it."""
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Server", "auto_com_center")  # not which library in which version


def present_and_missing(response: web.StreamResponse) -> tuple[list[str], list[str]]:
    """Which of the six this response carries, and which not."""
    present = [name for name in SECURITY_HEADERS if response.headers.get(name)]
    return present, [name for name in SECURITY_HEADERS if name not in present]
