"""Checks of every payload: rejects other workspaces and drops repeated events."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from cachetools import TTLCache, cached
from pymongo.errors import PyMongoError
from slack_bolt import BoltResponse
from slack_sdk.errors import SlackApiError

from bot.routes import ROUTES
from bot.slack.bot_process import BotProcess
from bot.slack.client import UNKNOWN_MEMBER_ERRORS, fetch_member
from bot.slack.error_responses import error_response, show_error
from bot.slack.request import Request
from services.core import security_events
from services.core.errors import MemberRefused
from services.core.security_events import SecurityEvent
from services.linking.links import ExclusionReason, exclusion_reason

logger = logging.getLogger(__name__)

SELF_ACKED_EVENTS = frozenset(
    event for route in ROUTES if route.has_own_ack for event in route.payload_ids
)

OTHER_WORKSPACE = (
    "This app belongs to another workspace. Ask your contact there to file the ticket."
)
# Slack is asked this often about a sender from elsewhere, at most; each key typed into a menu that
# searches its options is a payload.
SENDER_CHECK_SECONDS = 60
MAX_REMEMBERED_SENDERS = 10_000

Next = Callable[[], Any]
BodyMiddleware = Callable[[dict[str, Any], Next], BoltResponse | None]


def reject_other_workspaces(bot: BotProcess) -> BodyMiddleware:
    """Reject what is for another installation: Bolt serves any under a single token."""

    def only_this_workspace(body: dict[str, Any], next: Next) -> BoltResponse | None:  # noqa: A002  Bolt's name
        team_ids = _team_ids(body)
        if bot.team_id in team_ids or not team_ids:
            next()
            return None
        return _reject(body, bot)

    return only_this_workspace


def sender_check(
    bot: BotProcess, *, timer: Callable[[], float] = time.monotonic
) -> Callable[[Request], None]:
    """Return the check of who sent an interaction. It raises `MemberRefused` for members of other
    workspaces, linked or not.

    A member of several workspaces of an Enterprise Grid comes with the id of any of them, or of
    the organisation. If it is not this workspace's, Slack is asked. Handlers check the sender of
    an event when they look up the account.
    """

    @cached(TTLCache(MAX_REMEMBERED_SENDERS, SENDER_CHECK_SECONDS, timer), lock=threading.Lock())
    def is_foreign(slack_user_id: str) -> bool:
        try:
            member = fetch_member(bot.client, team_id=bot.team_id, slack_user_id=slack_user_id)
        except SlackApiError as error:
            if error.response.get("error") not in UNKNOWN_MEMBER_ERRORS:
                raise
            return True
        return exclusion_reason(member) is ExclusionReason.OTHER_WORKSPACE

    def check(req: Request) -> None:
        sender = req.body.get("user")
        if not isinstance(sender, dict):
            return
        team_ids = _team_ids(req.body) | {sender.get("team_id") or bot.team_id}
        if team_ids != {bot.team_id} and is_foreign(req.slack_user_id):
            security_events.record(SecurityEvent.WORKSPACE_REFUSED)
            raise MemberRefused(OTHER_WORKSPACE)

    return check


def drop_repeated_events(bot: BotProcess) -> BodyMiddleware:
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
        with bot.handler_deadline():
            is_first_delivery = bot.services.processed_events.claim(event_id)
    except PyMongoError as error:
        logger.error("an event is left for Slack to send again: %s", type(error).__name__)
        return BoltResponse(status=503, body="")
    return None if is_first_delivery else BoltResponse(status=200, body="")


def _reject(body: dict[str, Any], bot: BotProcess) -> BoltResponse:
    """Refuse a payload of another workspace, with a message if a person sent it."""
    refusal = MemberRefused(OTHER_WORKSPACE)
    security_events.record(SecurityEvent.WORKSPACE_REFUSED)
    if body.get("type") in ("block_actions", "shortcut", "message_action"):
        # The acknowledgement is the response that stops the middleware.
        req = Request(body=body, bot=bot, permission=None, _ack=lambda: None, is_acked=True)
        show_error(refusal, req)
    return error_response(refusal, body)


def _team_ids(body: dict[str, Any]) -> set[str]:
    """Return the workspaces that the payload may be for.

    In a channel of another workspace and in a modal submitted from there, `team` and `team_id` name
    that one. The installation is named beside it.
    """
    view, authorizations = body.get("view") or {}, body.get("authorizations") or ()
    team_ids = {
        body.get("team_id"),
        body.get("context_team_id"),
        (body.get("team") or {}).get("id"),
        view.get("app_installed_team_id"),
        *(authorization.get("team_id") for authorization in authorizations),
    }
    return {team for team in team_ids if team}
