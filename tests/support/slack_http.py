"""The HTTP or HTTPS of the recording Slack: forms and JSON in, JSON out, on loopback."""

import contextlib
import json
import ssl
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Json = dict[str, Any]
Reply = tuple[int, Json, dict[str, str]]
"""Status, body, headers."""
RawReply = tuple[int, bytes, dict[str, str]]
"""A body that is no JSON."""
Serve = Callable[[str, Json, str | None], Reply | RawReply]
"""Path, arguments and token to a reply."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, serve: Serve, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.serve = serve
        self._tls = tls

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands in the connection's own thread, so that a slow client holds up no other."""
        if self._tls is None:
            super().finish_request(request, client_address)
            return
        with (
            contextlib.suppress(OSError),  # the client does not trust the certificate, or left
            self._tls.wrap_socket(request, server_side=True) as wrapped,
        ):
            super().finish_request(wrapped, client_address)
            wrapped.unwrap()


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        args = _arguments(url.query, self.headers.get("Content-Type", ""), body)
        bearer = self.headers.get("Authorization", "").removeprefix("Bearer ")
        in_body = args.pop("token", None)
        self._reply(*self.server.serve(url.path, args, bearer or in_body))

    do_GET = do_POST  # noqa: N815, the name http.server asks for

    def _reply(self, status: int, body: Json | bytes, headers: dict[str, str]) -> None:
        try:
            self.send_response(status)
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            own = {"Content-Type": "application/json", "Content-Length": str(len(raw))}
            for name, value in {**own, **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(raw)
        except ConnectionError:
            self.close_connection = True  # the caller gave up waiting

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, http.server's signature
        """Silent: the calls are recorded."""


def _arguments(query: str, content_type: str, body: bytes) -> Json:
    args: Json = dict(parse_qsl(query, keep_blank_values=True))
    if "json" in content_type:
        args.update(json.loads(body or b"{}"))
    else:
        args.update(parse_qsl(body.decode(), keep_blank_values=True))
    for name in ("blocks", "view", "attachments", "metadata"):
        if isinstance(args.get(name), str):
            args[name] = _decoded(args[name])
    return args


def _decoded(value: str) -> Any:
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value  # answered as Slack answers what is no JSON
