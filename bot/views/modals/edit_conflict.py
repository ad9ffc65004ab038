"""The modal to update a ticket, once somebody else was quicker: what they changed, and one's own
words, still there to be sent again."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bson import ObjectId

from bot.views.history import edit
from bot.views.inputs import FILLED, View
from bot.views.modals.edit_metadata import Metadata
from bot.views.modals.edit_ticket import framed, status_select
from bot.views.text import Block, escape, fit_view_to_limit, mrkdwn, person, plain_text, truncate
from services.editing.conflicts import EditConflict, FieldConflict
from services.linking.directory import Directory
from services.models.ticket import Status

KEPT = (
    "Your form is as you left it. Press Save to put yours in place of that, or Cancel to leave it. "
    "What you did not touch stays as others set it, even where this form still shows it as it was."
)
QUOTED = frozenset({"title", "description", "helpfulNotes"})
NOT_SET = "It is empty now."
# Of skills, so that a long list does not push the form out of sight.
LIST_MAX = 500


def clashing(
    view: Mapping[str, Any],
    found: EditConflict,
    *,
    metadata: Metadata,
    touched: frozenset[str],
    reader: ObjectId,
) -> View:
    """`view` is the form as it was sent in, with its state; `touched`, the fields changed in it."""
    told = {**metadata.told, **{clash.field: found.ticket.seq for clash in found.conflicts}}
    notices = [block for clash in found.conflicts for block in _notice(clash, found, reader)]
    kept = [_as_left(block, view["state"]["values"]) for block in view["blocks"]]
    inputs = [block for block in kept if block["type"] == "input"]
    blocks = [
        *notices,
        {"type": "context", "elements": [plain_text(KEPT)]},
        {"type": "divider"},
        *[_with_present_choices(block, found.ticket.status) for block in inputs],
    ]
    again = replace(metadata, touched=touched, told=told)
    return framed(found.ticket, fit_view_to_limit(blocks), again)


def _notice(clash: FieldConflict, found: EditConflict, reader: ObjectId) -> list[Block]:
    who = "you" if clash.by == reader else escape(_name(clash.by, found))
    said = f"{who[:1].upper()}{who[1:]} {_deed(clash, found, reader)} meanwhile."
    blocks: list[Block] = [{"type": "section", "text": mrkdwn(said)}]
    if clash.field in QUOTED:
        blocks.append({"type": "section", "text": plain_text(clash.value or NOT_SET)})
    if clash.field == "relatedSkills":
        listed = truncate(", ".join(clash.value), LIST_MAX) or NOT_SET
        blocks.append({"type": "section", "text": plain_text(listed)})
    return blocks


def _name(by: ObjectId | str, found: EditConflict) -> str:
    if isinstance(by, ObjectId):
        return person(Directory(found.people, {}), by).name
    return {"ai": "Gemini"}.get(by, "the help desk")


def _deed(clash: FieldConflict, found: EditConflict, reader: ObjectId) -> str:
    if clash.field != "assignedTo":
        return edit(clash.field, clash.value)
    if clash.value is None:
        return "handed it back"
    if clash.value == clash.by:
        return "took it"
    return f"gave it to {'you' if clash.value == reader else escape(_name(clash.value, found))}"


def _as_left(block: Mapping[str, Any], values: Mapping[str, Any]) -> Block:
    """An input filled in with what it held when the form was sent."""
    if block["type"] != "input":
        return dict(block)
    element = dict(block["element"])
    held, initial = FILLED[element["type"]]
    value = values[block["block_id"]][element["action_id"]].get(held)
    element.pop(initial, None)
    if value:
        element[initial] = value
    return {**block, "element": element}


def _with_present_choices(block: Block, status: Status) -> Block:
    """The status menu offers what is allowed by now, and what had been chosen."""
    if block["block_id"] != "status":
        return block
    chosen = block["element"]["initial_option"]
    present = status_select(status, Status(chosen["value"]))["element"]
    initial = next(one for one in present["options"] if one["value"] == chosen["value"])
    return {**block, "element": {**present, "initial_option": initial}}
