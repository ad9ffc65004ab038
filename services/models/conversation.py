"""Whether a ticket is talked about in the thread of a request channel, and who reads there."""

from services.models.events import EventType
from services.models.message_source import MessageSource
from services.models.ticket import Ticket


def is_made_private(ticket: Ticket) -> bool:
    """Return whether it is private, and was not when it was filed."""
    return ticket.private and any(
        event.type == EventType.EDITED and event.field == "private" for event in ticket.events
    )


def conversation_of(ticket: Ticket) -> MessageSource | None:
    """Return the message in a request channel whose thread is the conversation about the ticket.

    None if it was made private: anyone may read that thread.
    """
    source = ticket.source
    if source is None or not source.is_conversation or source.is_out_of_reach:
        return None
    return None if is_made_private(ticket) else source


def requester_conversation(ticket: Ticket) -> MessageSource | None:
    """Return the conversation in which the requester reads what the staff write. None for one who
    became the requester later, and may not be in that channel."""
    return None if is_requester_changed(ticket) else conversation_of(ticket)


def is_requester_changed(ticket: Ticket) -> bool:
    return any(
        event.type == EventType.EDITED and event.field == "createdBy" for event in ticket.events
    )
