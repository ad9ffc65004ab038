"""A ticket in a list."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from bot.views import words
from bot.views.blocks import accepted, context
from bot.views.due import due
from bot.views.people import NAME_MAX, person
from bot.views.text import Block, Person, cut, escape, mrkdwn, plain
from bot.views.times import ago
from services.directory import Directory
from services.models import Ticket
from services.selection import ListKind
from services.ticket_fields import TITLE_MAX


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
    name = words.name(ticket)
    return [
        {
            "type": "section",
            "text": plain(f"{name}: {cut(ticket.title, TITLE_MAX)}"),
            "accessory": {**opener, "accessibility_label": f"Open {name}"},
        },
        context(mrkdwn(" · ".join(_told(ticket, kind, people, now, name_max)))),
    ]


def spoken(ticket: Ticket, *, kind: ListKind, people: Directory) -> str:
    """The row as a line of text, escaped: for whoever has it read out."""
    told = [words.state(ticket, is_own=kind is ListKind.OWN)]
    if ticket.priority:
        told.append(f"{words.PRIORITY[ticket.priority].lower()} priority")
    who = _who(ticket, kind, people, lambda someone: escape(someone.name))
    told.append(who[0].lower() + who[1:])
    return f"{words.name(ticket)} “{escape(cut(ticket.title, TITLE_MAX))}”: {', '.join(told)}"


def _told(
    ticket: Ticket, kind: ListKind, people: Directory, now: datetime, name_max: int
) -> list[str]:
    def called(someone: Person) -> str:
        return replace(someone, name=cut(someone.name, name_max)).mention

    told = [f"*{words.status(ticket, is_own=kind is ListKind.OWN)}*"]
    if ticket.priority:
        told.append(f"{words.PRIORITY[ticket.priority]} priority")
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
