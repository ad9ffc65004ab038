"""The rate limits: how often something may be resolved within a window, and what a refusal says.

`services/core/rate_limiter.py` counts.
"""

import math
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple, NoReturn

from bson import ObjectId

from services.core import security_events
from services.core.errors import LimitReached
from services.core.security_events import SecurityEvent


class Limit(StrEnum):
    """The values are part of the keys in Redis. Many users of one office share an address."""

    API_CALLS = "api-calls"  # of an account
    CHANNEL_OFFERS = "channel-offers"  # to file short messages, of a member in a request channel
    LINK_CODES = "link-codes"  # wrong ones, of a Slack member
    MESSAGES = "messages"  # of a Slack member, that the bot answers
    MESSAGES_NOTICE = "messages-notice"  # sentences that say that it answers no more
    RESETS_BY_ACCOUNT = "resets-account"
    RESETS_BY_ADDRESS = "resets-address"
    SIGN_INS = "sign-ins"  # of an address, whatever the outcome: each costs a password hash
    SIGN_UPS = "sign-ups"  # of an address
    TICKETS = "tickets"  # of an account
    TICKETS_NOTICE = "tickets-notice"  # sentences that say that messages become no tickets
    WRONG_PASSWORDS = "wrong-passwords"  # for an account, from a network or a known browser
    WRONG_PASSWORDS_BY_ACCOUNT = "wrong-passwords-account"  # from all networks
    WRONG_PASSWORDS_BY_ADDRESS = "wrong-passwords-address"  # for all accounts


class Rule(NamedTuple):
    """`amount` times within any `window`. `{when}` in the sentence says when to try again; without
    a sentence, nothing says that the limit is reached."""

    amount: int
    window: timedelta
    sentence: str = ""


# Of these, a security event names the account, or the Slack member as TEAM:USER.
_OF_ACCOUNTS = frozenset({Limit.API_CALLS, Limit.TICKETS})
_OF_MEMBERS = frozenset({Limit.LINK_CODES, Limit.MESSAGES})
_TOO_MANY_ATTEMPTS = "Too many attempts. Try again {when}."
_QUARTER, _HOUR, _DAY = timedelta(minutes=15), timedelta(hours=1), timedelta(days=1)
_CONVERSATION = timedelta(minutes=10)

RULES: Mapping[Limit, Rule] = {
    Limit.API_CALLS: Rule(
        600,
        timedelta(minutes=1),
        "This account has made 600 calls within a minute, which is the limit. Try again {when}.",
    ),
    Limit.CHANNEL_OFFERS: Rule(1, _CONVERSATION),
    Limit.LINK_CODES: Rule(5, _QUARTER, "Too many wrong codes. Try again {when}, with a new code."),
    Limit.MESSAGES: Rule(
        20,
        _CONVERSATION,
        "You have sent many messages in a short time. I answer again {when}. To file a ticket, "
        "type /ticket.",
    ),
    Limit.MESSAGES_NOTICE: Rule(1, _CONVERSATION),
    Limit.RESETS_BY_ACCOUNT: Rule(3, _HOUR, _TOO_MANY_ATTEMPTS),
    Limit.RESETS_BY_ADDRESS: Rule(30, _HOUR, _TOO_MANY_ATTEMPTS),
    Limit.SIGN_INS: Rule(
        100, _QUARTER, "There were too many sign-ins from your network. Try again {when}."
    ),
    # The caller may have made none of them.
    Limit.SIGN_UPS: Rule(
        30,
        _HOUR,
        "Too many accounts were made from your network within an hour. Try again {when}.",
    ),
    Limit.TICKETS: Rule(
        20,
        _HOUR,
        "You have filed 20 tickets within an hour, which is the limit. Try again later; for an "
        "emergency, speak to a moderator.",
    ),
    Limit.TICKETS_NOTICE: Rule(1, _HOUR),
    Limit.WRONG_PASSWORDS: Rule(10, _QUARTER, _TOO_MANY_ATTEMPTS),
    Limit.WRONG_PASSWORDS_BY_ACCOUNT: Rule(
        100,
        _DAY,
        "There were too many wrong passwords for this account, so new browsers and programs cannot "
        "sign in. Use a browser that you have signed in with before, or set a new password with "
        "“Forgot your password?”. Otherwise try again {when}.",
    ),
    Limit.WRONG_PASSWORDS_BY_ADDRESS: Rule(30, _QUARTER, _TOO_MANY_ATTEMPTS),
}


def refuse(limit: Limit, *, subject: str, retry_after: float) -> NoReturn:
    """Raise the refusal, and record it. Each refusal for a limit is raised here.

    `subject` is what was counted, `retry_after` is in seconds.
    """
    security_events.record(
        SecurityEvent.RATE_LIMITED,
        reason=limit.value,
        account=ObjectId(subject) if limit in _OF_ACCOUNTS and ObjectId.is_valid(subject) else None,
        member=subject if limit in _OF_MEMBERS else None,
    )
    seconds = max(1, math.ceil(retry_after))
    sentence = RULES[limit].sentence.format(when=_when(seconds))
    raise LimitReached(sentence, retry_after=seconds)


def _when(seconds: int) -> str:
    minutes = math.ceil(seconds / 60)
    if minutes == 1:
        return "in a minute"
    return f"in {minutes} minutes" if minutes < 120 else f"in {math.ceil(minutes / 60)} hours"
