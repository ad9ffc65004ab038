"""The message to a new moderator or admin: what they can do now."""

from bot.views.blocks import context, mrkdwn_section
from bot.views.text import Message, escape, mrkdwn
from services.core.text import truncate
from services.linking.staff_invitations import StaffInvitation
from services.models.user import Role

MAX_SKILLS_LENGTH = 300
ARTICLES = {Role.MODERATOR: "a moderator", Role.ADMIN: "an admin"}
_TICKETS = (
    "Tickets that fit you come here as direct messages: accept them, ask the requester, resolve "
    "them. In this app's Home, you see the queue, and set your working hours and your skills."
)
_ADMIN = "As an admin, you also manage people and settings there."
_OPEN_FIRST = "Open this app's Home once, so that tickets can come to you."
_LINK_FIRST = "Type `/account` to link your account, so that tickets can come to you."


def welcome_message(invitation: StaffInvitation, *, app_name: str) -> Message:
    user = invitation.user
    title = f"You are {ARTICLES[user.role]} of {escape(app_name)}."
    parts = [f"*{title}*"]
    if not invitation.is_linked:
        parts.append(_LINK_FIRST if invitation.needs_code else _OPEN_FIRST)
    parts.append(_TICKETS)
    if user.role is Role.ADMIN:
        parts.append(_ADMIN)
    known = truncate(", ".join(user.skills), MAX_SKILLS_LENGTH)
    skills = f"Your skills: {escape(known)}." if known else ""
    help_line = "Type `/ticket help` to see all commands."
    return Message(
        text=title,
        blocks=[
            mrkdwn_section("\n".join(parts)),
            context(mrkdwn(f"{skills} {help_line}".strip())),
        ],
    )
