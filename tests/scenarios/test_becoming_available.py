"""Every way in which a user becomes available retries the unassigned tickets."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from services.account_admin.account_admin import AccountAdmin, PersonFields
from services.accounts.users import UserService
from services.assignment.reassign import Reassignment
from services.auth.one_time_codes import CodeKind, OneTimeCodes
from services.availability.availability_service import AvailabilityChange, AvailabilityService
from services.availability.status_sync import StatusSync
from services.core.database import Mongo
from services.editing.ticket_edits import TicketEdits
from services.linking.link_by_code import LinkByCode
from services.linking.links import LinkService
from services.linking.member_sync import MemberSync
from services.linking.unlink import Unlink
from services.models.permissions import OPERATOR, Actor
from services.models.slack_member import SlackMember
from services.models.ticket import Ticket
from services.models.user import Role, User
from services.outbox.emails import Emails
from services.outbox.pending import due_ticket_ids
from services.registry.services import Services
from services.routing.model_store import ModelStore
from services.tickets.actions import TicketActions
from services.tickets.filing import TicketService
from tasks.queue.celery_app import NOTIFY_TASK
from tasks.runtime import Runtime
from tests.conftest import FixedClock, People, RecordingPublisher, file_ticket, reload, work
from tests.support.action_helpers import by
from tests.support.slack_workspace import TEAM_ID


@dataclass
class HelpDesk:
    """A help desk whose only admin has no capacity, and the services that change that."""

    db: Mongo
    people: People
    users: UserService
    links: LinkService
    link_by_code: LinkByCode
    unlink_service: Unlink
    member_sync: MemberSync
    accounts: AccountAdmin
    services: Services
    availability: AvailabilityService
    status_sync: StatusSync
    ticket_actions: TicketActions
    ticket_edits: TicketEdits
    reassignment: Reassignment
    tickets: TicketService
    codes: OneTimeCodes
    clock: FixedClock
    boss: User

    @property
    def admin(self) -> Actor:
        return Actor.from_user(self.boss)

    def with_one_open(self) -> tuple[User, Ticket]:
        """Add a moderator with a capacity of one ticket, and assign it."""
        full = self.people.add(Role.MODERATOR, capacity=1)
        ticket = file_ticket(self.tickets, self.people.add())
        self.ticket_actions.take(**by(full, ticket))
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
        now = PersonFields.from_user(self.users.get(user.id) or user)
        self.accounts.update(
            actor=self.admin, user_id=str(user.id), shown=now, wanted=replace(now, **fields)
        )


@pytest.fixture
def help_desk(
    db: Mongo,
    people: People,
    users: UserService,
    links: LinkService,
    link_by_code: LinkByCode,
    services: Services,
    ticket_actions: TicketActions,
    ticket_edits: TicketEdits,
    tickets: TicketService,
    codes: OneTimeCodes,
    clock: FixedClock,
) -> HelpDesk:
    emails = Emails(db, clock=clock)
    return HelpDesk(
        db=db,
        people=people,
        users=users,
        links=links,
        link_by_code=link_by_code,
        unlink_service=Unlink(db, users, links, emails, clock=clock),
        member_sync=MemberSync(db, users, codes, clock=clock),
        accounts=AccountAdmin(db, clock=clock),
        services=services,
        availability=AvailabilityService(db, clock=clock),
        status_sync=StatusSync(db, clock=clock),
        ticket_actions=ticket_actions,
        ticket_edits=ticket_edits,
        reassignment=Reassignment(
            db, users, links, ticket_actions, ModelStore(db, clock=clock), clock=clock
        ),
        tickets=tickets,
        codes=codes,
        clock=clock,
        boss=people.add(Role.ADMIN, capacity=0),
    )


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
    help_desk.users.set_role(actor=OPERATOR, email=user.email, role=Role.MODERATOR)
    yield user


def a_role_over_the_api(help_desk: HelpDesk) -> Way:
    user = help_desk.people.add()
    yield None
    help_desk.services.profiles.update_other(
        actor=help_desk.admin, email=user.email, role="moderator"
    )
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
    help_desk.links.get_or_create_user(help_desk.member(user))
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
    yield help_desk.links.get_or_create_user(boss)


def a_link_by_a_code(help_desk: HelpDesk) -> Way:
    user = help_desk.people.add(Role.MODERATOR, linked=False, password="hashed")
    yield None
    code = help_desk.codes.issue(kind=CodeKind.LINK, user_id=user.id)
    name = help_desk.codes.code_id(kind=CodeKind.LINK, code=code)
    help_desk.link_by_code.confirm(member=help_desk.member(user), code_id=name)
    yield user


def a_link_made_again(help_desk: HelpDesk) -> Way:
    user = help_desk.people.add(Role.MODERATOR)
    slack_id = People.slack_id(user)
    help_desk.unlink_service.unlink(
        actor=Actor.from_user(user), team_id=TEAM_ID, slack_user_id=slack_id
    )
    yield None
    help_desk.link_by_code.link_by_email(member=help_desk.member(user))
    yield user


def a_slack_member_who_is_back(help_desk: HelpDesk) -> Way:
    user = help_desk.people.add(Role.MODERATOR)
    help_desk.member_sync.sync(member=replace(help_desk.member(user), is_deleted=True))
    yield None
    help_desk.member_sync.sync(member=help_desk.member(user))
    yield user


def a_slack_member_who_is_back_and_uses_it(help_desk: HelpDesk) -> Way:
    user = help_desk.people.add(Role.MODERATOR)
    help_desk.member_sync.sync(member=replace(help_desk.member(user), is_guest=True))
    yield None
    help_desk.links.get_or_create_user(help_desk.member(user))
    yield user


def back_now(help_desk: HelpDesk) -> Way:
    away = {"until": help_desk.clock() + timedelta(days=3), "source": "self"}
    user = help_desk.people.add(Role.MODERATOR, away=away)
    yield None
    help_desk.availability.update(
        actor=Actor.from_user(user), change=AvailabilityChange(is_away=False)
    )
    yield user


def an_absence_that_is_over(help_desk: HelpDesk) -> Way:
    away = {"until": help_desk.clock() + timedelta(minutes=2), "source": "self"}
    user = help_desk.people.add(Role.MODERATOR, away=away)
    yield None
    help_desk.clock.advance(minutes=2)
    help_desk.status_sync.end_absences()
    yield user


def a_ticket_resolved(help_desk: HelpDesk) -> Way:
    full, ticket = help_desk.with_one_open()
    yield None
    help_desk.ticket_actions.resolve(**by(full, ticket), resolution="Done.")
    yield full


def a_ticket_cancelled(help_desk: HelpDesk) -> Way:
    full, ticket = help_desk.with_one_open()
    yield None
    requester = help_desk.users.get(ticket.created_by) if ticket.created_by else None
    assert requester is not None
    help_desk.ticket_actions.cancel(**by(requester, ticket))
    yield full


def a_ticket_given_away(help_desk: HelpDesk) -> Way:
    full, ticket = help_desk.with_one_open()
    yield None
    to = str(help_desk.boss.id)
    help_desk.ticket_actions.reassign(**by(full, ticket), assignee_id=to)
    yield full


def a_ticket_taken_over(help_desk: HelpDesk) -> Way:
    full, ticket = help_desk.with_one_open()
    yield None
    help_desk.ticket_actions.take(actor=help_desk.admin, ticket_id=str(ticket.id))
    yield full


def a_ticket_not_theirs(help_desk: HelpDesk) -> Way:
    full, ticket = help_desk.with_one_open()
    yield None
    help_desk.reassignment.decline(**by(full, ticket))
    yield full


def a_ticket_edited_to_be_resolved(help_desk: HelpDesk) -> Way:
    full, ticket = help_desk.with_one_open()
    yield None
    help_desk.ticket_edits.update(
        **by(full, ticket),
        expected_seq=reload(help_desk.db, ticket).seq,
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
    unassigned = file_ticket(help_desk.tickets, help_desk.people.add(), "The roof leaks")
    publisher.publish_ticket(str(unassigned.id))
    work(runtime, publisher)
    assert reload(help_desk.db, unassigned).assigned_to is None
    assert due_ticket_ids(help_desk.db, now=help_desk.clock(), limit=10) == []

    who = next(steps)
    assert who is not None
    due = due_ticket_ids(help_desk.db, now=help_desk.clock(), limit=10)
    assert unassigned.id in due
    for ticket_id in due:  # as the sweep does
        publisher.send(NOTIFY_TASK, str(ticket_id))
    work(runtime, publisher)
    assert reload(help_desk.db, unassigned).assigned_to == who.id


@pytest.mark.parametrize("by", ["operator", "profile", "page"])
def test_a_skill_is_somebodys_chance_too(
    help_desk: HelpDesk, runtime: Runtime, publisher: RecordingPublisher, by: str
) -> None:
    """With a new skill, the user is the first with capacity who knows it."""
    user = help_desk.people.add(Role.MODERATOR, "Roofs")
    other = help_desk.people.add(Role.MODERATOR, "Roofs", capacity=0)
    help_desk.users.set_skills(actor=OPERATOR, email=user.email, skills=[])
    unassigned = file_ticket(help_desk.tickets, help_desk.people.add(), "Roofs leak")
    publisher.publish_ticket(str(unassigned.id))
    work(runtime, publisher)
    assert reload(help_desk.db, unassigned).assigned_to is None
    if by == "operator":
        help_desk.users.set_skills(actor=OPERATOR, email=user.email, skills=["Roofs"])
    elif by == "profile":
        help_desk.accounts.update_own(actor=Actor.from_user(user), skills="Roofs")
    else:
        profiles = help_desk.services.profiles
        profiles.update_own(actor=Actor.from_user(user), skills=["Roofs"])
    assert due_ticket_ids(help_desk.db, now=help_desk.clock(), limit=10) == [unassigned.id]
    publisher.send(NOTIFY_TASK, str(unassigned.id))
    work(runtime, publisher)
    assert reload(help_desk.db, unassigned).assigned_to == user.id
    assert other.id != user.id
