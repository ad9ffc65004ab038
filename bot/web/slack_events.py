"""`POST /slack/events`: commands, interactions and events, signed by Slack."""

from flask import Blueprint, Request, Response, request
from slack_bolt import App
from slack_bolt.adapter.flask import SlackRequestHandler
from slack_sdk.signature import SignatureVerifier

from bot.web.http_errors import problem_response


def slack_events_blueprint(app: App, *, signing_secret: str) -> Blueprint:
    """Hands to `app` what Slack signed within the last five minutes, and refuses the rest."""
    blueprint = Blueprint("slack", __name__)
    handler = SlackRequestHandler(app)
    verifier = SignatureVerifier(signing_secret)

    @blueprint.post("/slack/events")
    def receive() -> Response:
        if not _has_valid_signature(verifier, request):
            return problem_response(
                401, "invalid_signature", "Slack's signature is missing, wrong or too old."
            )
        return handler.handle(request)

    return blueprint


def _has_valid_signature(verifier: SignatureVerifier, http_request: Request) -> bool:
    """Checked before Bolt looks at all.

    Bolt reads a body before it verifies it, and takes the error of a malformed header or body for
    one of a handler's, which it would answer as if it were the sender's.
    """
    try:
        return verifier.is_valid(
            http_request.get_data(),
            http_request.headers.get("X-Slack-Request-Timestamp"),
            http_request.headers.get("X-Slack-Signature"),
        )
    except (ValueError, TypeError):  # no number, not UTF-8, not ASCII
        return False
