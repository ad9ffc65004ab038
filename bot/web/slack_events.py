"""`POST /slack/events`: commands, interactions and events, signed by Slack."""

import logging

from flask import Blueprint, Request, Response, request
from slack_bolt import App, BoltRequest
from slack_bolt.adapter.flask.handler import to_flask_response
from slack_sdk.signature import SignatureVerifier

from bot.slack.payload_shape import MalformedPayload, parse_payload
from bot.web.http_errors import problem_response
from services.core import security_events
from services.core.security_events import SecurityEvent

logger = logging.getLogger(__name__)


def slack_events_blueprint(app: App, *, signing_secret: str) -> Blueprint:
    """Pass requests that Slack signed within the last five minutes to `app`; refuse others, and
    what is no payload of Slack."""
    blueprint = Blueprint("slack", __name__)
    verifier = SignatureVerifier(signing_secret)

    @blueprint.post("/slack/events")
    def receive() -> Response:
        if not _has_valid_signature(verifier, request):
            security_events.record(SecurityEvent.SIGNATURE_REFUSED)
            return problem_response(
                401, "invalid_signature", "Slack's signature is missing, wrong or too old."
            )
        try:
            bolt_request = _bolt_request(request)
        except MalformedPayload as error:
            logger.warning("a signed request is no payload of Slack: %s", error)
            return problem_response(
                400, "malformed_payload", f"This is not a payload of Slack: {error}"
            )
        return to_flask_response(app.dispatch(bolt_request))

    return blueprint


def _bolt_request(http_request: Request) -> BoltRequest:
    """Raises `MalformedPayload`."""
    body = parse_payload(http_request.get_data(as_text=True), is_json=http_request.is_json)
    try:
        # With "http", Bolt would parse the text again. Otherwise only the check of the signature
        # depends on the mode.
        return BoltRequest(body=body, headers=dict(http_request.headers), mode="socket_mode")
    except (TypeError, AttributeError):  # Bolt looks for ids in fields that the app does not read
        raise MalformedPayload("an id has the wrong type.") from None


def _has_valid_signature(verifier: SignatureVerifier, http_request: Request) -> bool:
    """Check the signature before Bolt: Bolt parses the body first, and treats the error of a
    malformed header or body like a handler's."""
    try:
        return verifier.is_valid(
            http_request.get_data(),
            http_request.headers.get("X-Slack-Request-Timestamp"),
            http_request.headers.get("X-Slack-Signature"),
        )
    # Not a number, UTF-8 or ASCII, or a number that exceeds a float.
    except (ValueError, TypeError, OverflowError):
        return False
