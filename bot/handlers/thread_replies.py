"""The conversation about a ticket: replies in the threads of its messages, and two modals.

A message is kept before Slack is told that it arrived: should the database be away, Slack sends it
again. Twice the same message is one comment.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.handlers import message_intake
from bot.slack import message_events, messages
from bot.slack.message_events import Deed, MessageEvent
from bot.slack.request import Request
from bot.views import slack_markup
from bot.views.cards.action_buttons import read_value
from bot.views.modals import ticket_actions
from bot.views.text import escape
from services.core.errors import DomainError, LimitReached
from services.models.ticket import Ticket
from services.outbox.deliveries import TicketThread
from services.tickets.comments import CommentLimitReached, CommentRateLimitReached

KEPT = (
    "Kept as an internal note: it is passed on to the help desk only. Whoever is in this channel "
    "reads it here, too."
)
FILES = (
    "Files are passed on as links. Whoever cannot open one does not see this conversation in "
    "Slack: share the file with them there."
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a message: the ticket it changed, and what its author is told, each sentence
    with the key that it is told once for."""

    ticket: Ticket | None
    told: Sequence[tuple[str, str]] = ()


def heard(req: Request) -> None:
    """A message, wherever the bot is: in a ticket's thread, or the beginning of a ticket."""
    said = message_events.reply_in(req.body["event"])
    if said is None:
        req.ack()
        message_intake.heard(req)
        return
    thread = req.desk.threads.find_ticket(team_id=req.desk.team_id, message=said.thread)
    if thread is None:
        req.ack()  # of the many conversations that are no concern of ours
        return
    try:
        outcome = _FOLLOW[said.deed](req, said, thread)
    except DomainError as refusal:
        req.ack()
        _say_once(req, said, _refused(refusal, said), key=_key(refusal, thread, said))
        return
    req.ack()
    if outcome.ticket:
        req.desk.publisher.publish_ticket(str(outcome.ticket.id))
    for sentence, key in outcome.told:
        _say_once(req, said, sentence, key=key)


def open_comment(req: Request) -> None:
    _open(req, internal=False)


def open_note(req: Request) -> None:
    _open(req, internal=True)


def write_comment(req: Request) -> None:
    _write(req, internal=False)


def write_note(req: Request) -> None:
    _write(req, internal=True)


def _open(req: Request, *, internal: bool) -> None:
    ticket_id, _ = read_value(req.pressed)
    ticket = req.desk.comments.get_for_comment(
        actor=req.actor, ticket_id=ticket_id, internal=internal
    )
    req.open(ticket_actions.note(ticket) if internal else ticket_actions.comment(ticket))


def _write(req: Request, *, internal: bool) -> None:
    view = req.body["view"]
    written = req.desk.comments.add(
        actor=req.actor,
        ticket_id=str(view.get("private_metadata") or ""),
        text=req.value("text"),
        internal=internal,
        request_id=view["id"],
    )
    req.ack()
    req.desk.publisher.publish_ticket(str(written.ticket.id))


def _wrote(req: Request, said: MessageEvent, thread: TicketThread) -> Outcome:
    written = req.desk.comments.add(
        actor=req.actor,
        ticket_id=thread.ticket_id,
        text=_words(req, said),
        internal=thread.internal,
        files=said.files,
        message=said.place,
    )
    told = []
    if thread.internal:
        told.append((KEPT, f"kept:{said.place.channel}:{said.place.ts}"))
    if said.files:
        told.append((FILES, f"files:{thread.ticket_id}:{said.author}"))
    return Outcome(written.ticket, told if written.is_new else [])


def _changed(req: Request, said: MessageEvent, thread: TicketThread) -> Outcome:
    """What was refused before, because it was too long, may be kept after the change."""
    edited = req.desk.comments.edit(
        actor=req.actor,
        ticket_id=thread.ticket_id,
        message=said.place,
        text=_words(req, said),
        files=said.files,
    )
    return Outcome(edited) if edited else _wrote(req, said, thread)


def _deleted(req: Request, said: MessageEvent, thread: TicketThread) -> Outcome:
    return Outcome(req.desk.comments.delete(ticket_id=thread.ticket_id, message=said.place))


_FOLLOW = {Deed.WROTE: _wrote, Deed.CHANGED: _changed, Deed.DELETED: _deleted}


def _words(req: Request, said: MessageEvent) -> str:
    """As people see them."""
    names = messages.names_of(req.desk, slack_markup.mentioned(said.text))
    return slack_markup.readable(said.text, names)


def _refused(refusal: DomainError, said: MessageEvent) -> str:
    if isinstance(refusal, LimitReached):
        return str(refusal)  # which says what becomes of it
    what = "change" if said.deed is Deed.CHANGED else "message"
    return f"{refusal} This {what} was not passed on."


def _key(refusal: DomainError, thread: TicketThread, said: MessageEvent) -> str:
    """A full ticket is told of once a day, a flood once, anything else for each message."""
    if isinstance(refusal, CommentLimitReached):
        return f"full:{thread.ticket_id}:{said.author}"
    if isinstance(refusal, CommentRateLimitReached):
        return f"flood:{thread.ticket_id}:{said.author}:{refusal.last_seq}"
    return f"refused:{said.place.channel}:{said.place.ts}:{said.at}"


def _say_once(req: Request, said: MessageEvent, sentence: str, *, key: str) -> None:
    """Below what they wrote, for their eyes only."""
    if not req.desk.inbox.claim(key):
        return
    req.desk.client.chat_postEphemeral(
        channel=said.thread.channel,
        thread_ts=said.thread.ts,
        user=said.author,
        text=escape(sentence),
        parse="none",
        link_names=False,
    )
