"""What a bot process answers over HTTP. Every group of addresses is a blueprint of its own."""

from collections.abc import Callable, Sequence

from flask import Blueprint, Flask, Response

from bot.slack.instrumentation import as_requests
from bot.web.health import health
from bot.web.http_errors import BODY_LIMIT, ErrorPage, answer_errors


def create_web(
    *,
    ready: Callable[[], bool],
    blueprints: Sequence[Blueprint] = (),
    error_page: ErrorPage | None = None,
) -> Flask:
    """The WSGI application: `/healthz`, `/readyz`, and whatever the blueprints bring.

    `ready` says within about a second whether the bot can do its work. `error_page` draws what
    goes wrong at addresses that people open.
    """
    web = Flask(__name__, static_folder=None)
    web.config["MAX_CONTENT_LENGTH"] = BODY_LIMIT
    answer_errors(web, page=error_page)
    web.after_request(_for_nobody_else)
    for blueprint in (health(ready), *blueprints):
        web.register_blueprint(blueprint)
    # as Flask documents it
    web.wsgi_app = as_requests(web.wsgi_app)  # type: ignore[assignment, method-assign]
    return web


def _for_nobody_else(response: Response) -> Response:
    """No cache on the way keeps an answer, and no browser guesses what is in it."""
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    return response
