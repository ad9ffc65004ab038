"""Errors over HTTP: `{"error": SENTENCE, "code": CODE}`, and nothing of what went wrong inside.

What people read in a browser may have pages for its errors instead; programs always get JSON.
"""

import logging
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import BadRequest, HTTPException, RequestEntityTooLarge

from bot.slack.error_kinds import Fault, fault_of
from bot.web.client_ip import bearer_token
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

BODY_LIMIT = 1_000_000
# What is read beyond the limit, so that the sender comes to read the answer; more is cut off.
DISCARD_LIMIT = 8_000_000
_PIECE = 65_536
# Below these nobody comes with a browser.
_FOR_PROGRAMS = ("/api", "/slack", "/metrics", "/healthz", "/readyz")
_RETRY_SECONDS = 5

SENTENCES = {
    400: "This request cannot be read. Check its headers and its body.",
    404: "There is nothing at this address. Check the path.",
    405: "This address does not take this method; the Allow header names those it takes.",
    408: "This request did not arrive within three seconds. Send it again.",
    411: "Send a Content-Length: a body in chunks is not taken.",
    413: "The body is larger than 1 MB, which is the limit. Send less.",
    414: "The address is too long. Send less in it.",
    415: "Send the body as JSON, with the header Content-Type: application/json.",
}
_AWAY = "The tickets cannot be reached at the moment. Try again in a minute."
# The first that fits counts.
_STATUSES: tuple[tuple[type[DomainError], int, str], ...] = (
    (NotAllowedInState, 409, "conflict"),
    (InvalidValue, 400, "invalid"),
    (Unauthenticated, 401, "unauthenticated"),
    (PermissionDenied, 403, "forbidden"),
    (MemberRefused, 403, "forbidden"),
    (NotFound, 404, "not_found"),
    (Conflict, 409, "conflict"),
    (LimitReached, 429, "too_many_requests"),
)


class Malformed(BadRequest):
    """A body that cannot be read; its description is a sentence of ours."""


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as it is answered: `code` is for programs, `sentence` for people, and `field`
    names the value it is about, where it is about one."""

    status: int
    code: str
    sentence: str
    field: str | None = None
    headers: tuple[tuple[str, str], ...] = ()

    def as_json(self) -> Response:
        about = f"{self.field}: " if self.field else ""
        body = {"error": f"{about}{self.sentence}", "code": self.code}
        response = jsonify(body | ({"field": self.field} if self.field else {}))
        response.status_code = self.status
        for name, value in self.headers:
            response.headers[name] = value
        return response


ErrorPage = Callable[[Problem], Response]


def answer_errors(web: Flask, *, page: ErrorPage | None = None) -> None:
    """Have `web` answer every error so, whichever blueprint it comes from.

    `page` makes the answer at addresses that people open; without it they get JSON, too.
    """

    def answer(error: Exception) -> Response:
        found = problem_of(error)
        if page is None or _is_for_programs(request.path):
            return found.as_json()
        return page(found)

    web.register_error_handler(Exception, answer)


def problem(status: int, code: str, sentence: str) -> Response:
    """An error answer of a route for programs."""
    return Problem(status, code, sentence).as_json()


def _is_for_programs(path: str) -> bool:
    return any(path == prefix or path.startswith(f"{prefix}/") for prefix in _FOR_PROGRAMS)


def problem_of(error: Exception) -> Problem:
    """How that error is answered. One that nobody foresaw is logged, with the reference told."""
    if isinstance(error, DomainError):
        return _told(error)
    if isinstance(error, HTTPException):
        return _refused(error)
    if fault_of(error) is Fault.DATABASE_AWAY:
        logger.error("%s %s: %s", request.method, request.path, type(error).__name__)
        return Problem(503, "unavailable", _AWAY, headers=(("Retry-After", str(_RETRY_SECONDS)),))
    return _failed(error)


def _told(error: DomainError) -> Problem:
    """A domain error's sentence is its user's to read."""
    status, code = next((s, c) for kind, s, c in _STATUSES if isinstance(error, kind))
    told = Problem(status, code, str(error))
    if isinstance(error, InvalidValue):
        return replace(told, field=error.field)
    if isinstance(error, Unauthenticated):
        return replace(told, headers=(("WWW-Authenticate", _challenge()),))
    if isinstance(error, LimitReached) and error.retry_after is not None:
        return replace(told, headers=(("Retry-After", str(error.retry_after)),))
    return told


def _challenge() -> str:
    """RFC 6750, 3: what is wrong is only said to those who have sent a token."""
    return 'Bearer realm="api"' + (', error="invalid_token"' if bearer_token(request) else "")


def _refused(error: HTTPException) -> Problem:
    if isinstance(error, RequestEntityTooLarge):
        _discard_body()
    status = error.code or 500
    headers = tuple(
        (name, value)
        for name, value in error.get_headers(request.environ)
        if name not in ("Content-Type", "Content-Length")
    )
    code = error.name.lower().replace(" ", "_")
    ours = error.description if isinstance(error, Malformed) else SENTENCES.get(status)
    return Problem(status, code, ours or f"{error.name}.", headers=headers)


def _failed(error: Exception) -> Problem:
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


def _discard_body() -> None:
    """A connection closed on unread data is reset, and its sender would not see the answer."""
    with suppress(OSError, ValueError):
        for _ in range(DISCARD_LIMIT // _PIECE):
            if not request.environ["wsgi.input"].read(_PIECE):
                return
