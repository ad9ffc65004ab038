"""Home: a member's open tickets and what is assigned to them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bot.views import ids, words
from bot.views.blocks import actions, button, context, header
from bot.views.people import person
from bot.views.text import Block, cut, mrkdwn, plain
from bot.views.ticket_page import ticket_page
from bot.views.times import ago
from services.home import Overview, Sheet
from services.listing import Page, Position
from services.models import Ticket
from services.ticket_fields import TITLE_MAX
from services.visits import Screen

View = dict[str, Any]

HELP = "Type `/ticket help` in any conversation to read what else you can do."
NO_OWN = "You have no open tickets. When something does not work, press File a ticket."
NO_ASSIGNED = (
    "Nothing is assigned to you. A new ticket comes to you as a direct message and stands here "
    "until you resolve it."
)


def home(content: Overview | Sheet) -> View:
    """What that member looks at."""
    return ticket_page(content) if isinstance(content, Sheet) else overview(content)


def overview(content: Overview) -> View:
    screen, people = content.screen, content.people
    blocks = [
        header(f"Hello, {person(people, content.reader).name}"),
        actions(button("File a ticket", ids.HOME_FILE, "file", primary=True)),
        context(mrkdwn(HELP)),
        {"type": "divider"},
        header("Your open tickets"),
    ]
    for ticket in content.own.tickets:
        who = f"Assigned to {person(people, ticket.assigned_to).mention}"
        blocks += _row("own", ticket, who if ticket.assigned_to else "Not assigned yet", content)
    blocks += _turning(content.own, lambda to: replace(screen, own=to), empty=NO_OWN)
    if content.assigned is None:
        return {"type": "home", "blocks": blocks}
    blocks += [{"type": "divider"}, header("Assigned to you")]
    for ticket in content.assigned.tickets:
        who = f"From {person(people, ticket.created_by).mention}"
        blocks += _row("assigned", ticket, who, content)
    blocks += _turning(content.assigned, lambda to: replace(screen, assigned=to), empty=NO_ASSIGNED)
    return {"type": "home", "blocks": blocks}


def refusal(sentence: str) -> View:
    """For a member who gets no account."""
    blocks = [header("Help desk"), {"type": "section", "text": plain(sentence)}]
    return {"type": "home", "blocks": blocks}


def _row(listed: str, ticket: Ticket, who: str, content: Overview) -> list[Block]:
    """A ticket in a list. One may stand in both lists, so `listed` tells the blocks apart."""
    opened = replace(content.screen, ticket_id=ticket.id)
    name = words.name(ticket)
    told = [f"*{words.STATUS[ticket.status]}*"]
    if ticket.priority:
        told.append(f"{words.PRIORITY[ticket.priority]} priority")
    told.append(who)
    if ticket.created_at:
        told.append(f"filed {ago(ticket.created_at, now=content.now)}")
    return [
        {
            "type": "section",
            "block_id": f"{listed}:{ticket.id}",
            "text": plain(f"{name}: {cut(ticket.title, TITLE_MAX)}"),
            "accessory": {
                **button("Open", ids.HOME_OPEN, opened.encode()),
                "accessibility_label": f"Open {name}",
            },
        },
        context(mrkdwn(" · ".join(told))),
    ]


def _turning(page: Page, at: Callable[[Position], Screen], *, empty: str) -> list[Block]:
    """What stands below a list: the way to its other pages, or that there is nothing in it."""
    if not page.tickets:
        return [{"type": "section", "text": plain(empty)}]
    ways = (("Newer", ids.HOME_NEWER, page.newer), ("Older", ids.HOME_OLDER, page.older))
    buttons = [button(label, action, at(to).encode()) for label, action, to in ways if to]
    return [actions(*buttons)] if buttons else []
