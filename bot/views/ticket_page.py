"""A ticket's page in Home."""

from typing import Any

from bot.views import ids, words
from bot.views.blocks import (
    actions,
    button,
    context,
    facts,
    header,
    labelled,
    origin,
    resolve_button,
    title,
)
from bot.views.history import history
from bot.views.people import person
from bot.views.text import Block, cut, mrkdwn, plain
from bot.views.times import moment
from services.home import Sheet

View = dict[str, Any]

# So that the four long texts together stay within a view's 250 kB, whatever their alphabet.
SHORT_MAX = 500


def ticket_page(sheet: Sheet) -> View:
    """What the staff or the requester may know of the ticket, and what they may do with it."""
    ticket = sheet.ticket
    buttons = [button("Back", ids.HOME_BACK, sheet.screen.lists.encode())]
    if sheet.may_resolve:
        buttons.append(resolve_button(ticket))
    blocks = [
        header(words.name(ticket)),
        title(ticket),
        actions(*buttons),
        facts(
            ticket,
            requester=person(sheet.people, ticket.created_by),
            assignee=person(sheet.people, ticket.assigned_to),
        ),
        *_filed(sheet),
        *labelled("Description", ticket.description),
        *origin(ticket),
    ]
    if ticket.resolution:
        blocks += labelled("What was done", ticket.resolution)
    if sheet.is_staff:
        blocks += _for_staff(sheet)
    if ticket.events:
        blocks += [{"type": "divider"}, header("History"), *history(ticket.events, sheet.people)]
    return {"type": "home", "blocks": blocks}


def _filed(sheet: Sheet) -> list[Block]:
    at = sheet.ticket.created_at
    return [context(mrkdwn(f"Filed {moment(at)}"))] if at else []


def _for_staff(sheet: Sheet) -> list[Block]:
    """What the requester never reads."""
    ticket = sheet.ticket
    blocks: list[Block] = [{"type": "divider"}, header("For the help desk only")]
    if ticket.summary:
        blocks += labelled("Summary", ticket.summary)
    if ticket.helpful_notes:
        blocks += labelled("Notes", ticket.helpful_notes)
    skills = ", ".join(ticket.related_skills) or "None recognised"
    blocks += labelled("Skills", cut(skills, SHORT_MAX))
    if ticket.assigned_to:
        reason = str(ticket.assignment.get("reason") or "asked for")
        blocks += labelled("Why this assignee", cut(reason, SHORT_MAX))
    if ticket.assignment.get("analysis"):
        blocks.append(context(plain(words.source(ticket))))
    return blocks
