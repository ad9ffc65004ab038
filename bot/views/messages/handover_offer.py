"""The offer to hand over a person's open tickets, and what replaces it after the answer."""

from bot.views import ids
from bot.views.blocks import actions, button, mrkdwn_section
from bot.views.due_text import away_phrase
from bot.views.text import Block, Message, escape
from services.availability.absence import AbsenceSource
from services.availability.handover_offers import HandoverOffer, OfferAnswer, OfferDecision
from services.core.text import truncate
from services.models.user import User

MAX_NAME_LENGTH = 80


def offer_message(handover: HandoverOffer) -> Message:
    """For the assignee, or for the admin who set them away."""
    value = f"{handover.user.id}:{handover.key}"
    if handover.recipient_id == handover.user.id:
        absence_text, whose, keep = f"You are *{away_phrase(handover.until)}*", "my", "Keep"
        if handover.source is AbsenceSource.SLACK:
            absence_text = f"Your Slack status says that you are *{away_phrase(handover.until)}*"
        have, to = "You have", "you"
    else:
        name = _name(handover.user)
        absence_text, whose, keep = f"*{name}* is *{away_phrase(handover.until)}*", "the", "Leave"
        have, to = f"{name} has", "them"
    ticket_count = open_ticket_count(handover.ticket_count)
    they = "it" if handover.ticket_count == 1 else "them"
    text = f"{absence_text}, so no new tickets are assigned to {to}. {have} {ticket_count}."
    blocks: list[Block] = [
        mrkdwn_section(f"{text} Should someone else take {they}?"),
        actions(
            button(f"Hand over {whose} {ticket_count}", ids.HAND_OVER, value, primary=True),
            button(f"{keep} {they}", ids.KEEP_TICKETS, value),
        ),
    ]
    return Message(text=f"{have} {ticket_count}. Should someone else take {they}?", blocks=blocks)


def decision_message(decision: OfferDecision, *, is_own: bool) -> Message:
    """Return what replaces the offer after the answer."""
    name, ticket_count = _name(decision.user), open_ticket_count(decision.ticket_count)
    if decision.answer is OfferAnswer.EXPIRED:
        text = "This offer is out of date. Nothing was handed over."
    elif decision.answer is OfferAnswer.KEPT:
        whose = "You keep" if is_own else f"{name} keeps"
        each = "It" if decision.ticket_count == 1 else "Each"
        text = f"{whose} {ticket_count}. {each} can still be reassigned on its card."
    elif decision.ticket_count:
        # The new assignees are chosen after this; an admin has no cards of the tickets.
        whose, place = ("your", "card") if is_own else (f"{name}'s", "page")
        which = f"Its {place}" if decision.ticket_count == 1 else f"The {place} of each"
        text = f"Handed over: {whose} {ticket_count}. {which} says who has it now."
    else:
        text = "There is nothing left to hand over."
    return Message(text=text, blocks=[mrkdwn_section(text)])


def parse_offer_value(text: str) -> tuple[str, str]:
    """Return the account's id and the offer's key, from a button's value."""
    user_id, _, key = text.partition(":")
    return user_id, key


def open_ticket_count(number: int) -> str:
    return f"{number} open ticket{'' if number == 1 else 's'}"


def _name(user: User) -> str:
    return escape(truncate(user.display_name, MAX_NAME_LENGTH))
