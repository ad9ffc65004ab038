"""Messages that notify a requester or an assignee of one update of a ticket.

Unlike a card, which changes silently, each is a new message. Also what replaces such a message
after a press on one of its buttons.
"""

from bot.views import ids, labels
from bot.views.blocks import (
    actions,
    button,
    context,
    mrkdwn_section,
    text_section,
    ticket_title,
    titled_section,
)
from bot.views.cards.action_buttons import action_button
from bot.views.cards.ticket_cards import ticket_reference
from bot.views.due_text import format_datetime
from bot.views.text import DisplayPerson, Message, escape, fit_to_limit, mrkdwn, plain_text
from services.models.escalation_track import EscalationStep
from services.models.ticket import Ticket
from services.tickets.lifecycle import CANCELLED_RESOLUTION

QUESTION_LABEL = "Question"
THREAD_HELP = "You can also write in this message's thread."


def filed_message(ticket: Ticket) -> Message:
    """Return the reply to the message a ticket was filed from. Anyone there may read it."""
    text = f"{labels.ticket_name(ticket)} was filed from this message."
    return Message(text=text, blocks=[text_section(text)])


def question_message(ticket: Ticket, *, by: DisplayPerson, question_text: str) -> Message:
    """For the requester: a question that the ticket waits for."""
    blocks = [
        mrkdwn_section(f"{by.mention} waits for your answer on *{labels.ticket_name(ticket)}*"),
        ticket_title(ticket),
    ]
    if question_text:
        blocks += titled_section(QUESTION_LABEL, question_text)
    answer = action_button(ticket, ids.COMMENT, primary=True)
    blocks += [context(plain_text(THREAD_HELP)), actions({**answer, "text": plain_text("Answer")})]
    text = f"{ticket_reference(ticket)}: {escape(by.name)} waits for your answer"
    return Message(text=text, blocks=blocks)


def question_reminder_message(ticket: Ticket, *, question_text: str) -> Message:
    """For the requester: the question again, and when the ticket is closed without an answer."""
    blocks = [
        mrkdwn_section(f"*{labels.ticket_name(ticket)}* still waits for your answer"),
        ticket_title(ticket),
    ]
    if question_text:
        blocks += titled_section(QUESTION_LABEL, question_text)
    answer = {**action_button(ticket, ids.COMMENT, primary=True), "text": plain_text("Answer")}
    return Message(
        text=f"{ticket_reference(ticket)} still waits for your answer",
        blocks=[
            *blocks,
            context(mrkdwn(f"{_auto_close_sentence(ticket)}{THREAD_HELP}")),
            actions(
                answer,
                button("Still a problem", ids.STILL_A_PROBLEM, str(ticket.id)),
                button("Solved", ids.SOLVED, str(ticket.id)),
            ),
        ],
    )


def closed_unanswered_message(ticket: Ticket) -> Message:
    """For the requester."""
    sorry = "If you still need help, press Reopen: it goes on where it was."
    return Message(
        text=f"{ticket_reference(ticket)} was closed, because there was no answer",
        blocks=[
            mrkdwn_section(
                f"*{labels.ticket_name(ticket)}* was closed, because there was no answer"
            ),
            ticket_title(ticket),
            context(plain_text(sorry)),
            actions(action_button(ticket, ids.REOPEN), action_button(ticket, ids.DETAILS)),
        ],
    )


def resolved_message(ticket: Ticket, *, by: DisplayPerson) -> Message:
    """For the requester."""
    blocks = [
        mrkdwn_section(f"{by.mention} resolved *{labels.ticket_name(ticket)}*"),
        ticket_title(ticket),
    ]
    if ticket.resolution and ticket.resolution != CANCELLED_RESOLUTION:
        blocks += titled_section("What was done", ticket.resolution)
    blocks += [
        context(plain_text("If that did not solve it, press Reopen.")),
        actions(action_button(ticket, ids.REOPEN)),
    ]
    return Message(
        text=f"{ticket_reference(ticket)}: resolved by {escape(by.name)}",
        blocks=fit_to_limit(blocks),
    )


def reopened_message(ticket: Ticket, *, by: DisplayPerson) -> Message:
    """For the assignee."""
    blocks = [
        mrkdwn_section(f"{by.mention} reopened *{labels.ticket_name(ticket)}*"),
        ticket_title(ticket),
        context(plain_text("It is yours again: press Accept on its card when you are at it.")),
    ]
    return Message(text=f"{ticket_reference(ticket)}: reopened by {escape(by.name)}", blocks=blocks)


def cancelled_message(ticket: Ticket, *, by: DisplayPerson) -> Message:
    """For the assignee."""
    blocks = [
        mrkdwn_section(f"{by.mention} cancelled *{labels.ticket_name(ticket)}*"),
        ticket_title(ticket),
        context(plain_text("There is nothing left to do.")),
    ]
    return Message(
        text=f"{ticket_reference(ticket)}: cancelled by {escape(by.name)}", blocks=blocks
    )


def taken_over_message(
    ticket: Ticket, *, by: DisplayPerson, assignee: DisplayPerson | None, reason: str
) -> Message:
    """For the former assignee: `by` took the ticket over, gave it to the new `assignee`, or
    returned it to the queue (no `assignee`)."""
    name = f"*{labels.ticket_name(ticket)}*"
    if assignee is None:
        sentence, short = f"returned {name} to the queue", "returned to the queue"
    elif assignee == by:
        sentence, short = f"took over {name}", "taken over"
    else:
        sentence = f"reassigned {name} to {assignee.mention}"
        short = f"reassigned to {escape(assignee.name)}"
    blocks = [mrkdwn_section(f"{by.mention} {sentence}"), ticket_title(ticket)]
    if reason:
        blocks += titled_section("Why", reason)
    blocks += [
        context(plain_text("You no longer have this ticket.")),
        actions(action_button(ticket, ids.DETAILS)),
    ]
    return Message(text=f"{ticket_reference(ticket)}: {short} by {escape(by.name)}", blocks=blocks)


def resolved_by_other_message(ticket: Ticket, *, by: DisplayPerson) -> Message:
    """For the assignee: another user resolved the ticket."""
    return Message(
        text=f"{ticket_reference(ticket)}: resolved by {escape(by.name)}",
        blocks=[
            mrkdwn_section(f"{by.mention} resolved *{labels.ticket_name(ticket)}*"),
            ticket_title(ticket),
            context(plain_text("There is nothing left to do.")),
            actions(action_button(ticket, ids.DETAILS)),
        ],
    )


def solved_message(ticket: Ticket, *, by: DisplayPerson) -> Message:
    """For the assignee: the requester says that it is solved."""
    return Message(
        text=f"{ticket_reference(ticket)}: solved, says {escape(by.name)}",
        blocks=[
            mrkdwn_section(f"{by.mention} says that *{labels.ticket_name(ticket)}* is solved"),
            ticket_title(ticket),
            context(plain_text("There is nothing left to do.")),
        ],
    )


def solved_confirmation(ticket: Ticket) -> Message:
    text = (
        f"You said that *{labels.ticket_name(ticket)}* is solved. Thank you. If it comes back, "
        "press Reopen on its card."
    )
    return Message(text=f"{ticket_reference(ticket)}: solved", blocks=[mrkdwn_section(text)])


def still_a_problem_confirmation(ticket: Ticket) -> Message:
    text = (
        f"You said that *{labels.ticket_name(ticket)}* is still a problem. It goes on. "
        f"{THREAD_HELP}"
    )
    return Message(
        text=f"{ticket_reference(ticket)}: still a problem", blocks=[mrkdwn_section(text)]
    )


def _auto_close_sentence(ticket: Ticket) -> str:
    """Return when the ticket is closed without an answer, if that is its next step."""
    scheduled_step = ticket.next_step
    if scheduled_step is None or scheduled_step.step is not EscalationStep.WAITING_CLOSE:
        return ""
    return f"Without an answer it is closed {format_datetime(scheduled_step.at)}. "
