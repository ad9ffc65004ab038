"""What `/ticket help` answers."""

from bot.views.text import Block, Message, escape, mrkdwn, truncate
from services.models.permissions import ROLE_PERMISSIONS, Permission
from services.models.user import Role

# Commands, what they do, and for whom. A number is a ticket's.
HELP_ENTRIES = (
    ("/ticket", "file a ticket", Permission.FILE_TICKET),
    ("/ticket your words here", "file a ticket with that title", Permission.FILE_TICKET),
    ("/ticket list", "your tickets, and who has them", Permission.SEE_OWN_TICKET),
    ("/ticket view 12", "everything about ticket 12", Permission.SEE_OWN_TICKET),
    ("/ticket assigned", "what is assigned to you", Permission.SEE_ANY_TICKET),
    ("/ticket queue", "every open ticket, unassigned ones first", Permission.SEE_ANY_TICKET),
    ("/ticket update 12", "change ticket 12", Permission.SEE_ANY_TICKET),
    ("/account", "your account: see, edit, link or unlink it", None),
    ("/ticket help", "this list", None),
)


def help_message(*, role: Role = Role.USER, unknown_command: str = "") -> Message:
    """The commands of a role; `unknown_command` is a word that is none of them."""
    listed = "\n".join(
        f"`{command}`  {what}"
        for command, what, permission in HELP_ENTRIES
        if permission in (None, *ROLE_PERMISSIONS[role])
    )
    about = (
        "Your ticket goes to somebody who knows about it, and a direct message shows you who has "
        "it and how it stands."
    )
    # A backtick in it would end the code and begin markup.
    word = escape(truncate(unknown_command, 40)).replace("`", "'")
    start = f"There is no `/ticket {word}`. " if word else ""
    blocks: list[Block] = [
        {"type": "section", "text": mrkdwn(f"{start}*What you can do*\n{listed}")},
        {"type": "context", "elements": [mrkdwn(about)]},
    ]
    return Message(text=f"{start}What you can do:\n{listed}", blocks=blocks)
