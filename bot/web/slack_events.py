"""`POST /slack/events`: commands, interactions and events, signed by Slack."""

import logging
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from io import BytesIO
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Blueprint, Response, request
from slack_bolt import App, BoltRequest, BoltResponse
from slack_sdk.signature import SignatureVerifier

from bot.slack.payload_shape import MalformedPayload, parse_payload
from bot.web.http_errors import DEFAULT_HEADERS, MAX_BODY_BYTES, problem_response
from services.core import security_events
from services.core.security_events import SecurityEvent

logger = logging.getLogger(__name__)

PATH = "/slack/events"
_HEADER_PREFIX = "HTTP_"
# In the WSGI request: what is wrong with a payload that has a valid signature.
_MALFORMED = "helpdesk.malformed_payload"


class SlackEvents:
    """Passes what Slack signed within the last five minutes to Bolt, before Flask, which would add
    a tenth to the processor time of a request. Flask refuses all other requests to this address,
    and what is no payload of Slack."""

    def __init__(self, app: App, *, signing_secret: str) -> None:
        self._app = app
        self._verifier = SignatureVerifier(signing_secret)

    def before(self, web: WSGIApplication) -> WSGIApplication:
        """Wrap the application that answers all other requests."""

        def answer(wsgi_request: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            body = self._signed_body(wsgi_request)
            if body is None:
                return web(wsgi_request, start_response)
            try:
                bolt_request = _bolt_request(wsgi_request, body)
            except MalformedPayload as error:
                wsgi_request[_MALFORMED] = str(error)
                return web(wsgi_request, start_response)
            response = self._app.dispatch(bolt_request)
            content = response.body.encode()
            start_response(_status_line(response.status), _headers(response, len(content)))
            return [content]

        return answer

    def blueprint(self) -> Blueprint:
        """The refusals."""
        blueprint = Blueprint("slack", __name__)

        @blueprint.post(PATH)
        def refuse() -> Response:
            request.get_data()  # one that is too large gets another refusal
            if malformed := request.environ.get(_MALFORMED):
                logger.warning("a signed request is no payload of Slack: %s", malformed)
                return problem_response(
                    400, "malformed_payload", f"This is not a payload of Slack: {malformed}"
                )
            security_events.record(SecurityEvent.SIGNATURE_REFUSED)
            return problem_response(
                401, "invalid_signature", "Slack's signature is missing, wrong or too old."
            )

        return blueprint

    def _signed_body(self, wsgi_request: WSGIEnvironment) -> bytes | None:
        """Return the body if Slack signed it. Check that before Bolt: Bolt parses the body first,
        and treats the error of a malformed header or body like a handler's."""
        if wsgi_request["PATH_INFO"] != PATH or wsgi_request["REQUEST_METHOD"] != "POST":
            return None
        length = int(wsgi_request.get("CONTENT_LENGTH") or 0)
        if length > MAX_BODY_BYTES:
            return None
        body: bytes = wsgi_request["wsgi.input"].read(length)
        wsgi_request["wsgi.input"] = BytesIO(body)
        try:
            is_valid = self._verifier.is_valid(
                body,
                wsgi_request.get("HTTP_X_SLACK_REQUEST_TIMESTAMP"),
                wsgi_request.get("HTTP_X_SLACK_SIGNATURE"),
            )
        # Not a number, UTF-8 or ASCII, or a number that exceeds a float.
        except (ValueError, TypeError, OverflowError):
            return None
        return body if is_valid else None


def _bolt_request(wsgi_request: WSGIEnvironment, body: bytes) -> BoltRequest:
    """Raises `MalformedPayload`."""
    headers: dict[str, str | Sequence[str]] = {
        name.removeprefix(_HEADER_PREFIX).replace("_", "-"): value
        for name, value in wsgi_request.items()
        if name.startswith(_HEADER_PREFIX)
    }
    content_type: str = wsgi_request.get("CONTENT_TYPE", "")
    headers["Content-Type"] = content_type
    payload = parse_payload(body.decode(), is_json="json" in content_type)
    try:
        # With "http", Bolt would parse the text again. Otherwise only the check of the signature
        # depends on the mode. Bolt logs several response_urls before it has its own logger.
        return BoltRequest(
            body=payload, headers=headers, mode="socket_mode", context={"logger": logger}
        )
    except (TypeError, AttributeError):  # Bolt looks for ids in fields that the app does not read
        raise MalformedPayload("an id has the wrong type.") from None


def _status_line(status: int) -> str:
    return f"{status} {HTTPStatus(status).phrase}"


def _headers(response: BoltResponse, length: int) -> list[tuple[str, str]]:
    headers = [(name, value) for name, values in response.headers.items() for value in values]
    return [*headers, *DEFAULT_HEADERS.items(), ("Content-Length", str(length))]
