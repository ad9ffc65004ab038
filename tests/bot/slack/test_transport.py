"""Requests to Slack: connections that stay open, and what a failure says about the request."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError

from bot.slack import transport
from bot.slack.transport import ConnectionLost, ResponseUrl, SlackClient
from bot.views.text import Message
from demo.servers import free_port
from services.core.slack_errors import RequestNotSent
from services.core.tls import client_context
from tests.support.certificates import CertificateAuthority
from tests.support.processes import eventually
from tests.support.proxies import ConnectProxy
from tests.support.recording_slack import TOKEN, RecordingSlack

HOST, SLACK = "127.0.0.1", "slack.com"
MESSAGE: dict[str, Any] = {
    "channel": "U0EMMA",
    **Message("Hello", []).as_args(),
    "unfurl_links": False,
    "unfurl_media": False,
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    return CertificateAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def slack(
    authority: CertificateAuthority, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RecordingSlack]:
    authority.trust(monkeypatch)
    with RecordingSlack(tls=authority.server_context(HOST, SLACK)) as server:
        server.add_member("U0EMMA", email="emma@example.com", name="Emma")
        yield server


def client_of(url: str, *, seconds: float = 5, proxy: str | None = None) -> SlackClient:
    # The SDK's type of seconds is int.
    client = SlackClient(token=TOKEN, base_url=url, retry_handlers=[], proxy=proxy)
    client.timeout = seconds  # type: ignore[assignment]
    return client


@pytest.fixture
def client(slack: RecordingSlack) -> SlackClient:
    return client_of(slack.url)


def post(client: SlackClient) -> None:
    client.chat_postMessage(**MESSAGE)


def respond(slack: RecordingSlack) -> None:
    ResponseUrl(slack.response_url(), retry_handlers=[]).send(text="Done.")


def posted(slack: RecordingSlack) -> int:
    return len(slack.messages("U0EMMA"))


def until_closed(slack: RecordingSlack) -> None:
    eventually(lambda: slack.open_connections == 0, what="the server has closed its connections")


def test_a_connection_is_used_again(slack: RecordingSlack, client: SlackClient) -> None:
    for _ in range(3):
        post(client)
    respond(slack)
    assert (posted(slack), slack.connections) == (3, 1)


def test_threads_share_the_connections(slack: RecordingSlack, client: SlackClient) -> None:
    with ThreadPoolExecutor(8) as threads:
        for _ in range(3):
            list(threads.map(lambda _: post(client), range(8)))
    assert posted(slack) == 24
    assert slack.connections <= 8


def test_a_process_has_one_tls_context() -> None:
    assert client_context() is client_context()


@pytest.mark.parametrize("idle_seconds", [0, 0.05])
def test_a_connection_that_the_server_has_closed_is_not_used(
    slack: RecordingSlack, client: SlackClient, idle_seconds: float
) -> None:
    slack.idle_seconds = idle_seconds
    for _ in range(3):
        post(client)
        until_closed(slack)
    assert (posted(slack), slack.connections) == (3, 3)


def test_a_connection_that_was_idle_for_long_is_not_used(
    slack: RecordingSlack, client: SlackClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert transport.IDLE_SECONDS == 20
    post(client)
    monkeypatch.setattr(transport, "IDLE_SECONDS", 0)
    post(client)
    assert (posted(slack), slack.connections) == (2, 2)


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_message_is_not_posted_again_if_its_answer_is_lost(
    slack: RecordingSlack, client: SlackClient, carried_out: bool
) -> None:
    post(client)  # so that the connection is a kept one
    slack.hang_up("chat.postMessage", carried_out=carried_out)
    with pytest.raises(ConnectionLost):
        post(client)
    assert len(slack.calls_to("chat.postMessage")) == 2
    assert posted(slack) == 1 + carried_out
    post(client)
    assert posted(slack) == 2 + carried_out


def test_a_response_url_is_not_called_again_if_its_answer_is_lost(slack: RecordingSlack) -> None:
    slack.hang_up("response_url")
    with pytest.raises(ConnectionLost):
        respond(slack)
    assert len(slack.calls_to("response_url")) == 1


def test_what_changes_nothing_is_asked_again(slack: RecordingSlack, client: SlackClient) -> None:
    slack.hang_up("users.info")
    assert client.users_info(user="U0EMMA")["user"]["id"] == "U0EMMA"
    assert len(slack.calls_to("users.info")) == 2
    slack.clear()
    slack.hang_up("users.info", times=3)
    with pytest.raises(ConnectionLost):
        client.users_info(user="U0EMMA")
    assert len(slack.calls_to("users.info")) == 2


def test_an_answer_that_takes_too_long_may_still_come(slack: RecordingSlack) -> None:
    slack.delay("chat.postMessage", 5)
    client = client_of(slack.url, seconds=0.2)
    with pytest.raises(TimeoutError):
        post(client)
    assert (posted(slack), len(slack.calls_to("chat.postMessage"))) == (1, 1)
    slack.recover()
    post(client)  # does not get the answer to the first
    assert slack.connections == 2


def test_a_rate_limit_is_read_in_any_case(slack: RecordingSlack, client: SlackClient) -> None:
    slack.fail("chat.postMessage", status=429, retry_after=7)
    with pytest.raises(SlackApiError) as raised:
        post(client)
    response = raised.value.response
    assert (response.status_code, response.headers["Retry-After"]) == (429, "7")


# What was not sent


@contextmanager
def closing_at_first(port: int, *, drops: int) -> Iterator[int]:
    """Pass connections on to the port, but close the first ones before their TLS handshake."""
    left = [drops]

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            if left[0]:
                left[0] -= 1
                return
            with socket.create_connection((HOST, port)) as server:
                back = threading.Thread(target=copy, args=(server, self.request), daemon=True)
                back.start()
                copy(self.request, server)

    with ThreadingTCPServer((HOST, 0), Handler) as server:
        server.daemon_threads, server.block_on_close = True, False
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while piece := source.recv(65_536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def test_a_handshake_that_fails_is_tried_again_at_once(slack: RecordingSlack) -> None:
    with closing_at_first(slack.port, drops=1) as port:
        post(client_of(f"https://{HOST}:{port}/api/"))
    assert posted(slack) == 1


def test_a_handshake_that_fails_twice_is_an_error(slack: RecordingSlack) -> None:
    with closing_at_first(slack.port, drops=2) as port, pytest.raises(RequestNotSent):
        post(client_of(f"https://{HOST}:{port}/api/"))
    assert slack.calls == []


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (lambda: f"http://{HOST}:{free_port()}/api/", "ConnectionRefusedError"),
        (lambda: f"https://{HOST}:{free_port()}/api/", "ConnectionRefusedError"),
        (lambda: "https://slack.invalid/api/", "gaierror"),
    ],
)
def test_slack_cannot_be_connected_to(url: Callable[[], str], reason: str) -> None:
    with pytest.raises(RequestNotSent) as raised:
        post(client_of(url()))
    assert type(raised.value.reason).__name__ == reason


def test_a_certificate_that_is_not_trusted(
    slack: RecordingSlack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    CertificateAuthority(tmp_path, name="Stranger").trust(monkeypatch)
    with pytest.raises(RequestNotSent) as raised:
        post(client_of(slack.url))
    assert type(raised.value.reason).__name__ == "SSLCertVerificationError"


def test_a_handshake_without_an_answer_is_not_tried_for_longer() -> None:
    with socket.create_server((HOST, 0)) as silent:
        with pytest.raises(RequestNotSent) as raised:
            post(client_of(f"https://{HOST}:{silent.getsockname()[1]}/api/", seconds=0.2))
        assert isinstance(raised.value.reason, TimeoutError)
        silent.settimeout(0.2)
        silent.accept()[0].close()
        with pytest.raises(TimeoutError):
            silent.accept()


def test_a_malformed_address() -> None:
    with pytest.raises(ValueError, match="host"):
        post(client_of("http:///api/"))


# Proxies


@pytest.mark.parametrize("has_scheme", [True, False])
def test_it_goes_through_a_proxy(slack: RecordingSlack, has_scheme: bool) -> None:
    with ConnectProxy({SLACK: slack.port}) as proxy:
        url = proxy.url if has_scheme else proxy.url.removeprefix("http://")
        client = client_of(f"https://{SLACK}/api/", proxy=url)
        for _ in range(3):
            post(client)
    assert (posted(slack), proxy.connected, proxy.credentials) == (3, [SLACK], [None])


def test_it_signs_in_to_a_proxy(slack: RecordingSlack) -> None:
    with ConnectProxy({SLACK: slack.port}) as proxy:
        url = proxy.url.replace("//", "//emma:s%40fe@")
        post(client_of(f"https://{SLACK}/api/", proxy=url))
    assert proxy.credentials == ["Basic ZW1tYTpzQGZl"]  # emma:s@fe


def test_it_takes_the_proxy_of_the_environment_except_for_hosts_that_need_none(
    slack: RecordingSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ConnectProxy({SLACK: slack.port}) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", HOST)
        post(client_of(f"https://{SLACK}/api/"))
        post(client_of(slack.url))
        respond(slack)
    assert (posted(slack), proxy.connected) == (2, [SLACK])


def test_what_a_proxy_refuses_was_not_sent() -> None:
    with ConnectProxy({}) as proxy:
        client = client_of(f"https://{SLACK}/api/", proxy=proxy.url)
        with pytest.raises(RequestNotSent, match="502"):
            post(client)
    assert proxy.refused == [f"{SLACK}:443"] * 2


def test_a_proxy_that_is_away() -> None:
    client = client_of(f"https://{SLACK}/api/", proxy=f"http://{HOST}:{free_port()}")
    with pytest.raises(RequestNotSent) as raised:
        post(client)
    assert isinstance(raised.value.reason, ConnectionRefusedError)


# Processes


def test_a_child_process_has_connections_of_its_own(
    slack: RecordingSlack, client: SlackClient
) -> None:
    post(client)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            post(client)
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    post(client)
    assert (posted(slack), slack.connections) == (3, 2)
