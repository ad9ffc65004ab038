"""Tickets from a message to the bot, or from a message marked with the emoji.

Neither event carries a trigger_id for a modal, so the answer is a message with a button. It is
stored before the event is acknowledged.
"""

import logging
from typing import Any

from bot.handlers import filing
from bot.slack import source_messages
from bot.slack.event_replies import queue_reply
from bot.slack.message_content import parse_content
from bot.slack.request import Request
from bot.views.modals import file_ticket
from bot.views.text import Message, escape
from services.core.errors import Conflict, DomainError
from services.models.message_source import MessageSource, checked_source
from services.outbox.replies import ReplyKind
from services.tickets.filing import AlreadyFiled

logger = logging.getLogger(__name__)

# Messages that people write; other subtypes are edits, deletions and notices of Slack.
PERSON_SUBTYPES = (None, "file_share", "me_message")


def on_direct_message(req: Request) -> None:
    """Offer to file a message to the bot, once."""
    event = req.body["event"]
    source = _checked_source(req, event) if _is_new_direct_message(event) else None
    if source is None:
        return
    try:
        _ = req.actor
    except DomainError as refusal:
        _notify(req, source, str(refusal))
        return
    except source_messages.SLACK_ERRORS as error:  # a new member; the button asks Slack again
        logger.warning("a member is not looked up: %s", type(error).__name__)
    text = source_messages.readable_content(req.bot, parse_content(event))
    if text:
        req.services.processed_events.claim(_offer_key(source), text=text)
        offer = file_ticket.direct_message_offer(text, value=source_messages.encode_source(source))
        queue_reply(req, ReplyKind.OFFER, offer, event=_event_key(source), recipient=source.channel)


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
    event = f"{_event_key(source)}:{user}"
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
    queue_reply(req, ReplyKind.OFFER, offer, event=event, recipient=user)


def file_direct_message(req: Request) -> None:
    req.open_modal(file_ticket.file_ticket_loading_modal())
    source = _source_from_button(req)
    filing.fill_form(
        req,
        source,
        lambda: file_ticket.direct_message_quote(
            req.services.processed_events.get_text(_offer_key(source))
        ),
    )


def file_reacted_message(req: Request) -> None:
    """The message's text is read only now that the offer is accepted."""
    req.open_modal(file_ticket.file_ticket_loading_modal())
    _ = req.actor
    bot, source = req.bot, source_messages.with_thread(req.bot, _source_from_button(req))
    filing.fill_form(
        req,
        source,
        lambda: source_messages.quote_message(
            bot, source, lambda: source_messages.fetch_message(bot, source)
        ),
    )


def _is_new_direct_message(event: dict[str, Any]) -> bool:
    """Replies belong to a ticket's conversation, and apps are ignored."""
    is_reply = event.get("thread_ts") not in (None, event.get("ts"))
    return (
        event.get("channel_type") == "im"
        and event.get("subtype") in PERSON_SUBTYPES
        and bool(event.get("user"))
        and not event.get("bot_id")
        and not is_reply
    )


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
            slack_user_id=message.get("user") or None,
        )
    except Conflict:  # not ids of Slack
        return None


def _source_from_button(req: Request) -> MessageSource:
    source = source_messages.decode_source(req.bot, req.button_value or "{}")
    assert source is not None  # noqa: S101  None only for an empty text
    return source


def _offer_key(source: MessageSource) -> str:
    return f"offer:{source.channel}:{source.ts}"


def _notify(req: Request, source: MessageSource, sentence: str) -> None:
    """Answer a message to the bot with a sentence."""
    queue_reply(
        req,
        ReplyKind.NOTICE,
        Message(text=escape(sentence), blocks=[]),
        event=_event_key(source),
        recipient=source.channel,
    )


def _event_key(source: MessageSource) -> str:
    return f"{source.channel}:{source.ts}"
