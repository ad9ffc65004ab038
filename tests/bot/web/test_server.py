"""The HTTP server: slow clients, malformed requests, shutdown and port."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from functools import partial

import pytest
import requests
from flask import Blueprint, Flask, request

from bot.web import server as web_server
from bot.web.flask_app import create_flask_app
from bot.web.server import SERVER_THREADS, WebServer, take_inherited_socket
from demo.binaries import ROOT
from demo.servers import free_port
from services.core.errors import Conflict


class RequestHold:
    """Lets a test hold a request inside the application."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()

    def blueprint(self) -> Blueprint:
        made = Blueprint("gate", __name__)

        @made.get("/gate")
        def wait() -> str:
            self.entered.set()
            assert self.opened.wait(30)
            return "through"

        @made.post("/length")
        def length() -> str:
            return str(len(request.get_data()))

        return made


@pytest.fixture
def request_hold() -> RequestHold:
    return RequestHold()


@pytest.fixture
def web(request_hold: RequestHold) -> Flask:
    return create_flask_app(is_ready=lambda: True, blueprints=[request_hold.blueprint()])


@pytest.fixture
def server(web: Flask) -> Iterator[WebServer]:
    with WebServer(web, host="127.0.0.1", port=0) as made:
        yield made


def raw(server: WebServer, *pieces: bytes) -> bytes:
    """Send the bytes and return the whole response."""
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=30)) as sent:
        for piece in pieces:
            sent.sendall(piece)
        answer = b""
        while received := sent.recv(4096):
            answer += received
        return answer


@pytest.mark.parametrize(
    ("pieces", "status"),
    [
        ((b"POST /length HTTP/1.1\r\nHost: x\r\nX-Slow: ",), b"408 Request Timeout"),
        (
            (b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf",),
            b"408 Request Timeout",
        ),
    ],
)
def test_a_request_that_never_ends_is_given_up(
    server: WebServer, monkeypatch: pytest.MonkeyPatch, pieces: tuple[bytes, ...], status: bytes
) -> None:
    monkeypatch.setattr(web_server, "READ_TIMEOUT_SECONDS", 0.2)
    assert raw(server, *pieces).startswith(b"HTTP/1.1 " + status)


def test_a_client_that_drips_gets_no_more_time(
    server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_server, "READ_TIMEOUT_SECONDS", 0.5)
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=0.05)) as sent:
        sent.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        answer = b""
        for _ in range(600):  # each read within its timeout
            try:
                sent.sendall(b"x")
                answer += sent.recv(4096)
            except TimeoutError:
                continue
            except ConnectionError:
                break
            if answer:
                break
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout")


HALF = b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf"


def until_closed(client: socket.socket) -> bytes:
    return b"".join(iter(partial(client.recv, 4096), b""))


def test_above_the_limit_the_connection_that_waits_longest_is_closed(
    server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_server, "MAX_WAITING_CONNECTIONS", 2)
    monkeypatch.setattr(web_server, "READ_TIMEOUT_SECONDS", 60)
    with ExitStack() as closing_them:
        clients = []
        for _ in range(3):
            client = socket.create_connection(("127.0.0.1", server.port), timeout=30)
            clients.append(closing_them.enter_context(client))
            client.sendall(HALF)
        assert until_closed(clients[0]).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        for client in clients[1:]:
            client.sendall(b"123456")
            assert client.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")


def test_above_the_limit_of_all_bodies_the_largest_is_refused(
    server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_server, "MAX_BUFFERED_BYTES", 1_000)
    monkeypatch.setattr(web_server, "READ_TIMEOUT_SECONDS", 60)
    address = ("127.0.0.1", server.port)
    with (
        socket.create_connection(address, timeout=30) as large,
        socket.create_connection(address, timeout=30) as small,
    ):
        small.sendall(HALF)
        large.sendall(HALF.replace(b": 10", b": 9000") + b"x" * 2_000)
        assert until_closed(large).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        small.sendall(b"123456")
        assert small.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")


def test_requests_sent_in_one_packet_are_answered_one_after_another(server: WebServer) -> None:
    last = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        client.sendall((HALF + b"123456") * 2 + last)
        client.shutdown(socket.SHUT_WR)
        answer = until_closed(client)
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert answer.count(b"\r\n\r\n10") == 2


def test_a_client_that_asks_first_is_told_to_send_its_body(server: WebServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        head = b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
        client.sendall(head + b"Expect: 100-continue\r\n\r\n")
        assert client.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"body")
        assert client.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_request_whose_client_stops_sending_is_refused(server: WebServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        client.sendall(HALF)
        client.shutdown(socket.SHUT_WR)
        assert until_closed(client).startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_those_who_connect_and_say_nothing_take_no_thread(server: WebServer) -> None:
    dawdlers = [
        socket.create_connection(("127.0.0.1", server.port)) for _ in range(3 * SERVER_THREADS)
    ]
    try:
        url = f"http://127.0.0.1:{server.port}/healthz"
        assert requests.get(url, timeout=3).status_code == 200
    finally:
        for dawdler in dawdlers:
            dawdler.close()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 40_000, b"413"),
        (b"GET /" + b"x" * 40_000, b"414"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\nHost: x\n\n", b"400"),
        (b"GET //[ HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", b"400"),
        (b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n", b"413"),
        (
            b"POST /length HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"411",
        ),
    ],
)
def test_a_malformed_request_is_refused(server: WebServer, sent: bytes, status: bytes) -> None:
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=10)) as client:
        client.sendall(sent)
        answer = client.recv(4096)
    assert answer.split()[1] == status
    assert b"heroot" not in answer


@pytest.mark.parametrize(
    "length",
    [
        b"Content-Length: -5",
        b"Content-Length: +5",
        b"Content-Length: 5, 5",
        b"Content-Length:",
        b"Content-Length: 5\r\nContent-Length: 0",
        b"Content-Length : 0",
        b"Content-Length: 0\r\n Content-Length: 5",
    ],
)
def test_after_a_length_that_is_none_nothing_is_taken_for_a_request(
    server: WebServer, length: bytes
) -> None:
    """Request smuggling: to a proxy, what looks like a second request may be the body."""
    head = b"POST /length HTTP/1.1\r\nHost: x\r\n" + length + b"\r\n\r\n"
    answer = raw(server, head + b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1


def test_a_connection_serves_several_requests(server: WebServer) -> None:
    with requests.Session() as session:
        for size in (0, 10, 100_000):
            url = f"http://127.0.0.1:{server.port}/length"
            assert session.post(url, data=b"x" * size, timeout=10).text == str(size)


def test_stopping_answers_what_is_under_way_and_takes_nothing_new(
    server: WebServer, request_hold: RequestHold
) -> None:
    url = f"http://127.0.0.1:{server.port}"
    answers: list[str] = []
    under_way = threading.Thread(
        target=lambda: answers.append(requests.get(f"{url}/gate", timeout=30).text)
    )
    under_way.start()
    assert request_hold.entered.wait(10)
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    refused = False
    while not refused:
        try:
            requests.get(f"{url}/healthz", timeout=10)
        except requests.ConnectionError:
            refused = True
    assert answers == []
    request_hold.opened.set()
    stopping.join(30)
    under_way.join(30)
    assert answers == ["through"]


def wait_until_closed(address: tuple[str, int]) -> None:
    with suppress(ConnectionError):
        while True:
            socket.create_connection(address, timeout=30).close()


def test_stopping_answers_those_who_have_connected(
    server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    are_answered = threading.Event()
    monkeypatch.setattr(web_server, "sleep", lambda _: are_answered.wait(30), raising=False)
    address = ("127.0.0.1", server.port)
    connected = [socket.create_connection(address, timeout=30) for _ in range(20)]
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    try:
        wait_until_closed(address)
        for client in connected:
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        for client in connected:
            answer = until_closed(client)
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert b"\r\nConnection: close\r\n" in answer
    finally:
        are_answered.set()
        for client in connected:
            client.close()
        stopping.join(30)


def test_stopping_waits_for_the_rest_of_a_request(server: WebServer) -> None:
    address = ("127.0.0.1", server.port)
    with socket.create_connection(address, timeout=30) as client:
        client.sendall(HALF)
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        wait_until_closed(address)
        client.sendall(b"123456")
        assert until_closed(client).startswith(b"HTTP/1.1 200 OK\r\n")
        stopping.join(30)


@pytest.mark.long
def test_no_request_fails_while_servers_on_one_port_are_restarted(web: Flask) -> None:
    port = free_port()
    is_over = threading.Event()
    failures: list[str] = []
    answered = []

    def send_requests() -> None:
        while not is_over.is_set():
            try:
                answered.append(requests.get(f"http://127.0.0.1:{port}/healthz", timeout=10).text)
            except requests.RequestException as error:
                failures.append(repr(error))

    servers = [WebServer(web, host="127.0.0.1", port=port) for _ in range(14)]
    servers[0].start()
    servers[1].start()
    clients = [threading.Thread(target=send_requests) for _ in range(8)]
    for client in clients:
        client.start()
    try:
        for old, new in zip(servers[:12], servers[2:], strict=True):
            old.stop()
            new.start()
    finally:
        is_over.set()
        for client in clients:
            client.join(30)
        for server in servers:
            server.stop()
    assert failures == []
    assert len(answered) > 100


SERVE_INHERITED = """
import signal, sys, threading
from bot.web.flask_app import create_flask_app
from bot.web.server import WebServer

stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
with WebServer(create_flask_app(is_ready=lambda: True, blueprints=[]), host="127.0.0.1", port=5000):
    print("ready", flush=True)
    stop.wait()
"""


def test_a_port_that_a_supervisor_holds_stays_open_between_two_processes() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        url = f"http://127.0.0.1:{held.getsockname()[1]}/healthz"
        first = start_with(held)
        assert requests.get(url, timeout=30).status_code == 200
        first.terminate()
        assert first.wait(30) == 0
        answers: list[int] = []
        waiting = threading.Thread(
            target=lambda: answers.append(requests.get(url, timeout=30).status_code)
        )
        waiting.start()
        second = start_with(held)
        waiting.join(30)
        second.terminate()
        assert second.wait(30) == 0
        assert answers == [200]


def start_with(held: socket.socket) -> "subprocess.Popen[str]":
    """Start a process as systemd does, with the socket as its file descriptor 3."""
    command = f'exec 3<&{held.fileno()}; LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" -c "$1"'
    process = subprocess.Popen(  # noqa: S603  the command is this test's
        ["/bin/bash", "-c", command, sys.executable, SERVE_INHERITED],
        cwd=ROOT,
        pass_fds=[held.fileno()],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.stdout.close()
    return process


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"LISTEN_PID": "1", "LISTEN_FDS": "1"},
        {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "0"},
        {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "x"},
    ],
)
def test_what_was_passed_to_another_process_is_not_inherited(environ: dict[str, str]) -> None:
    given = dict(environ)
    assert take_inherited_socket(given) is None
    assert given == {}


def test_a_server_that_never_started_can_be_stopped(web: Flask) -> None:
    WebServer(web, host="127.0.0.1", port=0).stop()


def test_a_taken_port_is_told_in_a_sentence(web: Flask) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(Conflict) as refused:
            WebServer(web, host="127.0.0.1", port=port).start()
    assert str(refused.value) == (
        f"The bot cannot listen on 127.0.0.1, port {port}: something else listens there, or it is "
        "no address of this machine. Set PORT or HOST to another."
    )


def test_a_host_that_is_not_here_is_told_in_the_same_way(web: Flask) -> None:
    with pytest.raises(Conflict, match=r"on 192\.0\.2\.1, port 5000: .* Set PORT or HOST"):
        WebServer(web, host="192.0.2.1", port=5000).start()


def test_two_servers_share_a_port(web: Flask) -> None:
    port = free_port()
    first = WebServer(web, host="127.0.0.1", port=port)
    second = WebServer(web, host="127.0.0.1", port=port)
    url = f"http://127.0.0.1:{port}/healthz"
    with first, second:
        assert requests.get(url, timeout=10).status_code == 200
        first.stop()
        assert requests.get(url, timeout=10).status_code == 200


def test_head_and_body_are_sent_together(
    server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []
    write = socket.SocketIO.write

    def noted(self: socket.SocketIO, data: bytes) -> int | None:
        sent.append(bytes(data))
        return write(self, data)

    monkeypatch.setattr(socket.SocketIO, "write", noted)
    answer = requests.post(f"http://127.0.0.1:{server.port}/length", data=b"12345", timeout=30)
    assert answer.text == "5"
    (packet,) = sent
    assert packet.startswith(b"HTTP/1.1 200 OK\r\n")
    assert packet.endswith(b"\r\n\r\n5")


def test_an_answer_without_a_body_is_sent_all_the_same(server: WebServer) -> None:
    with requests.Session() as session:
        for _ in range(3):  # on one connection
            answer = session.head(f"http://127.0.0.1:{server.port}/healthz", timeout=30)
            assert (answer.status_code, answer.content) == (200, b"")
