"""The first page of Home: the reader's open tickets. Also chooses the page to show."""

from bot.views import ids
from bot.views.blocks import actions, button, context, header, mrkdwn_section, text_section
from bot.views.due_text import away_phrase
from bot.views.home.people_list import people_page
from bot.views.home.search_results import results_page, search_box
from bot.views.home.setup_checklist import setup_blocks
from bot.views.home.ticket_list import list_page, ticket_row
from bot.views.home.ticket_page import ticket_page
from bot.views.inputs import View
from bot.views.modals.team_settings import settings_page
from bot.views.text import Block, display_person, mrkdwn, plain_text
from services.accounts.account_search import AccountCursor
from services.home.home_service import (
    HomeContent,
    HomePage,
    PeoplePage,
    SearchResultsPage,
    SettingsPage,
    TicketListPage,
    TicketPage,
)
from services.home.sessions import Screen
from services.lists.list_query import ListKind, ListQuery
from services.lists.list_service import ListPage
from services.models.user import User

HELP = "Type `/ticket help` in any conversation to read what else you can do."
NO_OWN_TICKETS = "You have no open tickets. When something does not work, press File a ticket."
NO_ASSIGNED_TICKETS = (
    "Nothing is assigned to you. A new ticket comes to you as a direct message and stays here "
    "until you resolve it."
)
MORE_TICKETS = "There are more."
AVAILABILITY_HELP = "If that is wrong, press My availability."
DIGEST_ON, DIGEST_OFF = "on", "off"


def home_view(content: HomeContent, *, notice: str = "") -> View:
    """Return the screen; `notice` is for a ticket's page."""
    if isinstance(content, TicketPage):
        return ticket_page(content, notice=notice)
    if isinstance(content, PeoplePage):
        return people_page(content)
    if isinstance(content, SettingsPage):
        return settings_page(
            content.settings, content.status_rules, content.private_tickets, content.channels
        )
    if isinstance(content, SearchResultsPage):
        return results_page(content)
    return list_page(content) if isinstance(content, TicketListPage) else overview_page(content)


def overview_page(content: HomePage) -> View:
    is_staff = content.assigned is not None
    everybody = Screen(people=AccountCursor()).encode()
    people = [button("People", ids.HOME_PEOPLE, everybody)] if content.can_manage_people else []
    if content.can_manage_people:
        people.append(button("Settings", ids.HOME_SETTINGS, Screen(settings=True).encode()))
    own = [button("My availability", ids.OPEN_AVAILABILITY, "own")] if is_staff else []
    blocks = [
        header(f"Hello, {display_person(content.people, content.user_id).name}"),
        actions(
            button("File a ticket", ids.HOME_FILE, "file", primary=True),
            button("My profile", ids.OPEN_PROFILE, "own"),
            *own,
            *people,
        ),
        *([_work_buttons()] if is_staff else []),
        search_box(),
        context(mrkdwn(HELP)),
        *(_away_notice(content) if is_staff else []),
        *_setup(content),
        {"type": "divider"},
        header("Your open tickets"),
        *_ticket_preview(content, content.own, ListKind.OWN, empty=NO_OWN_TICKETS),
        actions(_list_button("All your tickets", ids.HOME_OWN, ListKind.OWN)),
    ]
    if content.assigned is not None:
        blocks += [
            {"type": "divider"},
            header("Assigned to you"),
            *_ticket_preview(
                content, content.assigned, ListKind.ASSIGNED, empty=NO_ASSIGNED_TICKETS
            ),
            actions(
                _list_button("All assigned to you", ids.HOME_ASSIGNED, ListKind.ASSIGNED),
                *_digest_button(content.people.users.get(content.user_id)),
            ),
        ]
    return {"type": "home", "blocks": [*blocks, *_participating(content)]}


def _participating(content: HomePage) -> list[Block]:
    """Return other people's tickets that the reader takes part in, if there are any."""
    page, kind = content.participating, ListKind.PARTICIPATING
    if not page.tickets:
        return []
    return [
        {"type": "divider"},
        header("Open tickets you take part in"),
        *_ticket_preview(content, page, kind, empty=""),
        actions(_list_button("All you take part in", ids.HOME_PARTICIPATING, kind)),
    ]


def refusal_view(sentence: str, *, app_name: str) -> View:
    """Return what a member without an account sees."""
    blocks = [header(app_name), text_section(sentence)]
    return {"type": "home", "blocks": blocks}


def _work_buttons() -> Block:
    return actions(
        _list_button("Waiting for me", ids.HOME_WAITING, ListKind.WAITING_FOR_ME),
        _list_button("Unassigned", ids.HOME_UNASSIGNED, ListKind.UNASSIGNED),
        _list_button("Overdue", ids.HOME_OVERDUE, ListKind.OVERDUE),
        _list_button("The queue", ids.HOME_QUEUE, ListKind.QUEUE),
    )


def _setup(content: HomePage) -> list[Block]:
    if content.setup is None:
        return []
    return setup_blocks(content.setup, app_name=content.people.app_name)


def _away_notice(content: HomePage) -> list[Block]:
    """Explain why no tickets arrive: a Slack status alone may have set the reader away."""
    reader = content.people.users.get(content.user_id)
    until = reader.away_until if reader else None
    if until is None or until <= content.now:
        return []
    text = (
        f"You are *{away_phrase(until)}*, so no new tickets are assigned to you. "
        f"{AVAILABILITY_HELP}"
    )
    return [mrkdwn_section(text)]


def _ticket_preview(
    content: HomePage, page: ListPage, kind: ListKind, *, empty: str
) -> list[Block]:
    if not page.tickets:
        return [text_section(empty)]
    blocks: list[Block] = []
    for ticket in page.tickets:
        to = Screen(ticket_id=ticket.id)
        blocks += ticket_row(
            ticket,
            kind=kind,
            people=content.people,
            now=content.now,
            open_button=button("Open", ids.HOME_OPEN, to.encode()),
        )
    return [*blocks, context(plain_text(MORE_TICKETS))] if page.next_cursor else blocks


def _digest_button(reader: User | None) -> list[Block]:
    if reader is None:
        return []
    if reader.wants_digest:
        return [button("Turn off the daily digest", ids.SET_DIGEST, DIGEST_OFF)]
    return [button("Turn on the daily digest", ids.SET_DIGEST, DIGEST_ON)]


def _list_button(label: str, action_id: str, kind: ListKind) -> Block:
    return button(label, action_id, Screen(list_query=ListQuery(kind)).encode())
