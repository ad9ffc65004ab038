"""The modal to add people to a ticket and to remove some."""

from bot.views import ids
from bot.views.blocks import context, text_section, ticket_title
from bot.views.inputs import View, input_block, modal, multi_user_select, option
from bot.views.modals.ticket_actions import modal_title
from bot.views.text import Block, plain_text
from services.core.text import join_words, strip_invisible
from services.editing.participants import (
    ADDED,
    MAY_SEE_PRIVATE,
    REMOVED,
    ParticipantsForm,
)
from services.models.user import User
from services.tickets.transitions import MAX_PARTICIPANTS

ADD_HINT = (
    "They get the ticket as a direct message, read its comments and can reply. They can't change "
    "it, and they don't read internal notes."
)
PRIVATE_NOTICE = (
    "This ticket is private. The people you add see its text and all comments, also those from "
    "before."
)
PRIVATE_CHOICE = "They may see this private ticket"
FULL = f"A ticket has at most {MAX_PARTICIPANTS} participants. Remove some to add others."


def participants_modal(form: ParticipantsForm) -> View:
    ticket, people = form.ticket, form.participants
    return modal(
        callback_id=ids.CHANGE_PARTICIPANTS,
        title=modal_title("People on", ticket),
        submit="Save",
        private_metadata=str(ticket.id),
        blocks=[
            ticket_title(ticket),
            *(_present(people) if people else []),
            *_add(form),
            *(_remove(people) if people else []),
        ],
    )


def _present(people: tuple[User, ...]) -> list[Block]:
    return [context(plain_text(f"Participants: {join_words([_name(user) for user in people])}."))]


def _add(form: ParticipantsForm) -> list[Block]:
    if not form.room:
        return [text_section(FULL)]
    picker = multi_user_select(
        ADDED,
        "Add people",
        placeholder="Choose people",
        most=form.room,
        optional=bool(form.participants),
        hint=ADD_HINT,
    )
    return [picker, *(_private_confirmation() if form.ticket.private else [])]


def _private_confirmation() -> list[Block]:
    """Return a box to tick. It is optional, because removing people does not need it."""
    box: Block = {
        "type": "checkboxes",
        "action_id": MAY_SEE_PRIVATE,
        "options": [option(PRIVATE_CHOICE, MAY_SEE_PRIVATE)],
    }
    return [input_block("Private ticket", box, optional=True, hint=PRIVATE_NOTICE)]


def _remove(people: tuple[User, ...]) -> list[Block]:
    menu: Block = {
        "type": "multi_static_select",
        "action_id": REMOVED,
        "placeholder": plain_text("Choose people"),
        "options": [option(_name(user), str(user.id)) for user in people],
    }
    return [input_block("Remove people", menu, optional=True)]


def _name(user: User) -> str:
    name = " ".join(strip_invisible(user.display_name).split()) or "someone"
    return name if user.active else f"{name} (deactivated)"
