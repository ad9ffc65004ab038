"""What the bot answers to a message that might become a ticket: an offer, with a button."""

from bot.views import ids
from bot.views.blocks import actions, button
from bot.views.text import Block, Message, escape, mrkdwn, plain_text, truncate
from services.core.text import strip_invisible

SNIPPET_MAX = 200
ASK = "Shall I file this as a ticket? You can change everything before it is filed."
FILE_THIS = "File this as a ticket"


def for_message(text: str, *, value: str) -> Message:
    """Below what somebody wrote to the bot; enough of it to tell two offers apart."""
    snippet = truncate(" ".join(strip_invisible(text).split()), SNIPPET_MAX)
    blocks: list[Block] = [
        {"type": "section", "text": plain_text(f"“{snippet}”")},
        {"type": "section", "text": plain_text(ASK)},
        actions(button(FILE_THIS, ids.FILE_THIS, value, primary=True)),
    ]
    return Message(text=f"{ASK} “{escape(snippet)}”", blocks=blocks)


def for_marked(permalink: str, *, emoji: str, value: str) -> Message:
    """To whoever marked a message with the emoji."""
    text = (
        f"You marked <{escape(permalink)}|a message> with :{emoji}:. Shall I file it as a ticket? "
        "You can change everything before it is filed."
    )
    blocks: list[Block] = [
        {"type": "section", "text": mrkdwn(text)},
        actions(button(FILE_THIS, ids.FILE_MARKED, value, primary=True)),
    ]
    return Message(
        text="You marked a message for the help desk. Shall I file it as a ticket?", blocks=blocks
    )
