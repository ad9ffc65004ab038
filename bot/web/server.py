"""HTTP server of a bot process: cheroot with bounded threads and requests and graceful shutdown.

Each request and response has a deadline, against clients that are slow on purpose.
"""

import json
import logging
import os
import select
import socket
import threading
from collections.abc import MutableMapping
from contextlib import suppress
from time import monotonic, sleep
from typing import Any, Self

from cheroot import wsgi
from cheroot.makefile import MakeFile, StreamWriter
from cheroot.server import HeaderReader, HTTPConnection, HTTPRequest
from flask import Flask

from bot.web.http_errors import MAX_DISCARDED_BYTES, STATUS_MESSAGES
from services.core.errors import Conflict

logger = logging.getLogger(__name__)
# As many as may wait for a listener (bot.bootstrap.LISTENER_THREADS), and as many again for reading
# and health checks.
SERVER_THREADS = 40
# Few enough that Slack does not time out on the last; above this 503.
MAX_QUEUED_CONNECTIONS = 200
MAX_HEADER_BYTES = 32_768
IDLE_TIMEOUT_SECONDS = 10
# Requests in progress at shutdown get this long; a process has ten seconds to exit.
DRAIN_SECONDS = 5
# At shutdown, for the requests of clients that have just connected, or use a connection again.
LAST_REQUESTS_SECONDS = 0.3
# The first file descriptor that systemd passes on.
FIRST_INHERITED_FD = 3
# For receiving the whole request. Slack waits no longer for the response.
READ_TIMEOUT_SECONDS = 3.0
# For a client to read the response.
WRITE_TIMEOUT_SECONDS = 5.0
# The same thread serves a request that follows within this time, without the selector.
KEEP_ALIVE_POLL_MS = 3
_STATUS_MESSAGES = {
    **STATUS_MESSAGES,
    413: "This request is too large: it may have 1 MB of body and 32 kB of headers. Send less.",
}


class WebServer:
    """Serves from `start` (or `with`) until `stop`. Several processes may share one port."""

    def __init__(self, app: Flask, *, host: str, port: int) -> None:
        """With `port=0` a free port is taken, see the property `port`."""
        self._host, self._port = host, port
        self._server = _Server(
            (host, port),
            app,
            numthreads=SERVER_THREADS,
            max=SERVER_THREADS,
            request_queue_size=128,
            timeout=IDLE_TIMEOUT_SECONDS,
            shutdown_timeout=DRAIN_SECONDS,
            accepted_queue_size=MAX_QUEUED_CONNECTIONS,
            accepted_queue_timeout=0,
            reuse_port=port != 0,
        )
        self._thread = threading.Thread(target=self._server.serve, name="web")

    @property
    def port(self) -> int:
        return int(self._server.bind_addr[1])

    def start(self) -> None:
        """Return once it listens. Raises `Conflict` if it cannot."""
        self._server.inherited = take_inherited_socket(os.environ)
        try:
            self._server.prepare()
        except OSError as error:
            logger.info("cannot listen: %s", error)
            raise Conflict(
                f"The bot cannot listen on {self._host}, port {self._port}: something else listens "
                "there, or it is no address of this machine. Set PORT or HOST to another."
            ) from None
        self._thread.start()

    def stop(self) -> None:
        """Close the port, and answer those who have already connected. Idempotent."""
        self._server.close_port()
        self._server.stop()
        if self._thread.ident is not None:
            self._thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def take_inherited_socket(
    environ: MutableMapping[str, str], *, fd: int = FIRST_INHERITED_FD
) -> socket.socket | None:
    """Return the listening socket that systemd or another supervisor holds open, if there is one.

    The protocol is sd_listen_fds(3). The variables are removed, as they are for this process only.
    """
    pid, count = environ.pop("LISTEN_PID", ""), environ.pop("LISTEN_FDS", "")
    environ.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or not count.isdigit() or int(count) < 1:
        return None
    return socket.socket(fileno=fd)


class _RequestHeaders(dict[bytes, bytes]):
    """Request headers. A second Content-Length is refused: proxies disagree on which counts."""

    def __setitem__(self, name: bytes, value: bytes) -> None:
        if name == b"Content-Length" and name in self:
            raise ValueError("a second length")
        super().__setitem__(name, value)


class _ResponseHeaders(list[tuple[bytes, bytes]]):
    """Response headers without cheroot's name and version."""

    def append(self, header: tuple[bytes, bytes]) -> None:
        if header[0] != b"Server":
            super().append(header)


class _StrictHeaderReader(HeaderReader):
    """Drop header names with an underscore: WSGI treats them like those with a hyphen, so
    `X_Forwarded_For` would pass a proxy that removes `X-Forwarded-For`."""

    def _allow_header(self, key_name: bytes) -> bool:
        return b"_" not in key_name

    def _transform_key(self, key_name: bytes) -> bytes:
        if key_name != key_name.strip():  # a proxy may read another name
            raise ValueError("a blank beside a header's name")
        return key_name.title()


class _Request(HTTPRequest):
    header_reader = _StrictHeaderReader()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.inheaders = _RequestHeaders()
        self.outheaders = _ResponseHeaders()

    def read_request_headers(self) -> bool:
        # cheroot leaves it unannotated
        if not super().read_request_headers():  # type: ignore[no-untyped-call]
            return False
        if not self.inheaders.get(b"Content-Length", b"0").isdigit():  # "-5" would be an int
            self.simple_response("400 Bad Request")
            return False
        if self.chunked_read:  # Slack sends none; unread chunks would desynchronise
            self.simple_response("411 Length Required")
            return False
        return True

    def simple_response(self, status: str, _: str = "") -> None:
        """Send a refusal by the server itself, as JSON like the application's."""
        number, name = int(status[:3]), status[4:]
        sentence = _STATUS_MESSAGES.get(number, f"{name}.")
        body = json.dumps({"error": sentence, "code": name.lower().replace(" ", "_")}).encode()
        self.close_connection = True
        head = (
            f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\n"
            "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
        )
        with suppress(OSError):  # the client has disconnected
            self.conn.wfile.write(head.encode() + body)

    def send_headers(self) -> None:
        # At a deadline, do not wait for the rest of the body.
        if self.conn.is_past_deadline or self.server.is_port_closed:
            self.close_connection = True
        self.conn.wfile.hold_head()
        super().send_headers()

    def respond(self) -> None:
        try:
            super().respond()
        finally:
            self.conn.wfile.flush_head()


class _DeadlineSocket(socket.socket):
    """Receives until a deadline; cheroot's own timeout restarts with every byte."""

    deadline = 0.0

    @classmethod
    def wrap(cls, accepted: socket.socket) -> Self:
        family, kind, proto = accepted.family, accepted.type, accepted.proto
        return cls(family, kind, proto, fileno=accepted.detach())

    def recv_into(self, *args: Any) -> int:
        self.settimeout(max(self.deadline - monotonic(), 0.001))
        try:
            return super().recv_into(*args)
        finally:
            self.settimeout(WRITE_TIMEOUT_SECONDS)


class _CoalescingWriter(StreamWriter):
    """Sends the headers and the beginning of the body in one packet."""

    _is_held = False
    _head = b""

    def hold_head(self) -> None:
        """Hold back the next write, and send it with the one after it."""
        self._is_held = True

    def write(self, val: bytes) -> int:  # type: ignore[override]  # cheroot's two signatures differ
        if self._is_held:
            self._is_held, self._head = False, bytes(val)
            return len(val)
        head, self._head = self._head, b""
        # cheroot leaves it unannotated
        return int(super().write(head + val))  # type: ignore[no-untyped-call]

    def flush_head(self) -> None:
        """Send held headers, if no body follows."""
        self._is_held = False
        if self._head:
            self.write(b"")


def _make_file(sock: socket.socket, mode: str, size: int) -> Any:
    return _CoalescingWriter(sock, mode, size) if "w" in mode else MakeFile(sock, mode, size)


class DeadlineConnection(HTTPConnection):
    RequestHandlerClass = _Request

    def __init__(self, server: Any, sock: socket.socket, _: Any = None) -> None:
        super().__init__(server, _DeadlineSocket.wrap(sock), _make_file)

    @property
    def is_past_deadline(self) -> bool:
        return monotonic() > float(self.socket.deadline)

    def communicate(self) -> bool:
        """Serve one request and those that follow directly. True if the connection is kept."""
        while self._serve_one():
            if not self._has_next_request():
                return True
        return False

    def _serve_one(self) -> bool:
        self.socket.deadline = monotonic() + READ_TIMEOUT_SECONDS
        return bool(super().communicate())  # type: ignore[no-untyped-call]  # unannotated

    def _has_next_request(self) -> bool:
        """Do not wait for it if other connections wait for a thread, or at shutdown."""
        if self.server.requests.qsize or not self.server.ready:
            return False
        poller = select.poll()
        poller.register(self.socket, select.POLLIN)
        return bool(self.rfile.has_data() or poller.poll(KEEP_ALIVE_POLL_MS))


class _Server(wsgi.Server):
    ConnectionClass = DeadlineConnection
    max_request_header_size = MAX_HEADER_BYTES
    # A larger body is not read; below this, one that is too large gets a response.
    max_request_body_size = MAX_DISCARDED_BYTES
    keep_alive_conn_limit = 400
    # Seconds between checks for a stop.
    expiration_interval = 0.1
    inherited: socket.socket | None = None
    _connections: Any  # the stubs leave it out
    is_port_closed = False

    def prepare(self) -> None:
        super().prepare()
        # Another process may take a connection first; do not wait for the next one then.
        self.socket.settimeout(0)

    def bind(self, *args: Any) -> socket.socket:
        if self.inherited is None:
            bound: socket.socket = super().bind(*args)
            return bound
        self.socket = self.inherited
        self.bind_addr = self.inherited.getsockname()[:2]
        return self.inherited

    def close_port(self) -> None:
        """Take the connections that the kernel has accepted, which it would reset, close the port,
        and serve for `LAST_REQUESTS_SECONDS`."""
        if not self.ready or self.is_port_closed:
            return
        self.is_port_closed = True
        self._connections._selector.unregister(self.socket)
        accepted = []
        while True:
            try:
                accepted.append(self.socket.accept())
            except ConnectionAbortedError:
                continue
            except OSError:  # BlockingIOError: there is none left
                break
        self.socket.close()
        for made, address in accepted:
            made.settimeout(IDLE_TIMEOUT_SECONDS)
            connection = DeadlineConnection(self, made)
            connection.remote_addr, connection.remote_port = address[:2]
            self.process_conn(connection)
        sleep(LAST_REQUESTS_SECONDS)

    def process_conn(self, conn: DeadlineConnection) -> None:
        """A new connection waits for its first byte in the selector, like an idle one."""
        if conn.last_used is None and self.can_add_keepalive_connection:
            self.put_conn(conn)
        else:
            super().process_conn(conn)

    @staticmethod
    def bind_socket(socket_: socket.socket, bind_addr: tuple[str, int]) -> socket.socket:
        try:
            socket_.bind(bind_addr)
        except OSError:
            socket_.close()  # cheroot leaves it open
            raise
        return socket_

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        logger.log(level, "%s", msg, exc_info=traceback)
