"""Blocks that cards, messages and pages share."""

from collections.abc import Callable, Mapping
from typing import Any

from bot.views import labels
from bot.views.due_text import due_field, format_datetime
from bot.views.text import Block, DisplayPerson, escape, has_secret, masked, mrkdwn, plain_text
from services.core.text import truncate
from services.models.ticket import OPEN_STATUSES, Status, Ticket
from services.tickets.lifecycle import RESOLUTION_CODES, is_awaiting_acceptance
from services.tickets.transitions import is_queued_unassigned
from services.tickets.validation import MAX_TITLE_LENGTH

FINDING_SOMEONE = "Finding someone…"
SECRET_HIDDEN = "A secret is hidden here. The ticket's page shows it."  # noqa: S105  a sentence


def header(text: str) -> Block:
    return {"type": "header", "text": plain_text(text, limit=150)}


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


def ticket_heading(ticket: Ticket) -> list[Block]:
    return [header(labels.ticket_name(ticket)), ticket_title(ticket)]


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
    assignee: DisplayPerson,
    done_by: DisplayPerson | None = None,
    due: str = "",
    is_for_requester: bool = False,
) -> Block:
    """Return status, priority, people and due date in two columns.

    `done_by` resolved or cancelled the ticket; `due` is a phrase of `bot.views.due_text`.
    """
    fields = {
        "Status": labels.status(ticket, is_for_requester=is_for_requester),
        "Priority": labels.PRIORITY[ticket.priority] if ticket.priority else "Not set",
        "Requester": requester.mention if is_for_requester else requester.noted_mention,
        "Assignee": assignee.mention,
    }
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
    """Return status, assignee and due phrase in one line; for a completed ticket, who completed
    it."""
    status = f"*{labels.status(ticket, is_for_requester=is_for_requester)}*"
    if ticket.status is Status.COMPLETED:
        return context(mrkdwn(f"{status} by {done_by.mention}" if done_by else status))
    if assignee and accepted_time(ticket):
        who = f"{assignee.mention} has accepted it"
    elif assignee and is_awaiting_acceptance(ticket):
        return context(
            mrkdwn(" · ".join([f"{status} to {assignee.mention}", *filter(None, [due])]))
        )
    elif assignee:
        who = f"Assigned to {assignee.mention}"
    elif ticket.assignment.get("next") or is_queued_unassigned(ticket):
        who = "No one is available right now; it is assigned as soon as someone is"
    else:
        who = FINDING_SOMEONE
    return context(mrkdwn(" · ".join([status, who, *([due] if due else [])])))


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
    if ticket.resolution in RESOLUTION_CODES:
        return []
    return show("What was done", str(ticket.resolution))


def source_link(ticket: Ticket) -> list[Block]:
    """Return a link to the message the ticket was filed from. Slack checks who may open it."""
    if ticket.source is None or ticket.source.is_direct_message:
        return []
    return [context(mrkdwn(f"Filed from <{escape(ticket.source.permalink)}|the message>"))]


def button(label: str, action_id: str, value: str, *, primary: bool = False) -> Block:
    element = {"type": "button", "action_id": action_id, "value": value, "text": plain_text(label)}
    return {**element, "style": "primary"} if primary else element


def page_buttons(*directions: tuple[str, str, str | None]) -> list[Block]:
    """Return a button for each label, action_id and value, without those of no value."""
    buttons = [button(label, action_id, value) for label, action_id, value in directions if value]
    return [actions(*buttons)] if buttons else []


def actions(*buttons: Block) -> Block:
    return {"type": "actions", "elements": list(buttons)}
