"""Slack's members change: Slack tells of each, and their accounts follow."""

from typing import Any

from slack_sdk.errors import SlackApiError

from bot.handlers import availability
from bot.slack.members import fetch_member, member_of
from bot.slack.request import Request
from services.models.slack_member import SlackMember

UNKNOWN = ("user_not_found", "user_not_visible")


def changed(req: Request) -> None:
    """Followed before Slack is told that it arrived: should the database be away, Slack sends it
    again."""
    desk, user = req.desk, req.body["event"]["user"]
    if desk.following.has_changes(member=member_of(user, team_id=desk.team_id)):
        for ticket_id in desk.following.sync(member=_now(req, user)):
            desk.publisher.publish_ticket(str(ticket_id))
    availability.heard(req, user)
    req.ack()


def _now(req: Request, told: dict[str, Any]) -> SlackMember:
    """As Slack says it now: events come late, twice and out of order."""
    desk = req.desk
    try:
        return fetch_member(desk.client, team_id=desk.team_id, slack_user_id=req.slack_user_id)
    except SlackApiError as error:
        if error.response.get("error") not in UNKNOWN:
            raise
        return member_of(told, team_id=desk.team_id)
