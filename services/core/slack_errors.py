"""Errors of calls to Slack, and Slack's error codes by what can be done about them.

https://docs.slack.dev/reference/methods/chat.postMessage#errors lists most of them; the other
methods have few more that matter here.
"""

from enum import Enum, auto
from urllib.error import URLError


class RequestNotSent(URLError):
    """Slack could not be connected to, and so has received no part of the request. `reason` is the
    error of the operating system, of TLS or of the proxy."""


class ErrorKind(Enum):
    INSTALLATION = auto()  # every call fails until an operator reinstalls the app
    SCOPE = auto()  # every call of the method fails until an operator adds a scope
    CHANNEL = auto()  # an operator can correct it: the channel, or a setting of the workspace
    RECIPIENT = auto()  # the recipient, or the message to change, is gone
    MESSAGE = auto()  # a fault of this program
    OTHER = auto()  # a fault of Slack, or an unknown code: worth another attempt


_KIND_BY_CODE = {
    code: kind
    for kind, codes in {
        ErrorKind.INSTALLATION: """access_denied account_inactive ekm_access_denied invalid_auth
            not_authed org_login_required team_access_not_granted team_not_found token_expired
            token_revoked two_factor_setup_required""",
        ErrorKind.SCOPE: """enterprise_is_restricted missing_scope no_permission
            not_allowed_token_type""",
        ErrorKind.CHANNEL: """is_archived is_inactive messages_tab_disabled not_in_channel
            restricted_action restricted_action_non_threadable_channel
            restricted_action_read_only_channel restricted_action_thread_locked
            restricted_action_thread_only_channel""",
        ErrorKind.RECIPIENT: """cannot_dm_bot cannot_reply_to_message cant_update_message
            edit_window_closed message_not_found thread_not_found user_disabled user_not_found
            user_not_in_channel user_not_visible""",
        ErrorKind.MESSAGE: """invalid_arguments invalid_blocks invalid_blocks_format
            msg_blocks_too_long msg_too_long no_text""",
    }.items()
    for code in codes.split()
}
CHANNEL_NOT_FOUND, MISSING_SCOPE = "channel_not_found", "missing_scope"
# Ids of channels and private channels. Others are of members and of direct messages.
_CHANNEL_PREFIXES = ("C", "G")
# What an operator can correct, so that the message is worth another attempt.
OPERATOR_KINDS = frozenset({ErrorKind.INSTALLATION, ErrorKind.SCOPE, ErrorKind.CHANNEL})
OPERATOR_CODES = frozenset(
    code for code, kind in _KIND_BY_CODE.items() if kind in OPERATOR_KINDS
) | {CHANNEL_NOT_FOUND}


def error_kind(code: str, *, channel: str = "") -> ErrorKind:
    """`channel` is the recipient's id: a channel may come back (the bot is invited again), a member
    who is not found does not."""
    if code == CHANNEL_NOT_FOUND:
        is_channel = channel.startswith(_CHANNEL_PREFIXES)
        return ErrorKind.CHANNEL if is_channel else ErrorKind.RECIPIENT
    return _KIND_BY_CODE.get(code, ErrorKind.OTHER)


def error_name(error: Exception) -> str:
    """Return the type of what went wrong, for logs and operators. It quotes nothing."""
    reason = error.reason if isinstance(error, URLError) else error
    return type(reason).__name__
