"""`/metrics`, for those who may read it: by a token, or from this machine where none is set."""

import hmac
from collections.abc import Callable, Sequence

from flask import Blueprint, Request, Response, request

from bot.web.addresses import client_address
from bot.web.bearer import bearer_token
from bot.web.errors import problem
from services.setting_values import Network


def metrics(
    page: Callable[[], tuple[bytes, str]], *, token: str, trusted_proxies: Sequence[Network]
) -> Blueprint:
    """`page` makes the text and its content type. `token` "": callers on this machine only."""
    blueprint = Blueprint("metrics", __name__)

    @blueprint.get("/metrics")
    def show() -> Response:
        # Compared as bytes: of other than ASCII characters compare_digest takes no text.
        if token and not hmac.compare_digest(bearer_token(request).encode(), token.encode()):
            answer = problem(401, "unauthorized", "Send METRICS_TOKEN as a bearer token.")
            answer.headers["WWW-Authenticate"] = 'Bearer realm="metrics"'
            return answer
        if not token and not _is_local(request, trusted_proxies):
            return problem(
                403, "forbidden", "Only this machine may read this, unless METRICS_TOKEN is set."
            )
        body, content_type = page()
        return Response(body, content_type=content_type)

    return blueprint


def _is_local(sent: Request, proxies: Sequence[Network]) -> bool:
    client = client_address(sent, proxies)
    return client is not None and client.is_loopback
