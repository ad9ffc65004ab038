"""Slack's side of Socket Mode: a WebSocket that sends payloads to the bot and takes its answers."""

import base64
import hashlib
import json
import socket
import ssl
import struct
import threading
import uuid
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from tests.support.blockkit import check_answer

HOST = "127.0.0.1"
# Of RFC 6455.
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
SECONDS = 30.0
"""For the bot to connect and to answer; only bounds a test that fails."""
TYPES = {"event_callback": "events_api"}

Json = dict[str, Any]


class SocketModeServer:
    """Takes one connection at a time; the newest gets the payloads."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._listener = tls.wrap_socket(socket.create_server((HOST, 0)), server_side=True)
        self.port: int = self._listener.getsockname()[1]
        self._changed = threading.Condition()
        self._connection: socket.socket | None = None
        self._answers: dict[str, Json] = {}
        self._thread = threading.Thread(target=self._serve)

    def answer(self, payload: Mapping[str, Any]) -> Json:
        """What the bot's acknowledgement carries; {} if nothing."""
        envelope = uuid.uuid4().hex
        kind = "slash_commands" if "command" in payload else TYPES.get(payload["type"])
        message = {
            "envelope_id": envelope,
            "type": kind or "interactive",
            "payload": payload,
            "accepts_response_payload": kind != "events_api",
        }
        with self._changed:
            assert self._changed.wait_for(lambda: self._connection, SECONDS), "no connection"
            assert self._connection
            _send(self._connection, TEXT, json.dumps(message).encode())
            assert self._changed.wait_for(lambda: envelope in self._answers, SECONDS), "no answer"
            answer: Json = self._answers[envelope].get("payload") or {}
        assert check_answer(payload, answer) == []
        return answer

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except ssl.SSLError:
                continue  # the client does not trust the certificate
            except OSError:
                return  # the listener is closed
            with connection:
                self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        _shake_hands(connection)
        hello = {"type": "hello", "num_connections": 1, "connection_info": {"app_id": "A0APP"}}
        with self._changed:
            _send(connection, TEXT, json.dumps(hello).encode())
            self._connection = connection
            self._changed.notify_all()
        try:
            while (frame := _receive(connection))[0] != CLOSE:
                self._take(connection, *frame)
        except OSError:
            pass  # the bot hung up
        with self._changed:
            self._connection = None

    def _take(self, connection: socket.socket, opcode: int, data: bytes) -> None:
        with self._changed:
            if opcode == PING:
                _send(connection, PONG, data)
            elif opcode == TEXT:
                answer = json.loads(data)
                self._answers[answer["envelope_id"]] = answer
                self._changed.notify_all()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for opened in (self._listener, self._connection):
            if opened:
                opened.shutdown(socket.SHUT_RDWR)
                opened.close()
        self._thread.join(SECONDS)


def _shake_hands(connection: socket.socket) -> None:
    request = b""
    while b"\r\n\r\n" not in request:
        piece = connection.recv(4_096)
        if not piece:
            raise ConnectionError
        request += piece
    lines = request.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
    digest = hashlib.sha1(f"{headers['Sec-WebSocket-Key']}{GUID}".encode()).digest()  # noqa: S324  RFC 6455 asks for it
    accept = base64.b64encode(digest).decode()
    answer = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}"
    connection.sendall(f"HTTP/1.1 101 Switching Protocols\r\n{answer}\r\n\r\n".encode())


def _send(connection: socket.socket, opcode: int, data: bytes) -> None:
    if len(data) < 126:
        size = bytes([len(data)])
    elif len(data) < 65_536:
        size = struct.pack("!BH", 126, len(data))
    else:
        size = struct.pack("!BQ", 127, len(data))
    connection.sendall(bytes([0x80 | opcode]) + size + data)


def _receive(connection: socket.socket) -> tuple[int, bytes]:
    """The opcode and the data of the client's next frame; it sends each message in one."""
    first, second = _exactly(connection, 2)
    size = second & 0x7F
    if size == 126:
        (size,) = struct.unpack("!H", _exactly(connection, 2))
    elif size == 127:
        (size,) = struct.unpack("!Q", _exactly(connection, 8))
    mask = _exactly(connection, 4)
    masked = _exactly(connection, size)
    return first & 0x0F, bytes(byte ^ mask[at % 4] for at, byte in enumerate(masked))


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            raise ConnectionError
        data += piece
    return data
