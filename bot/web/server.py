"""The HTTP server of a bot process: bounded threads, bounded requests, a graceful end."""

import logging
import socket
import threading
from types import TracebackType
from typing import Self

from cheroot import wsgi
from flask import Flask

from bot.web.connection import Connection
from bot.web.errors import DISCARD_LIMIT
from services.errors import Conflict

logger = logging.getLogger(__name__)

# As many as may wait for a listener (bot.assembly.THREADS), and as many again that still read or
# probe.
THREADS = 40
# More wait in line, but not so many that Slack would have given up on the last; then 503.
LINE = 200
HEADER_LIMIT = 32_768
IDLE_SECONDS = 10
# What is under way gets an answer within this, well inside the ten seconds a process has to exit.
DRAIN_SECONDS = 5


class _Server(wsgi.Server):
    ConnectionClass = Connection
    max_request_header_size = HEADER_LIMIT
    # Above this a body is not even read; smaller ones that are too large get their answer.
    max_request_body_size = DISCARD_LIMIT
    keep_alive_conn_limit = 400
    # How often it looks whether it is to stop.
    expiration_interval = 0.1

    def process_conn(self, conn: Connection) -> None:
        """A new connection waits for its first byte without a thread, as an idle one does."""
        if conn.last_used is None and self.can_add_keepalive_connection:
            self.put_conn(conn)
        else:
            super().process_conn(conn)

    @staticmethod
    def bind_socket(socket_: socket.socket, bind_addr: tuple[str, int]) -> socket.socket:
        try:
            socket_.bind(bind_addr)
        except OSError:
            socket_.close()  # cheroot would leave it open
            raise
        return socket_

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        logger.log(level, "%s", msg, exc_info=traceback)


class WebServer:
    """Serves from `start` (or `with`) until `stop`. Several processes may share one port."""

    def __init__(self, app: Flask, *, host: str, port: int) -> None:
        """With `port` 0 a free one is taken, which `port` then tells."""
        self._host, self._port = host, port
        self._server = _Server(
            (host, port),
            app,
            numthreads=THREADS,
            max=THREADS,
            request_queue_size=128,
            timeout=IDLE_SECONDS,
            shutdown_timeout=DRAIN_SECONDS,
            accepted_queue_size=LINE,
            accepted_queue_timeout=0,
            reuse_port=port != 0,
        )
        self._thread = threading.Thread(target=self._server.serve, name="web")

    @property
    def port(self) -> int:
        return int(self._server.bind_addr[1])

    def start(self) -> None:
        """Return once it listens; `Conflict` where it cannot."""
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
        """Let nobody in any more, and wait for the answers under way. May be called again."""
        self._server.stop()
        if self._thread.ident is not None:
            self._thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
