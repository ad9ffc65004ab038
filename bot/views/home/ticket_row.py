"""A ticket in a list."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from bot.views import labels
from bot.views.blocks import accepted, context
from bot.views.due_text import ago, due
from bot.views.text import NAME_MAX, Block, Person, escape, mrkdwn, person, plain_text, truncate
from services.linking.directory import Directory
from services.lists.list_query import ListKind
from services.models.ticket import Ticket
from services.tickets.validation import TITLE_MAX


def row(
    ticket: Ticket,
    *,
    kind: ListKind,
    people: Directory,
    now: datetime,
    opener: Block,
    name_max: int = NAME_MAX,
) -> list[Block]:
    """Number, title, status, priority, age and people, with the button that opens it."""
    name = labels.name(ticket)
    return [
        {
            "type": "section",
            "text": plain_text(f"{name}: {truncate(ticket.title, TITLE_MAX)}"),
            "accessory": {**opener, "accessibility_label": f"Open {name}"},
        },
        context(mrkdwn(" · ".join(_told(ticket, kind, people, now, name_max)))),
    ]


def spoken(ticket: Ticket, *, kind: ListKind, people: Directory) -> str:
    """The row as a line of text, escaped: for whoever has it read out."""
    told = [labels.state(ticket, is_own=kind is ListKind.OWN)]
    if ticket.priority:
        told.append(f"{labels.PRIORITY[ticket.priority].lower()} priority")
    who = _who(ticket, kind, people, lambda someone: escape(someone.name))
    told.append(who[0].lower() + who[1:])
    return f"{labels.name(ticket)} “{escape(truncate(ticket.title, TITLE_MAX))}”: {', '.join(told)}"


def _told(
    ticket: Ticket, kind: ListKind, people: Directory, now: datetime, name_max: int
) -> list[str]:
    def called(someone: Person) -> str:
        return replace(someone, name=truncate(someone.name, name_max)).mention

    told = [f"*{labels.status(ticket, is_own=kind is ListKind.OWN)}*"]
    if ticket.priority:
        told.append(f"{labels.PRIORITY[ticket.priority]} priority")
    told.append(_who(ticket, kind, people, called))
    if by := due(ticket, now=now):
        told.append(by)
    if ticket.created_at:
        told.append(f"filed {ago(ticket.created_at, now=now)}")
    return told


def _who(ticket: Ticket, kind: ListKind, people: Directory, called: Callable[[Person], str]) -> str:
    """Who has it; of one's own work, whom it is for."""
    if kind is ListKind.ASSIGNED:
        return f"From {called(person(people, ticket.created_by))}"
    if ticket.assigned_to is None:
        parked = ticket.assignment.get("next")
        return "Nobody is available yet" if parked else "Not assigned yet"
    said = "Accepted by" if accepted(ticket) else "Assigned to"
    return f"{said} {called(person(people, ticket.assigned_to))}"
