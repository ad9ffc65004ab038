"""Changes of Slack members, and what they do to the linked accounts."""

from dataclasses import replace
from typing import Any

import pytest
from bson import ObjectId

from services.account_admin.account_admin import AccountAdmin, PersonFields
from services.accounts import users as account_users
from services.accounts.account_search import AccountCursor
from services.accounts.users import UserService
from services.auth.one_time_codes import CodeKind, OneTimeCodes
from services.core.database import Mongo
from services.linking.links import LinkService
from services.linking.member_sync import MemberSync
from services.models.permissions import OPERATOR, Actor
from services.models.slack_member import SlackMember
from services.models.user import Role, User
from services.tickets import release
from services.tickets.filing import TicketService
from services.tickets.release import LATE_ASSIGNMENT_WINDOW
from tests.conftest import FixedClock, file_ticket, reload

JO = SlackMember(
    team_id="T1",
    slack_user_id="U1",
    home_team_id="T1",
    email="jo@example.com",
    email_confirmed=True,
    name="Jo",
)
DELETED, GUEST = replace(JO, is_deleted=True), replace(JO, is_guest=True)
ELSEWHERE = replace(JO, home_team_id="T2")


@pytest.fixture
def jo(users: UserService, links: LinkService) -> User:
    users.create(actor=OPERATOR, email="jo@example.com", role=Role.MODERATOR)
    return links.get_or_create_user(JO)


def assigned(db: Mongo, tickets: TicketService, requester: User, to: User) -> Any:
    ticket = file_ticket(tickets, requester)
    mine = {"assignedTo": to.id, "status": "IN_PROGRESS"}
    db.tickets.update_one({"_id": ticket.id}, {"$set": mine})
    return ticket


@pytest.mark.parametrize(
    ("member", "note"),
    [
        (DELETED, "the Slack member was deactivated"),
        (replace(JO, is_bot=True), "the Slack member was deactivated"),
        (GUEST, "the Slack member is a guest by now"),
        (ELSEWHERE, "the Slack member belongs to another organisation by now"),
        (replace(JO, is_stranger=True), "the Slack member belongs to another organisation by now"),
    ],
)
def test_a_removed_members_link_is_suspended_and_open_tickets_are_released(
    member_sync: MemberSync,
    links: LinkService,
    users: UserService,
    tickets: TicketService,
    db: Mongo,
    jo: User,
    member: SlackMember,
    note: str,
) -> None:
    emma = links.get_or_create_user(replace(JO, slack_user_id="U2", email="emma@example.com"))
    ticket = assigned(db, tickets, emma, jo)
    own = file_ticket(tickets, jo)
    assert member_sync.has_changes(member=member)
    assert member_sync.sync(member=member) == [ticket.id]
    assert links.find_user(team_id="T1", slack_user_id="U1") is None
    assert links.slack_ids(team_id="T1", user_ids={jo.id}) == {}
    assert users.get(jo.id) == jo  # the account stays as it is
    back = reload(db, ticket)
    assert (back.assigned_to, back.status) == (None, "TODO")
    assert (back.events[-1].by, back.events[-1].note) == ("system", note)
    assert reload(db, own).created_by == jo.id
    assert not member_sync.has_changes(member=member)
    assert member_sync.sync(member=member) == []


def test_what_comes_in_late_is_released_by_the_sweep_and_then_it_ends(
    member_sync: MemberSync,
    tickets: TicketService,
    db: Mongo,
    clock: FixedClock,
    jo: User,
    links: LinkService,
) -> None:
    member_sync.sync(member=DELETED)
    late = assigned(db, tickets, jo, jo)
    assert release.accounts_to_release(db, now=clock()) == [jo.id]
    assert release.release_tickets(db, jo.id, now=clock()) == [late.id]
    clock.now += LATE_ASSIGNMENT_WINDOW
    assert release.release_tickets(db, jo.id, now=clock()) == []
    assert release.accounts_to_release(db, now=clock()) == []


def test_an_admins_edit_meanwhile_does_not_stop_it(
    member_sync: MemberSync, tickets: TicketService, db: Mongo, clock: FixedClock, jo: User
) -> None:
    member_sync.sync(member=DELETED)
    ticket = assigned(db, tickets, jo, jo)
    people, admin = AccountAdmin(db, clock=clock), Actor(ObjectId(), Role.ADMIN)
    shown = PersonFields.from_user(jo)
    wanted = replace(shown, capacity="3")
    people.update(actor=admin, user_id=str(jo.id), shown=shown, wanted=wanted)
    assert release.release_tickets(db, jo.id, now=clock()) == [ticket.id]


def test_whoever_comes_back_works_again_and_keeps_what_is_left(
    member_sync: MemberSync,
    links: LinkService,
    tickets: TicketService,
    db: Mongo,
    clock: FixedClock,
    jo: User,
) -> None:
    member_sync.sync(member=DELETED)
    kept = assigned(db, tickets, jo, jo)
    retry_fields = {"assignment.next": clock()}
    waiting = file_ticket(tickets, jo)
    db.tickets.update_one({"_id": waiting.id}, {"$set": retry_fields})
    assert member_sync.has_changes(member=JO)
    assert member_sync.sync(member=JO) == []
    assert links.find_user(team_id="T1", slack_user_id="U1") == jo
    assert release.accounts_to_release(db, now=clock()) == []
    assert reload(db, kept).assigned_to == jo.id
    assert "next" not in reload(db, waiting).assignment  # they may take it
    assert not member_sync.has_changes(member=JO)


def test_a_demoted_accounts_tickets_are_released_though_its_owner_comes_back(
    member_sync: MemberSync, tickets: TicketService, db: Mongo, clock: FixedClock, jo: User
) -> None:
    doc = db.users.find_one({"_id": jo.id}) or {}
    account_users.update_account(db, doc, {"role": "user"}, by="system", now=clock())
    member_sync.sync(member=DELETED)
    member_sync.sync(member=JO)
    ticket = assigned(db, tickets, jo, jo)
    assert release.release_tickets(db, jo.id, now=clock()) == [ticket.id]


def test_nothing_is_made_of_somebody_without_a_link(member_sync: MemberSync, db: Mongo) -> None:
    for member in (JO, DELETED):
        assert not member_sync.has_changes(member=member)
        assert member_sync.sync(member=member) == []
    assert (db.users.count_documents({}), db.links.count_documents({})) == (0, 0)


def address(db: Mongo, user: User) -> tuple[str, str]:
    doc = db.users.find_one({"_id": user.id}) or {}
    return doc["email"], doc["emailKey"]


RENAMED = replace(JO, email="Jo.Married@example.com")


def test_an_account_made_from_slack_follows_the_new_address(
    member_sync: MemberSync,
    links: LinkService,
    codes: OneTimeCodes,
    db: Mongo,
    users: UserService,
    jo: User,
) -> None:
    AccountAdmin(db).page(actor=Actor(jo.id, Role.ADMIN), cursor=AccountCursor())
    code = codes.issue(kind=CodeKind.RESET, user_id=jo.id)
    assert member_sync.has_changes(member=RENAMED)
    assert member_sync.sync(member=RENAMED) == []
    assert address(db, jo) == ("Jo.Married@example.com", "jo.married@example.com")
    assert codes.peek(kind=CodeKind.RESET, code=code) is None
    found = AccountAdmin(db).page(
        actor=Actor(jo.id, Role.ADMIN), cursor=AccountCursor(search="married")
    )
    assert [user.id for user in found.users] == [jo.id]
    assert not member_sync.has_changes(member=RENAMED)
    assert links.get_or_create_user(RENAMED).id == jo.id


@pytest.mark.parametrize(
    "member",
    [
        replace(RENAMED, email_confirmed=False),
        replace(RENAMED, email_confirmed=None),
        replace(RENAMED, email=" "),
        replace(RENAMED, email="JO@example.com"),
        replace(RENAMED, email="nothing"),
        replace(RENAMED, email="taken@example.com"),
    ],
    ids=["unconfirmed", "silent", "blank", "capitals", "none", "taken"],
)
def test_the_address_stays_where_the_new_one_is_not_surely_theirs(
    member_sync: MemberSync, db: Mongo, jo: User, member: SlackMember
) -> None:
    db.users.insert_one({"email": "Taken@example.com"})
    assert member_sync.sync(member=member) == []
    assert address(db, jo) == ("jo@example.com", "jo@example.com")


def test_an_account_with_a_password_keeps_its_address(
    member_sync: MemberSync, db: Mongo, jo: User
) -> None:
    db.users.update_one({"_id": jo.id}, {"$set": {"password": "$2b$04$hash"}})
    assert not member_sync.has_changes(member=RENAMED)
    assert member_sync.sync(member=RENAMED) == []
    assert address(db, jo) == ("jo@example.com", "jo@example.com")


def test_a_concurrent_duplicate_restores_the_address(
    db: Mongo, codes: OneTimeCodes, clock: FixedClock, jo: User
) -> None:
    class Late(UserService):
        """Looks for the address just before somebody else takes it."""

        def find_by_email(self, email: str) -> list[User]:
            found = super().find_by_email(email)
            if not found:
                db.users.insert_one({"email": email})
            return found

    MemberSync(db, Late(db, clock=clock), codes, clock=clock).sync(member=RENAMED)
    assert address(db, jo) == ("jo@example.com", "jo@example.com")
