from collections.abc import Callable
from typing import Any

import pytest
from bson import ObjectId

from services.accounts.users import UserService
from services.core.database import Mongo
from services.core.errors import (
    Conflict,
    InvalidValue,
    NotFound,
    PermissionDenied,
    Unauthenticated,
)
from services.models.permissions import OPERATOR, Actor, Operator
from services.models.user import Role, User
from services.registry.services import Services
from tests.conftest import FixedClock, at_once

ADMIN = Actor(ObjectId(), Role.ADMIN)
EXISTS = "There is an account with that address already."
UNKNOWN = "There is no account with that address."
SEVERAL = "Several accounts have that address. Remove all but one first."


def test_an_invitation_is_stored_as_the_legacy_app_would_and_more(
    users: UserService, db: Mongo, clock: FixedClock
) -> None:
    user = users.create(
        actor=OPERATOR, email=" Jo@Example.com ", role=Role.MODERATOR, skills=["VPN"], name="Jo"
    )
    assert db.users.find_one({"_id": user.id}) == {
        "_id": user.id,
        "email": "Jo@Example.com",
        "emailKey": "jo@example.com",
        "role": "moderator",
        "skills": ["VPN"],
        "name": "Jo",
        "active": True,
        "tokenVersion": 1,
        "capacity": 8,
        "createdAt": clock(),
    }
    assert users.get(user.id) == user
    assert not user.has_password


@pytest.mark.parametrize(
    "email", ["", " ", "jo", "jo@example", "jo @example.com", "a@b.co, c@d.ee", "x" * 250 + "@b.co"]
)
def test_a_bad_address_is_refused(users: UserService, db: Mongo, email: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        users.create(actor=OPERATOR, email=email)
    assert refused.value.field == "email"
    assert str(refused.value) == "That is not an email address. Write it like name@example.com."
    assert db.users.count_documents({}) == 0


def test_what_cannot_be_seen_in_an_address_goes(users: UserService) -> None:
    assert (
        users.create(actor=OPERATOR, email="\u200bjo@example.com\ufeff").email == "jo@example.com"
    )


@pytest.mark.parametrize(
    ("typed", "twin"),
    [
        ("Ke\u0301vin@example.com", "K\xe9vin@example.com"),  # a combining accent
        ("\u212aevin@example.com", "Kevin@example.com"),  # the Kelvin sign
        ("\uff2bevin@\uff45xample.com", "Kevin@example.com"),  # full-width letters
    ],
)
def test_an_address_has_one_spelling(users: UserService, typed: str, twin: str) -> None:
    kevin = users.create(actor=OPERATOR, email=typed)
    assert kevin.email == twin
    assert users.find_by_email(typed) == users.find_by_email(twin) == [kevin]
    with pytest.raises(Conflict):
        users.create(actor=OPERATOR, email=twin)


def test_what_only_becomes_an_address_is_none(users: UserService) -> None:
    for email in ("jo\uff20example.com", "jo@example\uff0ecom", "jo@example.com\uff0e"):
        with pytest.raises(InvalidValue):
            users.create(actor=OPERATOR, email=email)


def test_a_long_row_of_accents_is_refused_unread(users: UserService) -> None:
    """Normalising so many accents takes minutes; the test's timeout would fail it."""
    row = "\u0316\u0301" * 300_000
    assert users.find_by_email(f"a{row}@example.com") == []
    with pytest.raises(InvalidValue):
        users.create(actor=OPERATOR, email=f"a{row}@example.com")


@pytest.mark.parametrize("again", ["jo@example.com", " JO@EXAMPLE.COM", "Jo@example.com"])
def test_an_address_has_one_account_whatever_its_capitals(users: UserService, again: str) -> None:
    users.create(actor=OPERATOR, email="Jo@Example.com")
    with pytest.raises(Conflict) as refused:
        users.create(actor=OPERATOR, email=again)
    assert str(refused.value) == EXISTS


def test_the_same_address_created_at_once_never_makes_two(users: UserService, db: Mongo) -> None:
    answers = at_once(*[lambda: users.create(actor=OPERATOR, email="jo@example.com")] * 8)
    made = [answer for answer in answers if isinstance(answer, User)]
    assert {str(answer) for answer in answers if answer not in made} == {EXISTS}
    assert [doc["_id"] for doc in db.users.find()] == [user.id for user in made]
    assert len(made) <= 1


@pytest.mark.parametrize(
    ("written", "skills"),
    [
        ([], ()),
        (["", "  ", "\u200b"], ()),
        ([" VPN ", "vpn", "Vpn"], ("VPN",)),
        (["SAP   HR", "C++", "C"], ("SAP HR", "C++", "C")),
        (["B\u00fcro", "Bu\u0308ro"], ("B\u00fcro",)),
        ([str(number) for number in range(20)], tuple(str(number) for number in range(20))),
        (["x" * 50], ("x" * 50,)),
    ],
)
def test_skills_are_cleaned(
    users: UserService, written: list[str], skills: tuple[str, ...]
) -> None:
    created = users.create(actor=OPERATOR, email="jo@example.com", skills=written)
    assert created.skills == skills
    changed = users.update(actor=OPERATOR, email="JO@example.com", skills=[*written, ""])
    assert changed.skills == skills


@pytest.mark.parametrize(
    ("given", "field", "sentence"),
    [
        ({"skills": [str(number) for number in range(21)]}, "skills", "Name at most 20 skills."),
        ({"skills": ["x" * 51]}, "skills", "A skill has at most 50 characters."),
        ({"role": "emperor"}, "role", "Choose one of user, moderator, admin."),
        ({"role": ""}, "role", "Choose one of user, moderator, admin."),
        ({"role": {"$ne": "user"}}, "role", "Choose one of user, moderator, admin."),
        ({"email": {"$gt": ""}}, "email", "Write the email as text."),
    ],
)
def test_a_bad_value_is_named_and_nothing_is_stored(
    users: UserService, db: Mongo, given: dict[str, Any], field: str, sentence: str
) -> None:
    users.create(actor=OPERATOR, email="jo@example.com", skills=["VPN"])
    before = db.users.find_one()
    whole = {"email": "jo@example.com", "role": "admin", "skills": ["DNS"], **given}
    with pytest.raises(InvalidValue) as refused:
        users.update(actor=ADMIN, **whole)
    assert (refused.value.field, str(refused.value)) == (field, sentence)
    assert db.users.find_one() == before


@pytest.mark.parametrize("actor", [ADMIN, OPERATOR], ids=["admin", "operator"])
def test_role_and_skills_are_set_by_address(
    users: UserService, db: Mongo, actor: Actor | Operator
) -> None:
    users.create(actor=OPERATOR, email="Jo@example.com", skills=["VPN"])
    before = db.users.find_one() or {}
    user = users.update(actor=actor, email=" JO@example.com", role="moderator", skills=["DNS"])
    assert (user.role, user.skills) == (Role.MODERATOR, ("DNS",))
    changed = {"role": "moderator", "skills": ["DNS"], "tokenVersion": 2}
    assert db.users.find_one() == before | changed


def test_only_a_new_role_ends_sessions(users: UserService, services: Services) -> None:
    jo = users.create(actor=OPERATOR, email="jo@example.com")
    token = services.sign_in.issue_token(jo)
    unchanged: list[dict[str, Any]] = [{}, {"skills": ["DNS"]}, {"role": "user"}]
    for same in unchanged:
        users.update(actor=ADMIN, email=jo.email, **same)
        assert services.sign_in.authenticate(token).id == jo.id
    users.update(actor=ADMIN, email=jo.email, role="admin")
    with pytest.raises(Unauthenticated):
        services.sign_in.authenticate(token)


def test_the_last_admin_stays(users: UserService) -> None:
    jo = users.create(actor=OPERATOR, email="jo@example.com", role=Role.ADMIN)
    with pytest.raises(Conflict) as refused:
        users.update(actor=Actor.from_user(jo), email=jo.email, role="user")
    assert str(refused.value) == (
        "There has to be an active admin. Make someone else an admin first."
    )


def test_a_new_role_leaves_all_else_alone(users: UserService, db: Mongo) -> None:
    user = users.create(actor=OPERATOR, email="jo@example.com", skills=["VPN"])
    db.users.update_one({"_id": user.id}, {"$set": {"badge": {"colour": "green"}}})
    before = db.users.find_one({"_id": user.id}) or {}
    assert users.update(actor=OPERATOR, email="Jo@example.com", role=Role.ADMIN).role is Role.ADMIN
    # The new token version ends sessions with the old role.
    assert db.users.find_one({"_id": user.id}) == before | {"role": "admin", "tokenVersion": 2}


@pytest.mark.parametrize("role", [Role.USER, Role.MODERATOR])
@pytest.mark.parametrize(
    "method",
    [
        lambda users, actor: users.create(actor=actor, email="x@example.com", role=Role.ADMIN),
        lambda users, actor: users.update(actor=actor, email="jo@example.com", role=Role.ADMIN),
        lambda users, actor: users.update(actor=actor, email="jo@example.com", skills=["VPN"]),
        lambda users, actor: users.update(actor=actor, email="jo@example.com"),
        lambda users, actor: users.list_all(actor=actor),
    ],
    ids=["create", "role", "skills", "nothing", "list_all"],
)
def test_only_an_admin_manages_users(
    users: UserService, db: Mongo, role: Role, method: Callable[[UserService, Actor], object]
) -> None:
    jo = users.create(actor=OPERATOR, email="jo@example.com", role=role)
    before = list(db.users.find())
    with pytest.raises(PermissionDenied) as denied:
        method(users, Actor.from_user(jo))
    assert str(denied.value) == (
        "Your role does not allow you to manage people. Ask an admin if it should."
    )
    assert list(db.users.find()) == before
    method(users, Actor(ObjectId(), Role.ADMIN))


@pytest.mark.parametrize("email", ["nobody@example.com", "", "\ud83d"])
def test_an_unknown_address_is_not_found(users: UserService, email: str) -> None:
    changes: list[dict[str, Any]] = [{"role": "admin"}, {"skills": []}]
    for change in changes:
        with pytest.raises(NotFound) as refused:
            users.update(actor=OPERATOR, email=email, **change)
        assert str(refused.value) == UNKNOWN


def test_legacy_accounts_are_found_whatever_their_capitals(users: UserService, db: Mongo) -> None:
    db.users.insert_many(
        [
            {"email": " Jo@Example.com", "password": "hash", "role": "moderator"},
            {"email": None},
            {"role": "user"},
        ]
    )
    assert [user.email for user in users.find_by_email("jo@example.COM ")] == [" Jo@Example.com"]
    db.users.insert_one({"email": "LATER@example.com"})  # the legacy backend still creates accounts
    assert len(users.find_by_email("later@example.com")) == 1
    assert users.update(actor=OPERATOR, email="Later@Example.com", role=Role.ADMIN)
    with pytest.raises(Conflict):
        users.create(actor=OPERATOR, email="jo@example.com")


def test_of_two_accounts_with_one_address_none_is_touched(users: UserService, db: Mongo) -> None:
    db.users.insert_many([{"email": "Jo@example.com"}, {"email": "jo@Example.com"}])
    assert len(users.find_by_email("jo@example.com")) == 2
    with pytest.raises(Conflict) as refused:
        users.update(actor=OPERATOR, email="jo@example.com", role=Role.ADMIN)
    assert str(refused.value) == SEVERAL
    assert db.users.count_documents({"role": "admin"}) == 0


def test_everyone_is_listed_by_address(users: UserService, db: Mongo) -> None:
    users.create(actor=OPERATOR, email="b@example.com")
    db.users.insert_one({"email": "C@example.com"})
    users.create(actor=OPERATOR, email="A@example.com")
    listed = [user.email for user in users.list_all(actor=OPERATOR)]
    assert listed == ["A@example.com", "b@example.com", "C@example.com"]


def test_the_teams_skills_are_those_of_active_moderators_and_admins(
    users: UserService, db: Mongo
) -> None:
    db.users.insert_many(
        [
            {"role": "moderator", "skills": ["vpn", "Printer", " SAP  HR"]},
            {"role": "admin", "active": True, "skills": ["VPN", "C++"]},
            {"role": "moderator", "active": False, "skills": ["Gone"]},
            {"role": "user", "skills": ["Knitting"]},
            {"role": "moderator", "skills": None},
            {"role": "moderator", "skills": ["", " ", None, 7]},
            {"role": "moderator", "skills": "Lone"},
        ]
    )
    assert users.team_skills() == ["C++", "Lone", "Printer", "SAP HR", "VPN"]


def test_a_team_without_skills(users: UserService) -> None:
    assert users.team_skills() == []


def test_it_lists_the_active_accounts_of_a_role_oldest_first(users: UserService, db: Mongo) -> None:
    first, second, gone = (
        users.create(actor=OPERATOR, email=f"{name}@example.com", role=Role.ADMIN)
        for name in ("z", "a", "gone")
    )
    db.users.update_one({"_id": gone.id}, {"$set": {"active": False}})
    users.create(actor=OPERATOR, email="m@example.com", role=Role.MODERATOR)
    assert users.active_ids_with_role(Role.ADMIN) == [first.id, second.id]


def test_it_reads_many_at_once(users: UserService) -> None:
    jo = users.create(actor=OPERATOR, email="jo@example.com")
    assert users.get_many({jo.id, ObjectId()}) == {jo.id: jo}
    assert users.get_many(set()) == {}
    assert users.get(ObjectId()) is None
