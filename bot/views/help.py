"""What `/ticket help` answers."""

from bot.views.text import Block, Message, cut, escape, mrkdwn

LINES = (
    ("/ticket", "file a ticket"),
    ("/ticket your words here", "file a ticket with that title"),
    ("/ticket help", "this list"),
)


def help_text(*, unknown: str = "") -> Message:
    """The commands; `unknown` is a word that is none of them."""
    listed = "\n".join(f"`{command}`  {what}" for command, what in LINES)
    about = (
        "Your ticket goes to somebody who knows about it, and a direct message shows you who has "
        "it and how it stands."
    )
    # A backtick in it would end the code and begin markup.
    word = escape(cut(unknown, 40)).replace("`", "'")
    start = f"There is no `/ticket {word}`. " if word else ""
    blocks: list[Block] = [
        {"type": "section", "text": mrkdwn(f"{start}*What you can do*\n{listed}")},
        {"type": "context", "elements": [mrkdwn(about)]},
    ]
    return Message(text=f"{start}What you can do:\n{listed}", blocks=blocks)
