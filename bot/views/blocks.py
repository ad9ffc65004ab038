"""Blocks that cards, messages and pages share."""

from collections.abc import Callable, Mapping
from typing import Any

from bot.views import labels
from bot.views.due_text import due_field, format_datetime
from bot.views.text import (
    Block,
    DisplayPerson,
    escape,
    excerpt,
    has_secret,
    masked,
    mrkdwn,
    plain_text,
)
from services.core.text import strip_invisible, truncate
from services.models.resolution import RESOLUTION_CODES, SOLVED_BY_REQUESTER
from services.models.ticket import OPEN_STATUSES, Status, Ticket
from services.tickets.lifecycle import is_awaiting_acceptance
from services.tickets.validation import MAX_TITLE_LENGTH

FINDING_SOMEONE = "Finding someone…"
MAX_HEADER_LENGTH = 150  # Slack's limit
MAX_EXCERPT_LENGTH, MAX_EXCERPT_LINES = 300, 3
SECRET_HIDDEN = "A secret is hidden here. The ticket's page shows it."  # noqa: S105  a sentence


def header(text: str) -> Block:
    return {"type": "header", "text": plain_text(text, limit=MAX_HEADER_LENGTH)}


def section(text: Block, **properties: Any) -> Block:
    return {"type": "section", "text": text, **properties}


def text_section(text: str) -> Block:
    return section(plain_text(text))


def mrkdwn_section(text: str) -> Block:
    return section(mrkdwn(text))


def fields_section(fields: Mapping[str, str]) -> Block:
    """Return labelled values, as mrkdwn, in two columns."""
    return {
        "type": "section",
        "fields": [mrkdwn(f"*{label}*\n{value}") for label, value in fields.items()],
    }


def ticket_title(ticket: Ticket) -> Block:
    return section(plain_text(masked(ticket.title), limit=MAX_TITLE_LENGTH))


def ticket_section(ticket: Ticket, ticket_button: Block, *, verb: str) -> Block:
    """Return number and title with a button; screen readers read `verb` and the number."""
    name = labels.ticket_name(ticket)
    return section(
        plain_text(f"{name}: {truncate(masked(ticket.title), MAX_TITLE_LENGTH)}"),
        accessory={**ticket_button, "accessibility_label": f"{verb} {name}"},
    )


def ticket_header(ticket: Ticket) -> Block:
    """Return number and title in one line."""
    return header(numbered(ticket, masked(ticket.title)))


def page_header(ticket: Ticket) -> list[Block]:
    """Return the same with all words, for the ticket's page. A title that a header cannot hold
    stands below the number."""
    text = numbered(ticket, ticket.title)
    if len(text) <= MAX_HEADER_LENGTH:
        return [header(text)]
    title = truncate(ticket.title, MAX_TITLE_LENGTH)
    return [header(labels.ticket_name(ticket)), text_section(title)]


def numbered(ticket: Ticket, title: str) -> str:
    """Return "#12 Payroll export fails", or "#12 (private) Payroll export fails"."""
    number = f"#{ticket.number} " if ticket.number else ""
    mark = "(private) " if ticket.private else ""
    return f"{number}{mark}{' '.join(strip_invisible(title).split()) or '–'}"


def facts_section(ticket: Ticket, *facts: str) -> Block:
    """Return the priority of an open ticket and the other facts in one line, as mrkdwn."""
    is_open = ticket.status in OPEN_STATUSES
    priority = labels.signed_priority(ticket.priority) if is_open and ticket.priority else ""
    return mrkdwn_section(" · ".join(filter(None, (priority, *facts))))


def description_section(ticket: Ticket) -> list[Block]:
    """Return the beginning of the description without a first line that is the title, as of a
    ticket that was a message; the ticket's page shows all of it."""
    first, _, rest = ticket.description.strip().partition("\n")
    text = rest if first.split() == ticket.title.split() else ticket.description
    shown = excerpt(text, max_length=MAX_EXCERPT_LENGTH, max_lines=MAX_EXCERPT_LINES)
    return [*([text_section(shown)] if shown else []), *secret_notice(ticket.description)]


def titled_section(label: str, text: str) -> list[Block]:
    """Return a label above a user's text, which stays plain text."""
    return [context(mrkdwn(f"*{label}*")), text_section(text)]


def quoted_section(label: str, text: str) -> list[Block]:
    """As `titled_section`, without secrets, for messages."""
    return [*titled_section(label, masked(text)), *secret_notice(text)]


def secret_notice(text: str) -> list[Block]:
    """Say where a secret of that text is shown; nothing if it has none."""
    return [context(plain_text(SECRET_HIDDEN))] if has_secret(text) else []


def context(*elements: Block) -> Block:
    return {"type": "context", "elements": list(elements)}


def ticket_fields(
    ticket: Ticket,
    *,
    requester: DisplayPerson,
    assignee: DisplayPerson | None,
    filed_by: DisplayPerson | None = None,
    done_by: DisplayPerson | None = None,
    due: str = "",
    is_for_requester: bool = False,
    has_menus: bool = False,
) -> Block:
    """Return status, priority, people and due date in two columns.

    `filed_by` filed the ticket for the requester; `done_by` resolved or cancelled it; `due` is a
    phrase of `bot.views.due_text`. `has_menus`: menus show priority and assignee.
    """
    fields = {
        "Status": labels.status(ticket, is_for_requester=is_for_requester),
        "Requester": requester.mention if is_for_requester else requester.noted_mention,
    }
    if filed_by:
        fields["Filed by"] = filed_by.mention
    if not has_menus:
        priority = labels.signed_priority(ticket.priority) if ticket.priority else "Not set"
        who = assignee.mention if assignee else labels.NOT_ASSIGNED
        fields |= {"Priority": priority, "Assignee": who}
    if accepted_at := accepted_time(ticket):
        fields["Accepted"] = accepted_at
    if due:
        fields["Due"] = due_field(due)
    if done_by:
        fields[f"{labels.status(ticket)} by"] = done_by.mention
    return fields_section(fields)


def status_line(
    ticket: Ticket,
    *,
    assignee: DisplayPerson | None,
    done_by: DisplayPerson | None = None,
    due: str = "",
    is_for_requester: bool = False,
) -> Block:
    """Return priority, status, assignee and due phrase in one line; for a completed ticket, who
    completed it."""
    status = f"*{labels.status(ticket, is_for_requester=is_for_requester)}*"
    if ticket.status is Status.COMPLETED:
        return facts_section(ticket, f"{status} by {done_by.mention}" if done_by else status)
    if assignee and is_awaiting_acceptance(ticket):
        return facts_section(ticket, f"{status} to {assignee.mention}", due)
    if assignee and accepted_time(ticket) and ticket.status is not Status.WAITING:
        who = f"Accepted by {assignee.mention}"
    elif assignee:
        who = f"Assigned to {assignee.mention}"
    elif ticket.assignment.get("next") or ticket.is_queued_unassigned:
        who = "No one is available right now; it is assigned as soon as someone is"
    else:
        who = FINDING_SOMEONE
    return facts_section(ticket, status, who, due)


def accepted_time(ticket: Ticket) -> str:
    """Return when the assignee accepted the ticket, as mrkdwn; "" if not accepted, or completed."""
    is_assigned = ticket.status in OPEN_STATUSES and ticket.assigned_to is not None
    return format_datetime(ticket.accepted_at) if is_assigned and ticket.accepted_at else ""


def resolution_section(
    ticket: Ticket, show: Callable[[str, str], list[Block]] = quoted_section
) -> list[Block]:
    """Return what was done, if the ticket is resolved."""
    if ticket.status is not Status.COMPLETED or not ticket.resolution:
        return []
    if ticket.resolution in {*RESOLUTION_CODES, SOLVED_BY_REQUESTER}:  # the status says it
        return []
    return show("What was done", str(ticket.resolution))


def source_link(ticket: Ticket) -> list[Block]:
    """Return a link to the message the ticket was filed from, as an element of a context. Slack
    checks who may open it."""
    if ticket.source is None or ticket.source.is_direct_message:
        return []
    return [mrkdwn(f"Filed from <{escape(ticket.source.permalink)}|the message>")]


def small_print(*elements: Block) -> list[Block]:
    """Return the elements in one line; nothing if there are none."""
    return [context(*elements)] if elements else []


def button(label: str, action_id: str, value: str, *, primary: bool = False) -> Block:
    element = {"type": "button", "action_id": action_id, "value": value, "text": plain_text(label)}
    return {**element, "style": "primary"} if primary else element


def page_buttons(*directions: tuple[str, str, str | None]) -> list[Block]:
    """Return a button for each label, action_id and value, without those of no value."""
    buttons = [button(label, action_id, value) for label, action_id, value in directions if value]
    return [actions(*buttons)] if buttons else []


def actions(*buttons: Block) -> Block:
    return {"type": "actions", "elements": list(buttons)}
