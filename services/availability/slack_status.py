"""Whether a Slack status says that somebody does not work, and until when. Pure.

It is told by fixed rules, never by a model: words first, because they say more than a picture.
Do not disturb is no absence: its owner is at work and wants no interruption for now.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from services.availability import status_words
from services.core.database import Document
from services.core.text import UNSPACED_SCRIPT_RANGES

# Until when somebody is away who does not say until when.
NO_END = datetime(3000, 1, 1, tzinfo=UTC)
_WORDS = re.compile(r"\w+")
# What is denied is denied within its own part of a sentence: "No, sick".
_PARTS = re.compile(r"[,;:!?()|\n\u2013\u2014]|\.\s|\s-\s")
_UNSPACED = re.compile(f"[{UNSPACED_SCRIPT_RANGES}]")


@dataclass(frozen=True, slots=True)
class SlackStatus:
    """As its owner set it in Slack; `expires_at` is None where they clear it themselves."""

    text: str = ""
    emoji: str = ""
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DoNotDisturbSpan:
    """A span in which somebody wants not to be disturbed."""

    start: datetime
    end: datetime


# Whether somebody is away by one of these.
RuleLevel = tuple[bool, tuple[str, ...]]


@dataclass(frozen=True)
class StatusRules:
    """What a team has set itself, before the usual rules: phrases, and emoji such as ":sailboat:",
    by which a member is `away`, or is `available` whatever the usual rules say."""

    away: tuple[str, ...] = ()
    available: tuple[str, ...] = ()

    def away_until(self, status: SlackStatus, *, now: datetime) -> datetime | None:
        """Until when that status says its owner is away; None where it does not."""
        if status.expires_at is not None and status.expires_at <= now:
            return None
        emoji = emoji_name(status.emoji)
        says = _first(_spaced(status.text), self._phrases, _holds)
        if says is None:
            says = _default_verdict(status.text)
        if says is None and emoji:
            says = _first(emoji, self._emoji, lambda name, names: name in names)
        return (status.expires_at or NO_END) if says else None

    @cached_property
    def _phrases(self) -> tuple[RuleLevel, ...]:
        """The levels in their order; of two phrases of one level `available` wins."""
        own_available, own_away = (
            _comparable(_phrases(own)) for own in (self.available, self.away)
        )
        return ((False, own_available), (True, own_away), (False, _AVAILABLE))

    @cached_property
    def _emoji(self) -> tuple[RuleLevel, ...]:
        own_available, own_away = (_names(own) for own in (self.available, self.away))
        return ((False, own_available), (True, own_away), (True, status_words.AWAY_EMOJI))


@dataclass(frozen=True, slots=True)
class StatusReading:
    """What Slack says of a member. `fingerprint` tells one absence from another, "" if there is
    none; `do_not_disturb` is None if it could not be asked."""

    away_until: datetime | None
    fingerprint: str = ""
    zone: str = ""
    do_not_disturb: tuple[DoNotDisturbSpan, ...] | None = None


@dataclass(frozen=True, slots=True)
class MemberStatus:
    """What of Slack's own object of a user counts here."""

    status: SlackStatus = field(default_factory=SlackStatus)
    zone: str = ""

    def read(
        self,
        rules: StatusRules,
        *,
        now: datetime,
        do_not_disturb: tuple[DoNotDisturbSpan, ...] | None = None,
    ) -> StatusReading:
        until = rules.away_until(self.status, now=now)
        return StatusReading(
            until, status_fingerprint(self.status) if until else "", self.zone, do_not_disturb
        )


def parse_member_status(user: Mapping[str, Any]) -> MemberStatus:
    """From `users.info` or an event; whatever is missing or odd says nothing."""
    profile = user.get("profile")
    fields = profile if isinstance(profile, Mapping) else {}
    status = SlackStatus(
        text=_text(fields.get("status_text")),
        emoji=_text(fields.get("status_emoji")),
        expires_at=_as_datetime(fields.get("status_expiration")),
    )
    return MemberStatus(status, _text(user.get("tz")))


def parse_do_not_disturb(dnd_info: Mapping[str, Any]) -> tuple[DoNotDisturbSpan, ...]:
    """From one member's part of `dnd.teamInfo`: the span under way or the next one."""
    if dnd_info.get("dnd_enabled") is not True:
        return ()
    start, end = (_as_datetime(dnd_info.get(f"next_dnd_{side}_ts")) for side in ("start", "end"))
    return (DoNotDisturbSpan(start, end),) if start and end and start < end else ()


def do_not_disturb_until(account: Document, *, now: datetime) -> datetime | None:
    """Until when the owner of that account wants not to be disturbed; None: they may be."""
    presence = account.get("presence")
    spans = presence.get("quiet") if isinstance(presence, Mapping) else None
    found = [
        span["end"]
        for span in (spans if isinstance(spans, list) else [])
        if isinstance(span, Mapping)
        and all(isinstance(span.get(side), datetime) for side in ("start", "end"))
        and span["start"] <= now < span["end"]
    ]
    return max(found, default=None)


def status_fingerprint(status: SlackStatus) -> str:
    """The same for the same status; its words cannot be read from it."""
    ends = int(status.expires_at.timestamp()) if status.expires_at else 0
    content = f"{status.text}\0{status.emoji}\0{ends}"
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def emoji_name(emoji: str) -> str:
    """Without its colons and the tone of its skin."""
    return emoji.strip().strip(":").partition(":")[0].lower()


def is_emoji(entry: str) -> bool:
    return entry.startswith(":") and entry.endswith(":") and len(entry) > len("::")


def _phrases(entries: Iterable[str]) -> list[str]:
    return [entry for entry in entries if not is_emoji(entry)]


def _names(entries: Iterable[str]) -> tuple[str, ...]:
    return tuple(emoji_name(entry) for entry in entries if is_emoji(entry))


def _first(
    text: str, levels: Iterable[RuleLevel], has: Callable[[str, tuple[str, ...]], bool]
) -> bool | None:
    """What the first level that applies says; None where none does."""
    return next((is_away for is_away, entries in levels if has(text, entries)), None)


def _default_verdict(text: str) -> bool | None:
    """Whether the usual phrases say it, those apart that are denied: of those the contrary."""
    parts = [_spaced(part) for part in _PARTS.split(text)]
    left = [_DENIED.sub(" ", part) for part in parts]
    if _holds(_spaced(" ".join(left)), _AWAY):
        return True
    return None if left == parts else False


def _holds(text: str, phrases: Iterable[str]) -> bool:
    return any(
        (phrase.strip() if _UNSPACED.search(phrase) else phrase) in text for phrase in phrases
    )


def _comparable(phrases: Iterable[str]) -> tuple[str, ...]:
    return tuple(filter(str.strip, map(_spaced, phrases)))


def _spaced(text: str) -> str:
    """Its words, without accents, with a blank on both sides of each: so that a phrase is found
    as whole words."""
    bare = (c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    plain = unicodedata.normalize("NFKC", "".join(bare)).casefold()
    return f" {' '.join(_WORDS.findall(plain))} "


def _any_of(phrases: Iterable[str]) -> str:
    return "|".join(re.escape(phrase.strip()) for phrase in _comparable(phrases))


_AWAY, _AVAILABLE = (
    _comparable(status_words.AWAY_PHRASES),
    _comparable(status_words.AVAILABLE_PHRASES),
)
_DENIED = re.compile(
    f" (?:{_any_of(status_words.NEGATIONS)})(?: "
    f"(?:{_any_of(status_words.NEGATION_FILLERS)})){{0,3}}"
    f" (?:{_any_of(status_words.AWAY_PHRASES)})(?= )"
)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _as_datetime(seconds: Any) -> datetime | None:
    """Slack's 0 is no moment, and neither is 1, which it says of who is never quiet."""
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool) or seconds <= 1:
        return None
    try:
        # Slack takes any date of whoever sets it; so late, there is no calendar any more.
        return min(datetime.fromtimestamp(int(seconds), UTC), NO_END)
    except (OverflowError, ValueError, OSError):
        return None
