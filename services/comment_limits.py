"""How many comments a ticket takes, and how many of one person within a short time."""

from datetime import datetime, timedelta

from services.changes import EventType
from services.errors import LimitReached
from services.models import Ticket
from services.permissions import Actor

COMMENTS_MAX = 500
EDITS_MAX = 500
FLOOD, FLOOD_TIME = 30, timedelta(minutes=10)

_WRITTEN = (EventType.COMMENTED, EventType.NOTED, EventType.COMMENT_EDITED)


class Full(LimitReached):
    """The ticket takes no more of them."""


class Flood(LimitReached):
    """Too many of one person's within a short time; `last` is the last that was kept."""

    def __init__(self, message: str, *, last: int) -> None:
        super().__init__(message)
        self.last = last


def check_room(ticket: Ticket, actor: Actor, now: datetime) -> None:
    if len(ticket.comments) >= COMMENTS_MAX:
        raise Full(
            f"{_name(ticket)} has {COMMENTS_MAX} comments, which is the limit, so this is not "
            "passed on. File a new ticket with /ticket and name this one in it."
        )
    _check_flood(ticket, actor, now)


def check_edits(ticket: Ticket, actor: Actor, now: datetime) -> None:
    edits = sum(event.type == EventType.COMMENT_EDITED for event in ticket.events)
    if edits >= EDITS_MAX:
        raise Full(
            f"The comments on {_name(ticket, start=False)} were changed {EDITS_MAX} times, which "
            "is the limit, so this change is not passed on. Write a new comment."
        )
    _check_flood(ticket, actor, now)


def _check_flood(ticket: Ticket, actor: Actor, now: datetime) -> None:
    # The events are there already; they are in order, the newest last.
    recent = [
        event.seq
        for event in ticket.events
        if event.by == actor.user_id and event.type in _WRITTEN and event.at > now - FLOOD_TIME
    ]
    if len(recent) >= FLOOD:
        minutes = int(FLOOD_TIME.total_seconds() // 60)
        raise Flood(
            f"You have written {FLOOD} comments on {_name(ticket, start=False)} within {minutes} "
            "minutes, which is the limit. What you write there now is not passed on; send it "
            "again in a few minutes.",
            last=recent[-1],
        )


def _name(ticket: Ticket, *, start: bool = True) -> str:
    name = f"ticket {ticket.number}" if ticket.number else "this ticket"
    return name[0].upper() + name[1:] if start else name
