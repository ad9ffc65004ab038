"""The message that a ticket is filed from: its identity, and what may be quoted from it."""

import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from slack_sdk.errors import SlackApiError, SlackClientError

from bot.slack.bot_process import BotProcess
from bot.views import slack_markup
from bot.views.message_content import MessageContent, parse_content, readable_text
from bot.views.modals import file_ticket
from bot.views.modals.file_ticket import MessageQuote
from services.channels.request_channels import RequestChannel, find_request_channel
from services.channels.slack_channel import is_public
from services.core.errors import Conflict
from services.core.slack_errors import ErrorKind, error_kind
from services.core.slack_scopes import granted_scopes
from services.models.comment import MessageRef
from services.models.message_source import MESSAGE_LOST, MessageSource, checked_source
from services.outbox.deliveries import MessageUnrecorded

logger = logging.getLogger(__name__)

# A message may mention hundreds of members.
MAX_NAME_LOOKUPS = 5
SLACK_ERRORS = (SlackApiError, SlackClientError, OSError)


def source_from_shortcut(bot: BotProcess, body: dict[str, Any]) -> MessageSource:
    """The message in a shortcut's payload."""
    message = body["message"]
    return checked_source(
        team_url=bot.team_url,
        channel=body["channel"]["id"],
        ts=message["ts"],
        thread_ts=message.get("thread_ts"),
        slack_user_id=message.get("user") or None,
    )


def in_request_channel(
    bot: BotProcess, source: MessageSource, *, is_private: bool = False
) -> tuple[MessageSource, RequestChannel | None]:
    """Return the source as that of a conversation, and its request channel, if it is in one. A
    ticket that its requester wants to be private is not talked about where others read."""
    found = find_request_channel(bot.services.db, team_id=bot.team_id, channel=source.channel)
    is_conversation = found is not None and (found.is_private or not is_private)
    return replace(source, is_conversation=is_conversation), found


def encode_source(source: MessageSource) -> str:
    """Encode the ids of the message for a form's metadata."""
    doc = source.to_doc()
    return json.dumps({name: doc[name] for name in ("channel", "ts", "threadTs", "slackUserId")})


def decode_source(bot: BotProcess, metadata: str) -> MessageSource | None:
    """Return the message of a submitted form, None if the form is of no message.

    Raises `Conflict` for metadata that `encode_source` cannot have made.
    """
    if not metadata:
        return None
    try:
        ids = json.loads(metadata)
    except (ValueError, RecursionError):  # RecursionError: deeply nested
        ids = None
    if not isinstance(ids, dict):
        raise Conflict(MESSAGE_LOST)
    return checked_source(
        team_url=bot.team_url,
        channel=ids.get("channel"),
        ts=ids.get("ts"),
        thread_ts=ids.get("threadTs"),
        slack_user_id=ids.get("slackUserId"),
    )


def quote_message(
    bot: BotProcess, source: MessageSource, load_message: Callable[[], dict[str, Any] | None]
) -> MessageQuote:
    """Quote the message if its channel is public or a request channel, otherwise only link to it.

    `load_message` is called for such a channel only; it returns None if Slack refuses.
    """
    _, request_channel = in_request_channel(bot, source)
    channel = (
        request_channel.name or request_channel.id
        if request_channel
        else _public_channel_name(bot, source.channel)
    )
    if channel is None:
        return _link_only_quote(bot, source, "channels:read", file_ticket.NOT_PUBLIC)
    message = load_message()
    if message is None:
        return _link_only_quote(bot, source, "channels:history", file_ticket.TEXT_UNAVAILABLE)
    author = str(message.get("user") or "")
    # The permalink leads to the files.
    content = replace(parse_content(message), files=(), unlinked_files=())
    text, names = _readable_content(bot, content, author)
    if not text:
        return file_ticket.link_only_quote(source.permalink, note=file_ticket.WITHOUT_TEXT)
    return file_ticket.full_quote(
        text,
        author=f"@{names[author]}" if author in names else _app_name(message),
        channel=channel,
        permalink=source.permalink,
    )


def _link_only_quote(bot: BotProcess, source: MessageSource, scope: str, note: str) -> MessageQuote:
    """Return the link with `note`, or with the reason that the app lacks the scope."""
    is_granted = scope in granted_scopes(bot.services.db)
    return file_ticket.link_only_quote(
        source.permalink, note=note if is_granted else file_ticket.NOT_PERMITTED
    )


def readable_content(bot: BotProcess, content: MessageContent, *, with_files: bool = True) -> str:
    """Return what the message says as plain text: its text, forwarded messages and files.

    A forwarded message is quoted if its channel is public, otherwise it is a link. A file that
    cannot be linked is named; with `with_files` the others are linked.
    """
    files = content.files if with_files else ()
    text, _ = _readable_content(bot, replace(content, files=files))
    return text


def _readable_content(
    bot: BotProcess, content: MessageContent, author: str = ""
) -> tuple[str, dict[str, str]]:
    """Return the plain text, and the names of the author and of mentioned members."""
    quotes = [(one, _public_channel_name(bot, one.channel)) for one in content.forwarded]
    texts = [content.text, *(one.text for one, channel in quotes if channel)]
    mentioned = [user_id for text in texts for user_id in slack_markup.mentioned_user_ids(text)]
    names = fetch_display_names(bot, [author, *mentioned])
    channels = {one.channel: channel for one, channel in quotes if channel}
    return readable_text(content, names, channels=channels), names


def _public_channel_name(bot: BotProcess, channel_id: str) -> str | None:
    """Return the name, None if the channel is not public, is shared, or cannot be read."""
    if not channel_id:
        return None
    try:
        channel = bot.client.conversations_info(channel=channel_id)["channel"]
    except SLACK_ERRORS as error:
        code = error.response.get("error") if isinstance(error, SlackApiError) else None
        logger.info("channel %s cannot be read: %s", channel_id, code or type(error).__name__)
        return None
    if not is_public(channel):
        return None
    return str(channel.get("name") or channel_id)


def with_thread(bot: BotProcess, source: MessageSource) -> MessageSource:
    """Add the thread of a reply, which a reaction event lacks. Unchanged if Slack refuses."""
    try:
        answer = bot.client.chat_getPermalink(channel=source.channel, message_ts=source.ts)
    except SLACK_ERRORS:
        return source
    thread_ts = parse_qs(urlsplit(str(answer.get("permalink"))).query).get("thread_ts")
    return checked_source(
        team_url=bot.team_url,
        channel=source.channel,
        ts=source.ts,
        thread_ts=thread_ts[0] if thread_ts else None,
        slack_user_id=source.slack_user_id,
    )


def fetch_message(bot: BotProcess, source: MessageSource) -> dict[str, Any] | None:
    """Return the message, None if Slack refuses.

    Slack allows few such calls: use it for a button, never for an event.
    """
    only: dict[str, Any] = {"channel": source.channel, "latest": source.ts, "oldest": source.ts}
    try:
        if source.thread_ts and source.thread_ts != source.ts:
            # Each page of a thread begins with its first message.
            answer = bot.client.conversations_replies(
                **only, ts=source.thread_ts, inclusive=True, limit=2
            )
        else:
            answer = bot.client.conversations_history(**only, inclusive=True, limit=1)
    except SLACK_ERRORS as error:
        code = error.response.get("error") if isinstance(error, SlackApiError) else None
        logger.info("a message cannot be read: %s", code or type(error).__name__)
        return None
    messages: list[dict[str, Any]] = answer.get("messages") or []
    return next((message for message in messages if message.get("ts") == source.ts), None)


def fetch_first_message(bot: BotProcess, thread: MessageRef) -> dict[str, Any] | None:
    """Return the first message of a thread, with its metadata; None if Slack refuses.

    Raises `MessageUnrecorded` if Slack fails, so that it sends the event again.
    """
    try:
        answer = bot.client.conversations_replies(
            channel=thread.channel, ts=thread.ts, limit=1, include_all_metadata=True
        )
    except SlackApiError as error:
        code = str(error.response.get("error"))
        if error_kind(code, channel=thread.channel) is ErrorKind.OTHER:
            raise MessageUnrecorded(f"Slack does not return a thread: {code}") from error
        logger.info("a thread cannot be read: %s", code)
        return None
    except (SlackClientError, OSError) as error:
        raise MessageUnrecorded("Slack does not return a thread") from error
    messages: list[dict[str, Any]] = answer.get("messages") or []
    return next((message for message in messages if message.get("ts") == thread.ts), None)


def fetch_display_names(bot: BotProcess, user_ids: Iterable[str]) -> dict[str, str]:
    """Return the display names of the first `MAX_NAME_LOOKUPS` users that Slack knows."""
    names = {}
    for user_id in list(dict.fromkeys(filter(None, user_ids)))[:MAX_NAME_LOOKUPS]:
        try:
            user = bot.client.users_info(user=user_id)["user"]
        except SlackApiError:
            continue
        except (SlackClientError, OSError):
            break  # an event has to be stored within three seconds
        profile = user.get("profile") or {}
        display_name = profile.get("display_name") or profile.get("real_name") or user.get("name")
        names[user_id] = str(display_name or slack_markup.UNKNOWN_NAME)
    return names


def _app_name(message: dict[str, Any]) -> str:
    profile = message.get("bot_profile") or {}
    is_app = message.get("bot_id") or message.get("subtype") == "bot_message"
    fallback = "an app" if is_app else slack_markup.UNKNOWN_NAME
    return str(message.get("username") or profile.get("name") or fallback)
