"""Comments: replies in the threads of a ticket's messages, and the comment and note modals.

A reply is stored before it is acknowledged: if the database is away, Slack sends it again. The same
message sent twice is one comment.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from bson import ObjectId

from bot.handlers import channel_messages, filing, message_intake, ticket_page
from bot.handlers.secret_warning import THREAD_WARNING, warn_of_secrets
from bot.slack import message_events, source_messages
from bot.slack.event_replies import may_answer, queue_reply
from bot.slack.form_origin import OriginKind
from bot.slack.message_events import MessageChange, MessageEvent
from bot.slack.request import Request
from bot.slack.small_talk import find_small_talk
from bot.views.cards.action_buttons import parse_button_value
from bot.views.messages import conversation_notes, ticket_updates
from bot.views.modals import ticket_actions
from bot.views.text import DisplayPerson, Message, escape, has_secret
from services.channels.request_channels import ChannelMode, find_request_channel
from services.core.errors import DomainError, LimitReached, MemberInactive, MemberRefused, NotFound
from services.models.comment import Comment
from services.models.events import EventType
from services.models.permissions import Actor
from services.models.ticket import Status, Ticket
from services.outbox.deliveries import DeliveryRef, MessageUnrecorded, TicketThread
from services.outbox.replies import ReplyKind
from services.tickets.access import visible_to
from services.tickets.comments import CommentLimitReached, CommentRateLimitReached
from services.tickets.lifecycle import open_question

_ONCE = "You won't see this message again."
CHANNEL_NOTE_EXPLANATION = (
    "Saved as an internal note. Moderators and admins read it, and so does everyone in this "
    f"channel. {_ONCE}"
)
DIRECT_NOTE_EXPLANATION = (
    "Saved as an internal note: only moderators and admins read it. To write to the requester, "
    f"reply in the thread of the ticket's card. {_ONCE}"
)
FILES_EXPLANATION = (
    "Files are passed on as links. If a person can't open one, share the file with them in Slack. "
    f"{_ONCE}"
)


# How long after its message Slack may send an event again for the last time.
MAX_EVENT_DELAY = timedelta(minutes=6)


@dataclass(frozen=True, slots=True)
class AuthorNotice:
    """A sentence for the author, sent once for its `key`."""

    text: str
    key: str
    kind: ReplyKind = ReplyKind.NOTICE


@dataclass(frozen=True, slots=True)
class ReplyOutcome:
    ticket: Ticket | None
    notices: Sequence[AuthorNotice] = ()


def on_message(req: Request) -> None:
    """Handle a reply in a ticket's thread, or a direct message or one in a request channel, which
    may become a ticket."""
    message = message_events.parse_message(req.body["event"])
    if message and message.thread_ref and channel_messages.follow_reply(req, message):
        req.ack()
        return
    thread = _find_thread(req, message) if message else None
    if message and thread:
        _on_reply(req, message, thread)
        return
    if message and message.is_direct:
        message_intake.on_direct_message(req, message)
    elif message and message.thread_ref is None:
        channel_messages.on_channel_message(req, message)
    elif message is None:
        channel_messages.on_other_message(req, req.body["event"])
    req.ack()  # anything else is other people's conversation


def _find_thread(req: Request, message: MessageEvent) -> TicketThread | None:
    """Return the ticket's thread that the message is in.

    Raises `MessageUnrecorded` if it may be a reply to a message that is just being sent, or if
    Slack does not return the thread's first message. Slack sends an event again at once, after one
    minute and after five; a claim lasts one minute.
    """
    threads, first = req.services.ticket_threads, message.thread_ref
    if first is None:
        return None
    team_id = req.bot.team_id
    if not message.is_direct and message.thread_author_id not in ("", req.bot_user_id):
        thread = threads.find_conversation(team_id=team_id, message=first)
        if thread is None:
            _check_first_message(req, message)
        return thread
    if thread := threads.find_ticket(team_id=team_id, message=first):
        return thread
    if recipient := _recipient(req, message):
        threads.check_all_recorded(recipient)
    # Again: the message may have been recorded between the first search and the check.
    if thread := threads.find_ticket(team_id=team_id, message=first):
        return thread
    _check_first_message(req, message)
    copy = _delivery_of_copy(req, message)
    return threads.find_ticket_of_copy(copy, team_id=team_id) if copy else None


def _check_first_message(req: Request, reply: MessageEvent) -> None:
    """Raise `MessageUnrecorded` if the thread's first message may still become a ticket: events
    come in any order."""
    first = reply.thread_ref
    if first is None or reply.is_direct or reply.thread_author_id == req.bot_user_id:
        return
    found = find_request_channel(req.services.db, team_id=req.bot.team_id, channel=first.channel)
    if found is None:
        return
    age = req.services.clock().timestamp() - float(first.ts)
    is_expected = found.mode is ChannelMode.EVERY_MESSAGE
    is_young = is_expected and age < MAX_EVENT_DELAY.total_seconds()
    # A mention may be what asked for the ticket.
    is_awaited = f"<@{req.bot_user_id}>" not in reply.content.text and (
        req.services.replies.is_filing(channel=first.channel, ts=first.ts, within=MAX_EVENT_DELAY)
    )
    if is_awaited or (is_young and not channel_messages.is_no_ticket(req, first)):
        raise MessageUnrecorded(f"the first message of {first.channel} {first.ts} is no ticket yet")


def _delivery_of_copy(req: Request, message: MessageEvent) -> DeliveryRef | None:
    """Read from Slack which delivery started a thread of the bot's that is not recorded.

    Raises `MessageUnrecorded` if Slack fails.
    """
    first = message.thread_ref
    if first is None or message.thread_author_id != req.bot_user_id:
        return None
    root = source_messages.fetch_first_message(req.bot, first)
    return DeliveryRef.from_message(root, bot_user_id=req.bot_user_id) if root else None


def _recipient(req: Request, message: MessageEvent) -> ObjectId | str | None:
    """Return to whom the bot's messages in that conversation are: a user or the channel."""
    if not message.is_direct:
        return message.message_ref.channel
    try:
        user = req.find_user()
    except DomainError:  # the answer says so
        return None
    return user.id if user else None


def _on_reply(req: Request, reply: MessageEvent, thread: TicketThread) -> None:
    try:
        outcome = _HANDLERS[reply.change](req, reply, thread)
    except MemberInactive:
        outcome = ReplyOutcome(None)
    except DomainError as refusal:
        notice = AuthorNotice(_refusal_text(refusal, reply), _notice_key(refusal, thread, reply))
        outcome = ReplyOutcome(None, [notice] if _may_answer(req, reply) else [])
    for notice in outcome.notices:
        _notify_author(req, reply, notice)
    req.ack()
    if outcome.ticket:
        req.bot.publisher.publish_ticket(str(outcome.ticket.id))


def open_comment_form(req: Request) -> None:
    _open_form(req, internal=False)


def open_note_form(req: Request) -> None:
    _open_form(req, internal=True)


def open_comment_form_instead(req: Request) -> None:
    """Show what was typed to file a ticket as a comment on the ticket that it looks like, above
    that form. Nothing is sent or filed by that."""
    ticket = req.services.comments.get_for_comment(
        actor=req.actor, ticket_id=req.button_value, internal=False
    )
    text, notes = ticket_actions.typed_comment(
        *(req.field_value(field) if field in req.form else "" for field in ("title", "description"))
    )
    if filing.submitted_privacy(req) and not ticket.private:
        notes.append(ticket_actions.NOT_PRIVATE.format(number=ticket.number))
    not_to = filing.submitted_not_to(req)
    unwanted = req.services.users.get(not_to) if not_to else None
    if unwanted and visible_to(Actor.from_user(unwanted)).covers(ticket):
        notes.append(ticket_actions.UNWANTED_READER)
    if question := open_question(ticket, req.actor):
        asked = question.note or ""
        form = ticket_actions.answer_modal(ticket, question=asked, initial=text, notes=notes)
    else:
        form = ticket_actions.comment_modal(
            ticket, reader_id=req.actor.user_id, initial=text, notes=notes
        )
    req.push_form(form)


def save_comment(req: Request) -> None:
    _save_comment(req, internal=False)


def save_note(req: Request) -> None:
    _save_comment(req, internal=True)


def _open_form(req: Request, *, internal: bool) -> None:
    ticket_id, _ = parse_button_value(req.button_value)
    ticket = req.services.comments.get_for_comment(
        actor=req.actor, ticket_id=ticket_id, internal=internal
    )
    if internal:
        req.open_form(ticket_actions.note_modal(ticket))
    elif question := open_question(ticket, req.actor):
        req.open_form(ticket_actions.answer_modal(ticket, question=question.note or ""))
    else:
        _refresh_used_message(req, ticket)
        req.open_form(ticket_actions.comment_modal(ticket, reader_id=req.actor.user_id))


def _refresh_used_message(req: Request, ticket: Ticket) -> None:
    """Refresh a question that needs no answer any more, but still has its button."""
    container = req.body.get("container") or {}
    channel, ts = container.get("channel_id"), container.get("message_ts")
    is_card = any((card.channel, card.ts) == (channel, ts) for card in ticket.cards)
    if not (channel and ts) or is_card or container.get("is_ephemeral"):
        return
    is_refreshed = req.services.ticket_actions.refresh_message(
        actor=req.actor, ticket_id=str(ticket.id), channel=channel, ts=ts
    )
    if is_refreshed:
        req.bot.publisher.publish_ticket(str(ticket.id))


def _save_comment(req: Request, *, internal: bool) -> None:
    view = req.body["view"]
    if warn_of_secrets(req, "text"):
        return
    added = req.services.comments.add(
        actor=req.actor,
        ticket_id=req.metadata,
        text=req.field_value("text"),
        internal=internal,
        request_id=view["id"],
    )
    if req.origin.kind is OriginKind.FORM:
        req.ack(response_action="update", view=ticket_actions.commented_modal(added.ticket))
    else:
        req.ack()
    req.bot.publisher.publish_ticket(str(added.ticket.id))
    if req.origin.kind is OriginKind.MESSAGE:
        # The question's message becomes the answer.
        if added.ticket.events[-1].type != EventType.ANSWERED:
            _confirm(req, added.ticket, added.comment)
    else:
        ticket_page.refresh_page(req, str(added.ticket.id))


def _confirm(req: Request, ticket: Ticket, comment: Comment) -> None:
    """Show the author their comment below the message: the others are sent it, and a card shows
    only the last lines of others."""
    reader_id = ticket.assigned_to if ticket.created_by == comment.by else ticket.created_by
    if ticket.participants:  # several people read it
        reader_id = None
    reader = None if reader_id is None else req.services.users.get(reader_id)
    to = DisplayPerson(reader.display_name) if reader and reader.id != comment.by else None
    ticket_page.post_below(req, ticket_updates.comment_sent_message(ticket, comment, to=to))


def _add_comment(req: Request, event: MessageEvent, thread: TicketThread) -> ReplyOutcome:
    text = _readable_text(req, event)
    added = req.services.comments.add(
        actor=req.actor,
        ticket_id=thread.ticket_id,
        text=text,
        internal=thread.internal,
        files=event.content.files,
        message=event.message_ref,
    )
    explanations = []
    if thread.internal and event.is_direct:
        explanations.append((DIRECT_NOTE_EXPLANATION, "direct_notes"))
    elif thread.internal:
        explanations.append((CHANNEL_NOTE_EXPLANATION, "channel_notes"))
    if event.content.files:
        explanations.append((FILES_EXPLANATION, "files"))
    notices = [
        AuthorNotice(sentence, f"{subject}:{event.author_id}", ReplyKind.EXPLANATION)
        for sentence, subject in explanations
    ]
    if thread.is_conversation and _is_about_unsolved(added.ticket, added.comment):
        _offer_reopen(req, event, added.ticket)
    return ReplyOutcome(added.ticket, [*notices, *_secret_notice(event, text)])


def _is_about_unsolved(ticket: Ticket, comment: Comment) -> bool:
    """Return whether the requester of a resolved ticket says more than thanks."""
    is_resolved = ticket.status is Status.COMPLETED and comment.by == ticket.created_by
    return is_resolved and find_small_talk(comment.text) is None


def _offer_reopen(req: Request, event: MessageEvent, ticket: Ticket) -> None:
    """Offer it in the thread, once for each time that the ticket is completed."""
    ends = (past.seq for past in reversed(ticket.events) if past.field == "status")
    queue_reply(
        req,
        ReplyKind.NOTICE,
        conversation_notes.reopen_offer(ticket),
        event=f"reopen:{ticket.id}:{next(ends, 0)}",
        recipient=event.message_ref.channel,
        thread_ts=event.thread_ref.ts if event.thread_ref else None,
        is_ephemeral=True,
    )


def _edit_comment(req: Request, event: MessageEvent, thread: TicketThread) -> ReplyOutcome:
    """A message that was too long at first may be accepted after an edit."""
    text = _readable_text(req, event)
    edited = req.services.comments.edit(
        actor=req.actor,
        ticket_id=thread.ticket_id,
        message=event.message_ref,
        text=text,
        files=event.content.files,
    )
    if edited is None:
        return _add_comment(req, event, thread)
    return ReplyOutcome(edited, _secret_notice(event, text))


def _secret_notice(event: MessageEvent, text: str) -> list[AuthorNotice]:
    """Warn the author, once for each message."""
    key = f"secret:{event.message_ref.channel}:{event.message_ref.ts}"
    return [AuthorNotice(THREAD_WARNING, key)] if has_secret(text) else []


def _delete_comment(req: Request, event: MessageEvent, thread: TicketThread) -> ReplyOutcome:
    return ReplyOutcome(
        req.services.comments.delete(ticket_id=thread.ticket_id, message=event.message_ref)
    )


_HANDLERS = {
    MessageChange.WROTE: _add_comment,
    MessageChange.CHANGED: _edit_comment,
    MessageChange.DELETED: _delete_comment,
}


def _readable_text(req: Request, event: MessageEvent) -> str:
    """The files are stored beside the text, as links."""
    return source_messages.readable_content(req.bot, event.content, with_files=False)


def _refusal_text(refusal: DomainError, event: MessageEvent) -> str:
    if isinstance(refusal, LimitReached):
        return str(refusal)  # says what happens to the message
    what = "change" if event.change is MessageChange.CHANGED else "message"
    return f"{refusal} This {what} was not passed on."


def _notice_key(refusal: DomainError, thread: TicketThread, event: MessageEvent) -> str:
    """A full ticket is reported once a day, a rate limit once, and anything else for each message;
    to who may not take part in a conversation, once a day."""
    if isinstance(refusal, CommentLimitReached):
        return f"full:{thread.ticket_id}:{event.author_id}"
    if isinstance(refusal, CommentRateLimitReached):
        return f"flood:{thread.ticket_id}:{event.author_id}:{refusal.last_seq}"
    if thread.is_conversation and isinstance(refusal, MemberRefused | NotFound):
        return f"outside:{thread.ticket_id}:{event.author_id}"
    return f"refused:{event.message_ref.channel}:{event.message_ref.ts}:{event.event_ts}"


def _may_answer(req: Request, event: MessageEvent) -> bool:
    return may_answer(
        req,
        event=f"{event.message_ref.channel}:{event.message_ref.ts}:{event.event_ts}",
        recipient=event.message_ref.channel,
        thread_ts=event.thread_ref.ts if event.thread_ref else None,
        is_ephemeral=True,
    )


def _notify_author(req: Request, event: MessageEvent, notice: AuthorNotice) -> None:
    """Send the author an ephemeral message in the thread."""
    queue_reply(
        req,
        notice.kind,
        Message(text=escape(notice.text), blocks=[]),
        event=notice.key,
        recipient=event.message_ref.channel,
        thread_ts=event.thread_ref.ts if event.thread_ref else None,
        is_ephemeral=True,
    )
