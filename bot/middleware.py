"""The door every payload comes through: this workspace's only, and each event once."""

import logging
from collections.abc import Callable
from typing import Any

import pymongo
from pymongo.errors import PyMongoError
from slack_bolt import BoltResponse

from bot.routes import ROUTES
from bot.slack.error_responses import answer, tell
from bot.slack.request import Request
from bot.slack.services import BotServices
from services.core.errors import MemberRefused

logger = logging.getLogger(__name__)

# One deadline for all of a handler's queries together, so that the answer is within Slack's 3 s.
HANDLER_SECONDS = 2.0

KEPT_THEMSELVES = frozenset(route.id for route in ROUTES if route.answers_itself)

FOREIGN = MemberRefused(
    "This help desk serves another workspace. Ask your contact there to file the ticket."
)

Next = Callable[[], Any]
Middleware = Callable[[dict[str, Any], Next], BoltResponse | None]


def keep_out_others(desk: BotServices) -> Middleware:
    """Bolt serves payloads of any team under a single token: the door is ours to keep."""

    def only_this_workspace(body: dict[str, Any], next: Next) -> BoltResponse | None:  # noqa: A002  Bolt's name
        if _teams(body) <= {desk.team_id}:
            next()
            return None
        return _foreign(body, desk)

    return only_this_workspace


def take_events_once(desk: BotServices) -> Middleware:
    """Slack repeats an event it had no answer to, and another process may have taken it up.

    Not so messages and what Slack tells of its members: what becomes of one is done once however
    often it comes, and until it is kept Slack has to send it again.
    """

    def once(body: dict[str, Any], next: Next) -> BoltResponse | None:  # noqa: A002  Bolt's name
        is_kept_itself = (body.get("event") or {}).get("type") in KEPT_THEMSELVES
        refusal = (
            _already_taken(body["event_id"], desk)
            if "event_id" in body and not is_kept_itself
            else None
        )
        if refusal is None:
            next()
        return refusal

    return once


def _already_taken(event_id: str, desk: BotServices) -> BoltResponse | None:
    """What ends the matter here; None where the event is this process's to handle."""
    try:
        with pymongo.timeout(HANDLER_SECONDS):
            first = desk.inbox.claim(event_id)
    except PyMongoError as error:
        logger.error("an event is left to Slack's next try: %s", type(error).__name__)
        return BoltResponse(status=503, body="")
    return None if first else BoltResponse(status=200, body="")


def _foreign(body: dict[str, Any], desk: BotServices) -> BoltResponse:
    """Refuse a payload of another workspace's, in words where it comes from a person."""
    if body.get("type") in ("block_actions", "shortcut", "message_action"):
        tell(FOREIGN, Request(body=body, desk=desk, permission=None, _ack=_unused, acked=True))
    return answer(FOREIGN, body)


def _unused() -> None:
    """The acknowledgement is the response that stops the middleware."""


def _teams(body: dict[str, Any]) -> set[str]:
    """Every workspace a payload names: where it happened and where its sender belongs."""
    user = body.get("user")
    named = {
        body.get("team_id"),
        (body.get("team") or {}).get("id"),
        user.get("team_id") if isinstance(user, dict) else None,
    }
    return {team for team in named if team}
