"""Slack's members change: Slack tells of each, and their accounts follow."""

from typing import Any

from slack_sdk.errors import SlackApiError

from bot.handlers import availability
from bot.slack.members import slack_member_from_user
from bot.slack.request import Request
from services.models.slack_member import SlackMember

UNKNOWN_MEMBER_ERRORS = ("user_not_found", "user_not_visible")


def on_user_change(req: Request) -> None:
    """Followed before Slack is told that it arrived: should the database be away, Slack sends it
    again."""
    services, user = req.services, req.body["event"]["user"]
    if services.member_sync.has_changes(
        member=slack_member_from_user(user, team_id=req.bot.team_id)
    ):
        for ticket_id in services.member_sync.sync(member=_current_member(req, user)):
            req.bot.publisher.publish_ticket(str(ticket_id))
    availability.record_status(req, user)
    req.ack()


def _current_member(req: Request, event_user: dict[str, Any]) -> SlackMember:
    """As Slack says it now: events come late, twice and out of order."""
    try:
        return req.fetch_member()
    except SlackApiError as error:
        if error.response.get("error") not in UNKNOWN_MEMBER_ERRORS:
            raise
        return slack_member_from_user(event_user, team_id=req.bot.team_id)
