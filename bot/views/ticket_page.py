"""A ticket's page, in Home or as a message that only its reader sees."""

from collections.abc import Iterable
from typing import Any

from bot.views import ids, words
from bot.views.blocks import (
    actions,
    button,
    context,
    facts,
    header,
    labelled,
    origin,
    outcome,
    title,
)
from bot.views.cards import line
from bot.views.conversation import conversation
from bot.views.due import due
from bot.views.history import SHOWN, history
from bot.views.people import person
from bot.views.steps import step_buttons
from bot.views.text import (
    Block,
    Message,
    Person,
    are_fit,
    cut,
    fitted,
    fitted_view,
    mrkdwn,
    plain,
)
from bot.views.times import moment
from services.home import Sheet
from services.lifecycle import completed_by
from services.models import Ticket

View = dict[str, Any]

SHORT_MAX = 500
# How much of the conversation and of the history a message holds: the most that fits.
LENGTHS = ((10, 10), (5, 5), (2, 2), (0, 1))


def ticket_page(sheet: Sheet) -> View:
    """What the staff or the requester may know of the ticket, and what they may do with it."""
    back = button("Back", ids.HOME_BACK, sheet.screen.lists.encode())
    buttons = [back, *_buttons(sheet)]
    return {"type": "home", "blocks": fitted_view(_page(sheet, buttons))}


def ticket_message(sheet: Sheet) -> Message:
    """The same page as an answer to a command or a button."""
    buttons = _buttons(sheet)
    for comments, events in LENGTHS:
        blocks = fitted(_page(sheet, buttons, comments=comments, events=events))
        if are_fit(blocks):
            break
    state = words.state(sheet.ticket, is_own=not sheet.is_staff)
    return Message(text=f"{line(sheet.ticket)}: {state}", blocks=blocks)


def _buttons(sheet: Sheet) -> list[Block]:
    buttons = step_buttons(sheet.ticket, sheet.steps, details=False)
    if sheet.may_ask_why:
        buttons.append(button("Why?", ids.WHY, str(sheet.ticket.id)))
    return buttons


def _page(
    sheet: Sheet, buttons: Iterable[Block], *, comments: int = 10, events: int = SHOWN
) -> list[Block]:
    ticket = sheet.ticket
    blocks = [
        header(words.name(ticket)),
        title(ticket),
        actions(*buttons),
        facts(
            ticket,
            requester=person(sheet.people, ticket.created_by),
            assignee=person(sheet.people, ticket.assigned_to),
            done_by=_done_by(sheet),
            due=due(ticket, now=sheet.now),
            is_own=not sheet.is_staff,
        ),
        *_dates(ticket),
        *labelled("Description", ticket.description),
        *origin(ticket),
        *outcome(ticket),
    ]
    if sheet.is_staff:
        blocks += _for_staff(ticket)
    blocks += conversation(ticket.comments, sheet.people, shown=comments)
    if ticket.events:
        past = history(ticket.events, sheet.people, shown=events)
        blocks += [{"type": "divider"}, header("History"), *past]
    return blocks


def _done_by(sheet: Sheet) -> Person | None:
    by = completed_by(sheet.ticket)
    return person(sheet.people, by) if by else None


def _dates(ticket: Ticket) -> list[Block]:
    filed = [f"Filed {moment(ticket.created_at)}"] if ticket.created_at else []
    deadline = [f"Deadline {moment(ticket.deadline)}"] if ticket.deadline else []
    return [context(mrkdwn(" · ".join(filed + deadline)))] if filed or deadline else []


def _for_staff(ticket: Ticket) -> list[Block]:
    """What the requester never reads."""
    blocks: list[Block] = [{"type": "divider"}, header("For the help desk only")]
    if ticket.summary:
        blocks += labelled("Summary", ticket.summary)
    if ticket.helpful_notes:
        blocks += labelled("Notes", ticket.helpful_notes)
    skills = ", ".join(ticket.related_skills) or "None recognised"
    blocks += labelled("Skills", cut(skills, SHORT_MAX))
    if ticket.assigned_to and ticket.assignment:  # of the predecessor's nobody knows why
        reason = str(ticket.assignment.get("reason") or "chosen by hand")
        blocks += labelled("Why this assignee", cut(reason, SHORT_MAX))
    if ticket.assignment.get("analysis"):
        blocks += [context(plain(sentence)) for sentence in words.analysis(ticket)]
    return blocks
