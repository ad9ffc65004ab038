"""HTTP requests to Slack, over connections that stay open for the next request.

A request that failed may have been carried out, unless none of it was written. So a failure to
connect is a `RequestNotSent`, and any other a `TimeoutError` or a `ConnectionLost`.
"""

import os
import time
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import Request, proxy_bypass

from slack_sdk import WebClient
from slack_sdk.webhook import WebhookClient, WebhookResponse
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, ProxyManager, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationValueError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
)
from urllib3.util import make_headers

from services.core.slack_errors import RequestNotSent
from services.core.tls import client_context

# Servers close connections that are idle. One that closes just then may lose the next request, so
# this is shorter than the minute that is usual.
IDLE_SECONDS = 20.0
# As many as a bot has threads that call Slack: those of the HTTP server, and the listeners.
MAX_KEPT_CONNECTIONS = 60
# What has the same effect and the same answer a second time. Not views.publish, which may refuse
# its own hash, nor views.open, whose trigger_id is used up.
IDEMPOTENT_METHODS = frozenset(
    {
        "auth.test",
        "chat.getPermalink",
        "chat.update",
        "conversations.history",
        "conversations.info",
        "conversations.join",
        "conversations.open",
        "conversations.replies",
        "dnd.teamInfo",
        "users.info",
    }
)


class ConnectionLost(ConnectionResetError):
    """The connection failed after a part of the request was written, or all of it."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: str


class SlackClient(WebClient):
    """Slack's client, with the connections of this module. `ssl` and retry handlers are not used:
    each caller knows whether a retry may help."""

    def _perform_urllib_http_request_internal(self, url: str, req: Request) -> dict[str, Any]:
        is_idempotent = url.rpartition("/")[2] in IDEMPOTENT_METHODS
        answer = send(req, seconds=self.timeout, proxy=self.proxy, is_idempotent=is_idempotent)
        return {"status": answer.status, "headers": answer.headers, "body": answer.body}


class ResponseUrl(WebhookClient):
    """A response_url, with the connections of this module."""

    def _perform_http_request_internal(self, url: str, req: Request) -> WebhookResponse:
        answer = send(req, seconds=self.timeout, proxy=self.proxy)
        return WebhookResponse(
            url=url, status_code=answer.status, body=answer.body, headers=answer.headers
        )


def send(
    request: Request, *, seconds: float, proxy: str | None = None, is_idempotent: bool = False
) -> Answer:
    """Return the answer, whatever its status. `seconds` limits connecting, and each wait for bytes.

    A request that was not sent is tried a second time at once, and so is an idempotent one if the
    connection is lost, within `seconds`. Raises `RequestNotSent`, `ConnectionLost`, `TimeoutError`,
    and `ValueError` for a malformed address.
    """
    deadline = time.monotonic() + seconds
    try:
        return _send(request, seconds, proxy)
    except (RequestNotSent, ConnectionLost) as error:
        remaining = deadline - time.monotonic()
        is_safe = is_idempotent or isinstance(error, RequestNotSent)
        if not is_safe or remaining <= 0:
            raise
    return _send(request, remaining, proxy)


def _send(request: Request, seconds: float, proxy: str | None) -> Answer:
    is_direct = proxy is None or proxy_bypass(request.host)  # NO_PROXY names the host
    connections = _connections(os.getpid(), None if is_direct else proxy)
    try:
        response = connections.urlopen(
            request.get_method(),
            request.full_url,
            body=request.data,
            headers=dict(request.header_items()),
            timeout=Timeout(connect=seconds, read=seconds),
            retries=False,
            redirect=False,
        )
    except LocationValueError:  # a malformed URL
        raise
    except (NewConnectionError, ConnectTimeoutError, ProxyError) as error:
        raise RequestNotSent(_reason(error)) from error
    except ReadTimeoutError as error:
        raise TimeoutError(f"no answer within {seconds:.1f} s") from error
    except HTTPError as error:
        raise ConnectionLost(str(error)) from error
    answer_headers = dict(response.headers)
    if "retry-after" in response.headers:  # Slack writes it in small letters
        answer_headers["Retry-After"] = response.headers["retry-after"]
    return Answer(response.status, answer_headers, response.data.decode(errors="replace"))


def _reason(error: HTTPError) -> BaseException:
    """Return what the operating system, the TLS library or the proxy reported."""
    if isinstance(error, ProxyError):
        error = error.original_error  # type: ignore[assignment]  # urllib3 allows any
    return error.__cause__ or error


class _KeptConnection(HTTPConnection):
    """Fails with urllib3's NewConnectionError while it connects, and in no other case: during a TLS
    handshake urllib3 raises what it raises for a lost answer, too."""

    _used_at = 0.0

    def connect(self) -> None:
        try:
            super().connect()
        except (NewConnectionError, ConnectTimeoutError):
            raise
        except (OSError, HTTPError, HTTPException) as error:
            self.close()
            raise NewConnectionError(self, str(error)) from error
        self._used_at = time.monotonic()

    def getresponse(self) -> Any:
        response = super().getresponse()
        self._used_at = time.monotonic()
        return response

    @property
    def is_connected(self) -> bool:
        """Asked before each use: urllib3 looks whether the server has closed the connection."""
        is_fresh = time.monotonic() - self._used_at < IDLE_SECONDS
        return is_fresh and super().is_connected


class _KeptTlsConnection(_KeptConnection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _KeptConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _KeptTlsConnection


@cache
def _connections(process_id: int, proxy: str | None) -> PoolManager:  # noqa: ARG001  a key: sockets must not be shared across a fork
    options: dict[str, Any] = {
        "maxsize": MAX_KEPT_CONNECTIONS,
        "ssl_context": client_context(),
    }
    if proxy is None:
        manager = PoolManager(**options)
    else:
        address = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        credentials = f"{unquote(address.username or '')}:{unquote(address.password or '')}"
        manager = ProxyManager(
            address._replace(netloc=address.netloc.rpartition("@")[2]).geturl(),
            proxy_headers=make_headers(proxy_basic_auth=credentials) if address.username else None,
            **options,
        )
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
    return manager
