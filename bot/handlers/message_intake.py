"""Tickets from a message to the bot, or from a message marked with the emoji.

Neither event carries a trigger_id for a modal, so the answer is a message with a button. It is
stored before the event is acknowledged.
"""

import logging
from typing import Any

from bot.handlers import filing
from bot.slack import source_messages
from bot.slack.event_replies import queue_reply
from bot.slack.message_events import MessageChange, MessageEvent
from bot.slack.request import Request
from bot.views.modals import file_ticket
from bot.views.text import Message, escape
from services.core.errors import Conflict, DomainError
from services.models.message_source import MessageSource, checked_source
from services.outbox.replies import ReplyKind
from services.tickets.filing import AlreadyFiled

logger = logging.getLogger(__name__)

NOTHING_TO_FILE = (
    "I can't read anything in this message. Write in words what you need, or type /ticket."
)
NOT_IN_TICKET = (
    "Ticket {number} was filed from this message in other words, so it does not change with the "
    "message. Write what is new in the thread of the ticket's card."
)


def on_direct_message(req: Request, message: MessageEvent) -> None:
    """Answer a direct message that is in no ticket's thread: offer to file it. An edit or a
    deletion is followed in the offer, or in the ticket."""
    source = _checked_source(
        req,
        {
            "channel": message.message_ref.channel,
            "ts": message.message_ref.ts,
            "user": message.author_id,
            "thread_ts": message.thread_ref.ts if message.thread_ref else None,
        },
    )
    if source is None:
        return
    is_new = message.change is MessageChange.WROTE
    is_filed = not is_new and _follow_in_ticket(req, message, source)
    if message.change is not MessageChange.DELETED:
        _answer(req, message, source, is_filed=is_filed)
        return
    req.services.processed_events.delete_text(filing.text_key(source))
    revised = req.services.replies.revise(
        ReplyKind.OFFER,
        event=_event_key(source),
        message=file_ticket.withdrawn_offer().as_args(),
        is_needed_unsent=False,
    )
    _publish(req, revised)


def _answer(req: Request, message: MessageEvent, source: MessageSource, *, is_filed: bool) -> None:
    """Send the offer to file the message, or change the one that was sent."""
    try:
        _ = req.actor
    except DomainError as refusal:
        _notify(req, message, str(refusal))
        return
    except source_messages.SLACK_ERRORS as error:  # a new member; the button asks Slack again
        logger.warning("a member is not looked up: %s", type(error).__name__)
    text = source_messages.readable_content(req.bot, message.content)
    if not text and not is_filed:
        _notify(req, message, NOTHING_TO_FILE)
        return
    is_edited = message.change is MessageChange.CHANGED
    req.services.processed_events.store_text(
        filing.text_key(source), text, slack_user_id=message.author_id, is_edited=is_edited
    )
    offer = file_ticket.direct_message_offer(
        text,
        value=source_messages.encode_source(source),
        is_in_thread=message.thread_ref is not None,
    )
    event = _event_key(source)
    revised = is_edited and req.services.replies.revise(
        ReplyKind.OFFER, event=event, message=offer.as_args()
    )
    if revised or is_filed:
        _publish(req, revised or None)
        return
    queue_reply(
        req,
        ReplyKind.OFFER,
        offer,
        event=event,
        recipient=source.channel,
        thread_ts=message.thread_ref.ts if message.thread_ref else None,
    )


def _follow_in_ticket(req: Request, message: MessageEvent, source: MessageSource) -> bool:
    """Follow the change in the ticket that was filed from the message; False if there is none."""
    text = ""
    if message.change is MessageChange.CHANGED:
        text = source_messages.readable_content(req.bot, message.content)
    previous = source_messages.readable_content(req.bot, message.previous)
    followed = filing.change_ticket(req, source, previous=previous, text=text)
    if followed is None:
        return False
    ticket, is_changed = followed
    if is_changed:
        req.bot.publisher.publish_ticket(str(ticket.id))
    else:
        _notify(req, message, NOT_IN_TICKET.format(number=ticket.number))
    return True


def on_reaction(req: Request) -> None:
    """Offer the member who added the emoji to file the message; no one else sees that.

    A member without an account is not answered, because the emoji may have another meaning to them.
    """
    source = _reacted_message(req, req.body["event"])
    if source:
        _answer_reaction(req, source)
    req.ack()


def _answer_reaction(req: Request, source: MessageSource) -> None:
    try:
        actor = req.actor
    except DomainError:
        return
    user = req.slack_user_id
    day = int(float(req.body["event"].get("event_ts") or 0)) // 86_400
    # The same reaction a day later is answered again.
    event = f"{_event_key(source)}:{user}:{day}"
    try:
        req.services.tickets.check_not_filed(actor=actor, team_id=req.bot.team_id, source=source)
    except AlreadyFiled as error:
        view = filing.already_filed_view(req, error)
        message = Message(text=escape(str(error)), blocks=view["blocks"])
        queue_reply(req, ReplyKind.NOTICE, message, event=event, recipient=user)
        return
    offer = file_ticket.reaction_offer(
        source.permalink,
        emoji=req.bot.config.ticket_emoji,
        value=source_messages.encode_source(source),
    )
    queue_reply(req, ReplyKind.REACTION_OFFER, offer, event=event, recipient=user)


def file_direct_message(req: Request) -> None:
    req.open_modal(file_ticket.file_ticket_loading_modal())
    source = _source_from_button(req)
    already_filed = filing.fill_form(
        req,
        source,
        lambda: file_ticket.direct_message_quote(
            req.services.processed_events.get_text(
                filing.text_key(source), slack_user_id=req.slack_user_id
            )
        ),
    )
    _settle_offer(req, already_filed)


def file_reacted_message(req: Request) -> None:
    """The message's text is read only now that the offer is accepted."""
    req.open_modal(file_ticket.file_ticket_loading_modal())
    _ = req.actor
    bot, source = req.bot, source_messages.with_thread(req.bot, _source_from_button(req))
    already_filed = filing.fill_form(
        req,
        source,
        lambda: source_messages.quote_message(
            bot, source, lambda: source_messages.fetch_message(bot, source)
        ),
    )
    _settle_offer(req, already_filed)


def _settle_offer(req: Request, already_filed: AlreadyFiled | None) -> None:
    """Replace an old offer that no worker knows any more."""
    if already_filed:
        req.replace_message(file_ticket.filed_offer(already_filed.number))


def _reacted_message(req: Request, event: dict[str, Any]) -> MessageSource | None:
    """Return the message if the emoji is ours, in any skin tone."""
    item = event.get("item") or {}
    name = str(event.get("reaction")).partition("::")[0]
    if name != req.bot.config.ticket_emoji or item.get("type") != "message":
        return None
    return _checked_source(req, {**item, "user": event.get("item_user")})


def _checked_source(req: Request, message: dict[str, Any]) -> MessageSource | None:
    try:
        return checked_source(
            team_url=req.bot.team_url,
            channel=message.get("channel"),
            ts=message.get("ts"),
            thread_ts=message.get("thread_ts"),
            slack_user_id=message.get("user") or None,
        )
    except Conflict:  # not ids of Slack
        return None


def _source_from_button(req: Request) -> MessageSource:
    source = source_messages.decode_source(req.bot, req.button_value or "{}")
    assert source is not None  # noqa: S101  None only for an empty text
    return source


def _notify(req: Request, message: MessageEvent, sentence: str) -> None:
    """Answer a message to the bot with a sentence, once for each change of it."""
    queue_reply(
        req,
        ReplyKind.NOTICE,
        Message(text=escape(sentence), blocks=[]),
        event=f"{message.message_ref.channel}:{message.message_ref.ts}:{message.event_ts}",
        recipient=message.message_ref.channel,
        thread_ts=message.thread_ref.ts if message.thread_ref else None,
    )


def _publish(req: Request, reply_id: str | None) -> None:
    if reply_id:
        req.bot.publisher.publish_reply(reply_id)


def _event_key(source: MessageSource) -> str:
    return f"{source.channel}:{source.ts}"
