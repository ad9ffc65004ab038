"""Emoji on a ticket's messages, and the buttons of the answers to them.

An emoji acts on cards, and in a request channel for which an admin has switched that on, on the
message of a ticket and on the bot's messages about it. It may mean something else, so a member
without the right gets no answer.
"""

from bot.handlers import message_intake, ticket_page
from bot.slack.event_replies import may_answer, queue_reply
from bot.slack.request import Request
from bot.views.cards.action_buttons import parse_button_value
from bot.views.messages import emoji_answers, settled
from bot.views.modals import ticket_actions as views
from services.channels.request_channels import find_request_channel
from services.core.errors import DomainError
from services.models.comment import MessageRef
from services.models.ticket import Ticket
from services.outbox.deliveries import MarkedTicket
from services.outbox.replies import ReplyKind
from services.tickets.emoji_actions import TicketEmoji
from services.tickets.lifecycle import TicketAction

ANSWERS = {
    TicketAction.RESOLVE: emoji_answers.resolve_question,
    TicketAction.TAKE: emoji_answers.taken_message,
    TicketAction.WITHDRAW: emoji_answers.withdrawn_message,
}


def on_reaction(req: Request) -> None:
    """Act on the ticket of the message, or offer to file the message."""
    emoji = _ticket_emoji(req)
    marked = _find_marked(req) if emoji else None
    if emoji is None or marked is None:
        message_intake.on_reaction(req)
        return
    _act(req, marked.ticket_id, emoji)
    req.ack()


def _ticket_emoji(req: Request) -> TicketEmoji | None:
    """Return the emoji, in any skin tone, if it acts on tickets."""
    name = str(req.body["event"].get("reaction")).partition("::")[0]
    return TicketEmoji(name) if name in set(TicketEmoji) else None


def _find_marked(req: Request) -> MarkedTicket | None:
    """Return the ticket that the emoji acts on. Nothing is looked up for most channels."""
    item = req.body["event"].get("item") or {}
    if item.get("type") != "message":
        return None
    message = MessageRef(str(item.get("channel")), str(item.get("ts")))
    found = find_request_channel(req.services.db, team_id=req.bot.team_id, channel=message.channel)
    is_switched_on = found is not None and found.has_emoji_actions
    has_cards = message.channel.startswith("D") or message.channel == req.bot.triage_channel
    if not (is_switched_on or has_cards):
        return None
    marked = req.services.ticket_threads.find_marked(team_id=req.bot.team_id, message=message)
    return marked if marked and (is_switched_on or marked.is_card) else None


def _act(req: Request, ticket_id: str, emoji: TicketEmoji) -> None:
    try:
        actor = req.find_actor()
    except DomainError:
        return
    if actor is None:
        return
    outcome = req.services.emoji_actions.apply(actor=actor, ticket_id=ticket_id, emoji=emoji)
    if outcome is None:
        return
    if outcome.action in ANSWERS:
        _answer(req, outcome.ticket, outcome.action)
    if outcome.action is not TicketAction.RESOLVE:
        req.bot.publisher.publish_ticket(ticket_id)


def _answer(req: Request, ticket: Ticket, action: TicketAction) -> None:
    """Answer once for each status of the ticket."""
    moves = (event.seq for event in reversed(ticket.events) if event.field == "status")
    user = req.slack_user_id
    event = f"{action}:{ticket.id}:{next(moves, 0)}:{user}"
    if action is TicketAction.RESOLVE and not may_answer(req, event=event, recipient=user):
        return
    queue_reply(req, ReplyKind.NOTICE, ANSWERS[action](ticket), event=event, recipient=user)


def open_resolve_form(req: Request) -> None:
    """The form to resolve a ticket replaces the question when it is submitted."""
    ticket_id, expected_state = parse_button_value(req.button_value)
    ticket = req.services.ticket_actions.get_for_action(
        actor=req.actor,
        ticket_id=ticket_id,
        action=TicketAction.RESOLVE,
        expected_state=expected_state,
    )
    req.open_form(views.resolve_ticket_modal(ticket))


def undo_withdrawal(req: Request) -> None:
    ticket = req.services.ticket_actions.undo_withdrawal(
        actor=req.actor, ticket_id=req.button_value
    )
    req.bot.publisher.publish_ticket(str(ticket.id))
    ticket_page.replace_message(req, settled.reopened_message(ticket))
