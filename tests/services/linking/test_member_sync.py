"""Changes of Slack members, and their effect on the linked accounts."""

from dataclasses import replace
from typing import Any

import pytest
from bson import ObjectId

from services.account_admin.account_admin import AccountAdmin, PersonFields
from services.accounts.account_search import AccountCursor
from services.accounts.users import UserService
from services.auth.one_time_codes import CodeKind
from services.core.database import Mongo
from services.linking.links import LinkService
from services.linking.member_sync import MemberSync
from services.models.permissions import OPERATOR, Actor
from services.models.slack_member import SlackMember
from services.models.user import Role, User
from services.registry.services import Services
from services.tickets import release
from services.tickets.filing import TicketService
from services.tickets.release import LATE_ASSIGNMENT_WINDOW
from tests.conftest import FixedClock, file_ticket, reload

JO = SlackMember("T1", "U1", "T1", "jo@example.com", email_confirmed=True, name="Jo")
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
        (GUEST, "the Slack member is now a guest"),
        (ELSEWHERE, "the Slack member now belongs to another workspace"),
        (replace(JO, is_stranger=True), "the Slack member now belongs to another workspace"),
    ],
)
def test_a_removed_members_link_is_suspended_and_open_tickets_are_released(
    services: Services, jo: User, member: SlackMember, note: str
) -> None:
    emma = services.links.get_or_create_user(
        replace(JO, slack_user_id="U2", email="emma@example.com")
    )
    ticket = assigned(services.db, services.tickets, emma, jo)
    own = file_ticket(services.tickets, jo)
    assert services.member_sync.has_changes(member=member)
    assert services.member_sync.sync(member=member) == [ticket.id]
    assert services.links.find_user(team_id="T1", slack_user_id="U1") is None
    assert services.links.slack_ids(team_id="T1", user_ids={jo.id}) == {}
    assert services.users.get(jo.id) == jo  # the account stays as it is
    back = reload(services.db, ticket)
    assert (back.assigned_to, back.status) == (None, "TODO")
    assert (back.events[-1].by, back.events[-1].note) == ("system", note)
    assert reload(services.db, own).created_by == jo.id
    assert not services.member_sync.has_changes(member=member)
    assert services.member_sync.sync(member=member) == []


def test_what_comes_in_late_is_released_by_the_sweep_and_then_it_ends(
    services: Services, clock: FixedClock, jo: User
) -> None:
    services.member_sync.sync(member=DELETED)
    late = assigned(services.db, services.tickets, jo, jo)
    assert release.accounts_to_release(services.db, now=clock()) == [jo.id]
    assert release.release_tickets(services.db, jo.id, now=clock()) == [late.id]
    clock.now += LATE_ASSIGNMENT_WINDOW
    assert release.release_tickets(services.db, jo.id, now=clock()) == []
    assert release.accounts_to_release(services.db, now=clock()) == []


def test_an_admins_concurrent_edit_does_not_stop_it(services: Services, jo: User) -> None:
    services.member_sync.sync(member=DELETED)
    ticket = assigned(services.db, services.tickets, jo, jo)
    people, admin = (
        AccountAdmin(services.db, services.users, clock=services.clock),
        Actor(ObjectId(), Role.ADMIN),
    )
    shown = PersonFields.from_user(jo)
    wanted = replace(shown, capacity="3")
    people.update(actor=admin, user_id=str(jo.id), shown=shown, wanted=wanted)
    assert release.release_tickets(services.db, jo.id, now=services.clock()) == [ticket.id]


def test_a_restored_member_works_again_and_keeps_what_is_left(services: Services, jo: User) -> None:
    services.member_sync.sync(member=DELETED)
    kept = assigned(services.db, services.tickets, jo, jo)
    retry_fields = {"assignment.next": services.clock()}
    waiting = file_ticket(services.tickets, jo)
    services.db.tickets.update_one({"_id": waiting.id}, {"$set": retry_fields})
    assert services.member_sync.has_changes(member=JO)
    assert services.member_sync.sync(member=JO) == []
    assert services.links.find_user(team_id="T1", slack_user_id="U1") == jo
    assert release.accounts_to_release(services.db, now=services.clock()) == []
    assert reload(services.db, kept).assigned_to == jo.id
    assert (
        "next" not in reload(services.db, waiting).assignment
    )  # it is retried, as they may get it
    assert not services.member_sync.has_changes(member=JO)


def test_a_demoted_accounts_tickets_are_released_though_its_owner_comes_back(
    services: Services, jo: User
) -> None:
    services.users.update(actor=OPERATOR, email=jo.email, role="user")
    services.member_sync.sync(member=DELETED)
    services.member_sync.sync(member=JO)
    ticket = assigned(services.db, services.tickets, jo, jo)
    assert release.release_tickets(services.db, jo.id, now=services.clock()) == [ticket.id]


def test_a_member_without_a_link_changes_nothing(services: Services, db: Mongo) -> None:
    for member in (JO, DELETED):
        assert not services.member_sync.has_changes(member=member)
        assert services.member_sync.sync(member=member) == []
    assert (db.users.count_documents({}), db.links.count_documents({})) == (0, 0)


def address(db: Mongo, user: User) -> tuple[str, str]:
    doc = db.users.find_one({"_id": user.id}) or {}
    return doc["email"], doc["emailKey"]


RENAMED = replace(JO, email="Jo.Married@example.com")


def test_an_account_made_from_slack_follows_the_new_address(services: Services, jo: User) -> None:
    AccountAdmin(services.db, services.users).page(
        actor=Actor(jo.id, Role.ADMIN), cursor=AccountCursor()
    )
    code = services.codes.issue(kind=CodeKind.RESET, user_id=jo.id)
    assert services.member_sync.has_changes(member=RENAMED)
    assert services.member_sync.sync(member=RENAMED) == []
    assert address(services.db, jo) == ("Jo.Married@example.com", "jo.married@example.com")
    assert services.codes.peek(kind=CodeKind.RESET, code=code) is None
    found = AccountAdmin(services.db, services.users).page(
        actor=Actor(jo.id, Role.ADMIN), cursor=AccountCursor(search="married")
    )
    assert [user.id for user in found.users] == [jo.id]
    assert not services.member_sync.has_changes(member=RENAMED)
    assert services.links.get_or_create_user(RENAMED).id == jo.id


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
def test_an_unconfirmed_address_changes_nothing(
    services: Services, jo: User, member: SlackMember
) -> None:
    services.db.users.insert_one({"email": "Taken@example.com"})
    assert services.member_sync.sync(member=member) == []
    assert address(services.db, jo) == ("jo@example.com", "jo@example.com")


def test_an_account_with_a_password_keeps_its_address(services: Services, jo: User) -> None:
    services.db.users.update_one({"_id": jo.id}, {"$set": {"password": "$2b$04$hash"}})
    assert not services.member_sync.has_changes(member=RENAMED)
    assert services.member_sync.sync(member=RENAMED) == []
    assert address(services.db, jo) == ("jo@example.com", "jo@example.com")


def test_a_concurrent_duplicate_restores_the_address(services: Services, jo: User) -> None:
    class Late(UserService):
        """Look up the address just before another account gets it."""

        def find_by_email(self, email: str) -> list[User]:
            found = super().find_by_email(email)
            if not found:
                services.db.users.insert_one({"email": email})
            return found

    MemberSync(
        services.db, Late(services.db, clock=services.clock), services.codes, clock=services.clock
    ).sync(member=RENAMED)
    assert address(services.db, jo) == ("jo@example.com", "jo@example.com")


def test_an_account_without_a_name_gets_slacks_later(services: Services, jo: User) -> None:
    services.db.users.update_one({"_id": jo.id}, {"$set": {"name": None}})
    assert not services.member_sync.has_changes(member=replace(JO, name=None))
    assert services.member_sync.has_changes(member=JO)
    assert services.member_sync.sync(member=JO) == []
    assert (services.db.users.find_one({"_id": jo.id}) or {})["name"] == "Jo"
    assert not services.member_sync.has_changes(member=JO)


def test_a_legacy_name_in_parts_is_no_missing_name(services: Services, jo: User) -> None:
    parts = {"first": "Jo", "last": "Doe"}
    services.db.users.update_one({"_id": jo.id}, {"$set": {"name": parts}})
    assert not services.member_sync.has_changes(member=JO)
