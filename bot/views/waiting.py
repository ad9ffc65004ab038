"""Messages about a ticket that waits for its requester, or has waited too long."""

from bot.views import ids, words
from bot.views.blocks import actions, button, context, labelled, title
from bot.views.cards import line
from bot.views.notices import IN_THREAD, QUESTION
from bot.views.steps import step_button
from bot.views.text import Block, Message, Person, escape, mrkdwn, plain
from bot.views.times import moment
from services.ladders import AlarmKind
from services.models import Ticket


def asked_again(ticket: Ticket, *, asked: str) -> Message:
    """For the requester: once more what they were asked, and what becomes of it."""
    blocks = [_said(f"*{words.name(ticket)}* still waits for your answer"), title(ticket)]
    if asked:
        blocks += labelled(QUESTION, asked)
    answer = {**step_button(ticket, ids.COMMENT, primary=True), "text": plain("Answer")}
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
            _said(f"*{words.name(ticket)}* was closed, because there was no answer"),
            title(ticket),
            context(plain(sorry)),
            actions(step_button(ticket, ids.REOPEN), step_button(ticket, ids.DETAILS)),
        ],
    )


def solved(ticket: Ticket, *, by: Person) -> Message:
    """For the assignee: there is nothing left to do."""
    return Message(
        text=f"{line(ticket)}: solved, says {escape(by.name)}",
        blocks=[
            _said(f"{by.mention} says that *{words.name(ticket)}* is solved"),
            title(ticket),
            context(plain("There is nothing left to do.")),
        ],
    )


def said_still(ticket: Ticket) -> Message:
    """What stands in place of the buttons once one is pressed."""
    text = f"You said that *{words.name(ticket)}* is still a problem. It goes on. {IN_THREAD}"
    return Message(text=f"{line(ticket)}: still a problem", blocks=[_said(text)])


def said_solved(ticket: Ticket) -> Message:
    text = (
        f"You said that *{words.name(ticket)}* is solved. Thank you. If it comes back, press "
        "Reopen on its card."
    )
    return Message(text=f"{line(ticket)}: solved", blocks=[_said(text)])


def _closing(ticket: Ticket) -> str:
    """When it is closed without an answer, where that is the next thing to come."""
    alarm = ticket.alarm
    if alarm is None or alarm.kind is not AlarmKind.WAITING_CLOSE:
        return ""
    return f"Without an answer it is closed {moment(alarm.at)}. "


def _said(text: str) -> Block:
    return {"type": "section", "text": mrkdwn(text)}
