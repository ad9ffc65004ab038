"""The HTTP or HTTPS of the recording Slack: forms and JSON in, JSON out, on loopback.

As Slack does, it keeps connections open for further requests.
"""

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Json = dict[str, Any]
Reply = tuple[int, Json, dict[str, str]]
"""Status, body, headers."""
RawReply = tuple[int, bytes, dict[str, str]]
"""A body that is no JSON."""
Serve = Callable[[str, Json, str | None], Reply | RawReply | None]
"""Path, arguments and token to a reply; None closes the connection without one."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        port: int,
        serve: Serve,
        tls: ssl.SSLContext | None = None,
        *,
        idle_seconds: Callable[[], float | None] = lambda: None,
    ) -> None:
        """`idle_seconds`: how long a connection may be idle before it is closed, without a word."""
        super().__init__(("127.0.0.1", port), _Handler)
        self.serve = serve
        self.idle_seconds = idle_seconds
        self.connections = 0  # accepted so far
        self.open_connections = 0
        self._tls = tls
        self._lock = threading.Lock()
        self._idle: set[socket.socket] = set()
        self._is_closed = False

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands in the connection's own thread, so that a slow client holds up no other."""
        if self._tls is None:
            super().finish_request(request, client_address)
            return
        with (
            # The client does not trust the certificate, or left.
            contextlib.suppress(OSError, ValueError),
            self._tls.wrap_socket(request, server_side=True) as wrapped,
        ):
            super().finish_request(wrapped, client_address)
            wrapped.settimeout(0)  # say goodbye, but do not wait for an answer
            wrapped.unwrap()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self.connections += 1
            self.open_connections += 1
        super().process_request_thread(request, client_address)
        with self._lock:
            self.open_connections -= 1

    @contextlib.contextmanager
    def idle(self, connection: socket.socket) -> Iterator[None]:
        """While no request is being answered on the connection."""
        with self._lock:
            self._idle.add(connection)
            if self._is_closed:
                _shut_down(connection)
        try:
            yield
        finally:
            with self._lock:
                self._idle.discard(connection)

    def server_close(self) -> None:
        """Close the idle connections, too. What is being answered is still answered."""
        super().server_close()
        with self._lock:
            self._is_closed = True
            for connection in self._idle:
                _shut_down(connection)


def _shut_down(connection: socket.socket) -> None:
    """End a read in another thread; an SSLSocket's own method would take its TLS state away."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    wbufsize = 65_536  # one write for each answer
    disable_nagle_algorithm = True
    raw_requestline: bytes | None = None  # http.server sets it at the first request

    def handle(self) -> None:
        self.close_connection = False
        while not self.close_connection and self._has_request():
            self.handle_one_request()

    def _has_request(self) -> bool:
        """Wait for the next one. Return False once the client has gone or was idle too long."""
        is_first = self.raw_requestline is None
        idle_seconds = None if is_first else self.server.idle_seconds()
        if idle_seconds == 0:
            return False
        self.connection.settimeout(idle_seconds)
        try:
            with self.server.idle(self.connection):
                return bool(self.rfile.peek(1))  # type: ignore[attr-defined]  # a BufferedReader
        except TimeoutError:
            return False
        finally:
            self.connection.settimeout(None)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        args = _arguments(url.query, self.headers.get("Content-Type", ""), body)
        bearer = self.headers.get("Authorization", "").removeprefix("Bearer ")
        in_body = args.pop("token", None)
        reply = self.server.serve(url.path, args, bearer or in_body)
        if reply is None:
            self.close_connection = True
        else:
            self._reply(*reply)

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
