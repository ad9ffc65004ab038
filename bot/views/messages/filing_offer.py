"""The offer to file a message as a ticket."""

from bot.views import ids
from bot.views.blocks import actions, button, mrkdwn_section, text_section
from bot.views.text import Block, Message, escape, truncate
from services.core.text import strip_invisible

MAX_SNIPPET_LENGTH = 200
FILE_QUESTION = "Shall I file this as a ticket? You can change everything before it is filed."
FILE_BUTTON_LABEL = "File this as a ticket"


def direct_message_offer(text: str, *, value: str) -> Message:
    """For a message to the bot; a snippet tells two offers apart."""
    snippet = truncate(" ".join(strip_invisible(text).split()), MAX_SNIPPET_LENGTH)
    blocks: list[Block] = [
        text_section(f"“{snippet}”"),
        text_section(FILE_QUESTION),
        actions(button(FILE_BUTTON_LABEL, ids.FILE_DIRECT_MESSAGE, value, primary=True)),
    ]
    return Message(text=f"{FILE_QUESTION} “{escape(snippet)}”", blocks=blocks)


def reaction_offer(permalink: str, *, emoji: str, value: str) -> Message:
    """For a member who added the emoji to a message."""
    text = (
        f"You marked <{escape(permalink)}|a message> with :{emoji}:. Shall I file it as a ticket? "
        "You can change everything before it is filed."
    )
    blocks: list[Block] = [
        mrkdwn_section(text),
        actions(button(FILE_BUTTON_LABEL, ids.FILE_REACTED_MESSAGE, value, primary=True)),
    ]
    return Message(
        text="You marked a message for the help desk. Shall I file it as a ticket?", blocks=blocks
    )
