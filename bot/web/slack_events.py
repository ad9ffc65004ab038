"""`POST /slack/events`: commands, interactions and events, signed by Slack."""

from flask import Blueprint, Request, Response, request
from slack_bolt import App
from slack_bolt.adapter.flask import SlackRequestHandler
from slack_sdk.signature import SignatureVerifier

from bot.web.http_errors import problem_response
from services.core import security_events
from services.core.security_events import SecurityEvent


def slack_events_blueprint(app: App, *, signing_secret: str) -> Blueprint:
    """Pass requests that Slack signed within the last five minutes to `app`; refuse others."""
    blueprint = Blueprint("slack", __name__)
    handler = SlackRequestHandler(app)
    verifier = SignatureVerifier(signing_secret)

    @blueprint.post("/slack/events")
    def receive() -> Response:
        if not _has_valid_signature(verifier, request):
            security_events.record(SecurityEvent.SIGNATURE_REFUSED)
            return problem_response(
                401, "invalid_signature", "Slack's signature is missing, wrong or too old."
            )
        return handler.handle(request)

    return blueprint


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
