"""What a bot process answers over HTTP. Every group of addresses is a blueprint of its own."""

from collections.abc import Callable, Sequence

from flask import Blueprint, Flask, Response

from bot.slack.instrumentation import with_request_ids
from bot.web.health import health_blueprint
from bot.web.http_errors import MAX_BODY_BYTES, ErrorPage, register_error_handler


def create_flask_app(
    *,
    is_ready: Callable[[], bool],
    blueprints: Sequence[Blueprint] = (),
    error_page: ErrorPage | None = None,
) -> Flask:
    """The WSGI application: `/healthz`, `/readyz`, and whatever the blueprints bring.

    `is_ready` says within about a second whether the bot can do its work. `error_page` draws what
    goes wrong at addresses that people open.
    """
    flask_app = Flask(__name__, static_folder=None)
    flask_app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    register_error_handler(flask_app, error_page=error_page)
    flask_app.after_request(_set_default_headers)
    for blueprint in (health_blueprint(is_ready), *blueprints):
        flask_app.register_blueprint(blueprint)
    # as Flask documents it
    flask_app.wsgi_app = with_request_ids(flask_app.wsgi_app)  # type: ignore[assignment, method-assign]
    return flask_app


def _set_default_headers(response: Response) -> Response:
    """No cache on the way keeps an answer, and no browser guesses what is in it."""
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    return response
