"""Who is told of a step that was taken by the clock. Pure.

What is no longer so is told to nobody, also where it was posted by then.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from bson import ObjectId

from services.alarms import FIELD, stands
from services.changes import EventType
from services.ladders import AlarmKind, Family
from services.models import Event, Ticket
from services.notices import notice_key
from services.nudges import TRIAGE
from tasks.recipients import last_of

_OF_ASSIGNEE = frozenset({AlarmKind.ACCEPT_REMINDER, AlarmKind.DUE_SOON, AlarmKind.DUE_MISSED})
_OF_CHANNEL = frozenset({AlarmKind.ACCEPT_TRIAGE, AlarmKind.DUE_TRIAGE})
_OF_ADMINS = frozenset({AlarmKind.ACCEPT_ADMINS, AlarmKind.DUE_ADMINS})
# After one of these its assignee has not heard yet that it is missed.
_BEFORE_MISSED = frozenset({None, AlarmKind.DUE_SOON})
# After one of these the channel has not.
_BEFORE_CHANNEL = _BEFORE_MISSED | {AlarmKind.DUE_MISSED}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A line for somebody; `key` is the same for the same."""

    seq: int
    at: datetime
    kind: AlarmKind
    to: ObjectId | str

    @property
    def key(self) -> str:
        return notice_key(seq=self.seq, kind=self.kind.value, recipient=self.to)


def wanted(ticket: Ticket, *, admins: Sequence[ObjectId]) -> list[Wanted]:
    """Every line that the ticket calls for as it is, told already or not: of each ladder one a
    person, by the last step that concerns them. Further steps, which concern others, leave it: it
    may wait for a worker, for Slack or for their working day until then."""
    found: dict[tuple[ObjectId | str, Family], Wanted] = {}
    for event in _steps(ticket):
        kind = AlarmKind(event.to)
        for to in _recipients(event, kind, ticket, admins):
            found[to, kind.family] = Wanted(event.seq, event.at, kind, to)
    return list(found.values())


def _steps(ticket: Ticket) -> list[Event]:
    """Those of each ladder since it last began anew, if it still stands as the last one left it;
    the latest last."""
    runs: dict[Family, list[Event]] = {}
    for event in ticket.events:
        if event.field == FIELD and event.to in set(AlarmKind):
            family = AlarmKind(event.to).family
            goes_on = event.from_ in family.steps
            runs[family] = [*(runs.get(family, ()) if goes_on else ()), event]
    standing = (run for run in runs.values() if stands(ticket, AlarmKind(run[-1].to)))
    return sorted(chain.from_iterable(standing), key=lambda event: event.seq)


def _recipients(
    event: Event, kind: AlarmKind, ticket: Ticket, admins: Sequence[ObjectId]
) -> Iterator[ObjectId | str]:
    if kind is AlarmKind.ACCEPT_NEXT and isinstance(event.from_, ObjectId):
        yield event.from_  # its card tells the new one
    if kind in _OF_CHANNEL or (kind is AlarmKind.DUE_ADMINS and _before(event) in _BEFORE_CHANNEL):
        yield TRIAGE
    if kind in _OF_ADMINS:
        yield from admins
    had_it = _had_it_then(ticket, event)
    if ticket.assigned_to and had_it and (kind in _OF_ASSIGNEE or _is_news(event, kind)):
        yield ticket.assigned_to


def _had_it_then(ticket: Ticket, event: Event) -> bool:
    """Whoever got it later sees by its card how it stands."""
    given = last_of(ticket, EventType.ASSIGNED)
    return given is None or given.seq < event.seq


def _is_news(event: Event, kind: AlarmKind) -> bool:
    """Whether its assignee hears of it by a step that is for others: whoever it was passed on to
    was not reminded yet, and after a pause of the jobs a step may have been left out."""
    before = _before(event)
    if kind is AlarmKind.ACCEPT_TRIAGE:
        return True
    if kind is AlarmKind.ACCEPT_ADMINS:
        return before is not AlarmKind.ACCEPT_TRIAGE
    return kind in (AlarmKind.DUE_TRIAGE, AlarmKind.DUE_ADMINS) and before in _BEFORE_MISSED


def _before(event: Event) -> AlarmKind | None:
    """The step before it; None where it was the first, or somebody else had the ticket then."""
    return AlarmKind(event.from_) if event.from_ in tuple(AlarmKind) else None
