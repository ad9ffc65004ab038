"""The predecessor's routes about tickets."""

import hashlib
import re

from bot.web.api import cursors
from bot.web.api.call import Call
from bot.web.api.request_bodies import NewTicket, TicketPatch
from bot.web.api.response_bodies import OneTicket, Ticket, TicketChanged, Tickets, TicketWithPeople
from services.core.errors import InvalidValue

KEY_HEADER = "Idempotency-Key"
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_BAD_KEY = "Give 1 to 255 characters of ASCII without blanks, such as a UUID."


def list_tickets(call: Call) -> Tickets:
    after = cursors.decode(call.cursor) if call.cursor is not None else None
    page = call.counter.pages.newest_page(actor=call.actor, size=call.limit, after=after)
    return Tickets(
        tickets=[Ticket.of(ticket, is_staff=call.is_staff) for ticket in page.tickets],
        next_cursor=cursors.encode(page.next_cursor) if page.next_cursor else None,
    )


def get_ticket(call: Call, ticket_id: str) -> OneTicket:
    ticket = call.counter.tickets.get(actor=call.actor, ticket_id=ticket_id)
    named = {person for person in (ticket.created_by, ticket.assigned_to) if person}
    people = call.counter.users.get_many(named)
    return OneTicket(ticket=TicketWithPeople.among(ticket, people, is_staff=call.is_staff))


def create_ticket(call: Call, body: NewTicket) -> TicketChanged:
    key = call.sent.headers.get(KEY_HEADER)
    filed = call.counter.tickets.create(
        actor=call.actor,
        team_id=call.counter.team_id,
        request_id=_request_id(call, key) if key is not None else None,
        title=body.title,
        description=body.description,
        priority=body.priority,
        deadline=body.deadline,
        reject_edits=True,
    )
    call.changed.append(filed.ticket)
    return TicketChanged(
        message=f"Ticket {filed.ticket.number} filed.",
        ticket=Ticket.of(filed.ticket, is_staff=call.is_staff),
    )


def update_ticket(call: Call, body: TicketPatch, ticket_id: str) -> TicketChanged:
    ticket = call.counter.patches.apply(actor=call.actor, ticket_id=ticket_id, changes=body.given())
    call.changed.append(ticket)
    return TicketChanged(
        message="Ticket updated.", ticket=Ticket.of(ticket, is_staff=call.is_staff)
    )


def _request_id(call: Call, key: str) -> str:
    """One's keys are one's own. Only a hash is kept, because a key may be anything."""
    if not _KEY.fullmatch(key):
        raise InvalidValue(KEY_HEADER, _BAD_KEY)
    return f"api:{call.user.id}:{hashlib.sha256(key.encode()).hexdigest()[:32]}"
