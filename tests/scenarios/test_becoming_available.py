"""Every way in which somebody becomes available gives them what nobody could take until then."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from services.account_admin.account_admin import AccountAdmin, PersonFields
from services.accounts.users import UserService
from services.assignment.reassign import Reassignment
from services.auth.one_time_codes import CodeKind, OneTimeCodes
from services.auth.services import AccountServices
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
from services.routing.model_store import ModelStore
from services.tickets.actions import TicketActions
from services.tickets.filing import TicketService
from tasks.queue.celery_app import NOTIFY_TASK
from tasks.runtime import Runtime
from tests.conftest import FixedClock, People, RecordingPublisher, file_ticket, reload, work
from tests.support.slack_workspace import TEAM_ID


@dataclass
class Desk:
    """A help desk whose one admin takes no tickets, and all that changes it."""

    db: Mongo
    people: People
    users: UserService
    links: LinkService
    linking: LinkByCode
    unlinking: Unlink
    following: MemberSync
    accounts: AccountAdmin
    account_services: AccountServices
    availability: AvailabilityService
    presences: StatusSync
    moves: TicketActions
    edits: TicketEdits
    handing_on: Reassignment
    tickets: TicketService
    codes: OneTimeCodes
    clock: FixedClock
    boss: User

    @property
    def admin(self) -> Actor:
        return Actor.from_user(self.boss)

    def with_one_open(self) -> tuple[User, Ticket]:
        """A moderator who can take one ticket, and has it."""
        full = self.people.add(Role.MODERATOR, capacity=1)
        ticket = file_ticket(self.tickets, self.people.add())
        self.moves.take(actor=Actor.from_user(full), ticket_id=str(ticket.id))
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
        """As an admin in Slack."""
        now = PersonFields.from_user(self.users.get(user.id) or user)
        self.accounts.update(
            actor=self.admin, user_id=str(user.id), shown=now, wanted=replace(now, **fields)
        )


@pytest.fixture
def desk(
    db: Mongo,
    people: People,
    users: UserService,
    links: LinkService,
    linking: LinkByCode,
    account_services: AccountServices,
    moves: TicketActions,
    edits: TicketEdits,
    tickets: TicketService,
    codes: OneTimeCodes,
    clock: FixedClock,
) -> Desk:
    letters = Emails(db, clock=clock)
    return Desk(
        db=db,
        people=people,
        users=users,
        links=links,
        linking=linking,
        unlinking=Unlink(db, users, links, letters, clock=clock),
        following=MemberSync(db, users, codes, clock=clock),
        accounts=AccountAdmin(db, clock=clock),
        account_services=account_services,
        availability=AvailabilityService(db, clock=clock),
        presences=StatusSync(db, clock=clock),
        moves=moves,
        edits=edits,
        handing_on=Reassignment(db, users, links, moves, ModelStore(db, clock=clock), clock=clock),
        tickets=tickets,
        codes=codes,
        clock=clock,
        boss=people.add(Role.ADMIN, capacity=0),
    )


# Each makes ready, stops for a ticket to wait in vain, goes on with what makes somebody available,
# and tells who that is.
Way = Iterator[User | None]


def a_role_by_an_admin(desk: Desk) -> Way:
    user = desk.people.add()
    yield None
    desk.change(user, role="moderator")
    yield user


def a_role_by_the_operator(desk: Desk) -> Way:
    user = desk.people.add()
    yield None
    desk.users.set_role(actor=OPERATOR, email=user.email, role=Role.MODERATOR)
    yield user


def a_role_over_the_api(desk: Desk) -> Way:
    user = desk.people.add()
    yield None
    desk.account_services.profiles.update_other(
        actor=desk.admin, email=user.email, role="moderator"
    )
    yield user


def an_admins_capacity(desk: Desk) -> Way:
    yield None
    desk.change(desk.boss, capacity="1")
    yield desk.boss


def an_account_that_is_active_again(desk: Desk) -> Way:
    user = desk.people.add(Role.MODERATOR, active=False)
    yield None
    desk.change(user, active="active")
    yield user


def an_invitation_taken_up(desk: Desk) -> Way:
    user = desk.people.add(Role.MODERATOR, linked=False)
    yield None
    desk.links.get_or_create_user(desk.member(user))
    yield user


def a_new_account_that_is_an_admins(desk: Desk) -> Way:
    yield None
    boss = SlackMember(
        team_id=TEAM_ID,
        slack_user_id="U0BOSS",
        home_team_id=TEAM_ID,
        email="boss@example.com",
        email_confirmed=True,
    )
    yield desk.links.get_or_create_user(boss)


def a_link_by_a_code(desk: Desk) -> Way:
    user = desk.people.add(Role.MODERATOR, linked=False, password="hashed")
    yield None
    code = desk.codes.issue(kind=CodeKind.LINK, user_id=user.id)
    name = desk.codes.code_id(kind=CodeKind.LINK, code=code)
    desk.linking.confirm(member=desk.member(user), code_id=name)
    yield user


def a_link_made_again(desk: Desk) -> Way:
    user = desk.people.add(Role.MODERATOR)
    slack_id = People.slack_id(user)
    desk.unlinking.unlink(actor=Actor.from_user(user), team_id=TEAM_ID, slack_user_id=slack_id)
    yield None
    desk.linking.link_by_email(member=desk.member(user))
    yield user


def a_slack_member_who_is_back(desk: Desk) -> Way:
    user = desk.people.add(Role.MODERATOR)
    desk.following.sync(member=replace(desk.member(user), is_deleted=True))
    yield None
    desk.following.sync(member=desk.member(user))
    yield user


def a_slack_member_who_is_back_and_uses_it(desk: Desk) -> Way:
    user = desk.people.add(Role.MODERATOR)
    desk.following.sync(member=replace(desk.member(user), is_guest=True))
    yield None
    desk.links.get_or_create_user(desk.member(user))
    yield user


def back_now(desk: Desk) -> Way:
    away = {"until": desk.clock() + timedelta(days=3), "source": "self"}
    user = desk.people.add(Role.MODERATOR, away=away)
    yield None
    desk.availability.update(actor=Actor.from_user(user), change=AvailabilityChange(is_away=False))
    yield user


def an_absence_that_is_over(desk: Desk) -> Way:
    away = {"until": desk.clock() + timedelta(minutes=2), "source": "self"}
    user = desk.people.add(Role.MODERATOR, away=away)
    yield None
    desk.clock.advance(minutes=2)
    desk.presences.end_absences()
    yield user


def a_ticket_resolved(desk: Desk) -> Way:
    full, ticket = desk.with_one_open()
    yield None
    desk.moves.resolve(actor=Actor.from_user(full), ticket_id=str(ticket.id), resolution="Done.")
    yield full


def a_ticket_cancelled(desk: Desk) -> Way:
    full, ticket = desk.with_one_open()
    yield None
    requester = desk.users.get(ticket.created_by) if ticket.created_by else None
    assert requester is not None
    desk.moves.cancel(actor=Actor.from_user(requester), ticket_id=str(ticket.id))
    yield full


def a_ticket_given_away(desk: Desk) -> Way:
    full, ticket = desk.with_one_open()
    yield None
    to = str(desk.boss.id)
    desk.moves.reassign(actor=Actor.from_user(full), ticket_id=str(ticket.id), assignee_id=to)
    yield full


def a_ticket_taken_over(desk: Desk) -> Way:
    full, ticket = desk.with_one_open()
    yield None
    desk.moves.take(actor=desk.admin, ticket_id=str(ticket.id))
    yield full


def a_ticket_not_theirs(desk: Desk) -> Way:
    full, ticket = desk.with_one_open()
    yield None
    desk.handing_on.decline(actor=Actor.from_user(full), ticket_id=str(ticket.id))
    yield full


def a_ticket_edited_to_be_resolved(desk: Desk) -> Way:
    full, ticket = desk.with_one_open()
    yield None
    desk.edits.update(
        actor=Actor.from_user(full),
        ticket_id=str(ticket.id),
        expected_seq=reload(desk.db, ticket).seq,
        changes={"status": "COMPLETED", "message": "Done."},
    )
    yield full


def more_capacity(desk: Desk) -> Way:
    full, _ = desk.with_one_open()
    yield None
    desk.change(full, capacity="2")
    yield full


WAYS: list[Callable[[Desk], Way]] = [
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
    desk: Desk, runtime: Runtime, publisher: RecordingPublisher, way: Callable[[Desk], Way]
) -> None:
    steps = way(desk)
    next(steps)
    parked = file_ticket(desk.tickets, desk.people.add(), "The roof leaks")
    publisher.publish_ticket(str(parked.id))
    work(runtime, publisher)
    assert reload(desk.db, parked).assigned_to is None
    assert due_ticket_ids(desk.db, now=desk.clock(), limit=10) == []

    who = next(steps)
    assert who is not None
    woken = due_ticket_ids(desk.db, now=desk.clock(), limit=10)
    assert parked.id in woken
    for ticket_id in woken:  # as the sweep does
        publisher.send(NOTIFY_TASK, str(ticket_id))
    work(runtime, publisher)
    assert reload(desk.db, parked).assigned_to == who.id


@pytest.mark.parametrize("by", ["operator", "profile", "page"])
def test_a_skill_is_somebodys_chance_too(
    desk: Desk, runtime: Runtime, publisher: RecordingPublisher, by: str
) -> None:
    """Where nobody who knows it has room, and no admin either, they are the first who has."""
    user = desk.people.add(Role.MODERATOR, "Roofs")
    other = desk.people.add(Role.MODERATOR, "Roofs", capacity=0)
    desk.users.set_skills(actor=OPERATOR, email=user.email, skills=[])
    parked = file_ticket(desk.tickets, desk.people.add(), "Roofs leak")
    publisher.publish_ticket(str(parked.id))
    work(runtime, publisher)
    assert reload(desk.db, parked).assigned_to is None
    if by == "operator":
        desk.users.set_skills(actor=OPERATOR, email=user.email, skills=["Roofs"])
    elif by == "profile":
        desk.accounts.update_own(actor=Actor.from_user(user), skills="Roofs")
    else:
        profiles = desk.account_services.profiles
        profiles.update_own(actor=Actor.from_user(user), skills=["Roofs"])
    assert due_ticket_ids(desk.db, now=desk.clock(), limit=10) == [parked.id]
    publisher.send(NOTIFY_TASK, str(parked.id))
    work(runtime, publisher)
    assert reload(desk.db, parked).assigned_to == user.id
    assert other.id != user.id
