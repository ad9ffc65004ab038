"""Tickets that begin as a message: one written to the bot, or one marked with the emoji.

Neither event carries a trigger for a form, so the answer is a message with a button.
"""

from typing import Any

from bot.handlers import filing
from bot.slack import source_messages
from bot.slack.request import Request
from bot.views import slack_markup
from bot.views.messages import filing_offer
from bot.views.modals import file_ticket, message_quote
from bot.views.text import Message, escape
from services.core.errors import Conflict, DomainError
from services.core.text import strip_invisible
from services.models.message_source import MessageSource, checked_source
from services.tickets.filing import AlreadyFiled

# What people write themselves. The rest are edits, deletions and Slack's own notes.
PERSON_SUBTYPES = (None, "file_share", "me_message")


def on_direct_message(req: Request) -> None:
    """A message written to the bot: offer to file it, once."""
    event = req.body["event"]
    if not _is_new_direct_message(event):
        return
    try:
        _ = req.actor
    except DomainError as refusal:
        _post_message(req, event["channel"], Message(text=escape(str(refusal)), blocks=[]))
        return
    text = _readable_text(req, event)
    source = _checked_source(req, event)
    if text and source and req.services.processed_events.claim(_offer_key(source), text=text):
        _post_message(
            req,
            event["channel"],
            filing_offer.direct_message_offer(text, value=source_messages.encode_source(source)),
        )


def on_reaction(req: Request) -> None:
    """A message was marked with the emoji: ask whoever did. Nobody else is told of it, and who
    gets no account is not told anything: people mark messages for many a reason."""
    event = req.body["event"]
    source = _reacted_message(req, event)
    if source is None:
        return
    try:
        actor = req.actor
    except DomainError:
        return
    services, user = req.services, req.slack_user_id
    if not services.processed_events.claim(f"{_offer_key(source)}:{user}"):
        return
    try:
        services.tickets.check_not_filed(actor=actor, team_id=req.bot.team_id, source=source)
    except AlreadyFiled as error:
        view = filing.already_filed_view(req, error)
        _post_message(req, user, Message(text=escape(str(error)), blocks=view["blocks"]))
        return
    value = source_messages.encode_source(source)
    _post_message(
        req,
        user,
        filing_offer.reaction_offer(
            source.permalink, emoji=req.bot.config.ticket_emoji, value=value
        ),
    )


def file_direct_message(req: Request) -> None:
    """The offer below a message to the bot was taken up."""
    req.open_modal(file_ticket.file_ticket_loading_modal())
    source = _source_from_button(req)
    filing.fill_form(
        req,
        source,
        lambda: message_quote.direct_message_quote(
            req.services.processed_events.get_text(_offer_key(source))
        ),
    )


def file_reacted_message(req: Request) -> None:
    """The offer for a marked message was taken up: only now is anything read of it."""
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
    """Of a person, not an app, and no reply: those belong to a ticket's conversation."""
    is_reply = event.get("thread_ts") not in (None, event.get("ts"))
    return (
        event.get("channel_type") == "im"
        and event.get("subtype") in PERSON_SUBTYPES
        and bool(event.get("user"))
        and not event.get("bot_id")
        and not is_reply
    )


def _readable_text(req: Request, event: dict[str, Any]) -> str:
    """The words, as people see them, and a link to each file."""
    text = str(event.get("text") or "")
    names = source_messages.fetch_display_names(req.bot, slack_markup.mentioned_user_ids(text))
    files = [
        f"{file.get('name') or 'File'}: {file['permalink']}"
        for file in event.get("files") or []
        if file.get("permalink")
    ]
    return strip_invisible("\n".join([slack_markup.to_readable_text(text, names), *files])).strip()


def _reacted_message(req: Request, event: dict[str, Any]) -> MessageSource | None:
    """The message, where it is one and the emoji is ours, whatever its skin tone."""
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
    except Conflict:  # no ids that Slack would send
        return None


def _source_from_button(req: Request) -> MessageSource:
    source = source_messages.decode_source(req.bot, req.button_value or "{}")
    assert source is not None  # noqa: S101  only of an empty text there is none
    return source


def _offer_key(source: MessageSource) -> str:
    return f"offer:{source.channel}:{source.ts}"


def _post_message(req: Request, channel: str, message: Message) -> None:
    req.bot.client.chat_postMessage(
        channel=channel, unfurl_links=False, unfurl_media=False, **message.as_args()
    )
