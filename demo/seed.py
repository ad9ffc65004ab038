"""The members of the demo's workspace: an employee, three moderators with skills, an admin."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.channels.request_channels import ChannelMode, RequestChannel
from services.core.database import Mongo
from services.models.permissions import OPERATOR
from services.models.slack_member import SlackMember
from services.models.user import Role, User
from services.registry.indexes import ensure_indexes
from services.registry.services import Services

TEAM_ID = "T0DEMO"
BOT_USER_ID = "U0HELPDESK"
BOT_TOKEN = "xoxb-demo"  # noqa: S105  local-slack takes what its configuration says
APP_TOKEN = "xapp-demo"  # noqa: S105
GENERAL, TRIAGE, HELP = "C0GENERAL", "C0TRIAGE", "C0ITHELP"
HELP_NAME = "it-help"

MODERATORS = ("Nils", "Lara", "Pia")
SKILLS = (("VPN", "DNS"), ("Laptop", "Printer"), ("Payroll", "SAP"))


@dataclass(frozen=True, slots=True)
class Member:
    first_name: str
    role: Role
    skills: tuple[str, ...] = ()

    @property
    def slack_id(self) -> str:
        return f"U0{self.first_name.upper()}"

    @property
    def email(self) -> str:
        return f"{self.first_name.lower()}@example.com"

    @property
    def real_name(self) -> str:
        """With skills or role, so that the user of the demo knows who is who."""
        known = ", ".join(self.skills) or ("employee" if self.role is Role.USER else self.role)
        return f"{self.first_name} ({known})"


EMPLOYEE = Member("Emma", Role.USER)
COLLEAGUES = (Member("Omar", Role.USER), Member("Grace", Role.USER))
ADMIN = Member("Ada", Role.ADMIN)


def staff(skills: Sequence[tuple[str, ...]] = SKILLS) -> list[Member]:
    """Return the three moderators, each with one group of skills, and the admin."""
    moderators = [
        Member(name, Role.MODERATOR, known) for name, known in zip(MODERATORS, skills, strict=True)
    ]
    return [*moderators, ADMIN]


def workspace_config(members: Sequence[Member]) -> dict[str, Any]:
    """Return local-slack's configuration."""
    everybody = [*(member.slack_id for member in members), BOT_USER_ID]
    return {
        "workspace": {"name": "Help desk demo", "domain": "demo", "teamId": TEAM_ID},
        "app": {
            "appId": "A0HELPDESK",
            "botUserId": BOT_USER_ID,
            "botName": "Help desk",
            "botToken": BOT_TOKEN,
            "appToken": APP_TOKEN,
            "mode": "socket",
        },
        "users": [
            {
                "id": member.slack_id,
                "name": member.first_name.lower(),
                "real_name": member.real_name,
                "email": member.email,
                "tz": "Europe/Berlin",
            }
            for member in members
        ],
        "channels": [
            {"id": GENERAL, "name": "general", "members": everybody},
            {"id": TRIAGE, "name": "triage", "members": everybody},
            {"id": HELP, "name": HELP_NAME, "members": everybody},
        ],
    }


def seed_accounts(db: Mongo, members: Sequence[Member], *, team_id: str = TEAM_ID) -> None:
    """Create and link the accounts of the staff, as if each had used the help desk already.

    The employee's account is created by their first use.
    """
    ensure_indexes(db)
    services = Services(db)
    for member in members:
        services.users.create(
            actor=OPERATOR,
            email=member.email,
            role=member.role,
            skills=member.skills,
            name=member.first_name,
        )
        open_account(services, member, team_id=team_id)


def seed_request_channel(db: Mongo, *, team_id: str = TEAM_ID) -> None:
    """Make #it-help a request channel in which each message becomes a ticket."""
    channel = RequestChannel(
        team_id, HELP, ChannelMode.EVERY_MESSAGE, has_emoji_actions=True, name=HELP_NAME
    )
    db.channels.insert_one(channel.to_doc())


def open_account(services: Services, member: Member, *, team_id: str = TEAM_ID) -> User:
    """Return the member's account, as their first use links or creates it."""
    slack_member = SlackMember(
        team_id=team_id,
        slack_user_id=member.slack_id,
        home_team_id=team_id,
        email=member.email,
        email_confirmed=True,
        name=member.first_name,
    )
    known = services.links.find_user(team_id=team_id, slack_user_id=member.slack_id)
    return known or services.links.get_or_create_user(slack_member)
