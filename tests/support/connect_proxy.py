"""An HTTP proxy like a company's, which connects the hosts of production to a test's servers."""

import select
import socket
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any, Self

HOST = "127.0.0.1"
CHUNK_BYTES = 65_536


class ConnectProxy:
    """Answers CONNECT for the hosts in `ports`, on port 443 only; 502 for every other.

    `connected` holds the hosts that were connected to, `refused` what was asked for in vain.
    """

    def __init__(self, ports: Mapping[str, int]) -> None:
        self.connected: list[str] = []
        self.refused: list[str] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def do_CONNECT(self) -> None:
                host, _, port = self.path.rpartition(":")
                if port != "443" or host not in ports:
                    proxy.refused.append(self.path)
                    self.send_error(502)
                    return
                with socket.create_connection((HOST, ports[host])) as server:
                    proxy.connected.append(host)
                    self.send_response(200)
                    self.end_headers()
                    _pass_on(self.connection, server)
                self.close_connection = True

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False  # Socket Mode's connection stays open
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _pass_on(client: socket.socket, server: socket.socket) -> None:
    """Copy bytes both ways until one side hangs up."""
    other = {client: server, server: client}
    while True:
        readable, _, _ = select.select([client, server], [], [])
        for side in readable:
            try:
                piece = side.recv(CHUNK_BYTES)
                other[side].sendall(piece)
            except OSError:
                return
            if not piece:
                return
