"""The modal to update a ticket, its private metadata, and the same modal after a conflict."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import accumulate
from typing import Any

from bson import ObjectId

from bot.views import ids, labels
from bot.views.blocks import context, mrkdwn_section, text_section
from bot.views.cards.action_buttons import parse_button_value
from bot.views.history import VALUE_PHRASES, edit_phrase
from bot.views.inputs import (
    MAX_OPTIONS,
    View,
    datetime_picker,
    input_block,
    modal,
    option,
    own_metadata,
    select,
    text_input,
    user_select,
)
from bot.views.modals.private_choice import PrivateTicketChoice, private_choice
from bot.views.modals.ticket_actions import assignee_option, modal_title
from bot.views.text import (
    Block,
    display_person,
    escape,
    fit_view_to_limit,
    plain_text,
    utf16_length,
)
from services.core.text import join_words, strip_invisible, truncate
from services.editing.ticket_edits import EditConflict, EditForm, FieldConflict
from services.linking.links import Directory
from services.models.ticket import Priority, Status, Ticket
from services.tickets.lifecycle import STATUS_TRANSITIONS
from services.tickets.validation import (
    MAX_DESCRIPTION_LENGTH,
    MAX_NOTES_LENGTH,
    MAX_RESOLUTION_LENGTH,
    MAX_SKILL_VALUE_LENGTH,
    MAX_TITLE_LENGTH,
    skill_choices,
)

MAKE_PRIVATE_HINT = (
    "Then only the requester, the assignee, the participants and admins can see it. You can't undo "
    "this, and if you are none of them, you no longer see it."
)
REQUESTER_HINT = (
    "The new requester gets its messages. If they are its assignee, it is assigned again."
)
TRUNCATION_WARNING = "If you change it, the part you do not see is gone for good."
# In bytes, because a view may have 250 kB in any alphabet.
MAX_MENU_BYTES, MAX_SELECTED_BYTES = 40_000, 90_000
UNAVAILABLE_ASSIGNEE = "Someone who can no longer take tickets"
# These can have a message to the requester.
_STATUSES_WITH_MESSAGE = {Status.COMPLETED, Status.WAITING}
FORM_KEPT_NOTICE = (
    "Your form is as you left it. Press Save to replace these changes with yours, or Cancel to "
    "keep them. Fields you did not touch stay as others set them, even if this form shows the "
    "old value."
)
EMPTY_NOW = "It is empty now."
# For a list of skills, so that the form stays in sight.
MAX_LIST_LENGTH = 500


@dataclass(frozen=True, slots=True)
class EditMetadata:
    """The modal's private metadata. `seq` is the ticket's when the form was opened.

    After a conflict, `changed_fields` are the fields the user had changed, and `acknowledged` is,
    by field, the `seq` up to which the user has seen other people's changes.
    """

    ticket_id: str
    seq: int
    changed_fields: frozenset[str] = frozenset()
    acknowledged: Mapping[str, int] = field(default_factory=dict)

    def encode(self) -> str:
        data = {"id": self.ticket_id, "seq": self.seq}
        conflict_data = {"touched": sorted(self.changed_fields), "told": dict(self.acknowledged)}
        return json.dumps(data | conflict_data if self.changed_fields else data)

    @classmethod
    def decode(cls, text: str) -> "EditMetadata":
        """Return an empty ticket id if the text is not ours."""
        try:
            loaded = json.loads(text)
        except ValueError:
            loaded = None
        data: dict[str, Any] = loaded if isinstance(loaded, dict) else {}
        changed_fields, acknowledged = data.get("touched"), data.get("told")
        return cls(
            ticket_id=str(data.get("id") or ""),
            seq=_as_int(data.get("seq")),
            changed_fields=frozenset(map(str, changed_fields))
            if isinstance(changed_fields, list)
            else frozenset(),
            acknowledged={str(name): _as_int(seq) for name, seq in acknowledged.items()}
            if isinstance(acknowledged, dict)
            else {},
        )


def _as_int(value: Any) -> int:
    return value if isinstance(value, int) else 0


def ticket_id_from_view(view: Mapping[str, Any]) -> str | None:
    """Return the id of the ticket a modal is about, for any of the ticket modals."""
    text = own_metadata(view)
    ticket_id, _ = parse_button_value(text)
    return (
        ticket_id if ObjectId.is_valid(ticket_id) else EditMetadata.decode(text).ticket_id or None
    )


def edit_ticket_modal(draft: EditForm) -> View:
    """Return the form with all current values. A text too long for Slack is cut, with a hint."""
    ticket = draft.ticket
    blocks = [
        _long_text("title", "Title", ticket.title, MAX_TITLE_LENGTH, required=True),
        _long_text(
            "description", "Description", ticket.description, MAX_DESCRIPTION_LENGTH, required=True
        ),
        status_select(ticket),
        *_message(ticket.status),
        _priority(ticket.priority),
        *_deadline(ticket.deadline),
        *_skills(ticket, draft.team_skills),
        _assignee(draft),
        _requester(draft),
        _long_text("helpfulNotes", "Notes for moderators", ticket.helpful_notes, MAX_NOTES_LENGTH),
        *_private(draft),
    ]
    return edit_ticket_frame(ticket, blocks, EditMetadata(ticket_id=str(ticket.id), seq=ticket.seq))


def _private(draft: EditForm) -> list[Block]:
    if draft.ticket.private or draft.now is None or draft.private_tickets is None:
        return []
    choice = PrivateTicketChoice.of(draft.private_tickets, now=draft.now)
    box = private_choice(choice, MAKE_PRIVATE_HINT)
    if not box or not draft.participants:
        return box
    names = join_words([" ".join(user.display_name.split()) for user in draft.participants])
    return [*box, context(plain_text(f"Participants, who still see it then: {names}."))]


def edit_ticket_frame(ticket: Ticket, blocks: list[Block], metadata: EditMetadata) -> View:
    return modal(
        callback_id=ids.UPDATE_TICKET,
        title=modal_title("Edit", ticket),
        submit="Save",
        private_metadata=metadata.encode(),
        blocks=blocks,
    )


def status_select(ticket: Ticket, *selected: Status) -> Block:
    """Return a menu of the current status, the allowed transitions and what the user `selected`."""
    status = ticket.status
    allowed = [status, *(to for to in Status if to in STATUS_TRANSITIONS[status])]
    listed = dict.fromkeys([*allowed, *selected])
    return select(
        "status",
        "Status",
        {to.value: labels.STATUS[to] for to in listed} | {status.value: labels.status(ticket)},
        placeholder="Choose a status",
        chosen=status.value,
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
        # The legacy backend left some empty: the rest can still be saved.
        optional=not (required and visible_text.strip()),
        initial=visible_text,
        hint=f"Cut: it has {utf16_length(visible_text):,} characters. {TRUNCATION_WARNING}"
        if too_long
        else "",
    )


def _priority(priority: Priority | None) -> Block:
    return select(
        "priority",
        "Priority",
        {one.value: labels.PRIORITY[one] for one in Priority},
        placeholder="Not set",
        chosen=priority.value if priority else "",
        optional=True,
    )


def _deadline(deadline: datetime | None) -> list[Block]:
    picker = input_block("Deadline", datetime_picker("deadline", deadline), optional=True)
    if deadline is None:
        return [picker]
    # Not every Slack client can empty the picker.
    none = option("Remove the deadline", "none")
    box: Block = {"type": "checkboxes", "action_id": "noDeadline", "options": [none]}
    return [picker, input_block("No deadline", box, optional=True)]


def _skills(ticket: Ticket, team_skills: Sequence[str]) -> list[Block]:
    """Return a menu, or a search if there are too many skills for a menu."""
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
    sizes = accumulate(len(json.dumps(menu_option)) for menu_option in options)
    return [one for one, size in zip(options, sizes, strict=True) if size <= max_bytes]


def skill_select_options(skills: Sequence[str]) -> list[Block]:
    return [option(skill, skill[:MAX_SKILL_VALUE_LENGTH]) for skill in skills]


def _assignee(draft: EditForm) -> Block:
    element: Block = {
        "type": "external_select",
        "action_id": ids.ASSIGNED_TO,
        "placeholder": plain_text("No one: it is assigned again"),
        "min_query_length": 0,
    }
    if draft.assignee_option:
        element["initial_option"] = assignee_option(draft.assignee_option)
    elif draft.ticket.assigned_to:
        element["initial_option"] = option(UNAVAILABLE_ASSIGNEE, str(draft.ticket.assigned_to))
    return input_block(
        "Assignee", element, optional=True, hint="Leave it empty to return the ticket to the queue."
    )


def _requester(draft: EditForm) -> Block:
    """Return a menu of members; empty if the requester is not in Slack."""
    return user_select(
        "createdBy",
        "Requester",
        placeholder="Choose someone",
        chosen=draft.requester_slack_id,
        optional=not draft.requester_slack_id,
        hint=REQUESTER_HINT,
    )


def conflict_modal(
    inputs: Sequence[Block],
    conflict: EditConflict,
    *,
    metadata: EditMetadata,
    changed_fields: frozenset[str],
    reader_id: ObjectId,
) -> View:
    """Return the submitted form below a notice for each conflict.

    `inputs` are filled in as submitted; `changed_fields` are the fields the user changed.
    """
    acknowledged = {
        **metadata.acknowledged,
        **{field_conflict.field: conflict.ticket.seq for field_conflict in conflict.conflicts},
    }
    notices = [
        block for clash in conflict.conflicts for block in _notice(clash, conflict, reader_id)
    ]
    blocks = [
        *notices,
        context(plain_text(FORM_KEPT_NOTICE)),
        {"type": "divider"},
        *[_with_current_choices(block, conflict.ticket) for block in inputs],
    ]
    new_metadata = replace(metadata, changed_fields=changed_fields, acknowledged=acknowledged)
    return edit_ticket_frame(conflict.ticket, fit_view_to_limit(blocks), new_metadata)


def _notice(
    field_conflict: FieldConflict, conflict: EditConflict, reader_id: ObjectId
) -> list[Block]:
    text = f"Since you opened this form, {conflict_phrase(field_conflict, conflict, reader_id)}."
    blocks: list[Block] = [mrkdwn_section(text)]
    if field_conflict.field not in (*VALUE_PHRASES, "assignedTo", "createdBy"):
        value = field_conflict.value
        shown = truncate(", ".join(value), MAX_LIST_LENGTH) if isinstance(value, list) else value
        blocks.append(text_section(shown or EMPTY_NOW))
    return blocks


def conflict_phrase(
    field_conflict: FieldConflict, conflict: EditConflict, reader_id: ObjectId
) -> str:
    """Return who changed the field to what, as mrkdwn."""
    who = "you" if field_conflict.by == reader_id else escape(_name(field_conflict.by, conflict))
    return f"{who} {_change_phrase(field_conflict, conflict, reader_id)}"


def _name(by: ObjectId | str, conflict: EditConflict) -> str:
    if isinstance(by, ObjectId):
        return display_person(Directory(conflict.people, {}), by).name
    return "Gemini" if by == "ai" else conflict.app_name


def _change_phrase(
    field_conflict: FieldConflict, conflict: EditConflict, reader_id: ObjectId
) -> str:
    if field_conflict.field == "createdBy":
        requester = field_conflict.value
        name = "you" if requester == reader_id else escape(_name(requester, conflict))
        return f"made {name} its requester"
    if field_conflict.field != "assignedTo":
        return edit_phrase(field_conflict.field, field_conflict.value)
    if field_conflict.value is None:
        return "returned it to the queue"
    if field_conflict.value == field_conflict.by:
        return "took it"
    if field_conflict.value == reader_id:
        return "assigned it to you"
    return f"assigned it to {escape(_name(field_conflict.value, conflict))}"


def _with_current_choices(block: Block, ticket: Ticket) -> Block:
    """Return the status menu with what is allowed now and what was chosen; others unchanged."""
    if block["block_id"] != "status":
        return block
    chosen = block["element"]["initial_option"]
    current = status_select(ticket, Status(chosen["value"]))["element"]
    initial = next(choice for choice in current["options"] if choice["value"] == chosen["value"])
    return {**block, "element": {**current, "initial_option": initial}}
