"""A load of prepared requests on a server process.

One thread sends them over a few connections, so that the load itself needs little CPU time.
"""

import selectors
import socket
import time
from collections.abc import Iterator, Mapping, Sequence

_RECEIVED_BYTES = 1_048_576
# No server takes longer, unless it is broken.
_TIMEOUT_SECONDS = 30.0


def http_request(
    method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def send_all(port: int, requests: Sequence[bytes], *, connections: int) -> list[float]:
    """Send each request when its connection has the answer before; return the latencies in seconds.
    Raises `RuntimeError` for an answer that is no success."""
    latencies: list[float] = []
    with selectors.DefaultSelector() as selector:
        remaining = iter(requests)
        for _ in range(connections):
            _Connection(port, selector, remaining, latencies)
        while selector.get_map():
            ready = selector.select(_TIMEOUT_SECONDS)
            if not ready:
                raise RuntimeError("the server does not answer")
            for key, _ in ready:
                key.data.receive()
    return latencies


class _Connection:
    def __init__(
        self,
        port: int,
        selector: selectors.BaseSelector,
        remaining: Iterator[bytes],
        latencies: list[float],
    ) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector, self._remaining, self._latencies = selector, remaining, latencies
        self._received, self._sent_at = b"", 0.0
        selector.register(self._socket, selectors.EVENT_READ, self)
        self._send()

    def _send(self) -> None:
        request = next(self._remaining, None)
        if request is None:
            self._selector.unregister(self._socket)
            self._socket.close()
            return
        self._received, self._sent_at = b"", time.perf_counter()
        self._socket.sendall(request)

    def receive(self) -> None:
        arrived = self._socket.recv(_RECEIVED_BYTES)
        self._received += arrived
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not arrived or (end and not head.startswith(b"HTTP/1.1 2")):
            raise RuntimeError(f"not answered: {self._received[:500]!r}")
        if end and len(body) >= _content_length(head):
            self._latencies.append(time.perf_counter() - self._sent_at)
            self._send()


def _content_length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"content-length:")
    return int(rest.partition(b"\r\n")[0])
