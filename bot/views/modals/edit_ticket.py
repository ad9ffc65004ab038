"""The modal to update a ticket, and what it becomes where somebody else was quicker."""

import json
from collections.abc import Sequence
from datetime import datetime
from itertools import accumulate

from bot.views import ids, labels
from bot.views.assignee_options import assignee_option
from bot.views.inputs import MAX_OPTIONS, View, input_block, modal, option, select, text_input
from bot.views.modals.edit_metadata import EditMetadata
from bot.views.text import Block, plain_text, utf16_length
from services.core.text import strip_invisible
from services.editing.editable_fields import MAX_NOTES_LENGTH, MAX_SKILL_VALUE_LENGTH, skill_choices
from services.editing.ticket_edits import EditForm
from services.models.ticket import Priority, Status, Ticket
from services.tickets.lifecycle import STATUS_TRANSITIONS
from services.tickets.validation import (
    MAX_DESCRIPTION_LENGTH,
    MAX_RESOLUTION_LENGTH,
    MAX_TITLE_LENGTH,
)

TRUNCATION_WARNING = "If you change it, the part you do not see is gone for good."
# In bytes, so that the view stays within its 250 kB whatever the alphabet.
MAX_MENU_BYTES, MAX_SELECTED_BYTES = 40_000, 90_000
UNAVAILABLE_ASSIGNEE = "Somebody who can take no tickets any more"
# What Slack takes as an initial date: ten digits.
_MIN_PICKER_TIMESTAMP, _MAX_PICKER_TIMESTAMP = 1_000_000_000, 9_999_999_999
# Both need words for the requester.
_STATUSES_WITH_MESSAGE = {Status.COMPLETED, Status.WAITING}


def edit_ticket_modal(draft: EditForm) -> View:
    """Every field filled in as it is. A text too long for Slack is shown cut, and says so."""
    ticket = draft.ticket
    blocks = [
        _long_text("title", "Title", ticket.title, MAX_TITLE_LENGTH, required=True),
        _long_text(
            "description", "Description", ticket.description, MAX_DESCRIPTION_LENGTH, required=True
        ),
        status_select(ticket.status),
        *_message(ticket.status),
        _priority(ticket.priority),
        *_deadline(ticket.deadline),
        *_skills(ticket, draft.team_skills),
        _assignee(draft),
        _long_text(
            "helpfulNotes", "Notes for the help desk", ticket.helpful_notes, MAX_NOTES_LENGTH
        ),
    ]
    return edit_ticket_frame(ticket, blocks, EditMetadata(ticket_id=str(ticket.id), seq=ticket.seq))


def edit_ticket_frame(ticket: Ticket, blocks: list[Block], metadata: EditMetadata) -> View:
    return modal(
        callback_id=ids.UPDATE_TICKET,
        title=f"Update ticket {ticket.number or ''}".strip()[:24],
        submit="Save",
        close="Cancel",
        private_metadata=metadata.encode(),
        blocks=blocks,
    )


def status_select(status: Status, *selected: Status) -> Block:
    """The present status first, then what the table allows; `selected`: what the user chose."""
    allowed = [status, *(to for to in Status if to in STATUS_TRANSITIONS[status])]
    listed = dict.fromkeys([*allowed, *selected])
    return select(
        "status",
        "Status",
        [option(labels.STATUS[to], to.value) for to in listed],
        placeholder="Choose a status",
        initial=option(labels.STATUS[status], status.value),
    )


def _message(status: Status) -> list[Block]:
    if not _STATUSES_WITH_MESSAGE & STATUS_TRANSITIONS[status]:
        return []
    can_wait = Status.WAITING in STATUS_TRANSITIONS[status]
    waiting_hint = (
        f" With {labels.STATUS[Status.WAITING]}: what you need to know." if can_wait else ""
    )
    return [
        text_input(
            "message",
            "Message to the requester",
            max_length=MAX_RESOLUTION_LENGTH,
            multiline=True,
            optional=True,
            hint=f"With {labels.STATUS[Status.COMPLETED]}: what was done.{waiting_hint}",
        )
    ]


def _long_text(
    field: str, label: str, text: str | None, limit: int, *, required: bool = False
) -> Block:
    visible_text = strip_invisible(text or "")
    too_long = utf16_length(visible_text) > limit
    return text_input(
        field,
        label,
        max_length=limit,
        multiline=field != "title",
        # What the predecessor left empty must not keep anybody from saving the rest.
        optional=not (required and visible_text.strip()),
        initial=visible_text,
        hint=f"Cut: it has {utf16_length(visible_text):,} characters. {TRUNCATION_WARNING}"
        if too_long
        else "",
    )


def _priority(priority: Priority | None) -> Block:
    options = {p: option(labels.PRIORITY[p], p.value) for p in Priority}
    return select(
        "priority",
        "Priority",
        list(options.values()),
        placeholder="Not set",
        initial=options[priority] if priority else None,
        optional=True,
    )


def _deadline(deadline: datetime | None) -> list[Block]:
    element: Block = {"type": "datetimepicker", "action_id": "deadline"}
    seconds = int(deadline.timestamp()) if deadline else 0
    if _MIN_PICKER_TIMESTAMP <= seconds <= _MAX_PICKER_TIMESTAMP:
        element["initial_date_time"] = seconds
    picker = input_block("Deadline", element, optional=True)
    if deadline is None:
        return [picker]
    # Not every client has a way to empty the picker.
    none = option("Take the deadline away", "none")
    box: Block = {"type": "checkboxes", "action_id": "noDeadline", "options": [none]}
    return [picker, input_block("No deadline", box, optional=True)]


def _skills(ticket: Ticket, team_skills: Sequence[str]) -> list[Block]:
    """A menu; where it would be too long for one, a search."""
    choices = skill_choices(ticket, team_skills)
    if not choices:
        return []
    by_key = {skill.casefold(): skill for skill in choices}
    ticket_skills = list(dict.fromkeys(by_key[skill.casefold()] for skill in ticket.related_skills))
    selected = _within_bytes(skill_select_options(ticket_skills[:MAX_OPTIONS]), MAX_SELECTED_BYTES)
    options = skill_select_options(choices)
    element: Block = {"action_id": "relatedSkills", "placeholder": plain_text("Choose skills")}
    if len(options) > MAX_OPTIONS or len(_within_bytes(options, MAX_MENU_BYTES)) < len(options):
        element |= {"type": "multi_external_select", "min_query_length": 0}
    else:
        element |= {"type": "multi_static_select", "options": options}
    if selected:
        element["initial_options"] = selected
    hint = (
        f"Cut: it has {len(ticket_skills)}. {TRUNCATION_WARNING}"
        if len(selected) < len(ticket_skills)
        else ""
    )
    return [input_block("Skills", element, optional=True, hint=hint)]


def _within_bytes(options: list[Block], max_bytes: int) -> list[Block]:
    """As many of them as have at most so many bytes."""
    sizes = accumulate(len(json.dumps(menu_option)) for menu_option in options)
    return [one for one, size in zip(options, sizes, strict=True) if size <= max_bytes]


def skill_select_options(skills: Sequence[str]) -> list[Block]:
    return [option(skill, skill[:MAX_SKILL_VALUE_LENGTH]) for skill in skills]


def _assignee(draft: EditForm) -> Block:
    element: Block = {
        "type": "external_select",
        "action_id": ids.ASSIGNED_TO,
        "placeholder": plain_text("Nobody: it is assigned again"),
        "min_query_length": 0,
    }
    if draft.assignee_option:
        element["initial_option"] = assignee_option(draft.assignee_option)
    elif draft.ticket.assigned_to:
        element["initial_option"] = option(UNAVAILABLE_ASSIGNEE, str(draft.ticket.assigned_to))
    return input_block(
        "Assignee", element, optional=True, hint="Empty it to hand the ticket back to assignment."
    )
