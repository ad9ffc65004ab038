"""Errors as JSON: `{"error": CODE, "message": SENTENCE}`, and nothing of what went wrong inside."""

import logging
import uuid
from contextlib import suppress

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

logger = logging.getLogger(__name__)

BODY_LIMIT = 1_000_000
# What is read beyond the limit, so that the sender comes to read the answer; more is cut off.
DISCARD_LIMIT = 8_000_000
_PIECE = 65_536

_SENTENCES = {
    400: "This request cannot be read. Check its headers and its body.",
    404: "There is nothing at this address. Check the path.",
    405: "This address does not take this method; the Allow header names those it takes.",
    413: "The body is larger than 1 MB, which is the limit. Send less.",
}


def answer_in_json(web: Flask) -> None:
    """Have `web` answer every error so, whichever blueprint it comes from."""
    web.register_error_handler(HTTPException, _refused)
    web.register_error_handler(Exception, _failed)


def problem(status: int, code: str, message: str) -> Response:
    """An error answer; `code` is for programs, `message` for people."""
    response = jsonify(error=code, message=message)
    response.status_code = status
    return response


def _refused(error: HTTPException) -> Response:
    if isinstance(error, RequestEntityTooLarge):
        _discard_body()
    status = error.code or 500
    code = error.name.lower().replace(" ", "_")
    answer = problem(status, code, _SENTENCES.get(status, f"{error.name}."))
    for name, value in error.get_headers(request.environ):
        if name not in ("Content-Type", "Content-Length"):
            answer.headers[name] = value
    return answer


def _failed(error: Exception) -> Response:
    reference = uuid.uuid4().hex[:8]
    logger.error(
        "%s %s failed, reference %s", request.method, request.path, reference, exc_info=error
    )
    return problem(
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
