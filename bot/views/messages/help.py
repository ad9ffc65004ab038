"""The answers to `/ticket help`, and to a word that is no subcommand."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.views import ids
from bot.views.blocks import actions, button, context, mrkdwn_section
from bot.views.text import Block, Message, escape, masked, mrkdwn
from services.core.text import truncate
from services.models.permissions import ROLE_PERMISSIONS, Permission
from services.models.user import Role
from services.tickets.validation import MAX_TITLE_LENGTH

ANY_NUMBER, ANY_WORDS = "NUMBER", "WORDS"  # in a suggested command


@dataclass(frozen=True, slots=True)
class HelpEntry:
    """What the user types, what it does, and the permission it needs, None for everyone."""

    usage: str
    text: str
    permission: Permission | None


def help_message(entries: Sequence[HelpEntry], *, role: Role = Role.USER) -> Message:
    """The entries that the role may use."""
    listed = "\n".join(
        f"`{entry.usage}`: {entry.text}"
        for entry in entries
        if entry.permission in (None, *ROLE_PERMISSIONS[role])
    )
    about = (
        "Your ticket goes to someone who knows about it. A direct message shows you who has it and "
        "its status."
    )
    blocks: list[Block] = [
        mrkdwn_section(f"*What you can do*\n{listed}"),
        context(mrkdwn(about)),
    ]
    return Message(text=f"What you can do:\n{listed}", blocks=blocks)


def suggestion_message(usage: str, *, typed: str) -> Message:
    """`usage` is the command that the user may have meant by the words `typed`."""
    is_about_ticket = usage.endswith(ANY_NUMBER) or usage[-1].isdigit()
    there = " The ticket's buttons are there." if is_about_ticket else ""
    text = f"Did you mean `{usage}`?{there}"
    title = truncate(masked(typed), MAX_TITLE_LENGTH)
    return Message(
        text=text,
        blocks=[
            mrkdwn_section(text),
            actions(button("File a ticket", ids.FILE_WITH_TITLE, title)),
            context(mrkdwn(f"The ticket gets the title “{escape(title)}”, which you can change.")),
        ],
    )
