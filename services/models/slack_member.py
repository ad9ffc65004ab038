"""A member of a Slack workspace."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SlackMember:
    """A member from Slack's API. `email_confirmed` is None if Slack does not say.

    `home_team_id` is `team_id` for everyone who belongs to that workspace, and another for others.
    `aliases` are the ids that Slack gives for the member beside `slack_user_id`: in an Enterprise
    Grid a person has one of the workspace and one of the organisation.
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
    aliases: frozenset[str] = frozenset()

    @property
    def link_id(self) -> str:
        """The id of the member's link."""
        return link_id(self.team_id, self.slack_user_id)

    @property
    def alias_link_ids(self) -> list[str]:
        """The ids that the link of the same person may have."""
        return [link_id(self.team_id, alias) for alias in sorted(self.aliases)]


def link_id(team_id: str, slack_user_id: str) -> str:
    return f"{team_id}:{slack_user_id}"
