"""Every way in which a user becomes available retries the unassigned tickets."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from services.account_admin.account_admin import PersonFields
from services.auth.one_time_codes import CodeKind
from services.availability.availability_service import AvailabilityChange
from services.models.permissions import OPERATOR, Actor
from services.models.slack_member import SlackMember
from services.models.ticket import Ticket
from services.models.user import Role, User
from services.outbox.pending import due_tickets
from services.registry.services import Services
from tasks.queue.celery_app import NOTIFY_TASK
from tasks.runtime import Runtime
from tests.conftest import FixedClock, People, RecordingPublisher, file_ticket, reload, work
from tests.support.action_helpers import by
from tests.support.slack_workspace import TEAM_ID


class HelpDesk:
    """A help desk whose only admin has no capacity."""

    def __init__(self, services: Services, people: People, clock: FixedClock) -> None:
        self.services, self.people, self.clock = services, people, clock
        self.boss = people.add(Role.ADMIN, capacity=0)

    @property
    def admin(self) -> Actor:
        return Actor.from_user(self.boss)

    def with_one_open(self) -> tuple[User, Ticket]:
        """Add a moderator with a capacity of one ticket, and assign it."""
        full = self.people.add(Role.MODERATOR, capacity=1)
        ticket = file_ticket(self.services.tickets, self.people.add())
        self.services.ticket_actions.take(**by(full, ticket))
        return full, ticket

    def member(self, user: User) -> SlackMember:
        return SlackMember(
            team_id=TEAM_ID,
            slack_user_id=People.slack_id(user),
            home_team_id=TEAM_ID,
            email=user.email,
            email_confirmed=True,
            name=user.name,
        )

    def change(self, user: User, **fields: str) -> None:
        """Edit the account as an admin does in Slack."""
        now = PersonFields.from_user(self.services.users.get(user.id) or user)
        self.services.account_admin.update(
            actor=self.admin, user_id=str(user.id), shown=now, wanted=replace(now, **fields)
        )


@pytest.fixture
def help_desk(services: Services, people: People, clock: FixedClock) -> HelpDesk:
    return HelpDesk(services, people, clock)


# Each prepares a user, yields None while no assignee is available for the ticket, makes the user
# available and yields the user.
Way = Iterator[User | None]


def a_role_by_an_admin(help_desk: HelpDesk) -> Way:
    user = help_desk.people.add()
    yield None
    help_desk.change(user, role="moderator")
    yield user


def a_role_by_the_operator(help_desk: HelpDesk) -> Way:
    user = help_desk.people.add()
    yield None
    help_desk.services.users.update(actor=OPERATOR, email=user.email, role=Role.MODERATOR)
    yield user


def a_role_over_the_api(help_desk: HelpDesk) -> Way:
    user = help_desk.people.add()
    yield None
    help_desk.services.users.update(actor=help_desk.admin, email=user.email, role="moderator")
    yield user


def an_admins_capacity(help_desk: HelpDesk) -> Way:
    yield None
    help_desk.change(help_desk.boss, capacity="1")
    yield help_desk.boss


def an_account_that_is_active_again(help_desk: HelpDesk) -> Way:
    user = help_desk.people.add(Role.MODERATOR, active=False)
    yield None
    help_desk.change(user, active="active")
    yield user


def an_invitation_taken_up(help_desk: HelpDesk) -> Way:
    user = help_desk.people.add(Role.MODERATOR, linked=False)
    yield None
    help_desk.services.links.get_or_create_user(help_desk.member(user))
    yield user


def a_new_account_that_is_an_admins(help_desk: HelpDesk) -> Way:
    yield None
    boss = SlackMember(
        team_id=TEAM_ID,
        slack_user_id="U0BOSS",
        home_team_id=TEAM_ID,
        email="boss@example.com",
        email_confirmed=True,
    )
    yield help_desk.services.links.get_or_create_user(boss)


def a_link_by_a_code(help_desk: HelpDesk) -> Way:
    user = help_desk.people.add(Role.MODERATOR, linked=False, password="hashed")
    yield None
    code = help_desk.services.codes.issue(kind=CodeKind.LINK, user_id=user.id)
    name = help_desk.services.codes.code_id(kind=CodeKind.LINK, code=code)
    help_desk.services.account_linking.confirm_code(member=help_desk.member(user), code_id=name)
    yield user


def a_link_made_again(help_desk: HelpDesk) -> Way:
    user = help_desk.people.add(Role.MODERATOR)
    slack_id = People.slack_id(user)
    help_desk.services.account_linking.unlink(
        actor=Actor.from_user(user), team_id=TEAM_ID, slack_user_id=slack_id
    )
    yield None
    help_desk.services.account_linking.link_by_email(member=help_desk.member(user))
    yield user


def a_slack_member_who_is_back(help_desk: HelpDesk) -> Way:
    user = help_desk.people.add(Role.MODERATOR)
    help_desk.services.member_sync.sync(member=replace(help_desk.member(user), is_deleted=True))
    yield None
    help_desk.services.member_sync.sync(member=help_desk.member(user))
    yield user


def a_slack_member_who_is_back_and_uses_it(help_desk: HelpDesk) -> Way:
    user = help_desk.people.add(Role.MODERATOR)
    help_desk.services.member_sync.sync(member=replace(help_desk.member(user), is_guest=True))
    yield None
    help_desk.services.links.get_or_create_user(help_desk.member(user))
    yield user


def back_now(help_desk: HelpDesk) -> Way:
    away = {"until": help_desk.clock() + timedelta(days=3), "source": "self"}
    user = help_desk.people.add(Role.MODERATOR, away=away)
    yield None
    help_desk.services.availability.update(
        actor=Actor.from_user(user), change=AvailabilityChange(is_away=False)
    )
    yield user


def an_absence_that_is_over(help_desk: HelpDesk) -> Way:
    away = {"until": help_desk.clock() + timedelta(minutes=2), "source": "self"}
    user = help_desk.people.add(Role.MODERATOR, away=away)
    yield None
    help_desk.clock.advance(minutes=2)
    help_desk.services.status_sync.end_absences()
    yield user


def a_ticket_resolved(help_desk: HelpDesk) -> Way:
    full, ticket = help_desk.with_one_open()
    yield None
    help_desk.services.ticket_actions.resolve(**by(full, ticket), resolution="Done.")
    yield full


def a_ticket_cancelled(help_desk: HelpDesk) -> Way:
    full, ticket = help_desk.with_one_open()
    yield None
    requester = help_desk.services.users.get(ticket.created_by) if ticket.created_by else None
    assert requester is not None
    help_desk.services.ticket_actions.cancel(**by(requester, ticket))
    yield full


def a_ticket_given_away(help_desk: HelpDesk) -> Way:
    full, ticket = help_desk.with_one_open()
    yield None
    to = str(help_desk.boss.id)
    help_desk.services.ticket_actions.reassign(**by(full, ticket), assignee_id=to)
    yield full


def a_ticket_taken_over(help_desk: HelpDesk) -> Way:
    full, ticket = help_desk.with_one_open()
    yield None
    help_desk.services.ticket_actions.take(actor=help_desk.admin, ticket_id=str(ticket.id))
    yield full


def a_ticket_not_theirs(help_desk: HelpDesk) -> Way:
    full, ticket = help_desk.with_one_open()
    yield None
    help_desk.services.reassignment.decline(**by(full, ticket))
    yield full


def a_ticket_edited_to_be_resolved(help_desk: HelpDesk) -> Way:
    full, ticket = help_desk.with_one_open()
    yield None
    help_desk.services.ticket_edits.update(
        **by(full, ticket),
        expected_seq=reload(help_desk.services.db, ticket).seq,
        changes={"status": "COMPLETED", "message": "Done."},
    )
    yield full


def more_capacity(help_desk: HelpDesk) -> Way:
    full, _ = help_desk.with_one_open()
    yield None
    help_desk.change(full, capacity="2")
    yield full


WAYS: list[Callable[[HelpDesk], Way]] = [
    a_role_by_an_admin,
    a_role_by_the_operator,
    a_role_over_the_api,
    an_admins_capacity,
    an_account_that_is_active_again,
    an_invitation_taken_up,
    a_new_account_that_is_an_admins,
    a_link_by_a_code,
    a_link_made_again,
    a_slack_member_who_is_back,
    a_slack_member_who_is_back_and_uses_it,
    back_now,
    an_absence_that_is_over,
    a_ticket_resolved,
    a_ticket_cancelled,
    a_ticket_given_away,
    a_ticket_taken_over,
    a_ticket_not_theirs,
    a_ticket_edited_to_be_resolved,
    more_capacity,
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: str(way.__name__))
def test_they_get_what_waited(
    help_desk: HelpDesk,
    runtime: Runtime,
    publisher: RecordingPublisher,
    way: Callable[[HelpDesk], Way],
) -> None:
    steps = way(help_desk)
    next(steps)
    unassigned = file_ticket(help_desk.services.tickets, help_desk.people.add(), "The roof leaks")
    publisher.publish_ticket(str(unassigned.id))
    work(runtime, publisher)
    assert reload(help_desk.services.db, unassigned).assigned_to is None
    assert list(due_tickets(help_desk.services.db, now=help_desk.clock(), limit=10)) == []

    who = next(steps)
    assert who is not None
    due = list(due_tickets(help_desk.services.db, now=help_desk.clock(), limit=10))
    assert unassigned.id in due
    for ticket_id in due:  # as the sweep does
        publisher.send(NOTIFY_TASK, str(ticket_id))
    work(runtime, publisher)
    assert reload(help_desk.services.db, unassigned).assigned_to == who.id


@pytest.mark.parametrize("by", ["operator", "profile", "page"])
def test_a_skill_is_somebodys_chance_too(
    help_desk: HelpDesk, runtime: Runtime, publisher: RecordingPublisher, by: str
) -> None:
    """With a new skill, the user is the first with capacity who knows it."""
    user = help_desk.people.add(Role.MODERATOR, "Roofs")
    other = help_desk.people.add(Role.MODERATOR, "Roofs", capacity=0)
    help_desk.services.users.update(actor=OPERATOR, email=user.email, skills=[])
    unassigned = file_ticket(help_desk.services.tickets, help_desk.people.add(), "Roofs leak")
    publisher.publish_ticket(str(unassigned.id))
    work(runtime, publisher)
    assert reload(help_desk.services.db, unassigned).assigned_to is None
    if by == "operator":
        help_desk.services.users.update(actor=OPERATOR, email=user.email, skills=["Roofs"])
    elif by == "profile":
        help_desk.services.account_admin.update_own(actor=Actor.from_user(user), skills="Roofs")
    else:
        profiles = help_desk.services.profiles
        profiles.update_own(actor=Actor.from_user(user), skills=["Roofs"])
    due = list(due_tickets(help_desk.services.db, now=help_desk.clock(), limit=10))
    assert due == [unassigned.id]
    publisher.send(NOTIFY_TASK, str(unassigned.id))
    work(runtime, publisher)
    assert reload(help_desk.services.db, unassigned).assigned_to == user.id
    assert other.id != user.id
