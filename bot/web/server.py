"""HTTP server of a bot process: cheroot with bounded threads and requests and graceful shutdown.

A request takes a thread only when it is complete, so slow clients delay no one. Each request and
response has a deadline.
"""

import json
import logging
import os
import re
import select
import selectors
import socket
import threading
from collections.abc import MutableMapping
from contextlib import suppress
from io import BytesIO
from time import monotonic, sleep
from typing import Any, Self

from cheroot import wsgi
from cheroot.connections import ConnectionManager
from cheroot.makefile import StreamWriter
from cheroot.server import HeaderReader, HTTPConnection, HTTPRequest
from flask import Flask

from bot.web.http_errors import MAX_BODY_BYTES, STATUS_MESSAGES
from services.core.errors import Conflict

logger = logging.getLogger(__name__)
# As many as may wait for a listener (bot.bootstrap.LISTENER_THREADS), and as many again for what
# runs in these threads: commands, new tickets (bot.routes.Route.acks_last) and health checks.
SERVER_THREADS = 40
# Few enough that Slack does not time out on the last; above this 503.
MAX_QUEUED_CONNECTIONS = 200
# Connections that are idle, or whose request is incomplete. Above this, the one that has waited
# longest is closed.
MAX_WAITING_CONNECTIONS = 400
# Of all incomplete requests together. Above this, the largest is refused.
MAX_BUFFERED_BYTES = 32_000_000
MAX_HEADER_BYTES = 32_768
# Received and discarded beyond the application's limit, so that the client can read the response.
MAX_DISCARDED_BYTES = 8_000_000
_RECEIVED_BYTES = 262_144
_HEAD_END = re.compile(rb"\n\r?\n")  # without the \r, the parser refuses the head
IDLE_TIMEOUT_SECONDS = 10
# Requests in progress at shutdown get this long; a process has ten seconds to exit.
DRAIN_SECONDS = 5
# At shutdown, for the requests of clients that have just connected, or use a connection again.
LAST_REQUESTS_SECONDS = 0.3
STOP_POLL_SECONDS = 0.05
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
    missing_bytes = 0

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.inheaders = _RequestHeaders()
        self.outheaders = _ResponseHeaders()

    def parse_request(self) -> None:
        """Parse the head, once: cheroot calls it again in a thread."""
        if self.ready:
            return
        try:
            super().parse_request()
        except ValueError:  # from urlsplit
            self.simple_response("400 Bad Request")
        if self.ready:
            self.missing_bytes = int(self.inheaders.get(b"Content-Length", 0))

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
        if self.server.is_port_closed:
            self.close_connection = True
        self.conn.wfile.hold_head()
        super().send_headers()

    def respond(self) -> None:
        try:
            super().respond()
        finally:
            self.conn.wfile.flush_head()


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
    return _CoalescingWriter(sock, mode, size) if "w" in mode else BytesIO()


class BufferedConnection(HTTPConnection):
    """Buffers a request until it is complete. One thread at a time uses a connection."""

    def __init__(self, server: Any, sock: socket.socket, _: Any = None) -> None:
        super().__init__(server, sock, _make_file)
        self._received = bytearray()
        self._request: _Request | None = None
        self._body = bytearray()
        self.wait_for_request()

    def wait_for_request(self) -> None:
        """Start the deadline of the next request."""
        self.waiting_since = monotonic()
        seconds = READ_TIMEOUT_SECONDS if self.has_begun else IDLE_TIMEOUT_SECONDS
        self.deadline = self.waiting_since + seconds

    @property
    def buffered_bytes(self) -> int:
        return len(self._received) + len(self._body)

    @property
    def has_begun(self) -> bool:
        """Whether a part of a request has arrived."""
        return bool(self._received) or self._request is not None

    @property
    def is_complete(self) -> bool:
        return self._request is not None and not self._request.missing_bytes

    @property
    def is_closed(self) -> bool:
        return bool(self.socket.fileno() < 0)

    def receive(self) -> None:
        """Take what has arrived, without waiting. May complete the request, or close."""
        self.socket.settimeout(0)
        self._take_request()  # it may have arrived behind the last one
        if self.is_complete or self.is_closed:
            return
        try:
            arrived = self.socket.recv(_RECEIVED_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        if not arrived:
            self.refuse("400 Bad Request")  # it will never be complete
            return
        if not self.has_begun:
            self.deadline = monotonic() + READ_TIMEOUT_SECONDS
        self._received += arrived
        self._take_request()

    def _take_request(self) -> None:
        if self._request is None:
            self._take_head()
        if self._request is not None:
            self._take_body(self._request)

    def _take_head(self) -> None:
        end = _HEAD_END.search(self._received)
        if end is None and len(self._received) <= MAX_HEADER_BYTES:
            return
        head = self._take(end.end() if end else len(self._received))
        self.rfile = BytesIO(head)
        request = _Request(self.server, self)
        request.parse_request()
        if request.ready:
            self._request = request
        else:  # the parser has sent the refusal
            self.close()

    def _take_body(self, request: _Request) -> None:
        body = self._take(request.missing_bytes)
        request.missing_bytes -= len(body)
        if int(request.inheaders.get(b"Content-Length", 0)) <= MAX_BODY_BYTES:
            self._body += body

    def _take(self, size: int) -> bytes:
        taken = bytes(self._received[:size])
        del self._received[:size]
        return taken

    def refuse(self, status: str) -> None:
        """Close; if a part of a request has arrived, after this response."""
        self.socket.settimeout(0)
        if self.has_begun:
            _Request(self.server, self).simple_response(status)
        self.close()

    def close(self) -> None:
        if not self.is_closed:
            super().close()

    def communicate(self) -> bool:
        """Serve the complete request and those that follow directly. True if it is kept open."""
        while self._serve_one():
            if not self._has_next_request():
                return not self.is_closed
        return False

    def _serve_one(self) -> bool:
        self.socket.settimeout(WRITE_TIMEOUT_SECONDS)
        self.rfile, self._body = BytesIO(self._body), bytearray()
        return bool(super().communicate())  # type: ignore[no-untyped-call]  # unannotated

    def RequestHandlerClass(self, *_: Any) -> _Request | None:  # noqa: N802  cheroot's name
        request, self._request = self._request, None
        return request

    def _has_next_request(self) -> bool:
        """Do not wait for it if other connections wait for a thread, or at shutdown."""
        if self.server.requests.qsize or not self.server.ready:
            return False
        poller = select.poll()
        poller.register(self.socket, select.POLLIN)
        if self._received or poller.poll(KEEP_ALIVE_POLL_MS):
            self.wait_for_request()
            self.receive()
        return self.is_complete


class _WaitingConnections(ConnectionManager):
    """Connections that are idle, or whose request is incomplete. None of them holds a thread.

    Unlike cheroot's it does not depend on the system clock, which may jump.
    """

    # the stubs leave them out
    _selector: Any
    _stop_requested: bool
    _num_connections: int
    _from_server_socket: Any

    def put(self, conn: BufferedConnection) -> None:
        self._selector.register(conn.socket.fileno(), selectors.EVENT_READ, data=conn)

    def has_begun_requests(self) -> bool:
        return any(connection.has_begun for _, connection in self._waiting())

    def _waiting(self) -> list[tuple[int, BufferedConnection]]:
        return [(fd, c) for fd, c in self._selector.connections if c is not self.server]

    def _run(self, expiration_interval: float) -> None:
        next_check = 0.0
        while not self._stop_requested:
            for fd, connection in self._selector.select(expiration_interval):
                if connection is not self.server:
                    self._selector.unregister(fd)
                    self.server.process_conn(connection)
                elif accepted := self._from_server_socket(self.server.socket):
                    self.server.process_conn(accepted)
            # Not among the events: a closed connection's descriptor may be in one of them.
            if monotonic() >= next_check or self._num_connections > MAX_WAITING_CONNECTIONS:
                next_check = monotonic() + expiration_interval
                self._close_late()
                self._make_room()

    def _close_late(self) -> None:
        now = monotonic()
        for fd, connection in self._waiting():
            if connection.deadline < now:
                self._refuse(fd, connection, "408 Request Timeout")

    def _make_room(self) -> None:
        waiting = sorted(self._waiting(), key=lambda item: item[1].waiting_since, reverse=True)
        for fd, connection in waiting[MAX_WAITING_CONNECTIONS:]:
            self._refuse(fd, connection, "503 Service Unavailable")
        largest = sorted(waiting[:MAX_WAITING_CONNECTIONS], key=lambda item: item[1].buffered_bytes)
        total = sum(connection.buffered_bytes for _, connection in largest)
        while total > MAX_BUFFERED_BYTES:
            fd, connection = largest.pop()
            total -= connection.buffered_bytes
            self._refuse(fd, connection, "503 Service Unavailable")

    def _refuse(self, fd: int, connection: BufferedConnection, status: str) -> None:
        self._selector.unregister(fd)
        connection.refuse(status)


class _Server(wsgi.Server):
    ConnectionClass = BufferedConnection
    max_request_header_size = MAX_HEADER_BYTES
    # A larger body is not read; below this, one that is too large gets a response.
    max_request_body_size = MAX_DISCARDED_BYTES
    keep_alive_conn_limit = MAX_WAITING_CONNECTIONS
    # Seconds between checks for a stop.
    expiration_interval = 0.1
    inherited: socket.socket | None = None
    _connections: _WaitingConnections
    is_port_closed = False

    def prepare(self) -> None:
        super().prepare()
        # Another process may take a connection first; do not wait for the next one then.
        self.socket.settimeout(0)
        self._connections.close()
        self._connections = _WaitingConnections(self)

    def bind(self, *args: Any) -> socket.socket:
        if self.inherited is None:
            bound: socket.socket = super().bind(*args)
            return bound
        self.socket = self.inherited
        self.bind_addr = self.inherited.getsockname()[:2]
        return self.inherited

    def close_port(self) -> None:
        """Take the connections that the kernel has accepted, which it would reset, close the port,
        serve for `LAST_REQUESTS_SECONDS`, and let requests that have begun arrive."""
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
            connection = BufferedConnection(self, made)
            connection.remote_addr, connection.remote_port = address[:2]
            self.process_conn(connection)
        deadline = monotonic() + READ_TIMEOUT_SECONDS
        sleep(LAST_REQUESTS_SECONDS)
        while self._connections.has_begun_requests() and monotonic() < deadline:
            sleep(STOP_POLL_SECONDS)

    def process_conn(self, conn: BufferedConnection) -> None:
        """Pass a complete request to a thread; let the selector wait for any other."""
        conn.receive()
        if conn.is_complete:
            super().process_conn(conn)
        elif not conn.is_closed:
            self._connections.put(conn)

    def put_conn(self, conn: BufferedConnection) -> None:
        """Keep the connection of an answered request."""
        if self.ready:
            conn.wait_for_request()
            self.process_conn(conn)
        else:
            conn.close()

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
