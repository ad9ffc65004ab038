"""Messages that tell somebody of one thing, with a sound. A card changes without."""

from bot.views import ids, words
from bot.views.blocks import actions, context, labelled, title
from bot.views.cards import line
from bot.views.steps import step_button
from bot.views.text import Block, Message, Person, escape, fitted, mrkdwn, plain
from services.lifecycle import CANCELLED
from services.models import Ticket

QUESTION = "Question"
IN_THREAD = "You can also write in this message's thread."


def resolved(ticket: Ticket, *, by: Person) -> Message:
    """For the requester: the work is done."""
    blocks = [_deed(f"{by.mention} resolved *{words.name(ticket)}*"), title(ticket)]
    if ticket.resolution and ticket.resolution != CANCELLED:
        blocks += labelled("What was done", ticket.resolution)
    blocks += [
        context(plain("If that did not solve it, press Reopen.")),
        actions(step_button(ticket, ids.REOPEN)),
    ]
    return Message(text=f"{line(ticket)}: resolved by {escape(by.name)}", blocks=fitted(blocks))


def question(ticket: Ticket, *, by: Person, asked: str) -> Message:
    """For the requester: the work goes on once they have answered."""
    blocks = [_deed(f"{by.mention} waits for your answer on *{words.name(ticket)}*"), title(ticket)]
    if asked:
        blocks += labelled(QUESTION, asked)
    answer = step_button(ticket, ids.COMMENT, primary=True)
    blocks += [context(plain(IN_THREAD)), actions({**answer, "text": plain("Answer")})]
    text = f"{line(ticket)}: {escape(by.name)} waits for your answer"
    return Message(text=text, blocks=blocks)


def reopened(ticket: Ticket, *, by: Person) -> Message:
    """For the assignee: it is theirs again."""
    blocks = [
        _deed(f"{by.mention} reopened *{words.name(ticket)}*"),
        title(ticket),
        context(plain("It is yours again: press Accept on its card when you are at it.")),
    ]
    return Message(text=f"{line(ticket)}: reopened by {escape(by.name)}", blocks=blocks)


def cancelled(ticket: Ticket, *, by: Person) -> Message:
    """For the assignee: there is nothing left to do."""
    blocks = [
        _deed(f"{by.mention} cancelled *{words.name(ticket)}*"),
        title(ticket),
        context(plain("There is nothing left to do.")),
    ]
    return Message(text=f"{line(ticket)}: cancelled by {escape(by.name)}", blocks=blocks)


def thread_line(ticket: Ticket) -> Message:
    """All that the readers of a message learn of the ticket made of it."""
    text = f"{words.name(ticket)} was filed from this message."
    return Message(text=text, blocks=[{"type": "section", "text": plain(text)}])


def _deed(text: str) -> Block:
    return {"type": "section", "text": mrkdwn(text)}
