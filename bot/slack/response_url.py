"""Changing the message that a button stands on, through the address its press came with.

The only way for a message that its reader alone can see, and for five changes in half an hour.
"""

from collections.abc import Callable
from typing import Any

from slack_bolt import BoltContext
from slack_sdk.errors import SlackRequestError
from slack_sdk.webhook import WebhookClient

from services.core.metrics import SLACK_CALLS, Meter

# Slack waits three seconds for a handler, and so a handler waits less for Slack.
TIMEOUT_SECONDS = 2
METHOD_LABEL = "response_url"
OUTCOME_BY_STATUS = {200: "ok", 404: "gone", 410: "gone"}  # used_url, expired_url

Respond = Callable[[dict[str, Any]], bool]


def respond_middleware(*, meter: Meter, process: str) -> Callable[..., None]:
    """The middleware that gives each payload its `respond`, in place of Bolt's own, which waits
    half a minute and leaves its failures to be overlooked."""

    def give_respond(context: BoltContext, next: Callable[[], Any]) -> None:  # noqa: A002  Bolt's name
        url = context.response_url

        def respond(message: dict[str, Any]) -> bool:
            """Whether Slack took it; False where the address is used up, too old or missing."""
            if not url:
                return False
            outcome = "unreachable"
            try:
                # Without retries: whoever pressed has not that much patience.
                client = WebhookClient(url, timeout=TIMEOUT_SECONDS, retry_handlers=[])
                status = client.send_dict(message).status_code
                outcome = OUTCOME_BY_STATUS.get(status, "refused")
            finally:
                meter.count(SLACK_CALLS, process, METHOD_LABEL, outcome)
            if outcome == "refused":
                raise SlackRequestError(f"Slack answered a message to a response_url by {status}")
            return outcome == "ok"

        context["respond"] = respond
        next()

    return give_respond
