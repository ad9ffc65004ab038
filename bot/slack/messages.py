"""A message that a ticket is made of: which it is, and what may be taken from it."""

import json
import logging
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from slack_sdk.errors import SlackApiError, SlackClientError

from bot.slack.services import BotServices
from bot.views import slack_markup
from bot.views.modals import message_quote
from bot.views.modals.message_quote import Quote
from services.core.errors import Conflict
from services.models.message_source import MESSAGE_LOST, MessageSource, checked_source

logger = logging.getLogger(__name__)

# All false, said by Slack itself: only then is it a public channel of this workspace alone.
CLOSED = ("is_private", "is_im", "is_mpim", "is_shared", "is_ext_shared", "is_org_shared")
# How many people are asked for by name; a message may mention hundreds.
NAMES_MAX = 5
SLACK_ERRORS = (SlackApiError, SlackClientError, OSError)


def source_of(desk: BotServices, body: dict[str, Any]) -> MessageSource:
    """The message in a shortcut's payload."""
    message = body["message"]
    return checked_source(
        team_url=desk.team_url,
        channel=body["channel"]["id"],
        ts=message["ts"],
        thread_ts=message.get("thread_ts"),
        slack_user_id=message.get("user") or None,
    )


def metadata(source: MessageSource) -> str:
    """What a form carries of its message: ids, from which the rest is made again."""
    doc = source.to_doc()
    return json.dumps({name: doc[name] for name in ("channel", "ts", "threadTs", "slackUserId")})


def source_from(desk: BotServices, metadata: str) -> MessageSource | None:
    """The message a submitted form belongs to; None for a form of its own.

    Raises `Conflict` for what `metadata` would not have made.
    """
    if not metadata:
        return None
    try:
        ids = json.loads(metadata)
    except (ValueError, RecursionError):  # the latter for deep nesting
        ids = None
    if not isinstance(ids, dict):
        raise Conflict(MESSAGE_LOST)
    return checked_source(
        team_url=desk.team_url,
        channel=ids.get("channel"),
        ts=ids.get("ts"),
        thread_ts=ids.get("threadTs"),
        slack_user_id=ids.get("slackUserId"),
    )


def quote_of(
    desk: BotServices, source: MessageSource, read: Callable[[], dict[str, Any] | None]
) -> Quote:
    """The message's words where everybody here may read them anyway, else only the link to it.

    `read` is asked for the message only then; None: Slack does not give it.
    """
    channel = _public_channel(desk, source.channel)
    if channel is None:
        return message_quote.link_only(source.permalink, note=message_quote.PRIVATE)
    message = read()
    if message is None:
        return message_quote.link_only(source.permalink, note=message_quote.UNREAD)
    text = str(message.get("text") or "")
    if not text.strip():
        return message_quote.link_only(source.permalink, note=message_quote.WITHOUT_TEXT)
    author = str(message.get("user") or "")
    names = names_of(desk, [author, *slack_markup.mentioned(text)])
    return message_quote.quoted(
        slack_markup.readable(text, names),
        author=f"@{names[author]}" if author in names else _app_name(message),
        channel=channel,
        permalink=source.permalink,
    )


def _public_channel(desk: BotServices, channel_id: str) -> str | None:
    """Its name; None where it is not public, is shared, or Slack does not say."""
    try:
        channel = desk.client.conversations_info(channel=channel_id)["channel"]
    except SLACK_ERRORS as error:
        code = error.response.get("error") if isinstance(error, SlackApiError) else None
        logger.info("channel %s stays closed: %s", channel_id, code or type(error).__name__)
        return None
    if any(channel.get(flag) is not False for flag in CLOSED):
        return None
    return str(channel.get("name") or channel_id)


def located(desk: BotServices, source: MessageSource) -> MessageSource:
    """With the thread it replies in, which a reaction does not tell; as it is where Slack does
    not either."""
    try:
        answer = desk.client.chat_getPermalink(channel=source.channel, message_ts=source.ts)
    except SLACK_ERRORS:
        return source
    named = parse_qs(urlsplit(str(answer.get("permalink"))).query).get("thread_ts")
    return checked_source(
        team_url=desk.team_url,
        channel=source.channel,
        ts=source.ts,
        thread_ts=named[0] if named else None,
        slack_user_id=source.slack_user_id,
    )


def fetch(desk: BotServices, source: MessageSource) -> dict[str, Any] | None:
    """One message; None where Slack does not give it.

    Slack allows few such calls: for a press on a button, never for an event.
    """
    try:
        if source.thread_ts and source.thread_ts != source.ts:
            # The thread's first message comes with every page of it.
            answer = desk.client.conversations_replies(
                channel=source.channel,
                ts=source.thread_ts,
                latest=source.ts,
                oldest=source.ts,
                inclusive=True,
                limit=2,
            )
        else:
            answer = desk.client.conversations_history(
                channel=source.channel,
                latest=source.ts,
                oldest=source.ts,
                inclusive=True,
                limit=1,
            )
    except SLACK_ERRORS as error:
        code = error.response.get("error") if isinstance(error, SlackApiError) else None
        logger.info("a message stays unread: %s", code or type(error).__name__)
        return None
    found: list[dict[str, Any]] = answer.get("messages") or []
    return next((message for message in found if message.get("ts") == source.ts), None)


def names_of(desk: BotServices, user_ids: Iterable[str]) -> dict[str, str]:
    """How Slack shows the first few of them; who cannot be asked for is left out."""
    names = {}
    for user_id in list(dict.fromkeys(filter(None, user_ids)))[:NAMES_MAX]:
        try:
            user = desk.client.users_info(user=user_id)["user"]
        except SLACK_ERRORS:
            continue
        profile = user.get("profile") or {}
        shown = profile.get("display_name") or profile.get("real_name") or user.get("name")
        names[user_id] = str(shown or slack_markup.SOMEONE)
    return names


def _app_name(message: dict[str, Any]) -> str:
    profile = message.get("bot_profile") or {}
    is_app = message.get("bot_id") or message.get("subtype") == "bot_message"
    fallback = "an app" if is_app else slack_markup.SOMEONE
    return str(message.get("username") or profile.get("name") or fallback)
