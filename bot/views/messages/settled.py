"""What a message with buttons becomes once it has been acted on."""

from collections.abc import Sequence

from bot.views import ids, labels
from bot.views.blocks import (
    actions,
    mrkdwn_section,
    quoted_section,
    text_section,
    ticket_title,
)
from bot.views.cards.action_buttons import action_button
from bot.views.cards.ticket_cards import ticket_reference
from bot.views.text import Block, Message, escape, fit_to_limit, masked
from services.core.text import truncate
from services.models.conversation import requester_conversation
from services.models.ticket import Ticket

MAX_SNIPPET_LENGTH = 300


def answered_message(ticket: Ticket, *, question: str, answer: str) -> Message:
    """For the requester. `answer` is "" if they have deleted it."""
    short = "you answered"
    answer = masked(answer)
    snippet = " ".join(answer.split())
    blocks = [
        mrkdwn_section(f"*{labels.ticket_name(ticket)}*"),
        ticket_title(ticket),
        *(quoted_section("Question", question) if question else []),
        text_section(f"You answered: {answer}" if answer else "You answered."),
        _details(ticket),
    ]
    return Message(
        text=f"{ticket_reference(ticket)}: {short}"
        f"{f': {escape(truncate(snippet, MAX_SNIPPET_LENGTH))}' if snippet else ''}",
        blocks=fit_to_limit(blocks),
    )


def settled_message(
    ticket: Ticket, sentence: str, *, short: str, quoted: Sequence[Block] = ()
) -> Message:
    """Return a sentence about the ticket, as mrkdwn; `short` is for the notification, escaped."""
    blocks = [mrkdwn_section(sentence), ticket_title(ticket), *quoted, _details(ticket)]
    return Message(text=f"{ticket_reference(ticket)}: {short}", blocks=fit_to_limit(blocks))


def solved_message(ticket: Ticket, *, quoted: Sequence[Block] = ()) -> Message:
    """For the requester, who said so."""
    where = "write in its thread" if requester_conversation(ticket) else "press Reopen on its card"
    sentence = (
        f"You said that *{labels.ticket_name(ticket)}* is solved. Thank you. If it comes back, "
        f"{where}."
    )
    return settled_message(ticket, sentence, short="you said that it is solved", quoted=quoted)


def reopened_message(ticket: Ticket, *, quoted: Sequence[Block] = ()) -> Message:
    """For the user who reopened the ticket."""
    sentence = f"You reopened *{labels.ticket_name(ticket)}*."
    return settled_message(ticket, sentence, short="you reopened it", quoted=quoted)


def resolved_message(ticket: Ticket) -> Message:
    """For the user who was asked whether to resolve the ticket."""
    sentence = f"You resolved *{labels.ticket_name(ticket)}*."
    return settled_message(ticket, sentence, short="you resolved it")


def already_assigned_message(ticket: Ticket) -> Message:
    """For an assignee who presses Take."""
    sentence = f"You already have *{labels.ticket_name(ticket)}*."
    return settled_message(ticket, sentence, short="you already have it")


def _details(ticket: Ticket) -> Block:
    return actions(action_button(ticket, ids.DETAILS))
