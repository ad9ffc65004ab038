"""A ticket in a list."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from bot.views import labels
from bot.views.blocks import accepted_time, context
from bot.views.due_text import due_phrase, time_ago
from bot.views.text import (
    MAX_NAME_LENGTH,
    Block,
    DisplayPerson,
    display_person,
    escape,
    mrkdwn,
    plain_text,
    truncate,
)
from services.linking.directory import Directory
from services.lists.list_query import ListKind
from services.models.ticket import Ticket
from services.tickets.validation import MAX_TITLE_LENGTH


def ticket_row(
    ticket: Ticket,
    *,
    kind: ListKind,
    people: Directory,
    now: datetime,
    open_button: Block,
    max_name_length: int = MAX_NAME_LENGTH,
) -> list[Block]:
    """Number, title, status, priority, age and people, with the button that opens it."""
    name = labels.ticket_name(ticket)
    return [
        {
            "type": "section",
            "text": plain_text(f"{name}: {truncate(ticket.title, MAX_TITLE_LENGTH)}"),
            "accessory": {**open_button, "accessibility_label": f"Open {name}"},
        },
        context(mrkdwn(" · ".join(_facts(ticket, kind, people, now, max_name_length)))),
    ]


def ticket_row_text(ticket: Ticket, *, kind: ListKind, people: Directory) -> str:
    """The row as a line of text, escaped: for whoever has it read out."""
    facts = [labels.status_in_sentence(ticket, is_for_requester=kind is ListKind.OWN)]
    if ticket.priority:
        facts.append(f"{labels.PRIORITY[ticket.priority].lower()} priority")
    who = _assignee_phrase(ticket, kind, people, lambda someone: escape(someone.name))
    facts.append(who[0].lower() + who[1:])
    return (
        f"{labels.ticket_name(ticket)} “{escape(truncate(ticket.title, MAX_TITLE_LENGTH))}”: "
        f"{', '.join(facts)}"
    )


def _facts(
    ticket: Ticket, kind: ListKind, people: Directory, now: datetime, max_name_length: int
) -> list[str]:
    def format_name(someone: DisplayPerson) -> str:
        return replace(someone, name=truncate(someone.name, max_name_length)).mention

    facts = [f"*{labels.status(ticket, is_for_requester=kind is ListKind.OWN)}*"]
    if ticket.priority:
        facts.append(f"{labels.PRIORITY[ticket.priority]} priority")
    facts.append(_assignee_phrase(ticket, kind, people, format_name))
    if due_text := due_phrase(ticket, now=now):
        facts.append(due_text)
    if ticket.created_at:
        facts.append(f"filed {time_ago(ticket.created_at, now=now)}")
    return facts


def _assignee_phrase(
    ticket: Ticket, kind: ListKind, people: Directory, format_name: Callable[[DisplayPerson], str]
) -> str:
    """Who has it; of one's own work, whom it is for."""
    if kind is ListKind.ASSIGNED:
        return f"From {format_name(display_person(people, ticket.created_by))}"
    if ticket.assigned_to is None:
        retry_at = ticket.assignment.get("next")
        return "Nobody is available yet" if retry_at else "Not assigned yet"
    prefix = "Accepted by" if accepted_time(ticket) else "Assigned to"
    return f"{prefix} {format_name(display_person(people, ticket.assigned_to))}"
