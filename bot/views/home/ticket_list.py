"""A list of tickets with its filters and pages, as an answer to a command and in Home."""

from collections.abc import Callable
from typing import Any

from bot.views import ids
from bot.views.blocks import actions, button, context, header
from bot.views.home.list_filters import filter_menus
from bot.views.home.ticket_row import ticket_row, ticket_row_text
from bot.views.text import MAX_NAME_LENGTH, Block, Message, fit_to_limit, fits_limit, plain_text
from services.home.home_service import TicketListPage
from services.home.sessions import Screen
from services.lists.list_query import ListKind
from services.lists.list_service import ListResult
from services.models.ticket import Ticket

View = dict[str, Any]

LIST_TITLES = {
    ListKind.OWN: "Your tickets",
    ListKind.ASSIGNED: "Assigned to you",
    ListKind.QUEUE: "The queue",
}
ORDER_NOTES = {
    ListKind.OWN: "The newest first.",
    ListKind.ASSIGNED: "What is due first, then the most urgent, then the oldest.",
    ListKind.QUEUE: (
        "What nobody has yet first, then what is due first, then the most urgent, then the oldest."
    ),
}
EMPTY_MESSAGES = {
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
MESSAGE_SIZES = ((12, MAX_NAME_LENGTH), (0, MAX_NAME_LENGTH), (0, 20))
MAX_HOME_OPTIONS = 100
MAX_NOTIFICATION_LENGTH = 3_800


def list_message(listed: ListResult) -> Message:
    """For whoever typed the command."""

    def open_button(ticket: Ticket) -> Block:
        return button("Open", ids.LIST_OPEN, str(ticket.id))

    title = header(LIST_TITLES[listed.list_query.kind])
    for max_options, max_name_length in MESSAGE_SIZES:
        blocks = fit_to_limit(
            [
                title,
                *_list(
                    listed, open_button, max_options=max_options, max_name_length=max_name_length
                ),
            ]
        )
        if fits_limit(blocks):
            break
    return Message(text=_notification_text(listed), blocks=blocks)


def list_page(content: TicketListPage) -> View:
    listed = content.result

    def open_button(ticket: Ticket) -> Block:
        to = Screen(list_query=listed.list_query, ticket_id=ticket.id)
        return button("Open", ids.HOME_OPEN, to.encode())

    blocks = [
        header(LIST_TITLES[listed.list_query.kind]),
        actions(button("Back", ids.HOME_BACK, Screen().encode())),
        *_list(listed, open_button, max_options=MAX_HOME_OPTIONS),
    ]
    return {"type": "home", "blocks": blocks}


def _list(
    listed: ListResult,
    open_button: Callable[[Ticket], Block],
    *,
    max_options: int,
    max_name_length: int = MAX_NAME_LENGTH,
) -> list[Block]:
    list_query, page = listed.list_query, listed.page
    blocks = [filter_menus(listed, max_options)]
    if not page.tickets:
        text = NO_MATCH if list_query.has_filters else EMPTY_MESSAGES[list_query.kind]
        return [*blocks, {"type": "section", "text": plain_text(text)}]
    blocks.append(
        context(
            plain_text(ORDER_NOTES[list_query.kind if list_query.is_queue_order else ListKind.OWN])
        )
    )
    for ticket in page.tickets:
        blocks += ticket_row(
            ticket,
            kind=list_query.kind,
            people=listed.people,
            now=listed.now,
            open_button=open_button(ticket),
            max_name_length=max_name_length,
        )
    directions = (
        ("Previous", ids.LIST_PREVIOUS, page.previous_cursor),
        ("Next", ids.LIST_NEXT, page.next_cursor),
    )
    page_buttons = [
        button(label, action_id, Screen(list_query=list_query.with_cursor(to)).encode())
        for label, action_id, to in directions
        if to
    ]
    return [*blocks, actions(*page_buttons)] if page_buttons else blocks


def _notification_text(listed: ListResult) -> str:
    """What is read out: the rows, as many as Slack advises to have in a text."""
    kind, page = listed.list_query.kind, listed.page
    if not page.tickets:
        return NO_MATCH if listed.list_query.has_filters else EMPTY_MESSAGES[kind]
    text = f"{LIST_TITLES[kind]}:"
    for ticket in page.tickets:
        line = ticket_row_text(ticket, kind=kind, people=listed.people)
        if len(text) + len(line) < MAX_NOTIFICATION_LENGTH:
            text += f"\n{line}"
    return text
