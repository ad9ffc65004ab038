"""Changes of the actor's own account."""

from typing import Any

import pytest
from bson import ObjectId

from services.accounts.account_search import AccountCursor, account_page
from services.accounts.users import UserService
from services.auth.one_time_codes import CodeKind
from services.auth.profile import ProfileService
from services.core.database import Mongo
from services.core.errors import (
    InvalidValue,
    LimitReached,
    NotFound,
    Unauthenticated,
)
from services.models.permissions import OPERATOR, Actor
from services.models.user import Role, User
from services.registry.services import Services
from tests.conftest import EASY_PASSWORD, at_once

PASSWORD, NEW = "correct horse", "another horse"
HERE = "198.51.100.7"


@pytest.fixture
def jo(services: Services) -> User:
    return services.sign_in.sign_up(
        email="Jo@example.com", password=PASSWORD, skills=["VPN"], name="Jo"
    )


def stored(db: Mongo, user: User) -> dict[str, Any]:
    return db.users.find_one({"_id": user.id}) or {}


def opens(services: Services, password: str) -> bool:
    try:
        services.sign_in.sign_in(email="jo@example.com", password=password)
    except Unauthenticated:
        return False
    return True


@pytest.mark.parametrize(
    ("given", "changed"),
    [
        ({}, {}),
        ({"name": " Jo  Doe "}, {"name": "Jo Doe"}),
        ({"name": ""}, {"name": None}),
        ({"skills": [" DNS ", "dns", "C++"]}, {"skills": ["DNS", "C++"]}),
        ({"skills": []}, {"skills": []}),
        ({"skills": ("DNS",), "name": "Al"}, {"skills": ["DNS"], "name": "Al"}),
        ({"current_password": "whatever"}, {}),
    ],
)
def test_what_is_given_changes_and_nothing_else(
    profiles: ProfileService, jo: User, db: Mongo, given: dict[str, Any], changed: dict[str, Any]
) -> None:
    db.users.update_one({"_id": jo.id}, {"$set": {"badge": {"colour": "green"}}})
    before = stored(db, jo)
    user = profiles.update_own(actor=Actor.from_user(jo), **given)
    assert stored(db, jo) == before | changed
    assert user == User.from_doc(stored(db, jo))
    assert db.letters.count_documents({"kind": "password_changed"}) == 0


def test_a_new_name_is_found(profiles: ProfileService, jo: User, db: Mongo) -> None:
    assert [user.id for user in account_page(db, AccountCursor(search="jo")).users] == [jo.id]
    profiles.update_own(actor=Actor.from_user(jo), name="Zoë")
    assert [user.name for user in account_page(db, AccountCursor(search="zoë")).users] == ["Zoë"]


@pytest.mark.parametrize(
    ("given", "field", "sentence"),
    [
        ({"name": "x" * 81}, "name", "A name has at most 80 characters."),
        ({"name": {"$gt": ""}}, "name", "Write the name as text."),
        ({"skills": "VPN"}, "skills", "Write the skills as a list of texts."),
        ({"skills": {"VPN": 1}}, "skills", "Write the skills as a list of texts."),
        ({"skills": [None]}, "skills", "Write the skills as a list of texts."),
        ({"skills": [str(n) for n in range(21)]}, "skills", "Name at most 20 skills."),
        ({"password": NEW}, "currentPassword", "Write your current password, too."),
        (
            {"password": NEW, "current_password": "wrong"},
            "currentPassword",
            "That is not your current password.",
        ),
        (
            {"password": NEW, "current_password": {"$ne": ""}},
            "currentPassword",
            "Write the currentPassword as text.",
        ),
        (
            {"password": "short", "current_password": PASSWORD},
            "password",
            "Choose a password of at least 10 characters.",
        ),
        *[
            ({**named, "password": easy, "current_password": PASSWORD}, "password", EASY_PASSWORD)
            for named, easy in (
                ({}, "jo@example.com"),
                ({"name": "Zebulon"}, "zebulon1234"),
                ({"name": None}, "1234567890"),
            )
        ],
    ],
)
def test_what_is_bad_is_named_and_nothing_changes(
    profiles: ProfileService,
    jo: User,
    db: Mongo,
    given: dict[str, Any],
    field: str,
    sentence: str,
) -> None:
    before = stored(db, jo)
    with pytest.raises(InvalidValue) as refused:
        profiles.update_own(actor=Actor.from_user(jo), **{"name": "Al", **given})
    assert (refused.value.field, str(refused.value)) == (field, sentence)
    assert stored(db, jo) == before


def test_a_new_password_ends_every_session_and_is_notified(
    services: Services, jo: User, db: Mongo
) -> None:
    sign_in, codes = services.sign_in, services.codes
    session = sign_in.issue_token(jo)
    link = codes.issue(kind=CodeKind.RESET, user_id=jo.id)
    user = services.profiles.update_own(
        actor=Actor.from_user(jo), password=NEW, current_password=PASSWORD, name="Al"
    )
    assert (user.name, user.token_version) == ("Al", 2)
    with pytest.raises(Unauthenticated):
        sign_in.authenticate(session)
    assert sign_in.authenticate(sign_in.issue_token(user)) == user
    assert (opens(services, NEW), opens(services, PASSWORD)) == (True, False)
    # A link in an older email no longer works.
    assert codes.peek(kind=CodeKind.RESET, code=link) is None
    emails = db.letters.find({"kind": "password_changed"})
    assert [queued_email["userId"] for queued_email in emails] == [jo.id]


def test_each_new_password_is_notified(services: Services, jo: User, db: Mongo) -> None:
    actor, change = Actor.from_user(jo), services.profiles.update_own
    change(actor=actor, password=NEW, current_password=PASSWORD)
    change(actor=actor, password=PASSWORD, current_password=NEW)
    assert db.letters.count_documents({"kind": "password_changed"}) == 2


def test_of_two_new_passwords_at_once_one_counts(services: Services, jo: User, db: Mongo) -> None:
    changes = [
        lambda new=new: services.profiles.update_own(
            actor=Actor.from_user(jo), password=new, current_password=PASSWORD
        )
        for new in ("first horse", "second horse")
    ]
    answers = at_once(*changes)
    refused = [answer for answer in answers if not isinstance(answer, User)]
    assert {str(answer) for answer in refused} <= {
        "Your password has just been changed. Sign in with the new one.",
        "That is not your current password.",
    }
    assert len(refused) == 1
    winner = ("first horse", "second horse")[isinstance(answers[1], User)]
    assert opens(services, winner)
    assert stored(db, jo)["tokenVersion"] == 2


def test_guesses_with_a_stolen_session_are_rate_limited_like_others(
    services: Services, jo: User
) -> None:
    def guess(current: str) -> None:
        services.profiles.update_own(
            actor=Actor.from_user(jo), password=NEW, current_password=current, client_ip=HERE
        )

    for _ in range(10):
        with pytest.raises(InvalidValue):
            guess("wrong")
    with pytest.raises(LimitReached):
        guess(PASSWORD)
    with pytest.raises(LimitReached):
        services.sign_in.sign_in(email=jo.email, password=PASSWORD, client_ip=HERE)


def test_an_account_from_slack_gets_its_first_password_by_mail(
    profiles: ProfileService, users: UserService
) -> None:
    al = users.create(actor=OPERATOR, email="al@example.com")
    with pytest.raises(InvalidValue) as refused:
        profiles.update_own(actor=Actor.from_user(al), password=NEW, current_password="")
    assert (refused.value.field, str(refused.value)) == (
        "password",
        "This account has no password yet. Set its first one with “Forgot your password?”.",
    )


@pytest.mark.parametrize(
    "given", [{}, {"name": "Al"}, {"password": NEW, "current_password": PASSWORD}]
)
def test_an_account_that_is_gone(profiles: ProfileService, given: dict[str, Any]) -> None:
    with pytest.raises(NotFound) as refused:
        profiles.update_own(actor=Actor(ObjectId(), Role.USER), **given)
    assert str(refused.value) == "There is no such account any more."
