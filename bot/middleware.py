"""Bolt middleware: rejects other workspaces and drops repeated events."""

import logging
from collections.abc import Callable
from typing import Any

from pymongo.errors import PyMongoError
from slack_bolt import BoltResponse

from bot.routes import ROUTES
from bot.slack.bot_process import BotProcess
from bot.slack.error_responses import error_response, show_error
from bot.slack.request import Request
from services.core import security_events
from services.core.errors import MemberRefused
from services.core.security_events import SecurityEvent

logger = logging.getLogger(__name__)

# For all queries of a handler together, so that Slack has its answer within 3 s.
HANDLER_TIMEOUT_SECONDS = 2.0

SELF_ACKED_EVENTS = frozenset(route.id for route in ROUTES if route.has_own_ack)

OTHER_WORKSPACE = MemberRefused(
    "This help desk serves another workspace. Ask your contact there to file the ticket."
)

Next = Callable[[], Any]
Middleware = Callable[[dict[str, Any], Next], BoltResponse | None]


def reject_other_workspaces(bot: BotProcess) -> Middleware:
    """Bolt serves payloads of any team under a single token, so the workspace is checked here."""

    def only_this_workspace(body: dict[str, Any], next: Next) -> BoltResponse | None:  # noqa: A002  Bolt's name
        if _team_ids(body) <= {bot.team_id}:
            next()
            return None
        return _reject(body, bot)

    return only_this_workspace


def drop_repeated_events(bot: BotProcess) -> Middleware:
    """Slack sends an unanswered event again, when another process may already handle it.

    Routes with their own acknowledgement get repeated events: they are idempotent, and Slack has
    to repeat an event until it is stored.
    """

    def drop_repeats(body: dict[str, Any], next: Next) -> BoltResponse | None:  # noqa: A002  Bolt's name
        has_own_ack = (body.get("event") or {}).get("type") in SELF_ACKED_EVENTS
        refusal = (
            _repeated_event_response(body["event_id"], bot)
            if "event_id" in body and not has_own_ack
            else None
        )
        if refusal is None:
            next()
        return refusal

    return drop_repeats


def _repeated_event_response(event_id: str, bot: BotProcess) -> BoltResponse | None:
    """Return the response to a repeated event, None if this process should handle the event."""
    try:
        with bot.database.deadline(HANDLER_TIMEOUT_SECONDS):
            is_first_delivery = bot.services.processed_events.claim(event_id)
    except PyMongoError as error:
        logger.error("an event is left for Slack to send again: %s", type(error).__name__)
        return BoltResponse(status=503, body="")
    return None if is_first_delivery else BoltResponse(status=200, body="")


def _reject(body: dict[str, Any], bot: BotProcess) -> BoltResponse:
    """Refuse a payload of another workspace, with a message if a person sent it."""
    security_events.record(SecurityEvent.WORKSPACE_REFUSED)
    if body.get("type") in ("block_actions", "shortcut", "message_action"):
        # The acknowledgement is the response that stops the middleware.
        req = Request(body=body, bot=bot, permission=None, _ack=lambda: None, is_acked=True)
        show_error(OTHER_WORKSPACE, req)
    return error_response(OTHER_WORKSPACE, body)


def _team_ids(body: dict[str, Any]) -> set[str]:
    """Return the workspaces of the payload and of its sender."""
    user = body.get("user")
    team_ids = {
        body.get("team_id"),
        (body.get("team") or {}).get("id"),
        user.get("team_id") if isinstance(user, dict) else None,
    }
    return {team for team in team_ids if team}
