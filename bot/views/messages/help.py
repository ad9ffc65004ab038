"""The answer to `/ticket help`."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.views.blocks import context, mrkdwn_section
from bot.views.text import Block, Message, escape, mrkdwn
from services.core.text import truncate
from services.models.permissions import ROLE_PERMISSIONS, Permission
from services.models.user import Role


@dataclass(frozen=True, slots=True)
class HelpEntry:
    """What the user types, what it does, and the permission it needs, None for everyone."""

    usage: str
    text: str
    permission: Permission | None


def help_message(
    entries: Sequence[HelpEntry], *, role: Role = Role.USER, unknown_command: str = ""
) -> Message:
    """The entries that the role may use. `unknown_command` is a subcommand that does not exist."""
    listed = "\n".join(
        f"`{entry.usage}`  {entry.text}"
        for entry in entries
        if entry.permission in (None, *ROLE_PERMISSIONS[role])
    )
    about = (
        "Your ticket goes to somebody who knows about it, and a direct message shows you who has "
        "it and how it stands."
    )
    # A backtick in the word would end the code span and begin markup.
    word = escape(truncate(unknown_command, 40)).replace("`", "'")
    start = f"There is no `/ticket {word}`. " if word else ""
    blocks: list[Block] = [
        mrkdwn_section(f"{start}*What you can do*\n{listed}"),
        context(mrkdwn(about)),
    ]
    return Message(text=f"{start}What you can do:\n{listed}", blocks=blocks)
