"""A member of a Slack workspace."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SlackMember:
    """A member from Slack's API. `email_confirmed` is None if Slack does not say.

    `home_team_id` is `team_id` for everyone who belongs to that workspace, and another for others.
    """

    team_id: str
    slack_user_id: str
    home_team_id: str
    email: str
    email_confirmed: bool | None
    name: str | None = None
    is_bot: bool = False
    is_deleted: bool = False
    is_guest: bool = False
    is_stranger: bool = False

    @property
    def link_id(self) -> str:
        """The id of the member's link."""
        return link_id(self.team_id, self.slack_user_id)


def link_id(team_id: str, slack_user_id: str) -> str:
    return f"{team_id}:{slack_user_id}"
