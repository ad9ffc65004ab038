"""Messages about a ticket that waits for its requester, or has waited too long.

Messages that tell somebody of one thing, with a sound. A card changes without.
"""

from bot.views import ids, labels
from bot.views.blocks import actions, button, context, title, titled_section
from bot.views.cards.action_buttons import step_button
from bot.views.cards.ticket_cards import line
from bot.views.due_text import moment
from bot.views.text import Block, Message, Person, escape, fit_to_limit, mrkdwn, plain_text
from services.models.escalation_track import EscalationStep
from services.models.ticket import Ticket
from services.tickets.lifecycle import CANCELLED_RESOLUTION


def asked_again(ticket: Ticket, *, asked: str) -> Message:
    """For the requester: once more what they were asked, and what becomes of it."""
    blocks = [_said(f"*{labels.name(ticket)}* still waits for your answer"), title(ticket)]
    if asked:
        blocks += titled_section(QUESTION, asked)
    answer = {**step_button(ticket, ids.COMMENT, primary=True), "text": plain_text("Answer")}
    return Message(
        text=f"{line(ticket)} still waits for your answer",
        blocks=[
            *blocks,
            context(mrkdwn(f"{_closing(ticket)}{IN_THREAD}")),
            actions(
                answer,
                button("Still a problem", ids.STILL, str(ticket.id)),
                button("Solved", ids.SOLVED, str(ticket.id)),
            ),
        ],
    )


def unanswered(ticket: Ticket) -> Message:
    """For the requester: it is over, unless they say otherwise."""
    sorry = "If you still need help, press Reopen: it goes on where it was."
    return Message(
        text=f"{line(ticket)} was closed, because there was no answer",
        blocks=[
            _said(f"*{labels.name(ticket)}* was closed, because there was no answer"),
            title(ticket),
            context(plain_text(sorry)),
            actions(step_button(ticket, ids.REOPEN), step_button(ticket, ids.DETAILS)),
        ],
    )


def solved(ticket: Ticket, *, by: Person) -> Message:
    """For the assignee: there is nothing left to do."""
    return Message(
        text=f"{line(ticket)}: solved, says {escape(by.name)}",
        blocks=[
            _said(f"{by.mention} says that *{labels.name(ticket)}* is solved"),
            title(ticket),
            context(plain_text("There is nothing left to do.")),
        ],
    )


def said_still(ticket: Ticket) -> Message:
    """What stands in place of the buttons once one is pressed."""
    text = f"You said that *{labels.name(ticket)}* is still a problem. It goes on. {IN_THREAD}"
    return Message(text=f"{line(ticket)}: still a problem", blocks=[_said(text)])


def said_solved(ticket: Ticket) -> Message:
    text = (
        f"You said that *{labels.name(ticket)}* is solved. Thank you. If it comes back, press "
        "Reopen on its card."
    )
    return Message(text=f"{line(ticket)}: solved", blocks=[_said(text)])


def _closing(ticket: Ticket) -> str:
    """When it is closed without an answer, where that is the next thing to come."""
    alarm = ticket.next_step
    if alarm is None or alarm.step is not EscalationStep.WAITING_CLOSE:
        return ""
    return f"Without an answer it is closed {moment(alarm.at)}. "


def _said(text: str) -> Block:
    return {"type": "section", "text": mrkdwn(text)}


QUESTION = "Question"
IN_THREAD = "You can also write in this message's thread."


def resolved(ticket: Ticket, *, by: Person) -> Message:
    """For the requester: the work is done."""
    blocks = [_deed(f"{by.mention} resolved *{labels.name(ticket)}*"), title(ticket)]
    if ticket.resolution and ticket.resolution != CANCELLED_RESOLUTION:
        blocks += titled_section("What was done", ticket.resolution)
    blocks += [
        context(plain_text("If that did not solve it, press Reopen.")),
        actions(step_button(ticket, ids.REOPEN)),
    ]
    return Message(
        text=f"{line(ticket)}: resolved by {escape(by.name)}", blocks=fit_to_limit(blocks)
    )


def question(ticket: Ticket, *, by: Person, asked: str) -> Message:
    """For the requester: the work goes on once they have answered."""
    blocks = [
        _deed(f"{by.mention} waits for your answer on *{labels.name(ticket)}*"),
        title(ticket),
    ]
    if asked:
        blocks += titled_section(QUESTION, asked)
    answer = step_button(ticket, ids.COMMENT, primary=True)
    blocks += [context(plain_text(IN_THREAD)), actions({**answer, "text": plain_text("Answer")})]
    text = f"{line(ticket)}: {escape(by.name)} waits for your answer"
    return Message(text=text, blocks=blocks)


def reopened(ticket: Ticket, *, by: Person) -> Message:
    """For the assignee: it is theirs again."""
    blocks = [
        _deed(f"{by.mention} reopened *{labels.name(ticket)}*"),
        title(ticket),
        context(plain_text("It is yours again: press Accept on its card when you are at it.")),
    ]
    return Message(text=f"{line(ticket)}: reopened by {escape(by.name)}", blocks=blocks)


def cancelled(ticket: Ticket, *, by: Person) -> Message:
    """For the assignee: there is nothing left to do."""
    blocks = [
        _deed(f"{by.mention} cancelled *{labels.name(ticket)}*"),
        title(ticket),
        context(plain_text("There is nothing left to do.")),
    ]
    return Message(text=f"{line(ticket)}: cancelled by {escape(by.name)}", blocks=blocks)


def thread_line(ticket: Ticket) -> Message:
    """All that the readers of a message learn of the ticket made of it."""
    text = f"{labels.name(ticket)} was filed from this message."
    return Message(text=text, blocks=[{"type": "section", "text": plain_text(text)}])


def _deed(text: str) -> Block:
    return {"type": "section", "text": mrkdwn(text)}
