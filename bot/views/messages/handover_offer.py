"""The offer to hand over somebody's open tickets, and what it becomes once it is answered."""

from bot.views import ids
from bot.views.blocks import actions, button
from bot.views.due_text import away
from bot.views.text import Block, Message, escape, mrkdwn, truncate
from services.availability.absence import AbsenceSource
from services.availability.handover_offers import HandoverOffer, OfferAnswer, OfferDecision
from services.models.user import User

NAME_MAX = 80


def offer(to_send: HandoverOffer) -> Message:
    """For the account's owner, or for the admin who has said that they are away."""
    value = f"{to_send.user.id}:{to_send.key}"
    if to_send.recipient_id == to_send.user.id:
        told, whose, keep = f"You are *{away(to_send.until)}*", "my", "Keep"
        if to_send.source is AbsenceSource.SLACK:
            told = f"Your Slack status says that you are *{away(to_send.until)}*"
        have, to = "You have", "you"
    else:
        name = _name(to_send.user)
        told, whose, keep = f"*{name}* is *{away(to_send.until)}*", "the", "Leave"
        have, to = f"{name} has", "them"
    counted = tickets(to_send.ticket_count)
    they = "it" if to_send.ticket_count == 1 else "them"
    text = f"{told}, so no new tickets are assigned to {to} meanwhile. {have} {counted}."
    blocks: list[Block] = [
        _said(f"{text} Shall somebody else take {they}?"),
        actions(
            button(f"Hand over {whose} {counted}", ids.HAND_OVER, value, primary=True),
            button(f"{keep} {they}", ids.KEEP_TICKETS, value),
        ),
    ]
    return Message(text=f"{have} {counted}. Shall somebody else take {they}?", blocks=blocks)


def decided(decision: OfferDecision, *, is_own: bool) -> Message:
    """What stands in place of the buttons."""
    name, counted = _name(decision.user), tickets(decision.ticket_count)
    if decision.answer is OfferAnswer.EXPIRED:
        text = "This offer is out of date. Nothing was handed over."
    elif decision.answer is OfferAnswer.KEPT:
        whose = "You keep" if is_own else f"{name} keeps"
        each = "It" if decision.ticket_count == 1 else "Each"
        text = f"{whose} {counted}. {each} can still be reassigned on its card."
    elif decision.ticket_count:
        whose = "your" if is_own else f"{name}'s"
        text = f"Handed over: {whose} {counted} {_goes(decision.ticket_count)} to somebody else."
    else:
        text = "There is nothing left to hand over."
    return Message(text=text, blocks=[_said(text)])


def read_value(text: str) -> tuple[str, str]:
    """Of a pressed button: the account's id and the offer's key."""
    user_id, _, key = text.partition(":")
    return user_id, key


def tickets(number: int) -> str:
    return f"{number} open ticket{'' if number == 1 else 's'}"


def _goes(number: int) -> str:
    return "goes" if number == 1 else "go"


def _name(user: User) -> str:
    return escape(truncate(user.display_name, NAME_MAX))


def _said(text: str) -> Block:
    return {"type": "section", "text": mrkdwn(text)}
