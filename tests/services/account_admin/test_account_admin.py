"""Accounts edited by admins, and the user's own profile."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from services.account_admin.account_admin import (
    MAX_SKILLS_TEXT_LENGTH,
    AccountAdmin,
    PersonFields,
    format_skills,
)
from services.accounts import users as accounts
from services.accounts.account_search import AccountCursor
from services.accounts.users import (
    BUSY_MESSAGE,
    LAST_ADMIN_MESSAGE,
    UNKNOWN_ACCOUNT,
    UserService,
    update_account,
)
from services.core.database import Document, Mongo
from services.core.errors import Conflict, DomainError, InvalidValue, NotFound, PermissionDenied
from services.core.leases import LEASE_DURATION, Lease
from services.models.permissions import OPERATOR, Actor
from services.models.ticket import Ticket
from services.models.user import Role, User
from services.tickets.filing import TicketService
from tests.conftest import FixedClock, People, at_once, file_ticket, reload

MANAGE = "Your role does not allow you to manage people. Ask an admin if it should."


@pytest.fixture
def nils(people: People) -> User:
    return people.add(Role.MODERATOR, "VPN", "DNS")


def edit(service: AccountAdmin, by: User, user: User, **wanted: str) -> User:
    """Submit a form that showed the account as `user` is, with the `wanted` values."""
    shown = PersonFields.from_user(user)
    return service.update(
        actor=Actor.from_user(by),
        user_id=str(user.id),
        shown=shown,
        wanted=replace(shown, **wanted),
    )


def test_each_field_is_set_and_unknown_ones_stay(
    account_admin: AccountAdmin, admin: User, nils: User, db: Mongo
) -> None:
    db.users.update_one({"_id": nils.id}, {"$set": {"badge": {"colour": "green"}}})
    before = db.users.find_one({"_id": nils.id}) or {}
    changed = edit(account_admin, admin, nils, role="admin", skills="SAP,  sap , C++", capacity="3")
    assert (changed.role, changed.skills, changed.capacity) == (Role.ADMIN, ("SAP", "C++"), 3)
    new = {"role": "admin", "skills": ["SAP", "C++"], "capacity": 3, "tokenVersion": 2}
    assert db.users.find_one({"_id": nils.id}) == before | new


def test_untouched_fields_keep_their_current_values(
    account_admin: AccountAdmin, admin: User, nils: User, db: Mongo
) -> None:
    db.users.update_one({"_id": nils.id}, {"$set": {"capacity": 2, "skills": ["SAP"]}})
    changed = edit(account_admin, admin, nils, role="admin")
    assert (changed.capacity, changed.skills, changed.role) == (2, ("SAP",), Role.ADMIN)


def test_another_admins_change_of_the_same_field_is_not_overwritten(
    account_admin: AccountAdmin, admin: User, nils: User, db: Mongo
) -> None:
    db.users.update_one({"_id": nils.id}, {"$set": {"skills": ["SAP"]}})
    with pytest.raises(InvalidValue) as refused:
        edit(account_admin, admin, nils, skills="Printer", capacity="3")
    assert (refused.value.field, str(refused.value)) == (
        "skills",
        "Someone has changed this to “SAP” since. Close this form and open it again, then decide.",
    )
    unchanged = account_admin.get(actor=Actor.from_user(admin), user_id=str(nils.id))
    assert (unchanged.skills, unchanged.capacity) == (("SAP",), nils.capacity)


def test_the_same_change_by_two_is_fine(
    account_admin: AccountAdmin, admin: User, nils: User, db: Mongo
) -> None:
    edit(account_admin, admin, nils, role="admin")
    edit(account_admin, admin, nils, role="admin")
    assert (db.users.find_one({"_id": nils.id}) or {})["tokenVersion"] == 2


def test_nothing_changed_writes_nothing(
    account_admin: AccountAdmin, admin: User, nils: User, db: Mongo
) -> None:
    before = db.users.find_one({"_id": nils.id})
    edit(account_admin, admin, nils)
    assert db.users.find_one({"_id": nils.id}) == before


def test_skills_too_many_to_show_are_kept_when_nobody_touched_them(
    account_admin: AccountAdmin, admin: User, nils: User, db: Mongo
) -> None:
    many = [f"{'a skill of many words'} {n:028d}" for n in range(100)]
    db.users.update_one({"_id": nils.id}, {"$set": {"skills": many}})
    user = account_admin.get(actor=Actor.from_user(admin), user_id=str(nils.id))
    assert len(PersonFields.from_user(user).skills) <= MAX_SKILLS_TEXT_LENGTH
    assert edit(account_admin, admin, user, capacity="3").skills == tuple(many)


def test_skills_as_they_are_typed() -> None:
    assert format_skills([]) == ""
    assert format_skills(["VPN", "C++"]) == "VPN, C++"
    assert format_skills(["x" * MAX_SKILLS_TEXT_LENGTH, "y"]) == "x" * MAX_SKILLS_TEXT_LENGTH


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("role", "king", "Choose one of user, moderator, admin."),
        ("role", "", "Choose one of user, moderator, admin."),
        ("skills", "x" * 51, "A skill has at most 50 characters."),
        ("skills", ",".join(map(str, range(21))), "Name at most 20 skills."),
        ("capacity", "", "Write a whole number from 0 to 100."),
        ("capacity", "101", "Write a whole number from 0 to 100."),
        ("capacity", "-1", "Write a whole number from 0 to 100."),
        ("capacity", "3.5", "Write a whole number from 0 to 100."),
        ("capacity", "٣", "Write a whole number from 0 to 100."),
        ("active", "perhaps", "Choose whether the account is active."),
    ],
)
def test_what_is_not_acceptable_is_said_at_its_field(
    account_admin: AccountAdmin, admin: User, nils: User, field: str, value: str, sentence: str
) -> None:
    with pytest.raises(InvalidValue) as refused:
        edit(account_admin, admin, nils, **{field: value})
    assert (refused.value.field, str(refused.value)) == (field, sentence)


@pytest.mark.parametrize("user_id", ["", "nonsense", "6b0368971218f597fece92d1", '{"$gt": ""}'])
def test_an_unknown_account_is_not_found(
    account_admin: AccountAdmin, admin: User, user_id: str
) -> None:
    with pytest.raises(NotFound) as refused:
        account_admin.get(actor=Actor.from_user(admin), user_id=user_id)
    assert str(refused.value) == UNKNOWN_ACCOUNT


@pytest.mark.parametrize("role", [Role.USER, Role.MODERATOR])
@pytest.mark.parametrize(
    "use",
    [
        lambda service, actor, _: service.page(actor=actor, cursor=AccountCursor()),
        lambda service, actor, user: service.get(actor=actor, user_id=str(user.id)),
        lambda service, actor, user: service.release_tickets(actor=actor, user_id=user.id),
        lambda service, actor, user: service.update(
            actor=actor,
            user_id=str(user.id),
            shown=PersonFields.from_user(user),
            wanted=replace(PersonFields.from_user(user), role="admin"),
        ),
    ],
    ids=["page", "get", "release_tickets", "update"],
)
def test_only_admins_manage_people(
    account_admin: AccountAdmin,
    nils: User,
    db: Mongo,
    role: Role,
    use: Callable[[AccountAdmin, Actor, User], Any],
) -> None:
    before = list(db.users.find())
    with pytest.raises(PermissionDenied) as denied:
        use(account_admin, Actor(nils.id, role), nils)
    assert str(denied.value) == MANAGE
    assert list(db.users.find()) == before


# The last active admin


@pytest.mark.parametrize(
    "wanted", [{"role": "user"}, {"role": "moderator"}, {"active": "deactivated"}]
)
def test_the_last_active_admin_stays(
    account_admin: AccountAdmin, people: People, admin: User, db: Mongo, wanted: dict[str, str]
) -> None:
    people.add(Role.ADMIN, active=False)
    before = list(db.users.find())
    with pytest.raises(InvalidValue) as refused:
        edit(account_admin, admin, admin, **wanted)
    assert str(refused.value) == LAST_ADMIN_MESSAGE
    assert list(db.users.find()) == before
    second = people.add(Role.ADMIN)
    edit(account_admin, admin, admin, **wanted)
    with pytest.raises(InvalidValue):
        edit(account_admin, second, second, **wanted)


def test_the_command_line_leaves_one_too(users: UserService, admin: User) -> None:
    with pytest.raises(Conflict) as refused:
        users.update(actor=OPERATOR, email=admin.email, role=Role.USER)
    assert str(refused.value) == LAST_ADMIN_MESSAGE


@pytest.mark.parametrize("round_", range(5))
def test_two_admins_who_demote_each_other_at_once_leave_one(
    account_admin: AccountAdmin, people: People, db: Mongo, round_: int
) -> None:
    one, other = people.add(Role.ADMIN), people.add(Role.ADMIN)
    results = at_once(
        lambda: edit(account_admin, one, other, role="user"),
        lambda: edit(account_admin, other, one, active="deactivated"),
    )
    refusals = [result for result in results if isinstance(result, DomainError)]
    assert [str(refusal) for refusal in refusals] == [LAST_ADMIN_MESSAGE]
    assert db.users.count_documents({"role": "admin", "active": {"$ne": False}}) == 1


def test_of_many_who_leave_at_once_one_stays(
    account_admin: AccountAdmin, people: People, db: Mongo
) -> None:
    demoted = [people.add(Role.ADMIN) for _ in range(6)]
    results = at_once(
        *[lambda user=user: edit(account_admin, user, user, role="moderator") for user in demoted]
    )
    assert [str(result) for result in results if isinstance(result, Exception)] == [
        LAST_ADMIN_MESSAGE
    ]
    assert db.users.count_documents({"role": "admin"}) == 1
    assert db.users.count_documents({"adminRemoval": {"$ne": None}}) == 0
    assert db.leases.count_documents({}) == 0


def test_a_removal_whose_process_died_blocks_others_until_its_lease_expires(
    account_admin: AccountAdmin,
    people: People,
    clock: FixedClock,
    db: Mongo,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(accounts, "MAX_WAIT_SECONDS", 0.0)
    one, other = people.add(Role.ADMIN), people.add(Role.ADMIN)
    assert Lease(db, "admins", clock=clock).acquire()
    db.users.update_one({"_id": other.id}, {"$set": {"adminRemoval": ObjectId()}})
    with pytest.raises(InvalidValue) as refused:
        edit(account_admin, one, one, role="user")
    assert str(refused.value) == BUSY_MESSAGE
    clock.advance(seconds=LEASE_DURATION.total_seconds())
    assert edit(account_admin, one, one, role="user").role is Role.USER


def test_a_removal_that_outlasts_its_lease_leaves_an_admin(
    account_admin: AccountAdmin,
    people: People,
    clock: FixedClock,
    db: Mongo,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, other = people.add(Role.ADMIN), people.add(Role.ADMIN)
    removing_admin = accounts.removing_admin

    @contextmanager
    def stopped_after_the_check(db: Mongo, user_id: ObjectId, now: datetime) -> Iterator[Document]:
        monkeypatch.undo()
        with removing_admin(db, user_id, now=now) as condition:
            clock.advance(seconds=LEASE_DURATION.total_seconds())
            edit(account_admin, other, other, role="user")
            yield condition

    monkeypatch.setattr(accounts, "removing_admin", stopped_after_the_check)
    with pytest.raises(InvalidValue) as refused:
        edit(account_admin, one, one, role="user")
    assert str(refused.value) == LAST_ADMIN_MESSAGE
    assert [doc["_id"] for doc in db.users.find({"role": "admin"})] == [one.id]


def test_an_account_that_has_changed_is_read_again(
    admin: User, nils: User, db: Mongo, clock: FixedClock
) -> None:
    loaded = db.users.find_one({"_id": nils.id}) or {}
    db.users.update_one({"_id": nils.id}, {"$set": {"active": False}})
    loads = iter([loaded, db.users.find_one({"_id": nils.id}) or {}])
    changed = update_account(
        db, lambda: next(loads), lambda _: {"role": "user"}, actor=OPERATOR, now=clock()
    )
    assert (changed.role, changed.active) == (Role.USER, False)
    # The account could no longer work on tickets before this change.
    assert "handBack" not in (db.users.find_one({"_id": nils.id}) or {})


# Release of tickets


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({"active": "deactivated"}, "the account was deactivated"),
        ({"role": "user"}, "the account no longer works on tickets"),
    ],
)
def test_open_tickets_are_released_for_assignment(
    account_admin: AccountAdmin,
    tickets: TicketService,
    people: People,
    admin: User,
    nils: User,
    db: Mongo,
    wanted: dict[str, str],
    why: str,
) -> None:
    states = {"IN_PROGRESS": "TODO", "WAITING": "TODO", "REOPENED": "REOPENED"}
    theirs = {state: given(db, tickets, people, nils, state) for state in states}
    done = given(db, tickets, people, nils, "COMPLETED")
    edit(account_admin, admin, nils, **wanted)
    handed = account_admin.release_tickets(actor=Actor.from_user(admin), user_id=nils.id)
    assert set(handed) == {ticket.id for ticket in theirs.values()}
    for state, ticket in theirs.items():
        now = reload(db, ticket)
        assert (now.status, now.assigned_to, now.is_in_outbox) == (states[state], None, True)
        event = now.events[-1]
        assert (event.type, event.by, event.from_, event.note) == (
            "handed_back", admin.id, nils.id, why
        )  # fmt: skip
        assert now.seq == now.events[-1].seq
    assert reload(db, done).assigned_to == nils.id


def given(
    db: Mongo, tickets: TicketService, people: People, to: User, status: str = "IN_PROGRESS"
) -> Ticket:
    ticket = file_ticket(tickets, people.add())
    db.tickets.update_one({"_id": ticket.id}, {"$set": {"assignedTo": to.id, "status": status}})
    return reload(db, ticket)


def test_an_admin_made_moderator_keeps_their_tickets(
    account_admin: AccountAdmin, tickets: TicketService, people: People, admin: User, db: Mongo
) -> None:
    other = people.add(Role.ADMIN)
    ticket = given(db, tickets, people, other)
    edit(account_admin, admin, other, role="moderator")
    assert account_admin.release_tickets(actor=Actor.from_user(admin), user_id=other.id) == []
    assert reload(db, ticket).assigned_to == other.id


def test_who_is_made_active_again_keeps_what_is_left(
    account_admin: AccountAdmin, tickets: TicketService, people: People, admin: User, nils: User,
    db: Mongo,
) -> None:  # fmt: skip
    ticket = given(db, tickets, people, nils)
    away = edit(account_admin, admin, nils, active="deactivated")
    edit(account_admin, admin, away, active="active")
    assert account_admin.release_tickets(actor=Actor.from_user(admin), user_id=nils.id) == []
    assert reload(db, ticket).assigned_to == nils.id
    assert "handBack" not in (db.users.find_one({"_id": nils.id}) or {})


def test_a_change_retries_unassigned_tickets(
    account_admin: AccountAdmin, tickets: TicketService, people: People, admin: User, nils: User,
    db: Mongo, clock: FixedClock,
) -> None:  # fmt: skip
    waiting = file_ticket(tickets, people.add())
    changes: list[Callable[[], object]] = [
        lambda: edit(account_admin, admin, nils, capacity="9"),
        lambda: account_admin.update_own(actor=Actor.from_user(nils), skills="VPN"),
    ]
    for change in changes:
        later = clock() + timedelta(minutes=5)
        db.tickets.update_one({"_id": waiting.id}, {"$set": {"assignment.next": later}})
        change()
        assert "next" not in reload(db, waiting).assignment


# The user's own profile


def test_ones_own_skills(account_admin: AccountAdmin, nils: User, db: Mongo) -> None:
    before = db.users.find_one({"_id": nils.id}) or {}
    changed = account_admin.update_own(actor=Actor.from_user(nils), skills="SAP, VPN")
    assert changed.skills == ("SAP", "VPN")
    assert db.users.find_one({"_id": nils.id}) == before | {"skills": ["SAP", "VPN"]}


def test_everybody_has_a_profile(account_admin: AccountAdmin, people: People) -> None:
    user = people.add()
    assert account_admin.get_own(actor=Actor.from_user(user)).id == user.id
