"""Slack members, as read from Slack."""

from typing import Any

from slack_sdk import WebClient

from services.models.slack_member import SlackMember


def fetch_member(client: WebClient, *, team_id: str, slack_user_id: str) -> SlackMember:
    """Call `users.info`. `email_confirmed` is None if Slack leaves it out."""
    user = client.users_info(user=slack_user_id)["user"]
    return slack_member_from_user({**user, "id": slack_user_id}, team_id=team_id)


def slack_member_from_user(user: dict[str, Any], *, team_id: str) -> SlackMember:
    """Convert Slack's user object, which `users.info` and events contain."""
    profile = user.get("profile") or {}
    return SlackMember(
        team_id=team_id,
        slack_user_id=str(user["id"]),
        home_team_id=user.get("team_id") or team_id,
        email=profile.get("email") or "",
        email_confirmed=user.get("is_email_confirmed"),
        name=profile.get("real_name") or user.get("real_name") or user.get("name"),
        is_bot=bool(user.get("is_bot") or user.get("is_workflow_bot")),
        is_deleted=bool(user.get("deleted")),
        is_guest=bool(user.get("is_restricted") or user.get("is_ultra_restricted")),
        is_stranger=bool(user.get("is_stranger")),
    )
