"""A ticket's page, in Home or as a message that only its reader sees.

What people wrote to each other about a ticket, on its page.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from bot.views import ids, labels
from bot.views.blocks import (
    actions,
    button,
    context,
    facts,
    header,
    origin,
    outcome,
    title,
    titled_section,
)
from bot.views.cards.action_buttons import step_buttons
from bot.views.cards.ticket_cards import line
from bot.views.due_text import due, moment
from bot.views.history import SHOWN, history
from bot.views.text import (
    Block,
    Message,
    Person,
    escape,
    fit_to_limit,
    fit_view_to_limit,
    fits_limit,
    mrkdwn,
    person,
    plain_text,
    truncate,
)
from services.home.home_service import TicketPage
from services.linking.directory import Directory
from services.models.comment import Comment
from services.models.ticket import Ticket
from services.tickets.lifecycle import completed_by

View = dict[str, Any]

SHORT_MAX = 500
# How much of the conversation and of the history a message holds: the most that fits.
LENGTHS = ((10, 10), (5, 5), (2, 2), (0, 1))


def ticket_page(sheet: TicketPage) -> View:
    """What the staff or the requester may know of the ticket, and what they may do with it."""
    back = button("Back", ids.HOME_BACK, sheet.screen.parent.encode())
    buttons = [back, *_buttons(sheet)]
    return {"type": "home", "blocks": fit_view_to_limit(_page(sheet, buttons))}


def ticket_message(sheet: TicketPage) -> Message:
    """The same page as an answer to a command or a button."""
    buttons = _buttons(sheet)
    for comments, events in LENGTHS:
        blocks = fit_to_limit(_page(sheet, buttons, comments=comments, events=events))
        if fits_limit(blocks):
            break
    state = labels.state(sheet.ticket, is_own=not sheet.is_staff)
    return Message(text=f"{line(sheet.ticket)}: {state}", blocks=blocks)


def _buttons(sheet: TicketPage) -> list[Block]:
    buttons = step_buttons(sheet.ticket, sheet.actions, details=False)
    if sheet.can_explain:
        buttons.append(button("Why?", ids.WHY, str(sheet.ticket.id)))
    return buttons


def _page(
    sheet: TicketPage, buttons: Iterable[Block], *, comments: int = 10, events: int = SHOWN
) -> list[Block]:
    ticket = sheet.ticket
    blocks = [
        header(labels.name(ticket)),
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
        *titled_section("Description", ticket.description),
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


def _done_by(sheet: TicketPage) -> Person | None:
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
        blocks += titled_section("Summary", ticket.summary)
    if ticket.helpful_notes:
        blocks += titled_section("Notes", ticket.helpful_notes)
    skills = ", ".join(ticket.related_skills) or "None recognised"
    blocks += titled_section("Skills", truncate(skills, SHORT_MAX))
    if ticket.assigned_to and ticket.assignment:  # of the predecessor's nobody knows why
        reason = str(ticket.assignment.get("reason") or "chosen by hand")
        blocks += titled_section("Why this assignee", truncate(reason, SHORT_MAX))
    if ticket.assignment.get("analysis"):
        blocks += [context(plain_text(sentence)) for sentence in labels.analysis(ticket)]
    return blocks


FILES_SHOWN, FILE_NAME_MAX = 3, 60


def conversation(comments: Sequence[Comment], people: Directory, *, shown: int) -> list[Block]:
    """The newest, the last one last. Whoever may not read internal notes is given none."""
    if not comments or not shown:
        return []
    newest = comments[-shown:]
    blocks: list[Block] = [{"type": "divider"}, header("Conversation")]
    if older := len(comments) - len(newest):
        are = "comment is" if older == 1 else "comments are"
        blocks.append(context(plain_text(f"{older} older {are} not shown")))
    for comment in newest:
        blocks.append(context(mrkdwn(_heading(comment, people)), *_files(comment)))
        if comment.text and not comment.deleted:
            blocks.append({"type": "section", "text": plain_text(comment.text)})
    return blocks


def _heading(comment: Comment, people: Directory) -> str:
    name = person(people, comment.by).name
    told = [f"*{escape(f'{name[:1].upper()}{name[1:]}')}*", moment(comment.at)]
    if comment.internal:
        told.insert(0, "Internal note")
    if comment.deleted:
        return " · ".join([*told, "deleted"])
    if comment.edited_at:
        told.append("edited")
    return " · ".join(told)


def _files(comment: Comment) -> list[Block]:
    files = () if comment.deleted else comment.files
    links = [
        mrkdwn(f"<{escape(file.url)}|{escape(truncate(file.name, FILE_NAME_MAX))}>")
        for file in files[:FILES_SHOWN]
    ]
    more = len(files) - len(links)
    return (
        [*links, plain_text(f"{more} more {'file' if more == 1 else 'files'}")] if more else links
    )
