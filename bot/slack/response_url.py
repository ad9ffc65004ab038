"""Replace the message of a button, through the payload's response_url.

An ephemeral message can be changed in no other way. A response_url takes five calls in 30 minutes.
"""

from collections.abc import Callable
from typing import Any

from slack_bolt import BoltContext
from slack_sdk.errors import SlackRequestError
from slack_sdk.webhook import WebhookClient

from services.core.metrics import SLACK_CALLS, Meter

# Shorter than the three seconds that Slack waits for a handler.
TIMEOUT_SECONDS = 2
METHOD_LABEL = "response_url"
OUTCOME_BY_STATUS = {200: "ok", 404: "gone", 410: "gone"}  # used_url, expired_url

Respond = Callable[[dict[str, Any]], bool]


def respond_middleware(*, meter: Meter, process: str) -> Callable[..., None]:
    """Return the middleware that sets `respond`. Bolt's own waits 30 s and ignores failures."""

    def give_respond(context: BoltContext, next: Callable[[], Any]) -> None:  # noqa: A002  Bolt's name
        url = context.response_url

        def respond(message: dict[str, Any]) -> bool:
            """Return False if the response_url is used up, expired or missing."""
            if not url:
                return False
            outcome = "unreachable"
            try:
                # Without retries: the user is waiting.
                client = WebhookClient(url, timeout=TIMEOUT_SECONDS, retry_handlers=[])
                status = client.send_dict(message).status_code
                outcome = OUTCOME_BY_STATUS.get(status, "refused")
            finally:
                meter.count(SLACK_CALLS, process, METHOD_LABEL, outcome)
            if outcome == "refused":
                raise SlackRequestError(f"Slack answered a response_url with status {status}")
            return outcome == "ok"

        context["respond"] = respond
        next()

    return give_respond
