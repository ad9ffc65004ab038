"""What a message gives a ticket's form to begin with."""

from dataclasses import dataclass

from bot.views.text import truncate_utf16, utf16_length
from services.core.text import strip_invisible
from services.tickets.validation import MAX_DESCRIPTION_LENGTH, MAX_TITLE_LENGTH

NOT_PUBLIC = (
    "Only a link to the message is filled in, because the message is not in a public channel of "
    "this workspace. Say in your own words what is needed."
)
WITHOUT_TEXT = (
    "Only a link to the message is filled in, because the message has no text. Say in your own "
    "words what is needed."
)
TEXT_UNAVAILABLE = (
    "Only a link to the message is filled in, because Slack did not give its text. Say in your own "
    "words what is needed."
)
TOO_OLD = "Your message is too old to be filled in. Say again what is needed, or copy it here."
FILLED_IN = "Filled in from the message. Change whatever you like before you file it."


@dataclass(frozen=True, slots=True)
class MessageQuote:
    """`note` tells the person what was filled in, and why no more."""

    title: str
    description: str
    note: str


def link_only_quote(permalink: str, *, note: str) -> MessageQuote:
    return MessageQuote(title="", description=permalink, note=note)


def full_quote(text: str, *, author: str, channel: str, permalink: str) -> MessageQuote:
    """The message's words with who said them where, cut where they are too long; never the link."""
    text = strip_invisible(text).strip()
    if not text:
        return link_only_quote(permalink, note=WITHOUT_TEXT)
    start = f"From a message of {_single_line(author)} in #{_single_line(channel)}:\n\n"
    end = f"\n\n{permalink}"
    available_length = MAX_DESCRIPTION_LENGTH - utf16_length(start) - utf16_length(end)
    return MessageQuote(
        title=_single_line(text.splitlines()[0], MAX_TITLE_LENGTH),
        description=f"{start}{truncate_utf16(text, available_length)}{end}",
        note=FILLED_IN,
    )


def direct_message_quote(text: str | None) -> MessageQuote:
    """What somebody wrote to the bot itself; None: that is no longer known."""
    if text is None:
        return MessageQuote(title="", description="", note=TOO_OLD)
    text = strip_invisible(text).strip()
    return MessageQuote(
        title=_single_line(text.partition("\n")[0], MAX_TITLE_LENGTH),
        description=truncate_utf16(text, MAX_DESCRIPTION_LENGTH),
        note=FILLED_IN,
    )


def _single_line(text: str, limit: int = 80) -> str:
    """On one line; 80 is as long as Slack lets names be."""
    return truncate_utf16(" ".join(strip_invisible(text).split()), limit)
