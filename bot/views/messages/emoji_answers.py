"""Answers to an emoji on a ticket's message, as direct messages to who added it."""

from bot.views import ids, labels
from bot.views.blocks import actions, button, mrkdwn_section, small_print, ticket_title
from bot.views.cards.action_buttons import action_button, button_value
from bot.views.cards.ticket_cards import ticket_reference
from bot.views.text import Block, Message, fit_to_limit, plain_text
from services.models.ticket import Ticket


def resolve_question(ticket: Ticket) -> Message:
    resolve = button("Resolve", ids.RESOLVE_ASKED, button_value(ticket, ids.RESOLVE), primary=True)
    return _answer(
        ticket,
        f"Resolve *{labels.ticket_name(ticket)}*?",
        "resolve it?",
        plain_text("You can add a note about what was done."),
        resolve,
    )


def taken_message(ticket: Ticket) -> Message:
    """No card goes to who takes a ticket, and an emoji opens no page."""
    return _answer(ticket, f"You took *{labels.ticket_name(ticket)}*.", "you took it", None)


def withdrawn_message(ticket: Ticket) -> Message:
    return _answer(
        ticket,
        f"You closed *{labels.ticket_name(ticket)}* as not a request.",
        "you closed it as not a request",
        plain_text("It is left out of all figures. Press Undo to reopen it."),
        button("Undo", ids.UNDO_WITHDRAWAL, str(ticket.id)),
    )


def _answer(
    ticket: Ticket, sentence: str, short: str, hint: Block | None, *buttons: Block
) -> Message:
    """Return a sentence as mrkdwn, with buttons; `short` is for the notification."""
    blocks = [
        mrkdwn_section(sentence),
        ticket_title(ticket),
        *(small_print(hint) if hint else []),
        actions(*buttons, action_button(ticket, ids.DETAILS)),
    ]
    return Message(text=f"{ticket_reference(ticket)}: {short}", blocks=fit_to_limit(blocks))
