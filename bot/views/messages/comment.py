"""A comment as a message in the thread of another person's card."""

from bot.views import labels
from bot.views.blocks import context, text_section, ticket_title
from bot.views.text import (
    Block,
    DisplayPerson,
    Message,
    escape,
    fit_to_limit,
    mrkdwn,
    plain_text,
)
from services.core.text import truncate
from services.models.comment import Comment
from services.models.ticket import Ticket

DELETED = "This comment was deleted."
STAFF_ONLY = (
    "The requester does not see this. What you answer in this thread they do: to answer among "
    "yourselves, press Internal note on the card."
)
READ_ON_CARD = "Press Details on the card to read it."
MAX_SNIPPET_LENGTH = 300


def comment_message(
    ticket: Ticket, comment: Comment, *, author: DisplayPerson, is_outside_thread: bool
) -> Message:
    """`is_outside_thread`: the message is in no thread, so it names the ticket."""
    name = escape(author.name)
    about: list[Block] = [context(mrkdwn(f"*{labels.ticket_name(ticket)}*")), ticket_title(ticket)]
    blocks: list[Block] = about if is_outside_thread else []
    if comment.deleted:
        blocks.append(context(plain_text(DELETED)))
        return Message(text=f"{labels.ticket_name(ticket)}: {DELETED}", blocks=blocks)
    wrote = "wrote an internal note" if comment.internal else "wrote"
    blocks.append(context(mrkdwn(f"*{name}* {wrote}:")))
    if comment.text:
        blocks.append(text_section(comment.text))
    blocks += file_link_blocks(comment)
    if comment.internal:
        blocks.append(context(plain_text(STAFF_ONLY)))
    snippet = " ".join(comment.text.split()) or ", ".join(file.name for file in comment.files)
    text = (
        f"{labels.ticket_name(ticket)}: {name} {wrote}: "
        f"{escape(truncate(snippet, MAX_SNIPPET_LENGTH))}"
    )
    return Message(text=text, blocks=fit_to_limit(blocks))


def internal_note_notice(ticket: Ticket, comment: Comment, *, author: DisplayPerson) -> Message:
    """Return a notice without the note's text, for a channel: its members, now and later, may
    include the requester. The button Details checks permissions."""
    wrote = DELETED if comment.deleted else f"{author.name} wrote an internal note."
    notice = wrote if comment.deleted else f"{wrote} {READ_ON_CARD}"
    return Message(
        text=f"{labels.ticket_name(ticket)}: {escape(wrote)}", blocks=[context(plain_text(notice))]
    )


def file_link_blocks(comment: Comment) -> list[Block]:
    """Return links to the comment's files, which stay in Slack."""
    links = [mrkdwn(f"<{escape(file.url)}|{escape(file.name)}>") for file in comment.files]
    return [context(*links)] if links else []
