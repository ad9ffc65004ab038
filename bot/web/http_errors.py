"""HTTP errors: `{"error": SENTENCE, "code": CODE}`, without internal details.

Addresses that people open may answer with a page instead; programs always get JSON.
"""

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import BadRequest, HTTPException

from bot.slack.error_responses import (
    DATABASE_PREPARING,
    ErrorKind,
    error_kind,
    error_message,
)
from bot.web.client_ip import bearer_token
from services.core.database import DatabasePreparing
from services.core.errors import (
    Conflict,
    DomainError,
    InvalidValue,
    LimitReached,
    MemberRefused,
    NotAllowedInState,
    NotFound,
    PermissionDenied,
    Unauthenticated,
)

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 1_000_000
# Of every response that has no other: no caching, and no guessing of the content type.
DEFAULT_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
# Addresses for programs.
_JSON_PREFIXES = ("/api", "/slack", "/metrics", "/healthz", "/readyz")
_RETRY_AFTER_SECONDS = 5

STATUS_MESSAGES = {
    400: "This request cannot be read. Check its headers and its body.",
    404: "There is nothing at this address. Check the path.",
    405: "This address does not take this method; the Allow header names those it takes.",
    408: "This request did not arrive within three seconds. Send it again.",
    411: "Send a Content-Length: a body in chunks is not taken.",
    413: "The body is larger than 1 MB, which is the limit. Send less.",
    414: "The address is too long. Send less in it.",
    415: "Send the body as JSON, with the header Content-Type: application/json.",
}
DATABASE_UNAVAILABLE = (
    "This could not be done, because the database is away. Try again in a minute."
)
# The first match counts.
_STATUS_BY_ERROR: tuple[tuple[type[DomainError], int, str], ...] = (
    (NotAllowedInState, 409, "conflict"),
    (InvalidValue, 400, "invalid"),
    (Unauthenticated, 401, "unauthenticated"),
    (PermissionDenied, 403, "forbidden"),
    (MemberRefused, 403, "forbidden"),
    (NotFound, 404, "not_found"),
    (Conflict, 409, "conflict"),
    (LimitReached, 429, "too_many_requests"),
)


class MalformedBody(BadRequest):
    """A body that cannot be parsed; its description is shown to the client."""


@dataclass(frozen=True, slots=True)
class Problem:
    """An error response: `code` is for programs, `message` for people; `field` names the bad value,
    if any."""

    status: int
    code: str
    message: str
    field: str | None = None
    headers: tuple[tuple[str, str], ...] = ()

    def to_json_response(self) -> Response:
        about = f"{self.field}: " if self.field else ""
        body = {"error": f"{about}{self.message}", "code": self.code}
        response = jsonify(body | ({"field": self.field} if self.field else {}))
        response.status_code = self.status
        for name, value in self.headers:
            response.headers[name] = value
        return response


ErrorPage = Callable[[Problem], Response]


def register_error_handler(flask_app: Flask, *, error_page: ErrorPage | None = None) -> None:
    """Handle all errors of `flask_app`.

    `error_page` renders them at addresses that people open; without it these get JSON, too.
    """

    def answer(error: Exception) -> Response:
        problem_details = problem_from_error(error)
        if error_page is None or _is_json_path(request.path):
            return problem_details.to_json_response()
        return error_page(problem_details)

    flask_app.register_error_handler(Exception, answer)


def problem_response(status: int, code: str, message: str) -> Response:
    """Return an error response for programs."""
    return Problem(status, code, message).to_json_response()


def _is_json_path(path: str) -> bool:
    return any(path == prefix or path.startswith(f"{prefix}/") for prefix in _JSON_PREFIXES)


def problem_from_error(error: Exception) -> Problem:
    """Map the error to a response. An unexpected one is logged with the reference shown."""
    if isinstance(error, DomainError):
        return _domain_problem(error)
    if isinstance(error, HTTPException):
        return _http_problem(error)
    kind = error_kind(error)
    if kind is ErrorKind.DATABASE_UNAVAILABLE:
        logger.error("%s %s: %s", request.method, request.path, type(error).__name__)
        return _unavailable_problem(
            DATABASE_PREPARING if isinstance(error, DatabasePreparing) else DATABASE_UNAVAILABLE
        )
    if kind is ErrorKind.DATABASE_FAILING:
        is_save = request.method not in ("GET", "HEAD")
        return _unavailable_problem(error_message(error, is_save=is_save))
    return _internal_problem(error)


def _unavailable_problem(message: str) -> Problem:
    retry_after = ("Retry-After", str(_RETRY_AFTER_SECONDS))
    return Problem(503, "unavailable", message, headers=(retry_after,))


def _domain_problem(error: DomainError) -> Problem:
    status, code = next((s, c) for kind, s, c in _STATUS_BY_ERROR if isinstance(error, kind))
    base = Problem(status, code, str(error))
    if isinstance(error, InvalidValue):
        return replace(base, field=error.field)
    if isinstance(error, Unauthenticated):
        return replace(base, headers=(("WWW-Authenticate", _challenge()),))
    if isinstance(error, LimitReached) and error.retry_after is not None:
        return replace(base, headers=(("Retry-After", str(error.retry_after)),))
    return base


def _challenge() -> str:
    """RFC 6750, 3: `error` only if the request had a token."""
    return 'Bearer realm="api"' + (', error="invalid_token"' if bearer_token(request) else "")


def _http_problem(error: HTTPException) -> Problem:
    status = error.code or 500
    headers = tuple(
        (name, value)
        for name, value in error.get_headers(request.environ)
        if name not in ("Content-Type", "Content-Length")
    )
    code = error.name.lower().replace(" ", "_")
    message = error.description if isinstance(error, MalformedBody) else STATUS_MESSAGES.get(status)
    return Problem(status, code, message or f"{error.name}.", headers=headers)


def _internal_problem(error: Exception) -> Problem:
    reference = uuid.uuid4().hex[:8]
    logger.error(
        "%s %s failed, reference %s", request.method, request.path, reference, exc_info=error
    )
    return Problem(
        500,
        "internal_server_error",
        "Something went wrong on our side. Try again; if it goes on, tell an admin this "
        f"reference: {reference}",
    )
