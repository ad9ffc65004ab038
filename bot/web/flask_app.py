"""The Flask app of a bot process: health checks, error handling and the given blueprints."""

from collections.abc import Callable, Iterable, Sequence
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Blueprint, Flask, Request, Response, jsonify

from bot.slack.instrumentation import with_request_ids
from bot.web.client_ip import address_for_rate_limit
from bot.web.http_errors import (
    DEFAULT_HEADERS,
    MAX_BODY_BYTES,
    ErrorPage,
    problem_response,
    register_error_handler,
)
from bot.web.slack_events import SlackEvents
from services.core import security_events
from services.core.settings import Network
from services.core.version import program_version


def create_flask_app(
    *,
    is_ready: Callable[[], bool],
    pending_indexes: Callable[[], Sequence[str]] = lambda: (),
    is_writable: Callable[[], bool] = lambda: True,
    blueprints: Sequence[Blueprint] = (),
    slack_events: SlackEvents | None = None,
    trusted_proxies: Sequence[Network] = (),
    error_page: ErrorPage | None = None,
) -> Flask:
    """Return the WSGI application with `/healthz`, `/readyz`, the blueprints and `slack_events`.

    `is_ready` and `is_writable` answer within about a second. `pending_indexes` returns the indexes
    that have to be built before the process is ready. `error_page` renders errors at addresses that
    people open.
    """
    flask_app = Flask(__name__, static_folder=None)
    flask_app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    register_error_handler(flask_app, error_page=error_page)
    flask_app.after_request(_set_default_headers)
    for blueprint in (_health_blueprint(is_ready, is_writable, pending_indexes), *blueprints):
        flask_app.register_blueprint(blueprint)
    wsgi_app: WSGIApplication = flask_app.wsgi_app
    if slack_events:
        flask_app.register_blueprint(slack_events.blueprint())
        wsgi_app = slack_events.before(wsgi_app)
    # As Flask documents it.
    wsgi_app = with_request_ids(_with_client(wsgi_app, trusted_proxies))
    flask_app.wsgi_app = wsgi_app  # type: ignore[assignment, method-assign]
    return flask_app


def _with_client(app: WSGIApplication, trusted_proxies: Sequence[Network]) -> WSGIApplication:
    """Wrap the application, so that security events have the client's address."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        http_request = Request(environ, populate_request=False)
        with security_events.client_scope(
            lambda: address_for_rate_limit(http_request, trusted_proxies)
        ):
            return app(environ, start_response)

    return answer


def _health_blueprint(
    is_ready: Callable[[], bool],
    is_writable: Callable[[], bool],
    pending_indexes: Callable[[], Sequence[str]],
) -> Blueprint:
    """`/healthz` always answers 200, with the program's version; `/readyz` answers 503 unless
    `is_ready()` and no index is pending.

    A bot whose database stores nothing stays ready: otherwise its users would get no answer.
    """
    blueprint = Blueprint("health", __name__)

    @blueprint.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok", version=program_version())

    @blueprint.get("/readyz")
    def readyz() -> Response:
        if pending := pending_indexes():
            return problem_response(
                503, "not_ready", f"MongoDB builds indexes: {', '.join(pending)}. Wait for them."
            )
        if not is_ready():
            return problem_response(
                503, "not_ready", "MongoDB does not answer. Check MONGO_URI and its server."
            )
        return jsonify(status="ok") if is_writable() else jsonify(status="ok", writes="failing")

    return blueprint


def _set_default_headers(response: Response) -> Response:
    for name, value in DEFAULT_HEADERS.items():
        response.headers.setdefault(name, value)
    return response
