"""What the bot posts in the thread of a message in a request channel, where the ticket that the
message became is talked about. Anyone in the channel reads it.

The requester is mentioned, so that Slack notifies them, and no one else is.
"""

from bot.views import ids, labels
from bot.views.blocks import (
    actions,
    button,
    context,
    mrkdwn_section,
    quoted_section,
    secret_notice,
    text_section,
)
from bot.views.messages.ticket_updates import DELETED, MAX_SNIPPET_LENGTH, file_links
from bot.views.text import (
    Block,
    DisplayPerson,
    Message,
    escape,
    fit_to_limit,
    masked,
    plain_text,
)
from services.core.text import truncate
from services.models.comment import Comment
from services.models.resolution import RESOLUTION_CODES
from services.models.ticket import Ticket

ANSWER_HERE = "Reply in this thread to answer."
WRITE_IF_UNSOLVED = "If that did not solve it, write what is wrong in this thread."
WRITE_FOR_HELP = "If you still need help, write in this thread."


def question_note(requester: DisplayPerson, *, by: DisplayPerson, question_text: str) -> Message:
    sentence = f"{requester.mention}, {escape(by.name)} waits for your answer"
    quoted = quoted_section("Question", question_text) if question_text else []
    return _note(f"{sentence}{_snippet(question_text)}", f"{sentence}.", quoted, ANSWER_HERE)


def resolved_note(ticket: Ticket, requester: DisplayPerson, *, by: DisplayPerson) -> Message:
    sentence = f"{requester.mention}, {escape(by.name)} resolved {_name(ticket)}"
    is_text = ticket.resolution and ticket.resolution not in RESOLUTION_CODES
    resolution = str(ticket.resolution) if is_text else ""
    quoted = quoted_section("What was done", resolution) if resolution else []
    return _note(f"{sentence}{_snippet(resolution)}", f"{sentence}.", quoted, WRITE_IF_UNSOLVED)


def closed_unanswered_note(ticket: Ticket, requester: DisplayPerson) -> Message:
    sentence = f"{requester.mention}, {_name(ticket)} was closed, because there was no answer."
    return _note(sentence, sentence, [], WRITE_FOR_HELP)


def withdrawn_note(ticket: Ticket, requester: DisplayPerson, *, by: DisplayPerson) -> Message:
    closed = f"{escape(by.name)} closed {_name(ticket)}, because it is not a request."
    sentence = f"{requester.mention}, {closed}"
    return _note(sentence, sentence, [], WRITE_FOR_HELP)


def comment_copy(comment: Comment, *, author: DisplayPerson | None) -> Message:
    """Return a comment that was written elsewhere. `author` is named in it; None if the message
    itself has the author's name."""
    if comment.deleted:
        return Message(text=DELETED, blocks=[context(plain_text(DELETED))])
    prefix = f"{author.name}: " if author else ""
    text, names = masked(comment.text), [masked(file.name) for file in comment.files]
    blocks: list[Block] = [text_section(f"{prefix}{text}")] if text or prefix else []
    blocks += secret_notice(comment.text)
    blocks += file_links(comment)
    snippet = " ".join(text.split()) or ", ".join(names)
    notification = escape(f"{prefix}{truncate(snippet, MAX_SNIPPET_LENGTH)}")
    return Message(text=notification, blocks=fit_to_limit(blocks))


def reopen_offer(ticket: Ticket) -> Message:
    """For the requester alone, who writes in the thread of a resolved ticket."""
    name = labels.ticket_name(ticket)
    sentence = f"{name} is {labels.status_in_sentence(ticket)}. If it is still a problem, press "
    reopen = button("Reopen", ids.STILL_A_PROBLEM, str(ticket.id))
    return Message(
        text=escape(f"{sentence}Reopen."),
        blocks=[text_section(f"{sentence}Reopen."), actions(reopen)],
    )


def _note(text: str, sentence: str, quoted: list[Block], help_text: str) -> Message:
    blocks = [mrkdwn_section(sentence), *quoted, context(plain_text(help_text))]
    return Message(text=text, blocks=fit_to_limit(blocks))


def _snippet(text: str) -> str:
    words = " ".join(masked(text).split())
    return f": {escape(truncate(words, MAX_SNIPPET_LENGTH))}" if words else ""


def _name(ticket: Ticket) -> str:
    name = labels.ticket_name(ticket)
    return name[0].lower() + name[1:]
