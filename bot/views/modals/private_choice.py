"""The checkbox that makes a ticket private, in the form for a new one and in that to edit one."""

from datetime import datetime
from enum import Enum, auto

from bot.views.inputs import input_block, option
from bot.views.text import Block
from services.team_settings.private_tickets import LEGACY_WARNING, PrivateTicketState


class PrivateTicketChoice(Enum):
    """`WITH_WARNING`: the old backend still shows private tickets to moderators."""

    OFF = auto()
    ON = auto()
    WITH_WARNING = auto()

    @classmethod
    def of(cls, state: PrivateTicketState, *, now: datetime) -> "PrivateTicketChoice":
        if not state.is_available(now):
            return cls.OFF
        return cls.WITH_WARNING if state.is_legacy_in_use(now) else cls.ON


def private_choice(choice: PrivateTicketChoice, hint: str) -> list[Block]:
    """Return the checkbox; `hint` says who sees the ticket then."""
    if choice is PrivateTicketChoice.OFF:
        return []
    box: Block = {
        "type": "checkboxes",
        "action_id": "private",
        "options": [option("Make it private", "private")],
    }
    warning = f" {LEGACY_WARNING}" if choice is PrivateTicketChoice.WITH_WARNING else ""
    return [input_block("Private", box, optional=True, hint=f"{hint}{warning}")]
