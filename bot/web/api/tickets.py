"""API routes for tickets, as in the legacy backend, and the pagination"""

import hashlib
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta

from bson import ObjectId

from bot.web.api.api_request import ApiRequest
from bot.web.api.request_bodies import NewParticipants, NewTicket, TicketPatch
from bot.web.api.response_bodies import (
    Done,
    OneTicket,
    Ticket,
    TicketChanged,
    Tickets,
    TicketWithPeople,
)
from services.core.errors import InvalidValue
from services.lists.api_pages import PageCursor
from services.search.search_query import QUERY_FIELD, SearchCursor

IDEMPOTENCY_KEY_HEADER = "Idempotency-Key"
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_INVALID_IDEMPOTENCY_KEY = "Give 1 to 255 characters of ASCII without blanks, such as a UUID."
BAD_CURSOR = "Give a nextCursor as it was answered, or leave it out for the newest tickets."
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_CURSOR = re.compile(r"(-?\d{1,15}|)\.([0-9a-f]{24})", re.ASCII)


def list_tickets(req: ApiRequest) -> Tickets:
    if req.search_text is not None:
        return _search_tickets(req, req.search_text)
    after = decode_cursor(req.cursor) if req.cursor is not None else None
    page = req.services.ticket_pager.newest_page(actor=req.actor, size=req.limit, after=after)
    return Tickets(
        tickets=[
            Ticket.from_ticket(ticket, is_staff=req.is_staff_of(ticket), is_listed=True)
            for ticket in page.tickets
        ],
        next_cursor=encode_cursor(page.next_cursor) if page.next_cursor else None,
    )


def _search_tickets(req: ApiRequest, text: str) -> Tickets:
    after = SearchCursor.decode(_decoded(req.cursor)) if req.cursor is not None else None
    if req.cursor is not None and (after is None or _encoded(after.encode()) != req.cursor):
        raise InvalidValue("cursor", BAD_CURSOR)
    found = req.services.search.search(
        actor=req.actor, team_id=req.bot.team_id, text=text, cursor=after, size=req.limit
    )
    if choice := found.choice:
        raise InvalidValue(
            QUERY_FIELD,
            f"Several people match {choice.by}:{choice.typed}. Write more of the name, or the "
            "email address.",
        )
    return Tickets(
        tickets=[
            Ticket.from_ticket(hit.ticket, is_staff=hit.is_staff, is_listed=True)
            for hit in found.hits
        ],
        next_cursor=_encoded(found.next_cursor.encode()) if found.next_cursor else None,
    )


def get_ticket(req: ApiRequest, ticket_id: str) -> OneTicket:
    ticket = req.services.tickets.get(actor=req.actor, ticket_id=ticket_id)
    named = (ticket.created_by, ticket.filer, ticket.assigned_to, *ticket.participants)
    user_ids = {person for person in named if person}
    people = req.services.users.get_many(user_ids)
    return OneTicket(
        ticket=TicketWithPeople.from_ticket(ticket, people, is_staff=req.is_staff_of(ticket))
    )


def create_ticket(req: ApiRequest, body: NewTicket) -> TicketChanged:
    key = req.http_request.headers.get(IDEMPOTENCY_KEY_HEADER)
    filed = req.services.tickets.create(
        actor=req.actor,
        team_id=req.bot.team_id,
        request_id=_request_id(req, key) if key is not None else None,
        title=body.title,
        description=body.description,
        priority=body.priority,
        deadline=body.deadline,
        private=body.private,
        requester=_requester(req, body.requester),
        reject_edits=True,
    )
    req.changed_tickets.append(filed.ticket)
    return TicketChanged(
        message=f"Ticket {filed.ticket.number} filed.",
        ticket=Ticket.from_ticket(filed.ticket, is_staff=req.is_staff_of(filed.ticket)),
    )


def update_ticket(req: ApiRequest, body: TicketPatch, ticket_id: str) -> TicketChanged:
    changes = body.sent_fields()
    if "requester" in changes:
        changes["createdBy"] = _requester(req, changes.pop("requester"))
    ticket = req.services.ticket_edits.patch(actor=req.actor, ticket_id=ticket_id, changes=changes)
    req.changed_tickets.append(ticket)
    return TicketChanged(
        message="Ticket updated.",
        ticket=Ticket.from_ticket(ticket, is_staff=req.is_staff_of(ticket)),
    )


def _requester(req: ApiRequest, address: str | None) -> ObjectId | None:
    """Return the account of that address; None if a new ticket names none."""
    if address is None:
        return None
    return req.services.requesters.of_address(actor=req.actor, address=address).id


def add_participants(req: ApiRequest, body: NewParticipants, ticket_id: str) -> TicketChanged:
    participants = req.services.participants
    added = participants.accounts_of_addresses(
        actor=req.actor, ticket_id=ticket_id, emails=body.people
    )
    ticket = participants.change(
        actor=req.actor,
        ticket_id=ticket_id,
        added=added,
        may_see_private=body.may_see_private,
    )
    req.changed_tickets.append(ticket)
    return TicketChanged(
        message="Participants added.",
        ticket=Ticket.from_ticket(ticket, is_staff=req.is_staff_of(ticket)),
    )


def remove_participant(req: ApiRequest, ticket_id: str, user_id: str) -> Done:
    """Remove a participant, or let the caller leave."""
    participants = req.services.participants
    if user_id == str(req.user.id):
        ticket = participants.leave(actor=req.actor, ticket_id=ticket_id)
    else:
        removed = [ObjectId(user_id)] if ObjectId.is_valid(user_id) else []
        ticket = participants.change(actor=req.actor, ticket_id=ticket_id, removed=removed)
    req.changed_tickets.append(ticket)
    return Done(message="No longer a participant.")


def _request_id(req: ApiRequest, key: str) -> str:
    """Return the user's request id for a key. It has a hash, because a key may be any text."""
    if not _IDEMPOTENCY_KEY.fullmatch(key):
        raise InvalidValue(IDEMPOTENCY_KEY_HEADER, _INVALID_IDEMPOTENCY_KEY)
    return f"api:{req.user.id}:{hashlib.sha256(key.encode()).hexdigest()[:32]}"


def encode_cursor(cursor: PageCursor) -> str:
    at = (cursor.created_at - _EPOCH) // _MILLISECOND if cursor.created_at else ""
    return _encoded(f"{at}.{cursor.ticket_id}")


def decode_cursor(text: str) -> PageCursor:
    """Raises `InvalidValue` for anything that `encode_cursor` does not return.

    A cursor grants nothing: the caller's permissions decide which tickets are listed.
    """
    cursor = _parse(text)
    if cursor is None or encode_cursor(cursor) != text:
        raise InvalidValue("cursor", BAD_CURSOR)
    return cursor


def _encoded(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decoded(text: str) -> str:
    """Return "" for what is not base64 of ASCII."""
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
    except ValueError:
        return ""


def _parse(text: str) -> PageCursor | None:
    match = _CURSOR.fullmatch(_decoded(text))
    if match is None:
        return None
    try:
        at = _EPOCH + int(match[1]) * _MILLISECOND if match[1] else None
    except OverflowError:  # not a date
        return None
    return PageCursor(at, ObjectId(match[2]))
