"""Exceptions turned into sentences, in the shape each kind of payload shows them."""

import logging
import uuid
from typing import Any

from pymongo.errors import ConnectionFailure, PyMongoError
from slack_bolt import BoltResponse
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.views.text import escape
from services.errors import DomainError, Invalid

logger = logging.getLogger(__name__)

NOT_SAVED = "This could not be saved, because the database is away. Try again in a minute."
SLACK_FAILED = "Slack did not take the answer. Try again in a moment."


def sentence(error: Exception) -> str:
    """What the user reads. A fault of ours is logged, and named by a reference id."""
    if isinstance(error, DomainError):
        return str(error)
    reference = uuid.uuid4().hex[:8]
    if isinstance(error, ConnectionFailure) or (isinstance(error, PyMongoError) and error.timeout):
        logger.error("database away (%s), reference %s", type(error).__name__, reference)
        return NOT_SAVED
    if isinstance(error, (SlackApiError, SlackClientError, OSError)):
        logger.error("slack failed, reference %s", reference, exc_info=error)
        return f"{SLACK_FAILED} (Reference {reference})"
    logger.error("unexpected fault, reference %s", reference, exc_info=error)
    return (
        "Something went wrong on our side. Try again; if it goes on, tell an admin this "
        f"reference: {reference}"
    )


def answer(error: Exception, body: dict[str, Any], client: WebClient) -> BoltResponse:
    """The acknowledgement that carries the sentence to whoever sent `body`."""
    text = sentence(error)
    if body.get("type") == "view_submission":
        field = _field(error, body["view"])
        return BoltResponse(status=200, body={"response_action": "errors", "errors": {field: text}})
    if "command" in body:
        return BoltResponse(
            status=200, body={"response_type": "ephemeral", "text": escape(text), "parse": "none"}
        )
    if body.get("type") == "block_actions":
        _whisper(client, body, text)
    return BoltResponse(status=200, body="")


def _field(error: Exception, view: dict[str, Any]) -> str:
    """The input a sentence stands beside: Slack takes no other place, and keeps what was typed."""
    inputs = [str(block["block_id"]) for block in view["blocks"] if block["type"] == "input"]
    if isinstance(error, Invalid) and error.field in inputs:
        return error.field
    return inputs[0]


def _whisper(client: WebClient, body: dict[str, Any], text: str) -> None:
    channel = (body.get("channel") or {}).get("id")
    if not channel:
        return
    try:
        client.chat_postEphemeral(channel=channel, user=body["user"]["id"], text=escape(text))
    except (SlackApiError, SlackClientError, OSError):
        logger.exception("could not answer a button")
