"""Home: the first page, with a member's open tickets and what is assigned to them."""

from typing import Any

from bot.views import ids
from bot.views.blocks import actions, button, context, header
from bot.views.lists import list_home
from bot.views.people import person
from bot.views.roster import roster
from bot.views.rows import row
from bot.views.team_settings import settings_page
from bot.views.text import Block, mrkdwn, plain
from bot.views.ticket_page import ticket_page
from bot.views.times import away
from services.home import Content, OpenList, Overview, Roster, SettingsPage, Sheet
from services.listing import Page
from services.models import User
from services.roll import Place
from services.selection import ListKind, Selection
from services.visits import Screen

View = dict[str, Any]

HELP = "Type `/ticket help` in any conversation to read what else you can do."
NO_OWN = "You have no open tickets. When something does not work, press File a ticket."
NO_ASSIGNED = (
    "Nothing is assigned to you. A new ticket comes to you as a direct message and stands here "
    "until you resolve it."
)
MORE = "There are more."
WRONG = "If that is wrong, press My availability."
DIGEST_ON, DIGEST_OFF = "on", "off"


def home(content: Content) -> View:
    """What that member looks at."""
    if isinstance(content, Sheet):
        return ticket_page(content)
    if isinstance(content, Roster):
        return roster(content)
    if isinstance(content, SettingsPage):
        return settings_page(content.held)
    return list_home(content) if isinstance(content, OpenList) else overview(content)


def overview(content: Overview) -> View:
    is_staff = content.assigned is not None
    queue = [_list_button("The queue", ids.HOME_QUEUE, ListKind.QUEUE)] if is_staff else []
    everybody = Screen(people=Place()).encode()
    people = [button("People", ids.HOME_PEOPLE, everybody)] if content.may_manage_people else []
    if content.may_manage_people:
        people.append(button("Settings", ids.HOME_SETTINGS, Screen(settings=True).encode()))
    own = [button("My availability", ids.OPEN_AVAILABILITY, "own")] if is_staff else []
    blocks = [
        header(f"Hello, {person(content.people, content.reader).name}"),
        actions(
            button("File a ticket", ids.HOME_FILE, "file", primary=True),
            *queue,
            button("My profile", ids.OPEN_PROFILE, "own"),
            *own,
            *people,
        ),
        context(mrkdwn(HELP)),
        *(_away(content) if is_staff else []),
        {"type": "divider"},
        header("Your open tickets"),
        *_glimpse(content, content.own, ListKind.OWN, empty=NO_OWN),
        actions(_list_button("All your tickets", ids.HOME_OWN, ListKind.OWN)),
    ]
    if content.assigned is not None:
        blocks += [
            {"type": "divider"},
            header("Assigned to you"),
            *_glimpse(content, content.assigned, ListKind.ASSIGNED, empty=NO_ASSIGNED),
            actions(
                _list_button("All assigned to you", ids.HOME_ASSIGNED, ListKind.ASSIGNED),
                *_digest_button(content.people.users.get(content.reader)),
            ),
        ]
    return {"type": "home", "blocks": blocks}


def refusal(sentence: str) -> View:
    """For a member who gets no account."""
    blocks = [header("Help desk"), {"type": "section", "text": plain(sentence)}]
    return {"type": "home", "blocks": blocks}


def _away(content: Overview) -> list[Block]:
    """Else somebody wonders why no ticket comes: their Slack status alone may have said so."""
    reader = content.people.users.get(content.reader)
    until = reader.away_until if reader else None
    if until is None or until <= content.now:
        return []
    told = f"You are *{away(until)}*, so no new tickets are assigned to you. {WRONG}"
    return [{"type": "section", "text": mrkdwn(told)}]


def _glimpse(content: Overview, page: Page, kind: ListKind, *, empty: str) -> list[Block]:
    """The beginning of a list, and whether there is more of it."""
    if not page.tickets:
        return [{"type": "section", "text": plain(empty)}]
    blocks: list[Block] = []
    for ticket in page.tickets:
        to = Screen(ticket_id=ticket.id)
        blocks += row(
            ticket,
            kind=kind,
            people=content.people,
            now=content.now,
            opener=button("Open", ids.HOME_OPEN, to.encode()),
        )
    return [*blocks, context(plain(MORE))] if page.after else blocks


def _digest_button(reader: User | None) -> list[Block]:
    if reader is None:
        return []
    if reader.wants_digest:
        return [button("Turn off the morning digest", ids.TURN_DIGEST, DIGEST_OFF)]
    return [button("Turn on the morning digest", ids.TURN_DIGEST, DIGEST_ON)]


def _list_button(label: str, action_id: str, kind: ListKind) -> Block:
    return button(label, action_id, Screen(listed=Selection(kind)).encode())
