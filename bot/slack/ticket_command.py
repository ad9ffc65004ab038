"""What the words after `/ticket` ask for: a subcommand, a ticket by its number, or a title."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from bot.views.messages.help import ANY_NUMBER, ANY_WORDS

_NUMBER = re.compile(r"#?([0-9]{1,9})")
# How much of a word has to agree with a subcommand to count as a slip of the keyboard.
_MIN_SIMILARITY = 0.75


# Words that are commands in other help desks: for the list, and for one ticket, which has buttons
# for them. With a number, all of them are about that ticket.
_LIST_WORDS = set(
    "all history inbox mine my open show status tickets todo".split()  # noqa: SIM905
)
_SEARCH_WORDS = {"find", "look", "lookup"}
# Any words may follow these.
_WITH_WORDS = {"search"}
_TICKET_WORDS = set(
    """accept answer approve assign cancel change claim close comment complete decline delete
    details done edit escalate finish get info note priority reassign reject remove reopen reply
    resolve see take unassign""".split()  # noqa: SIM905
)


@dataclass(frozen=True, slots=True)
class TicketCommand:
    """`subcommand` is one of the known ones, "" for the form. `suggestion` is what the user may
    have meant instead, with `ANY_NUMBER` for a number that was not given."""

    subcommand: str = ""
    suggestion: str = ""


def parse_number(words: Sequence[str]) -> int | None:
    """Return the ticket number in `12`, `#12` or `view 12`."""
    matches = map(_NUMBER.fullmatch, words[:2])
    return next((int(match[1]) for match in matches if match), None)


def parse_command(words: Sequence[str], *, subcommands: Collection[str]) -> TicketCommand:
    """A word is read as a command if it is alone or a number follows, otherwise it begins a title:
    "update 12" is one, "update Adobe on my laptop" is not. Behind "search" any words may stand."""
    first, *more = [word.lower() for word in words] or [""]
    number = parse_number(words)
    if _NUMBER.fullmatch(first) and not more:
        return TicketCommand("view")
    if first in subcommands and (
        len(more) < 2 or first in _WITH_WORDS or parse_number(more[:1]) is not None
    ):
        return TicketCommand(first)
    if more and (number is None or len(more) > 1):
        return TicketCommand()
    return TicketCommand(suggestion=_suggestion(first, number, subcommands))


def _suggestion(first: str, number: int | None, subcommands: Collection[str]) -> str:
    if first in _TICKET_WORDS or (first in _LIST_WORDS and number is not None):
        return f"/ticket {ANY_NUMBER if number is None else number}"
    if first in _LIST_WORDS:
        return "/ticket list"
    if first in _SEARCH_WORDS and number is None:
        return f"/ticket search {ANY_WORDS}"
    similar = get_close_matches(first, sorted(subcommands), n=1, cutoff=_MIN_SIMILARITY)
    behind = "" if number is None else f" {number}"
    return f"/ticket {similar[0]}{behind}" if similar else ""
