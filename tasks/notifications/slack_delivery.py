"""Sending to Slack, and what its errors mean: try later, try again, or never."""

import logging

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse

from bot.views.text import Message

logger = logging.getLogger(__name__)

# A longer wait is the sweep's: a countdown must stay below Redis's visibility timeout.
MAX_COUNTDOWN_SECONDS = 300
# Slack's own words for "this message will never arrive". Errors of the token or its scopes are not
# among them: an operator mends those, and then the message is still wanted.
PERMANENT_ERRORS = frozenset(
    {
        "account_inactive",
        "cannot_dm_bot",
        "cannot_reply_to_message",
        "cant_update_message",
        "channel_not_found",
        "edit_window_closed",
        "invalid_arguments",
        "invalid_blocks",
        "invalid_blocks_format",
        "is_archived",
        "is_inactive",
        "message_not_found",
        "messages_tab_disabled",
        "msg_blocks_too_long",
        "msg_too_long",
        "no_text",
        "not_in_channel",
        "restricted_action",
        "restricted_action_non_threadable_channel",
        "restricted_action_read_only_channel",
        "restricted_action_thread_locked",
        "restricted_action_thread_only_channel",
        "thread_not_found",
        "user_disabled",
        "user_not_found",
        "user_not_visible",
    }
)


class SlackRateLimited(Exception):
    """Slack asks to wait `seconds`."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"rate limited for {seconds} s")
        self.seconds = seconds


def error_code(error: SlackApiError) -> str:
    return str(error.response.get("error") or "unknown")


def is_permanent(error: SlackApiError) -> bool:
    return error_code(error) in PERMANENT_ERRORS


def rate_limit_error(error: SlackApiError) -> SlackRateLimited | None:
    """The wait that a 429 asks for; None for any other error."""
    if error.response.status_code != 429:
        return None
    after = str(error.response.headers.get("Retry-After", ""))
    return SlackRateLimited(int(after) if after.isdigit() else 1)


def post_message(
    slack: WebClient, message: Message, *, channel: str, thread_ts: str | None = None
) -> SlackResponse:
    """Post a message, without previews of what it links to."""
    return slack.chat_postMessage(
        channel=channel,
        thread_ts=thread_ts,
        unfurl_links=False,
        unfurl_media=False,
        **message.as_args(),
    )


def update_message(
    slack: WebClient, message: Message, *, channel: str, ts: str, about: str
) -> bool:
    """Change what a message shows. False where that has to be tried again later.

    A message that is deleted, or too old to edit, counts as changed, so that nobody tries for ever.
    Raises `SlackRateLimited`.
    """
    try:
        slack.chat_update(channel=channel, ts=ts, **message.as_args())
    except SlackApiError as error:
        if wait := rate_limit_error(error):
            raise wait from error
        if not is_permanent(error):
            logger.warning("%s: %s", about, error_code(error))
            return False
    except (SlackClientError, OSError) as error:
        logger.warning("%s: %s", about, type(error).__name__)
        return False
    return True
