"""The modal of whoever was given a ticket that is not for them, and what it becomes."""

from bot.views import ids, words
from bot.views.inputs import View, field_block, modal, option, text_input
from bot.views.step_forms import about, title
from bot.views.steps import value
from bot.views.text import Block, plain
from services.handing_on import HandedOn, Why
from services.models import Ticket
from services.ticket_fields import REASON_MAX


def not_mine(ticket: Ticket) -> View:
    radios: Block = {
        "type": "radio_buttons",
        "action_id": "why",
        "options": [option(why, why) for why in Why],
    }
    return modal(
        callback_id=ids.HAND_ON,
        title=title("Not mine:", ticket),
        submit="Hand it on",
        close="Keep it",
        # With what its reader decided by: somebody may be quicker while this is open.
        private_metadata=value(ticket, ids.NOT_MINE),
        blocks=[
            about(ticket),
            _section("It goes to whoever fits next best. Its requester only sees who that is."),
            field_block("Why is it not yours?", radios, optional=True),
            text_input(
                "reason",
                "Anything to add?",
                limit=REASON_MAX,
                optional=True,
                hint="Moderators and admins read this; the requester does not.",
            ),
        ],
    )


def handed_on(outcome: HandedOn) -> View:
    """To whom it went."""
    return modal(title="Handed on", close="Done", blocks=[_section(_told(outcome))])


def _told(outcome: HandedOn) -> str:
    name = words.name(outcome.ticket)
    if outcome.to:
        return f"{name} goes to {outcome.to.display_name}, who is told now."
    if outcome.is_parked:
        return (
            f"Nobody else is available for {name[0].lower()}{name[1:]} right now. It stands at the "
            "top of the queue, the admins are told, and somebody gets it as soon as they can."
        )
    return f"{name} is not yours any more. Somebody else is looked for; its card says who has it."


def _section(text: str) -> Block:
    return {"type": "section", "text": plain(text)}
