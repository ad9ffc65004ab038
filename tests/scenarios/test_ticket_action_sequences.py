"""Random sequences of actions on a ticket follow the table of status transitions."""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.accounts.users import UserService
from services.assignment.assignment_service import AssignmentService
from services.core.clock import utcnow
from services.core.database import Mongo
from services.core.errors import DomainError
from services.core.rate_limiter import RateLimiter
from services.editing.ticket_edits import TicketEdits
from services.linking.links import LinkService
from services.models.ticket import AnalysisSource, AssigneeChoice, ChoiceReason, Status, Ticket
from services.models.user import Role, User
from services.tickets.actions import TicketActions
from services.tickets.comments import CommentService
from services.tickets.filing import TicketService
from services.tickets.lifecycle import STATUS_TRANSITIONS
from tests.conftest import FixedClock, People, file_ticket, reload
from tests.support.action_helpers import by

HELD = (Status.IN_PROGRESS, Status.WAITING)


@dataclass(frozen=True)
class HelpDesk:
    """The services that change a ticket; `crew`: its requester, two moderators and an admin."""

    db: Mongo
    ticket_actions: TicketActions
    ticket_edits: TicketEdits
    comments: CommentService
    store: AssignmentService
    crew: tuple[User, ...]
    clock: FixedClock

    def file(self) -> Ticket:
        self.clock.advance(hours=1)  # below the limit of tickets per hour
        return file_ticket(TicketService(self.db, RateLimiter(""), clock=self.clock), self.crew[0])


Deed = Callable[[HelpDesk, Ticket, User, User], Any]


def assigned(help_desk: HelpDesk, ticket: Ticket, _: User, to: User) -> None:
    """Run assignment on the ticket, whether or not it is due."""
    claimed = help_desk.store.claim(ticket, now=utcnow()) or ticket
    choice = AssigneeChoice(to.id, ChoiceReason.SKILLS, "knows it", 1.0, {})
    help_desk.store.assign(claimed, choice, source=AnalysisSource.ROUTER, now=utcnow())
    help_desk.store.release_claim(ticket.id)


def set_status(status: Status) -> Deed:
    def deed(help_desk: HelpDesk, ticket: Ticket, user: User, _: User) -> None:
        ready = {Status.WAITING, Status.COMPLETED}
        message = {"message": "Well?"} if status in ready else {}
        wanted = {"status": status.value, **message}
        help_desk.ticket_edits.update(**by(user, ticket), expected_seq=ticket.seq, changes=wanted)

    return deed


def act(action: str, **fields: Any) -> Deed:
    """Return a deed that calls the method of `TicketActions`."""

    def deed(help_desk: HelpDesk, ticket: Ticket, user: User, _: User) -> None:
        getattr(help_desk.ticket_actions, action)(**by(user, ticket), **fields)

    return deed


DEEDS: dict[str, Deed] = {
    "accept": act("accept"),
    "take": act("take"),
    "reassign": lambda help_desk, ticket, user, to: help_desk.ticket_actions.reassign(
        **by(user, ticket), assignee_id=str(to.id)
    ),
    "hand back": act("reassign", assignee_id=None),
    "wait": act("ask_requester", question="Which?"),
    "resolve": act("resolve", resolution="Done."),
    "cancel": act("cancel"),
    "reopen": act("reopen"),
    "comment": lambda help_desk, ticket, user, _: help_desk.comments.add(
        **by(user, ticket), text="This one."
    ),
    "assign": assigned,
    "park": lambda help_desk, ticket, _, __: help_desk.store.queue_unassigned(ticket, now=utcnow()),
    **{f"set {status}": set_status(status) for status in Status},
}


def assert_sound(before: Ticket, after: Ticket, name: str) -> None:
    assert after.status is before.status or after.status in STATUS_TRANSITIONS[before.status], name
    if after.status in HELD:
        assert after.assigned_to is not None, name
    if after.status is Status.TODO:
        assert after.assigned_to is None, name
    if after.status is Status.COMPLETED:
        assert after.assigned_to == before.assigned_to, name
    assert bool(after.resolution) == (after.status is Status.COMPLETED), name
    assert after.assigned_to or after.accepted_at is None, name
    if before.status is Status.COMPLETED and name in ("assign", "park"):
        assert (after.status, after.assigned_to) == (before.status, before.assigned_to)
    numbers = [event.seq for event in after.events]
    assert numbers == sorted(set(numbers)), name
    moved = [event for event in after.events if event.field == "status"]
    assert all(Status(event.to) in STATUS_TRANSITIONS[Status(event.from_)] for event in moved), name


# Actions that are seldom refused are drawn more often.
NAMES = [*DEEDS, "accept", "take", "assign", "wait", "reopen", "hand back", "resolve"]
STAFF_FIRST = [1, 2, 3, 0]


@pytest.fixture
def help_desk(db: Mongo, users: UserService, links: LinkService, people: People) -> HelpDesk:
    roles = (Role.USER, Role.MODERATOR, Role.MODERATOR, Role.ADMIN)
    return HelpDesk(
        db=db,
        ticket_actions=TicketActions(db, users),
        ticket_edits=TicketEdits(db, users, links),
        comments=CommentService(db),
        store=AssignmentService(db, links),
        crew=tuple(people.add(role) for role in roles),
        clock=FixedClock(),
    )


def walk(help_desk: HelpDesk, deeds: Iterable[tuple[str, int, int]]) -> set[tuple[Status, Status]]:
    """Apply the deeds to a new ticket and return the status transitions taken."""
    ticket = help_desk.file()
    taken = set()
    for name, user, to in deeds:
        before = reload(help_desk.db, ticket)
        try:
            DEEDS[name](help_desk, before, help_desk.crew[user], help_desk.crew[to])
        except DomainError:
            assert reload(help_desk.db, ticket) == before, name
        after = reload(help_desk.db, ticket)
        assert_sound(before, after, name)
        taken.add((before.status, after.status))
    return taken


@pytest.mark.long
@given(
    deeds=st.lists(
        st.tuples(
            st.sampled_from(NAMES), st.sampled_from(STAFF_FIRST), st.sampled_from(STAFF_FIRST)
        ),
        min_size=12,
        max_size=25,
    )
)
@settings(
    max_examples=50,
    deadline=None,
    # Each example files its own ticket, so they can share the database.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_only_the_tables_steps_ever_happen(
    help_desk: HelpDesk, deeds: list[tuple[str, int, int]]
) -> None:
    walk(help_desk, deeds)


def test_on_a_long_way_every_step_of_the_table_happens(help_desk: HelpDesk) -> None:
    dice = random.Random(4)  # noqa: S311  the same sequence in each run
    taken: set[tuple[Status, Status]] = set()
    for _ in range(25):
        way = [
            (dice.choice(NAMES), dice.choice(STAFF_FIRST), dice.choice(STAFF_FIRST))
            for _ in range(40)
        ]
        taken |= walk(help_desk, way)
    changed = {(old, new) for old, new in taken if old is not new}
    assert changed == {(old, new) for old in STATUS_TRANSITIONS for new in STATUS_TRANSITIONS[old]}
