"""A comment as it stands in the thread of somebody else's card."""

from bot.views import labels
from bot.views.blocks import context, title
from bot.views.text import (
    Block,
    Message,
    Person,
    escape,
    fit_to_limit,
    mrkdwn,
    plain_text,
    truncate,
)
from services.models.comment import Comment
from services.models.ticket import Ticket

DELETED = "This comment was deleted."
STAFF_ONLY = (
    "The requester does not see this. What you answer in this thread they do: to answer among "
    "yourselves, press Internal note on the card."
)
READ_IT = "Press Details on the card to read it."
SNIPPET_MAX = 300


def reply(ticket: Ticket, comment: Comment, *, author: Person, is_alone: bool) -> Message:
    """`is_alone`: in no thread, so that it has to say which ticket it is about."""
    name = escape(author.name)
    about: list[Block] = [context(mrkdwn(f"*{labels.name(ticket)}*")), title(ticket)]
    blocks: list[Block] = about if is_alone else []
    if comment.deleted:
        blocks.append(context(plain_text(DELETED)))
        return Message(text=f"{labels.name(ticket)}: {DELETED}", blocks=blocks)
    wrote = "wrote an internal note" if comment.internal else "wrote"
    blocks.append(context(mrkdwn(f"*{name}* {wrote}:")))
    if comment.text:
        blocks.append({"type": "section", "text": plain_text(comment.text)})
    blocks += files(comment)
    if comment.internal:
        blocks.append(context(plain_text(STAFF_ONLY)))
    said = " ".join(comment.text.split()) or ", ".join(file.name for file in comment.files)
    text = f"{labels.name(ticket)}: {name} {wrote}: {escape(truncate(said, SNIPPET_MAX))}"
    return Message(text=text, blocks=fit_to_limit(blocks))


def pointer(ticket: Ticket, comment: Comment, *, author: Person) -> Message:
    """That there is an internal note, for a channel: whoever is in it, or joins it later, reads
    what stands there, and may be the requester. Details asks for permission."""
    wrote = DELETED if comment.deleted else f"{author.name} wrote an internal note."
    said = wrote if comment.deleted else f"{wrote} {READ_IT}"
    return Message(
        text=f"{labels.name(ticket)}: {escape(wrote)}", blocks=[context(plain_text(said))]
    )


def files(comment: Comment) -> list[Block]:
    """Links to its files, which stay where they are."""
    links = [mrkdwn(f"<{escape(file.url)}|{escape(file.name)}>") for file in comment.files]
    return [context(*links)] if links else []
