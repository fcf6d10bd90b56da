"""Where an issuer's public keys are: an https URL, a file, or an issuer's address for OpenID discovery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

AUTH_PREFIX: Final = "oauth:"
"""Stands before the auth service's name where issuers are told apart; so no producer's may begin with it."""
SECURE: Final = "https without a user name or white space (http on loopback with ENVIRONMENT=development)"
"""What `is_secure` asks for, in words."""
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySource:
    """One issuer's. Either ``jwks`` (URL or path) or ``discovery`` (the issuer's address) is given."""

    issuer: str
    jwks: str = ""
    discovery: str = ""
    production: bool = True

    @property
    def is_url(self) -> bool:
        """Whether ``jwks`` is fetched rather than read from a file."""
        return "://" in self.jwks

    def allows(self, url: str) -> bool:
        """Whether keys may be fetched from this address."""
        return is_secure(url, production=self.production)


def is_secure(url: str, *, production: bool) -> bool:
    """https, or http on loopback in development; no user information, which would stand in logs and in requests."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if not parts.hostname or "@" in parts.netloc or any(c.isspace() or not c.isprintable() for c in url):
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and not production and parts.hostname in _LOOPBACK)
