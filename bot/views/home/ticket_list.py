"""A list of tickets, in a message and in Home: its filters, rows and page buttons."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from bson import ObjectId

from bot.views import ids, labels
from bot.views.blocks import (
    accepted_time,
    actions,
    button,
    context,
    header,
    page_buttons,
    text_section,
    ticket_section,
)
from bot.views.cards.ticket_cards import ticket_reference
from bot.views.due_text import due_phrase, time_ago
from bot.views.inputs import View, option
from bot.views.modals.bulk_changes import BULK_BUTTONS
from bot.views.text import (
    MAX_NAME_LENGTH,
    Block,
    DisplayPerson,
    Message,
    display_person,
    escape,
    fit_to_limit,
    fits_limit,
    mrkdwn,
    plain_text,
)
from services.core.text import truncate
from services.home.home_service import TicketListPage
from services.home.sessions import Screen
from services.linking.links import Directory
from services.lists.list_query import (
    FILTERS,
    NO_ASSIGNEE,
    SORTABLE,
    STATUSES,
    Filter,
    ListKind,
    ListQuery,
)
from services.lists.list_service import ListResult
from services.models.ticket import Priority, Status, Ticket
from services.models.user import User
from services.sla.queue_key import Sort
from services.tickets.lifecycle import is_awaiting_acceptance

FILTER_ACTION_IDS = {
    Filter.STATUS: ids.LIST_STATUS,
    Filter.PRIORITY: ids.LIST_PRIORITY,
    Filter.ASSIGNEE: ids.LIST_ASSIGNEE,
    Filter.SKILL: ids.LIST_SKILL,
}
ANY_LABELS = {
    Filter.STATUS: "All that are open",
    Filter.PRIORITY: "Any priority",
    Filter.ASSIGNEE: "Anyone",
    Filter.SKILL: "Any skill",
}
ANY_VALUE = "any"
SEARCHABLE_FILTERS = (Filter.ASSIGNEE, Filter.SKILL)
CLOSED_LABEL = "Resolved or cancelled"
LIST_TITLES = {
    ListKind.OWN: "Your tickets",
    ListKind.PARTICIPATING: "Tickets you take part in",
    ListKind.ASSIGNED: "Assigned to you",
    ListKind.QUEUE: "The queue",
    ListKind.WAITING_FOR_ME: "Waiting for me",
    ListKind.UNASSIGNED: "Unassigned",
    ListKind.OVERDUE: "Overdue",
}
SORT_NOTES = {
    Sort.DUE: "What is due first, then the most urgent, then the oldest.",
    Sort.PRIORITY: "The most urgent first, then what is due first, then the oldest.",
    Sort.AGE: "The oldest first.",
}
SORT_LABELS = {
    Sort.DUE: "Sort by due date",
    Sort.PRIORITY: "Sort by priority",
    Sort.AGE: "Sort by age",
}
ORDER_NOTES = {
    ListKind.OWN: "The newest first.",
    ListKind.QUEUE: (
        "Unassigned tickets first, then what is due first, then the most urgent, then the oldest."
    ),
}
CONTENT_NOTES = {
    ListKind.WAITING_FOR_ME: "Your tickets that you have to accept, or that have a new message.",
}
EMPTY_MESSAGES = {
    ListKind.OWN: "You have no open tickets. When something does not work, type /ticket.",
    ListKind.PARTICIPATING: "You take part in no open ticket of someone else.",
    ListKind.ASSIGNED: (
        "Nothing is assigned to you. A new ticket comes to you as a direct message; /ticket queue "
        "shows what you could take."
    ),
    ListKind.QUEUE: "No ticket is open. New ones appear here as soon as they are filed.",
    ListKind.WAITING_FOR_ME: (
        "Nothing waits for you. Your tickets that you have to accept, and those with a new "
        "message, appear here."
    ),
    ListKind.UNASSIGNED: "Every open ticket has an assignee.",
    ListKind.OVERDUE: "No ticket is overdue.",
}
NO_MATCH = "No ticket here matches these filters. Press Clear filters to see all that are open."
# Tried in turn until the message fits: the options in a menu, and the length of names. In a message
# options count as much as rows; with more options a menu becomes a search.
MESSAGE_SIZES = ((12, MAX_NAME_LENGTH), (0, MAX_NAME_LENGTH), (0, 20))
MAX_HOME_OPTIONS = 100
MAX_NOTIFICATION_LENGTH = 3_800


def ticket_row(
    ticket: Ticket,
    *,
    kind: ListKind,
    people: Directory,
    now: datetime,
    open_button: Block,
    max_name_length: int = MAX_NAME_LENGTH,
) -> list[Block]:
    """Return a row: number, title and the button Open, then priority, due date, status, people and
    age."""
    return [
        ticket_section(ticket, open_button, verb="Open"),
        context(mrkdwn(" · ".join(_facts(ticket, kind, people, now, max_name_length)))),
    ]


def ticket_row_text(ticket: Ticket, *, kind: ListKind, people: Directory, now: datetime) -> str:
    """Return the row as a line of escaped text, for screen readers."""
    state, who = _state(ticket, kind, people, lambda someone: escape(someone.name))
    priority = labels.priority_in_sentence(ticket.priority) if ticket.priority else ""
    due = _due(ticket, now).replace("*", "")
    private = "private" if ticket.private else ""
    facts = [priority, due, *(phrase[:1].lower() + phrase[1:] for phrase in (state, who)), private]
    return f"{ticket_reference(ticket)}: {', '.join(filter(None, facts))}"


def _facts(
    ticket: Ticket, kind: ListKind, people: Directory, now: datetime, max_name_length: int
) -> list[str]:
    def format_name(someone: DisplayPerson) -> str:
        return replace(someone, name=truncate(someone.name, max_name_length)).mention

    state, who = _state(ticket, kind, people, format_name)
    priority = labels.signed_priority(ticket.priority) if ticket.priority else ""
    filed = f"filed {time_ago(ticket.created_at, now=now)}" if ticket.created_at else ""
    private = "private" if ticket.private else ""
    facts = (priority, _due(ticket, now), f"*{state}*", who, private, filed)
    return [fact for fact in facts if fact]


def _due(ticket: Ticket, now: datetime) -> str:
    """Return the due phrase; "" while the clock is paused, as the status says."""
    return due_phrase(ticket, now=now) if ticket.due_at else ""


def _state(
    ticket: Ticket, kind: ListKind, people: Directory, format_name: Callable[[DisplayPerson], str]
) -> tuple[str, str]:
    """Return the status, and the assignee if the status does not name them; in the reader's own
    work, the requester."""
    status = labels.status(ticket, is_for_requester=kind is ListKind.OWN)
    if kind in (ListKind.ASSIGNED, ListKind.WAITING_FOR_ME):
        if kind is ListKind.WAITING_FOR_ME and accepted_time(ticket):
            status = f"{status}, new message"
        return status, f"From {format_name(display_person(people, ticket.created_by))}"
    if ticket.assigned_to is None:
        retry_at = ticket.assignment.get("next")
        return status, "No one is available yet" if retry_at else labels.NOT_ASSIGNED
    name = format_name(display_person(people, ticket.assigned_to))
    if is_awaiting_acceptance(ticket):
        return f"{status} to {name}", ""
    is_accepted = accepted_time(ticket) and ticket.status is not Status.WAITING
    return status, f"{'Accepted by' if is_accepted else 'Assigned to'} {name}"


def filter_menus(listed: ListResult, max_options: int) -> Block:
    """Return a menu for each filter. Menus longer than `max_options` become a search.

    The block_id holds the current filters, because Slack sends it with every press. As it changes
    with the filters, Slack does not restore the previous choice in the menus.
    """
    list_query = listed.list_query.with_cursor(None)
    elements = [_filter_menu(by, listed, max_options) for by in FILTERS[list_query.kind]]
    if list_query.kind in SORTABLE:
        elements.append(_sort_menu(list_query.sort))
    if list_query.has_filters:
        everything = Screen(list_query=list_query.without_filters)
        elements.append(button("Clear filters", ids.LIST_CLEAR, everything.encode()))
    return {**actions(*elements), "block_id": f"filters|{Screen(list_query=list_query).encode()}"}


def _filter_menu(by: Filter, listed: ListResult, max_options: int) -> Block:
    options = _options(by, listed)
    chosen = str(getattr(listed.list_query, by) or ANY_VALUE)
    initial = next((option for option in options if option["value"] == chosen), None)
    if initial is None:  # a person who can no longer be chosen
        initial = option(display_person(listed.people, ObjectId(chosen)).name, chosen)
        options.append(initial)
    element: Block = {
        "action_id": FILTER_ACTION_IDS[by],
        "initial_option": initial,
        "placeholder": plain_text(ANY_LABELS[by]),
    }
    if by in SEARCHABLE_FILTERS and len(options) > max_options:
        return {**element, "type": "external_select", "min_query_length": 0}
    return {**element, "type": "static_select", "options": options}


def _sort_menu(sort: Sort) -> Block:
    options = {one: option(label, one.value) for one, label in SORT_LABELS.items()}
    return {
        "type": "static_select",
        "action_id": ids.LIST_SORT,
        "placeholder": plain_text("Sort"),
        "options": list(options.values()),
        "initial_option": options[sort],
    }


def query_from_block_id(block_id: str) -> ListQuery:
    """Return the list and its filters, from the block_id of the filter menus."""
    return Screen.decode(block_id.partition("|")[2]).list_query or ListQuery(ListKind.OWN)


def assignee_filter_options(users: Sequence[User]) -> list[Block]:
    named = [option(user.display_name, str(user.id)) for user in users]
    return [
        option(ANY_LABELS[Filter.ASSIGNEE], ANY_VALUE),
        option("Unassigned", NO_ASSIGNEE),
        *named,
    ]


def skill_filter_options(skills: Mapping[str, str]) -> list[Block]:
    """`skills` are by `skill_key`."""
    return [
        option(ANY_LABELS[Filter.SKILL], ANY_VALUE),
        *(option(skill, key) for key, skill in skills.items()),
    ]


def _options(by: Filter, listed: ListResult) -> list[Block]:
    if by is Filter.ASSIGNEE:
        return assignee_filter_options(listed.assignees)
    if by is Filter.SKILL:
        return skill_filter_options(listed.skills)
    every = option(ANY_LABELS[by], ANY_VALUE)
    if by is Filter.PRIORITY:
        priorities = reversed(Priority)
        return [every, *(option(labels.PRIORITY[value], value.value) for value in priorities)]
    kind = listed.list_query.kind
    named = labels.REQUESTER_STATUS if kind is ListKind.OWN else labels.STATUS
    in_progress = f"{labels.ASSIGNED} or {named[Status.IN_PROGRESS].lower()}"
    named = {**named, Status.COMPLETED: CLOSED_LABEL, Status.IN_PROGRESS: in_progress}
    return [every, *(option(named[one], one.value) for one in STATUSES[kind])]


def list_message(listed: ListResult) -> Message:
    """Return the list as an answer to a command."""

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
        actions(button("Back", ids.HOME_BACK, Screen().encode()), *_bulk_buttons(listed)),
        *_list(listed, open_button, max_options=MAX_HOME_OPTIONS),
    ]
    return {"type": "home", "blocks": blocks}


def _bulk_buttons(listed: ListResult) -> list[Block]:
    """Return the buttons that change several of the page's tickets: open ones, for the staff."""
    list_query = listed.list_query
    if not (listed.page.tickets and list_query.is_queue_order):
        return []
    page = Screen(list_query=list_query).encode()
    return [button(label, action_id, page) for label, action_id in BULK_BUTTONS.values()]


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
        return [*blocks, text_section(text)]
    listed_kind = list_query.kind if list_query.is_queue_order else ListKind.OWN
    order = ORDER_NOTES.get(listed_kind, SORT_NOTES[list_query.sort])
    notes = filter(None, (CONTENT_NOTES.get(listed_kind), order))
    blocks.append(context(plain_text(" ".join(notes))))
    for ticket in page.tickets:
        blocks += ticket_row(
            ticket,
            kind=list_query.kind,
            people=listed.people,
            now=listed.now,
            open_button=open_button(ticket),
            max_name_length=max_name_length,
        )
    previous, following = (
        Screen(list_query=list_query.with_cursor(to)).encode() if to else None
        for to in (page.previous_cursor, page.next_cursor)
    )
    return blocks + page_buttons(
        ("Previous", ids.LIST_PREVIOUS, previous), ("Next", ids.LIST_NEXT, following)
    )


def _notification_text(listed: ListResult) -> str:
    """Return the rows as text, up to the length Slack recommends."""
    kind, page = listed.list_query.kind, listed.page
    if not page.tickets:
        return NO_MATCH if listed.list_query.has_filters else EMPTY_MESSAGES[kind]
    text = f"{LIST_TITLES[kind]}:"
    for ticket in page.tickets:
        line = ticket_row_text(ticket, kind=kind, people=listed.people, now=listed.now)
        if len(text) + len(line) < MAX_NOTIFICATION_LENGTH:
            text += f"\n{line}"
    return text
