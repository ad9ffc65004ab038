"""A Slack member who acts as an account, as pages name them."""

from dataclasses import dataclass
from datetime import datetime

from slack_sdk.errors import SlackClientError

from bot.desk import Desk
from bot.members import fetch_member
from services.unlinking import Identity


@dataclass(frozen=True, slots=True)
class Member:
    """`is_here`: in the workspace that this help desk serves."""

    id: str
    name: str
    since: datetime | None
    works: bool
    is_here: bool


def shown(desk: Desk, identity: Identity) -> Member:
    """By the name Slack has for them; where it does not tell in time, by their id alone."""
    is_here = identity.team_id == desk.team_id
    return Member(
        id=identity.slack_user_id,
        name=_name(desk, identity.slack_user_id) if is_here else "",
        since=identity.since,
        works=identity.works,
        is_here=is_here,
    )


def _name(desk: Desk, slack_user_id: str) -> str:
    try:
        member = fetch_member(desk.client, team_id=desk.team_id, slack_user_id=slack_user_id)
    except (SlackClientError, OSError):
        return ""
    return member.name or ""
