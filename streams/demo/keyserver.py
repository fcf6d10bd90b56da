"""A local key-set server: the public halves of keys that are made when it starts."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from streams.core.signing import PrivateKey, public_jwk


class KeyServer:
    """Serves ``/<issuer>/jwks.json`` on 127.0.0.1, in a thread of its own. ``keys``: issuer to kid to private key."""

    def __init__(self, keys: Mapping[str, Mapping[str, PrivateKey]]) -> None:
        documents = {
            f"/{issuer}/jwks.json": json.dumps({"keys": [public_jwk(key, kid=kid) for kid, key in by_kid.items()]})
            for issuer, by_kid in keys.items()
        }

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                document = documents.get(self.path)
                self.send_response(200 if document else 404)
                self.send_header("Content-Type", "application/jwk-set+json")
                self.end_headers()
                self.wfile.write((document or "").encode())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                """Say nothing: the demo's own lines are what a reader came for."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="key-server", daemon=True)

    def url(self, issuer: str) -> str:
        """Where the keys of ``issuer`` are."""
        return f"http://127.0.0.1:{self._server.server_port}/{issuer}/jwks.json"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
