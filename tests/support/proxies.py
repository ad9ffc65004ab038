"""Proxies between the product and a test's servers: a company's, one that adds TLS, one that plays
a full disk, one that plays a slow database, and one whose server can be replaced."""

import contextlib
import socket
import ssl
import struct
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseRequestHandler, BaseServer, ThreadingTCPServer
from threading import Thread
from time import sleep
from types import TracebackType
from typing import Any, Self

import bson

HOST = "127.0.0.1"
CHUNK_BYTES = 65_536


class _Proxy:
    """Runs `server` in a thread while it is entered."""

    def __init__(self, server: ThreadingHTTPServer | ThreadingTCPServer) -> None:
        server.daemon_threads = True
        server.block_on_close = False  # a connection may stay open as long as the product runs
        self._server: BaseServer = server
        self.port: int = server.socket.getsockname()[1]
        self._thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})

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


class ConnectProxy(_Proxy):
    """An HTTP proxy that connects the hosts in `ports`, asked for on port 443, to those ports.

    `connected` holds the hosts that were asked for, and `credentials` what came with each;
    `refused` those that are unknown.
    """

    def __init__(self, ports: Mapping[str, int]) -> None:
        self.connected: list[str] = []
        self.credentials: list[str | None] = []
        self.refused: list[str] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def do_CONNECT(self) -> None:
                host, _, port = self.path.rpartition(":")
                if port != "443" or host not in ports:
                    proxy.refused.append(self.path)
                    self.send_error(502)
                    return
                proxy.connected.append(host)
                proxy.credentials.append(self.headers["Proxy-Authorization"])
                self.send_response(200)
                self.end_headers()
                _pass_on(self.connection, ports[host])
                self.close_connection = True

            def log_message(self, *_: Any) -> None: ...

        super().__init__(ThreadingHTTPServer((HOST, 0), Handler))

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"


class TlsProxy(_Proxy):
    """Takes TLS and passes on to the server at `port`, which speaks none."""

    def __init__(self, tls: ssl.SSLContext, port: int) -> None:
        class Handler(BaseRequestHandler):
            def handle(self) -> None:
                with (
                    contextlib.suppress(OSError),  # the client does not trust the certificate
                    tls.wrap_socket(self.request, server_side=True) as client,
                ):
                    _pass_on(client, port)

        super().__init__(ThreadingTCPServer((HOST, 0), Handler))


class FailoverProxy(_Proxy):
    """Passes on to the server at `target_port`, which may change."""

    def __init__(self, target_port: int) -> None:
        proxy = self
        self.target_port = target_port

        class Handler(BaseRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError):  # no server listens there
                    _pass_on(self.request, proxy.target_port)

        super().__init__(ThreadingTCPServer((HOST, 0), Handler))


def _pass_on(client: socket.socket, port: int) -> None:
    """Copy bytes both ways until one side hangs up."""
    with socket.create_connection((HOST, port)) as server:
        back = Thread(target=_copy, args=(server, client), daemon=True)
        back.start()
        _copy(client, server)
        back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(CHUNK_BYTES):
            target.sendall(piece)
    for side in (source, target):
        with contextlib.suppress(OSError):
            side.shutdown(socket.SHUT_RDWR)


class _MongoProxy(_Proxy):
    """Passes on to the MongoDB server at `port`, after `_intercept` has seen the command."""

    _HEADER = struct.Struct("<iiii")  # length, request id, the request answered, operation
    _OP_MSG = 2013

    def __init__(self, port: int) -> None:
        proxy = self

        class Handler(BaseRequestHandler):
            def handle(self) -> None:
                client = self.request
                with contextlib.suppress(OSError), socket.create_connection((HOST, port)) as server:
                    Thread(target=_copy, args=(server, client), daemon=True).start()
                    with client.makefile("rb") as messages:
                        while header := messages.read(proxy._HEADER.size):
                            length, request_id, _, operation = proxy._HEADER.unpack(header)
                            body = messages.read(length - len(header))
                            error = proxy._error(operation, body)
                            answer = proxy._answer(request_id, error) if error else b""
                            (client if answer else server).sendall(answer or header + body)

        super().__init__(ThreadingTCPServer((HOST, 0), Handler))

    def uri_for(self, database: str) -> str:
        # Direct, or the driver would go on to the host that the server names.
        return f"mongodb://{HOST}:{self.port}/{database}?directConnection=true"

    def _intercept(self, command: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the error to answer with; None to pass the command on."""
        raise NotImplementedError

    def _error(self, operation: int, body: bytes) -> Mapping[str, Any] | None:
        if operation != self._OP_MSG:
            return None
        size = int.from_bytes(body[5:9], "little")  # after the flags and the kind of section
        return self._intercept(bson.decode(body[5 : 5 + size]))

    def _answer(self, request_id: int, error: Mapping[str, Any]) -> bytes:
        answer = bytes(5) + bson.encode(error)
        length = self._HEADER.size + len(answer)
        return self._HEADER.pack(length, 0, request_id, self._OP_MSG) + answer


class FullDiskProxy(_MongoProxy):
    """While `is_full`, it answers commands that write as a server whose disk is full: at once, with
    the error `code`."""

    WRITES = frozenset({"insert", "update", "delete", "findAndModify", "createIndexes"})

    def __init__(self, port: int) -> None:
        self.is_full = False
        self.code = 14031
        self.refused: list[str] = []
        super().__init__(port)

    def _intercept(self, command: Mapping[str, Any]) -> Mapping[str, Any] | None:
        name = next(iter(command))
        if not self.is_full or name not in self.WRITES:
            return None
        self.refused.append(name)
        return {"ok": 0.0, "errmsg": "no space left on device", "code": self.code}


class SlowReadsProxy(_MongoProxy):
    """While `seconds` is not 0, reads of tickets take so long; `delayed` counts them."""

    def __init__(self, port: int) -> None:
        self.seconds = 0.0
        self.delayed = 0
        super().__init__(port)

    def _intercept(self, command: Mapping[str, Any]) -> None:
        reads = {command.get("find"), command.get("aggregate")}
        if self.seconds and "tickets" in reads:
            self.delayed += 1
            sleep(self.seconds)
