"""Exceptions turned into sentences, in the shape each kind of payload shows them."""

import logging
import uuid
from typing import Any

from slack_bolt import BoltResponse
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.slack.error_kinds import Fault, fault_of
from bot.slack.request import Request
from bot.views.modals import file_ticket
from bot.views.text import escape
from services.core.errors import InvalidValue

logger = logging.getLogger(__name__)

NOT_SAVED = "This could not be saved, because the database is away. Try again in a minute."
AWAY = "This does not work right now, because the database is away. Try again in a minute."
SLACK_FAILED = "Slack had a problem just now. Try again in a moment."


def sentence(error: Exception, *, away: str = AWAY) -> str:
    """What the user reads. A fault of ours is logged, and named by a reference id."""
    fault = fault_of(error)
    if fault is Fault.REFUSED:
        return str(error)
    reference = uuid.uuid4().hex[:8]
    if fault is Fault.DATABASE_AWAY:
        logger.error("database away: %s", type(error).__name__)
        return away
    if fault is Fault.SLACK:
        logger.error("slack failed, reference %s", reference, exc_info=error)
        return f"{SLACK_FAILED} (Reference {reference})"
    logger.error("unexpected fault, reference %s", reference, exc_info=error)
    return (
        "Something went wrong on our side. Try again; if it goes on, tell an admin this "
        f"reference: {reference}"
    )


def answer(error: Exception, body: dict[str, Any]) -> BoltResponse:
    """The acknowledgement that carries the sentence to whoever sent `body`."""
    if body.get("type") == "view_submission":
        field = _field(error, body["view"])
        text = sentence(error, away=NOT_SAVED)
        if field is None:
            shown = {"response_action": "update", "view": file_ticket.notice(text)}
            return BoltResponse(status=200, body=shown)
        return BoltResponse(status=200, body={"response_action": "errors", "errors": {field: text}})
    if body.get("type") == "block_suggestion":  # a menu has no place for a sentence
        sentence(error)
        return BoltResponse(status=200, body={"options": []})
    if "command" in body:
        text = escape(sentence(error))
        return BoltResponse(
            status=200, body={"response_type": "ephemeral", "text": text, "parse": "none"}
        )
    if body.get("type") == "event_callback" and fault_of(error) is not Fault.REFUSED:
        sentence(error)  # for the log; Slack sends the event again
        return BoltResponse(status=503, body="")
    return BoltResponse(status=200, body="")


def tell(error: Exception, req: Request) -> None:
    """The sentence for whoever pressed a button or used a shortcut, whose answer carries none:
    in the modal just opened, beside the message, or in a modal of its own."""
    text = sentence(error)
    trigger, client = req.body.get("trigger_id"), req.desk.client
    channel = (req.body.get("channel") or {}).get("id")
    try:
        if req.opened:
            req.update(file_ticket.notice(text))
        elif not (channel and _beside(req, channel, text)) and trigger:
            client.views_open(trigger_id=trigger, view=file_ticket.notice(text))
    except (SlackApiError, SlackClientError, OSError):
        logger.exception("could not answer a %s", req.body.get("type"))


def _beside(req: Request, channel: str, text: str) -> bool:
    """Say it below the message whose button was pressed; False where it was none, or the bot may
    not speak there: a command works in any channel."""
    if req.body["type"] != "block_actions":
        return False
    try:
        req.desk.client.chat_postEphemeral(
            channel=channel,
            user=req.slack_user_id,
            text=escape(text),
            parse="none",
            link_names=False,
        )
    except SlackApiError:
        logger.info("no answer beside the message, so it is a modal")
        return False
    return True


def _field(error: Exception, view: dict[str, Any]) -> str | None:
    """The input a sentence stands beside: Slack takes no other place, and keeps what was typed.
    None for a modal without any, which only asks whether to go on."""
    inputs = [str(block["block_id"]) for block in view["blocks"] if block["type"] == "input"]
    if isinstance(error, InvalidValue) and error.field in inputs:
        return error.field
    return inputs[0] if inputs else None
