"""Tickets that begin as a message: one written to the bot, or one marked with the emoji.

Neither event carries a trigger for a form, so the answer is a message with a button.
"""

from typing import Any

from bot.handlers import filing
from bot.slack import messages
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
WRITTEN = (None, "file_share", "me_message")


def heard(req: Request) -> None:
    """A message written to the bot: offer to file it, once."""
    event = req.body["event"]
    if not _is_for_the_bot(event):
        return
    try:
        _ = req.actor
    except DomainError as refusal:
        _say(req, event["channel"], Message(text=escape(str(refusal)), blocks=[]))
        return
    text = _written(req, event)
    source = _source(req, event)
    if text and source and req.desk.inbox.claim(_key(source), text=text):
        _say(req, event["channel"], filing_offer.for_message(text, value=messages.metadata(source)))


def reacted(req: Request) -> None:
    """A message was marked with the emoji: ask whoever did. Nobody else is told of it, and who
    gets no account is not told anything: people mark messages for many a reason."""
    event = req.body["event"]
    source = _marked(req, event)
    if source is None:
        return
    try:
        actor = req.actor
    except DomainError:
        return
    desk, user = req.desk, req.slack_user_id
    if not desk.inbox.claim(f"{_key(source)}:{user}"):
        return
    try:
        desk.tickets.check_not_filed(actor=actor, team_id=desk.team_id, source=source)
    except AlreadyFiled as found:
        shown = filing.already_filed(req, found)
        _say(req, user, Message(text=escape(str(found)), blocks=shown["blocks"]))
        return
    value = messages.metadata(source)
    _say(req, user, filing_offer.for_marked(source.permalink, emoji=desk.ticket_emoji, value=value))


def file_this(req: Request) -> None:
    """The offer below a message to the bot was taken up."""
    req.open(file_ticket.one_moment())
    source = _pressed(req)
    filing.fill_in(req, source, lambda: message_quote.direct(req.desk.inbox.get_text(_key(source))))


def file_marked(req: Request) -> None:
    """The offer for a marked message was taken up: only now is anything read of it."""
    req.open(file_ticket.one_moment())
    _ = req.actor
    desk, source = req.desk, messages.located(req.desk, _pressed(req))
    filing.fill_in(
        req, source, lambda: messages.quote_of(desk, source, lambda: messages.fetch(desk, source))
    )


def _is_for_the_bot(event: dict[str, Any]) -> bool:
    """Of a person, not an app, and no reply: those belong to a ticket's conversation."""
    is_reply = event.get("thread_ts") not in (None, event.get("ts"))
    return (
        event.get("channel_type") == "im"
        and event.get("subtype") in WRITTEN
        and bool(event.get("user"))
        and not event.get("bot_id")
        and not is_reply
    )


def _written(req: Request, event: dict[str, Any]) -> str:
    """The words, as people see them, and a link to each file."""
    text = str(event.get("text") or "")
    names = messages.names_of(req.desk, slack_markup.mentioned(text))
    files = [
        f"{file.get('name') or 'File'}: {file['permalink']}"
        for file in event.get("files") or []
        if file.get("permalink")
    ]
    return strip_invisible("\n".join([slack_markup.readable(text, names), *files])).strip()


def _marked(req: Request, event: dict[str, Any]) -> MessageSource | None:
    """The message, where it is one and the emoji is ours, whatever its skin tone."""
    item = event.get("item") or {}
    name = str(event.get("reaction")).partition("::")[0]
    if name != req.desk.ticket_emoji or item.get("type") != "message":
        return None
    return _source(req, {**item, "user": event.get("item_user")})


def _source(req: Request, message: dict[str, Any]) -> MessageSource | None:
    try:
        return checked_source(
            team_url=req.desk.team_url,
            channel=message.get("channel"),
            ts=message.get("ts"),
            slack_user_id=message.get("user") or None,
        )
    except Conflict:  # no ids that Slack would send
        return None


def _pressed(req: Request) -> MessageSource:
    source = messages.source_from(req.desk, req.pressed or "{}")
    assert source is not None  # noqa: S101  only of an empty text there is none
    return source


def _key(source: MessageSource) -> str:
    return f"offer:{source.channel}:{source.ts}"


def _say(req: Request, channel: str, message: Message) -> None:
    req.desk.client.chat_postMessage(
        channel=channel, unfurl_links=False, unfurl_media=False, **message.as_args()
    )
