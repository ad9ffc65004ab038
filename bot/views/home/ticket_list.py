"""A list of tickets with its filters and pages, as an answer to a command and in Home."""

from collections.abc import Callable
from typing import Any

from bot.views import ids
from bot.views.blocks import actions, button, context, header
from bot.views.home.list_filters import filters
from bot.views.home.ticket_row import row, spoken
from bot.views.text import NAME_MAX, Block, Message, fit_to_limit, fits_limit, plain_text
from services.home.home_service import TicketListPage
from services.home.sessions import Screen
from services.lists.list_query import ListKind
from services.lists.list_service import ListResult
from services.models.ticket import Ticket

View = dict[str, Any]

TITLES = {
    ListKind.OWN: "Your tickets",
    ListKind.ASSIGNED: "Assigned to you",
    ListKind.QUEUE: "The queue",
}
ORDERS = {
    ListKind.OWN: "The newest first.",
    ListKind.ASSIGNED: "What is due first, then the most urgent, then the oldest.",
    ListKind.QUEUE: (
        "What nobody has yet first, then what is due first, then the most urgent, then the oldest."
    ),
}
EMPTY = {
    ListKind.OWN: "You have no open tickets. When something does not work, type /ticket.",
    ListKind.ASSIGNED: (
        "Nothing is assigned to you. A new ticket comes to you as a direct message; /ticket queue "
        "shows what you could take."
    ),
    ListKind.QUEUE: "No ticket is open. New ones stand here as soon as they are filed.",
}
NO_MATCH = "No ticket here matches these filters. Press Clear filters to see all that are open."

# How many options a menu holds itself, and how much of a name is shown: the most that fits. In a
# message options count as much as rows; beyond these a menu asks for them as somebody types.
LENGTHS = ((12, NAME_MAX), (0, NAME_MAX), (0, 20))
OPTIONS_IN_HOME = 100
SPOKEN_MAX = 3_800


def list_message(listed: ListResult) -> Message:
    """For whoever typed the command."""

    def opener(ticket: Ticket) -> Block:
        return button("Open", ids.LIST_OPEN, str(ticket.id))

    title = header(TITLES[listed.list_query.kind])
    for most, name_max in LENGTHS:
        blocks = fit_to_limit([title, *_list(listed, opener, most=most, name_max=name_max)])
        if fits_limit(blocks):
            break
    return Message(text=_spoken(listed), blocks=blocks)


def list_home(content: TicketListPage) -> View:
    listed = content.result

    def opener(ticket: Ticket) -> Block:
        to = Screen(list_query=listed.list_query, ticket_id=ticket.id)
        return button("Open", ids.HOME_OPEN, to.encode())

    blocks = [
        header(TITLES[listed.list_query.kind]),
        actions(button("Back", ids.HOME_BACK, Screen().encode())),
        *_list(listed, opener, most=OPTIONS_IN_HOME),
    ]
    return {"type": "home", "blocks": blocks}


def _list(
    listed: ListResult, opener: Callable[[Ticket], Block], *, most: int, name_max: int = NAME_MAX
) -> list[Block]:
    selection, page = listed.list_query, listed.page
    blocks = [filters(listed, most)]
    if not page.tickets:
        text = NO_MATCH if selection.has_filters else EMPTY[selection.kind]
        return [*blocks, {"type": "section", "text": plain_text(text)}]
    blocks.append(
        context(plain_text(ORDERS[selection.kind if selection.is_queue_order else ListKind.OWN]))
    )
    for ticket in page.tickets:
        blocks += row(
            ticket,
            kind=selection.kind,
            people=listed.people,
            now=listed.now,
            opener=opener(ticket),
            name_max=name_max,
        )
    ways = (
        ("Previous", ids.LIST_PREVIOUS, page.previous_cursor),
        ("Next", ids.LIST_NEXT, page.next_cursor),
    )
    turning = [
        button(label, action_id, Screen(list_query=selection.with_cursor(to)).encode())
        for label, action_id, to in ways
        if to
    ]
    return [*blocks, actions(*turning)] if turning else blocks


def _spoken(listed: ListResult) -> str:
    """What is read out: the rows, as many as Slack advises to have in a text."""
    kind, page = listed.list_query.kind, listed.page
    if not page.tickets:
        return NO_MATCH if listed.list_query.has_filters else EMPTY[kind]
    text = f"{TITLES[kind]}:"
    for ticket in page.tickets:
        line = spoken(ticket, kind=kind, people=listed.people)
        if len(text) + len(line) < SPOKEN_MAX:
            text += f"\n{line}"
    return text
