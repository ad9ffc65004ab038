"""Turn exceptions into texts for the user, in the form that each kind of payload can show."""

import logging
import uuid
from enum import StrEnum
from typing import Any

from slack_bolt import BoltResponse
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.slack.client import missing_scope
from bot.slack.request import Request
from bot.views.inputs import notice_modal
from bot.views.text import escape
from services.core.database import (
    DatabasePreparing,
    is_failing,
    is_unavailable,
    refuses_writes,
)
from services.core.errors import DomainError, InvalidValue
from services.outbox.deliveries import MessageUnrecorded

logger = logging.getLogger(__name__)

NOT_SAVED_DATABASE_UNAVAILABLE = (
    "This could not be saved, because the database is away. Try again in a minute."
)
DATABASE_UNAVAILABLE = (
    "This does not work right now, because the database is away. Try again in a minute."
)
DATABASE_PREPARING = (
    "An upgrade is still in progress, so nothing was saved. Try again in a few minutes."
)
NOT_SAVED_DATABASE_FAILING = (
    "This could not be saved, because the database has a problem. Try again in a few minutes."
)
DATABASE_FAILING = (
    "This does not work right now, because the database has a problem. Try again in a few minutes."
)
SLACK_FAILED = "Slack had a problem just now. Try again in a moment."


class ErrorKind(StrEnum):
    """Decides what the user reads. The values are metric labels."""

    REFUSED = "refused"  # the error's text is for the user
    DATABASE_UNAVAILABLE = "database_away"
    DATABASE_FAILING = "database_failing"  # it answers, but its disk is full, for example
    SLACK = "slack"
    INTERNAL = "fault"


def error_kind(error: Exception) -> ErrorKind:
    if isinstance(error, DomainError):
        return ErrorKind.REFUSED
    if isinstance(error, MessageUnrecorded) or is_unavailable(error):
        return ErrorKind.DATABASE_UNAVAILABLE
    if is_failing(error):
        return ErrorKind.DATABASE_FAILING
    if isinstance(error, (SlackApiError, SlackClientError, OSError)):
        return ErrorKind.SLACK
    return ErrorKind.INTERNAL


def error_message(error: Exception, *, is_save: bool = False) -> str:
    """Return the text for the user, who was to save something if `is_save`.

    An internal error is logged and gets a reference id.
    """
    kind = error_kind(error)
    if kind is ErrorKind.REFUSED:
        return str(error)
    if missing := missing_scope(error):
        logger.error("slack refused a call: %s", missing)
        return str(missing)
    reference = uuid.uuid4().hex[:8]
    if kind is ErrorKind.DATABASE_UNAVAILABLE:
        logger.error("database away: %s", type(error).__name__)
        if isinstance(error, DatabasePreparing):
            return DATABASE_PREPARING
        return NOT_SAVED_DATABASE_UNAVAILABLE if is_save else DATABASE_UNAVAILABLE
    if kind is ErrorKind.DATABASE_FAILING:
        code = getattr(error, "code", None)
        logger.error("database failing: %s, error %s", type(error).__name__, code)
        is_save = is_save or refuses_writes(error)
        return NOT_SAVED_DATABASE_FAILING if is_save else DATABASE_FAILING
    if kind is ErrorKind.SLACK:
        logger.error("slack failed, reference %s", reference, exc_info=error)
        return f"{SLACK_FAILED} (Reference {reference})"
    logger.error("unexpected fault, reference %s", reference, exc_info=error)
    return (
        "Something went wrong on our side. Try again; if it goes on, tell an admin this "
        f"reference: {reference}"
    )


def error_response(error: Exception, body: dict[str, Any]) -> BoltResponse:
    """Return the acknowledgement that shows the error to the sender of `body`."""
    if body.get("type") == "view_submission":
        errors = _errors_by_block_id(error, body["view"])
        if not errors:
            view = notice_modal(error_message(error, is_save=True))
            return BoltResponse(status=200, body={"response_action": "update", "view": view})
        return BoltResponse(status=200, body={"response_action": "errors", "errors": errors})
    if body.get("type") == "block_suggestion":  # a menu cannot show a text
        error_message(error)
        return BoltResponse(status=200, body={"options": []})
    if "command" in body:
        text = escape(error_message(error))
        return BoltResponse(
            status=200, body={"response_type": "ephemeral", "text": text, "parse": "none"}
        )
    if isinstance(error, MessageUnrecorded):
        logger.info("%s: slack sends the event again", error)
        return BoltResponse(status=503, body="")
    # Without a scope, the event would fail again.
    is_final = error_kind(error) is ErrorKind.REFUSED or missing_scope(error)
    if body.get("type") == "event_callback" and not is_final:
        error_message(error)  # logs it; Slack sends the event again
        return BoltResponse(status=503, body="")
    return BoltResponse(status=200, body="")


def show_error(error: Exception, req: Request) -> None:
    """Show the error of a button or shortcut: its acknowledgement cannot contain a text.

    It appears in the modal just opened, below the message, or in a new modal.
    """
    text = error_message(error)
    trigger, client = req.body.get("trigger_id"), req.bot.client
    channel = (req.body.get("channel") or {}).get("id")
    try:
        if req.opened_view:
            req.update_modal(notice_modal(text))
        elif not (channel and _post_ephemeral(req, channel, text)) and trigger:
            client.views_open(trigger_id=trigger, view=notice_modal(text))
    except (SlackApiError, SlackClientError, OSError):
        logger.exception("the error of a %s was not shown", req.body.get("type"))


def _post_ephemeral(req: Request, channel: str, text: str) -> bool:
    """Post the text below the message of the pressed button.

    Return False if no button was pressed, or if the bot may not post in that channel.
    """
    if req.body["type"] != "block_actions":
        return False
    try:
        req.bot.client.chat_postEphemeral(
            channel=channel,
            user=req.slack_user_id,
            text=escape(text),
            parse="none",
            link_names=False,
        )
    except SlackApiError:
        logger.info("the error is shown in a modal: the channel takes no message of the bot")
        return False
    return True


def _errors_by_block_id(error: Exception, view: dict[str, Any]) -> dict[str, str]:
    """Return the sentence beside each input that shows one; {} for a modal without inputs.

    Slack shows errors at inputs only, and keeps what was typed.
    """
    inputs = [str(block["block_id"]) for block in view["blocks"] if block["type"] == "input"]
    if isinstance(error, InvalidValue) and error.field in inputs:
        return {field: text for field, text in error.errors.items() if field in inputs}
    return {inputs[0]: error_message(error, is_save=True)} if inputs else {}
