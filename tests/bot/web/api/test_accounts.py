"""The API's account routes, and the faults of the legacy app there."""

import itertools
from typing import Any

import pytest
from bson import ObjectId

from services.accounts.users import UserService
from services.auth.passwords import PasswordHasher
from services.core.database import Mongo
from services.models.permissions import OPERATOR
from services.models.user import Role
from services.outbox.emails import EmailKind
from tests.conftest import CHEAP, EASY_PASSWORD, FixedClock, People
from tests.support.api_client import PASSWORD, Api, Json, problem

JO = {"email": "jo@example.com", "password": PASSWORD}
WRONG = {
    "error": "Email or password is wrong, or the account has been deactivated.",
    "code": "unauthenticated",
}
ENDED = {
    "error": "Your session has ended, or there was none. Sign in.",
    "code": "unauthenticated",
}
NO_TOKEN = {
    "error": "Send the token of a sign-in in the Authorization header, as Bearer TOKEN.",
    "code": "unauthenticated",
}
MANAGE = {
    "error": "Your role does not allow you to manage people. Ask an admin if it should.",
    "code": "forbidden",
}


def joined(api: Api, **fields: Any) -> Json:
    answer = api.post("/api/auth/signup", json={**JO, **fields})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_who_signs_up_is_signed_in(api: Api, db: Mongo, clock: FixedClock) -> None:
    session = joined(api, email="Jo@Example.com", skills=["VPN", " dns "])
    created = clock().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    user_id = session["user"].pop("_id")
    assert session["user"] == {
        "email": "Jo@Example.com",
        "name": None,
        "role": "user",
        "skills": ["VPN", "dns"],
        "active": True,
        "createdAt": created,
    }
    assert session.keys() == {"user", "token"}
    assert api.get("/api/tickets", by=session["token"]).json() == {
        "tickets": [],
        "nextCursor": None,
    }
    assert db.users.count_documents({"_id": ObjectId(user_id)}) == 1
    assert [queued_email["kind"] for queued_email in db.letters.find()] == [EmailKind.WELCOME]


def test_nobody_makes_themselves_more_than_a_user(api: Api) -> None:
    for number, role in enumerate(("admin", "moderator", ["admin"], {"$ne": "user"}, None)):
        email = f"jo{number}@example.com"
        session = joined(api, email=email, role=role, active=False, tokenVersion=9)
        assert (session["user"]["role"], session["user"]["active"]) == ("user", True)
        assert problem(api.get("/api/auth/users", by=session["token"])) == (403, MANAGE)


def test_an_address_has_one_account(api: Api) -> None:
    joined(api)
    sentence = (
        "There is an account with that address already. Sign in, or set a password with “Forgot "
        "your password?”."
    )
    for email in ("jo@example.com", " JO@example.com"):
        answer = api.post("/api/auth/signup", json={**JO, "email": email})
        assert problem(answer) == (409, {"error": sentence, "code": "conflict"})


REFUSED: list[tuple[Json, str, str]] = [
    ({"email": "jo"}, "email", "That is not an email address. Write it like name@example.com."),
    ({"email": None}, "email", "Give this as a text."),
    ({"password": "1234567"}, "password", "Choose a password of at least 10 characters."),
    ({"password": "12345678901"}, "password", EASY_PASSWORD),
    ({"name": "Zebulon", "password": "zebulon1234"}, "password", EASY_PASSWORD),
    ({"password": 12345678}, "password", "Give this as a text."),
    ({"skills": "VPN"}, "skills", "Give this as a list of texts."),
    ({"skills": ["VPN", 7]}, "skills", "Give this as a list of texts."),
    ({"name": ["Jo"]}, "name", "Give this as a text."),
    ({"name": "x" * 81}, "name", "A name has at most 80 characters."),
]


def test_what_cannot_be_an_account_is_refused(api: Api, db: Mongo) -> None:
    for fields, field, sentence in REFUSED:
        answer = api.post("/api/auth/signup", json={**JO, **fields})
        expected = {"error": f"{field}: {sentence}", "code": "invalid", "field": field}
        assert problem(answer) == (400, expected)
    assert db.users.count_documents({}) == 0


NO_TEXTS = ({"$gt": ""}, {"$ne": None}, {"$regex": ".*"}, ["jo@example.com"], None, 0, True)


@pytest.mark.parametrize("call", ["signup", "login"])
def test_no_object_becomes_a_query(api: Api, db: Mongo, call: str) -> None:
    joined(api)
    for field, value in itertools.product(JO, NO_TEXTS):
        answer = api.post(f"/api/auth/{call}", json={**JO, field: value})
        expected = {"error": f"{field}: Give this as a text.", "code": "invalid", "field": field}
        assert problem(answer) == (400, expected)
    assert db.users.count_documents({}) == 1


def test_signing_in_answers_as_signing_up(api: Api, clock: FixedClock) -> None:
    made = joined(api)
    clock.advance(seconds=1)
    answer = api.post("/api/auth/login", json={**JO, "email": " JO@Example.com"})
    assert (answer.status_code, answer.json()["user"]) == (200, made["user"])
    assert answer.json().keys() == {"user", "token"}
    for token in (made["token"], answer.json()["token"]):
        assert api.get("/api/tickets", by=token).status_code == 200


def test_a_legacy_account_signs_in(api: Api, db: Mongo) -> None:
    stored = PasswordHasher(cost=CHEAP).hash(PASSWORD).replace("$2b$", "$2a$")
    db.users.insert_one({"email": "Boss@Example.com", "password": stored, "role": "admin"})
    answer = api.post("/api/auth/login", json={"email": "boss@example.com", "password": PASSWORD})
    assert answer.status_code == 200
    user = answer.json()["user"]
    assert (user["email"], user["role"], user["skills"], user["createdAt"]) == (
        "Boss@Example.com",
        "admin",
        [],
        None,
    )
    assert api.get("/api/auth/users", by=answer.json()["token"]).json() == [user]


def test_a_wrong_password_and_an_unknown_address_are_answered_alike(
    api: Api, people: People
) -> None:
    joined(api)
    people.add()  # created from Slack, without a password
    refused = [
        api.post("/api/auth/login", json=sent)
        for sent in (
            {**JO, "password": "wrong horse"},
            {**JO, "email": "nobody@example.com"},
            {**JO, "email": "user1@example.com"},
        )
    ]
    assert [problem(answer) for answer in refused] == [(401, WRONG)] * 3
    assert {answer.headers["WWW-Authenticate"] for answer in refused} == {'Bearer realm="api"'}


def test_guessing_ends_with_when_to_come_back(api: Api) -> None:
    wrong = {"email": "guessed@example.com", "password": "wrong horse"}
    answers = [api.post("/api/auth/login", json=wrong) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert answers[-1].json()["code"] == "too_many_requests"
    assert answers[-1].json()["error"] == "Too many attempts. Try again in 15 minutes."
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 15 * 60


def test_signing_out_ends_every_session(api: Api, clock: FixedClock) -> None:
    first = joined(api)["token"]
    clock.advance(seconds=1)
    second = api.post("/api/auth/login", json=JO).json()["token"]
    answer = api.post("/api/auth/logout", by=second)
    assert problem(answer) == (200, {"message": "Signed out, on all devices."})
    for token in (first, second):
        ended = api.post("/api/auth/logout", by=token)
        assert problem(ended) == (401, ENDED)
        assert ended.headers["WWW-Authenticate"] == 'Bearer realm="api", error="invalid_token"'


def test_a_token_ends_after_seven_days(api: Api, clock: FixedClock) -> None:
    token = joined(api)["token"]
    clock.advance(days=6, hours=23)
    assert api.get("/api/tickets", by=token).status_code == 200
    clock.advance(hours=1)
    assert problem(api.get("/api/tickets", by=token)) == (401, ENDED)


def test_without_a_token_nobody_is_known(api: Api) -> None:
    for header in (None, "", "Bearer", "Bearer ", "Basic am86am8=", "token"):
        headers = {} if header is None else {"Authorization": header}
        answer = api.get("/api/tickets", headers=headers)
        assert problem(answer) == (401, NO_TOKEN)
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="api"'


def test_what_we_did_not_sign_is_no_token(api: Api) -> None:
    for token in ("x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "." * 700):
        assert problem(api.get("/api/tickets", by=token)) == (401, ENDED)


def test_a_session_cookie_is_no_token(api: Api) -> None:
    """Otherwise any web page could call the API in its user's name."""
    token = joined(api)["token"]
    cookie = {"Cookie": f"session={token}; __Host-session={token}"}
    assert api.get("/api/tickets", headers=cookie).status_code == 401


def test_rights_end_with_the_role_and_the_account(
    api: Api, people: People, users: UserService, db: Mongo
) -> None:
    people.add(Role.ADMIN)
    demoted, deleted, deactivated = (people.add(Role.ADMIN) for _ in range(3))
    tokens = [api.token(admin) for admin in (demoted, deleted, deactivated)]
    assert [api.get("/api/auth/users", by=t).status_code for t in tokens] == [200] * 3
    users.update(actor=OPERATOR, email=demoted.email, role=Role.USER)
    db.users.delete_one({"_id": deleted.id})
    db.users.update_one({"_id": deactivated.id}, {"$set": {"active": False}})
    assert [problem(api.get("/api/auth/users", by=t)) for t in tokens] == [(401, ENDED)] * 3


def test_one_changes_ones_own_profile(api: Api) -> None:
    token = joined(api, skills=["VPN"])["token"]
    answer = api.post("/api/auth/update-user", by=token, json={"name": " Jo  Doe "})
    assert answer.status_code == 200
    assert answer.json().keys() == {"message", "user", "token"}
    assert (answer.json()["message"], answer.json()["token"]) == ("User updated.", None)
    user = answer.json()["user"]
    assert (user["name"], user["skills"]) == ("Jo Doe", ["VPN"])
    # As the legacy backend's clients send it, with the caller's address.
    sent = {"email": "JO@example.com", "skills": []}
    user = api.post("/api/auth/update-user", by=token, json=sent).json()["user"]
    assert (user["name"], user["skills"], user["role"]) == ("Jo Doe", [], "user")
    assert api.post("/api/auth/update-user", by=token, json={}).json()["user"] == user


def test_a_new_password_takes_the_old_one_and_ends_sessions(api: Api) -> None:
    token, new = joined(api)["token"], "another horse"
    for sent, field, sentence in (
        ({}, "currentPassword", "Write your current password, too."),
        ({"currentPassword": "wrong"}, "currentPassword", "That is not your current password."),
        ({"password": "jo@example.com"}, "password", EASY_PASSWORD),
    ):
        refused = api.post("/api/auth/update-user", by=token, json={"password": new, **sent})
        expected = {"error": f"{field}: {sentence}", "code": "invalid", "field": field}
        assert problem(refused) == (400, expected)
    sent = {"password": new, "currentPassword": PASSWORD}
    answer = api.post("/api/auth/update-user", by=token, json=sent)
    assert answer.status_code == 200
    assert problem(api.get("/api/tickets", by=token)) == (401, ENDED)
    assert api.get("/api/tickets", by=answer.json()["token"]).status_code == 200
    assert api.post("/api/auth/login", json=JO).status_code == 401
    assert api.post("/api/auth/login", json={**JO, "password": new}).status_code == 200


def test_an_unconfirmed_account_gets_no_role(api: Api, people: People, users: UserService) -> None:
    admin, token = people.add(Role.ADMIN), joined(api)["token"]
    sent = {"email": "jo@example.com", "role": "moderator"}
    answer = api.post("/api/auth/update-user", by=admin, json=sent)
    assert (answer.status_code, answer.json()) == (
        409,
        {
            "code": "conflict",
            "error": "It is not confirmed that jo@example.com is the address of this account's "
            "owner, so it gets no role. If you know the owner, confirm it on the "
            "server: python app.py users confirm jo@example.com",
        },
    )
    filed = api.post("/api/tickets", by=token, json={"title": "VPN", "description": "Drops."})
    assert filed.status_code == 201
    assert api.get("/api/tickets", by=token).json()["tickets"][0]["title"] == "VPN"


def test_an_admin_changes_anybodys_role_and_skills(
    api: Api, people: People, users: UserService
) -> None:
    admin, token = people.add(Role.ADMIN), joined(api)["token"]
    users.confirm_email(actor=OPERATOR, email="jo@example.com")
    sent = {"email": "JO@example.com", "role": "moderator", "skills": ["DNS"]}
    answer = api.post("/api/auth/update-user", by=admin, json=sent)
    assert answer.status_code == 200
    user = answer.json()["user"]
    assert (user["email"], user["role"], user["skills"]) == (
        "jo@example.com",
        "moderator",
        ["DNS"],
    )
    assert problem(api.get("/api/tickets", by=token)) == (401, ENDED)


@pytest.mark.parametrize(
    ("sent", "status", "expected"),
    [
        (
            {"email": "nobody@example.com", "role": "user"},
            404,
            {"error": "There is no account with that address.", "code": "not_found"},
        ),
        (
            {"email": "jo@example.com", "name": "Jo"},
            400,
            {
                "error": "name: Only the account's owner changes this, in a call without a role.",
                "code": "invalid",
                "field": "name",
            },
        ),
        (
            {"email": "jo@example.com", "role": "root"},
            400,
            {
                "error": "role: Choose one of user, moderator or admin.",
                "code": "invalid",
                "field": "role",
            },
        ),
        (
            {"email": "jo@example.com", "isAdmin": True},
            400,
            {
                "error": "isAdmin: There is no such field.",
                "code": "invalid",
                "field": "isAdmin",
            },
        ),
    ],
)
def test_what_an_admin_cannot_change(
    api: Api, people: People, sent: Json, status: int, expected: Json
) -> None:
    joined(api)
    answer = api.post("/api/auth/update-user", by=people.add(Role.ADMIN), json=sent)
    assert problem(answer) == (status, expected)


def test_the_last_admin_stays_one(api: Api, people: People) -> None:
    answer = api.post("/api/auth/update-user", by=people.add(Role.ADMIN), json={"role": "user"})
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


@pytest.mark.parametrize("role", [Role.USER, Role.MODERATOR])
@pytest.mark.parametrize(
    "sent",
    [{"role": "admin"}, {"email": "jo@example.com", "skills": []}, {"email": "x", "name": "x"}],
    ids=["own role", "another's skills", "another's name"],
)
def test_nobody_else_changes_a_role_or_an_account_of_others(
    api: Api, people: People, db: Mongo, role: Role, sent: Json
) -> None:
    joined(api, skills=["VPN"])
    assert problem(api.post("/api/auth/update-user", by=people.add(role), json=sent)) == (
        403,
        MANAGE,
    )
    assert db.users.count_documents({"role": "admin"}) == 0
    assert db.users.count_documents({"emailKey": "jo@example.com", "skills": ["VPN"]}) == 1


def test_admins_read_every_account_and_no_hash(api: Api, people: People) -> None:
    admin = people.add(Role.ADMIN)
    joined(api)
    answer = api.get("/api/auth/users", by=admin)
    assert [user["email"] for user in answer.json()] == ["admin1@example.com", "jo@example.com"]
    assert all(
        user.keys() == {"_id", "email", "name", "role", "skills", "active", "createdAt"}
        for user in answer.json()
    )
    for other in (people.add(), people.add(Role.MODERATOR)):
        assert problem(api.get("/api/auth/users", by=other)) == (403, MANAGE)
