"""The modal to update a ticket, once somebody else was quicker: what they changed, and one's own
words, still there to be sent again."""

from collections.abc import Sequence
from dataclasses import replace

from bson import ObjectId

from bot.views.history import edit_phrase
from bot.views.inputs import View
from bot.views.modals.edit_metadata import EditMetadata
from bot.views.modals.edit_ticket import edit_ticket_frame, status_select
from bot.views.text import (
    Block,
    display_person,
    escape,
    fit_view_to_limit,
    mrkdwn,
    plain_text,
    truncate,
)
from services.editing.conflicts import EditConflict, FieldConflict
from services.linking.directory import Directory
from services.models.ticket import Status

FORM_KEPT_NOTICE = (
    "Your form is as you left it. Press Save to put yours in place of that, or Cancel to leave it. "
    "What you did not touch stays as others set it, even where this form still shows it as it was."
)
QUOTED_FIELDS = frozenset({"title", "description", "helpfulNotes"})
EMPTY_NOW = "It is empty now."
# Of skills, so that a long list does not push the form out of sight.
MAX_LIST_LENGTH = 500


def conflict_modal(
    inputs: Sequence[Block],
    conflict: EditConflict,
    *,
    metadata: EditMetadata,
    changed_fields: frozenset[str],
    reader_id: ObjectId,
) -> View:
    """`inputs` are the form's, filled in as submitted; `changed_fields` are those changed in it."""
    acknowledged = {
        **metadata.acknowledged,
        **{field_conflict.field: conflict.ticket.seq for field_conflict in conflict.conflicts},
    }
    notices = [
        block for clash in conflict.conflicts for block in _notice(clash, conflict, reader_id)
    ]
    blocks = [
        *notices,
        {"type": "context", "elements": [plain_text(FORM_KEPT_NOTICE)]},
        {"type": "divider"},
        *[_with_current_choices(block, conflict.ticket.status) for block in inputs],
    ]
    new_metadata = replace(metadata, changed_fields=changed_fields, acknowledged=acknowledged)
    return edit_ticket_frame(conflict.ticket, fit_view_to_limit(blocks), new_metadata)


def _notice(
    field_conflict: FieldConflict, conflict: EditConflict, reader_id: ObjectId
) -> list[Block]:
    who = "you" if field_conflict.by == reader_id else escape(_name(field_conflict.by, conflict))
    text = (
        f"{who[:1].upper()}{who[1:]} {_change_phrase(field_conflict, conflict, reader_id)} "
        "meanwhile."
    )
    blocks: list[Block] = [{"type": "section", "text": mrkdwn(text)}]
    if field_conflict.field in QUOTED_FIELDS:
        blocks.append({"type": "section", "text": plain_text(field_conflict.value or EMPTY_NOW)})
    if field_conflict.field == "relatedSkills":
        listed = truncate(", ".join(field_conflict.value), MAX_LIST_LENGTH) or EMPTY_NOW
        blocks.append({"type": "section", "text": plain_text(listed)})
    return blocks


def _name(by: ObjectId | str, conflict: EditConflict) -> str:
    if isinstance(by, ObjectId):
        return display_person(Directory(conflict.people, {}), by).name
    return {"ai": "Gemini"}.get(by, "the help desk")


def _change_phrase(
    field_conflict: FieldConflict, conflict: EditConflict, reader_id: ObjectId
) -> str:
    if field_conflict.field != "assignedTo":
        return edit_phrase(field_conflict.field, field_conflict.value)
    if field_conflict.value is None:
        return "handed it back"
    if field_conflict.value == field_conflict.by:
        return "took it"
    if field_conflict.value == reader_id:
        return "gave it to you"
    return f"gave it to {escape(_name(field_conflict.value, conflict))}"


def _with_current_choices(block: Block, status: Status) -> Block:
    """The status menu offers what is allowed by now, and what had been chosen."""
    if block["block_id"] != "status":
        return block
    chosen = block["element"]["initial_option"]
    current = status_select(status, Status(chosen["value"]))["element"]
    initial = next(choice for choice in current["options"] if choice["value"] == chosen["value"])
    return {**block, "element": {**current, "initial_option": initial}}
