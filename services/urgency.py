"""Is a ticket as urgent as somebody says? Pure.

Anyone would claim it: a requester for their own, a model because the text told it to. So a claim
alone makes a ticket high; urgent takes a second signal, found by plain code. A moderator's word
needs none.
"""

from dataclasses import dataclass
from enum import StrEnum

from services.models import Priority
from services.signals import Signal


class Claim(StrEnum):
    """Who called it urgent."""

    REQUESTER = "requester"
    MODEL = "model"


@dataclass(frozen=True, slots=True)
class Settled:
    """`claim` is set where somebody called it urgent whose word is not enough."""

    priority: Priority
    claim: Claim | None = None


def settled(
    *,
    asked: Priority | None,
    is_trusted: bool,
    found: Priority | None,
    signal: Signal | None,
) -> Settled:
    """The priority of a ticket: what a person `asked` for, else what the analysis `found`.

    `is_trusted`: the person works on tickets.
    """
    if asked and (is_trusted or asked is not Priority.URGENT):
        return Settled(asked)
    wanted = asked or found or Priority.MEDIUM
    if wanted is not Priority.URGENT:
        return Settled(wanted)
    claim = Claim.REQUESTER if asked else Claim.MODEL
    return Settled(Priority.URGENT if signal else Priority.HIGH, claim)
