"""Password reset by email, or by a link from an operator."""

from contextlib import ExitStack
from typing import Any

import pytest
from bson import ObjectId

from services.accounts.users import UserService
from services.auth import password_reset
from services.auth.one_time_codes import CodeKind, OneTimeCodes
from services.auth.password_reset import INVALID_LINK
from services.core.database import Mongo
from services.core.errors import (
    Conflict,
    InvalidValue,
    LimitReached,
    NotFound,
    PermissionDenied,
    Unauthenticated,
)
from services.models.permissions import OPERATOR, Actor
from services.models.user import Role, User
from services.outbox.emails import EmailKind
from services.registry.services import Services
from tests.conftest import EASY_PASSWORD, Commands, FixedClock, at_once, build_services

PASSWORD, NEW = "correct horse", "another horse"
HERE = "198.51.100.7"


@pytest.fixture
def services(services: Services, clock: FixedClock) -> Services:
    # In the middle of a minute.
    clock.now = clock.now.replace(second=30)
    return services


@pytest.fixture
def jo(services: Services) -> User:
    return services.sign_in.sign_up(email="Jo@example.com", password=PASSWORD)


def mailed(db: Mongo) -> list[ObjectId]:
    """The recipients of a link."""
    return [doc["userId"] for doc in db.letters.find({"kind": EmailKind.RESET})]


def a_code(services: Services, user: User) -> str:
    """Issue a code like the task that sends the email."""
    return services.codes.issue(kind=CodeKind.RESET, user_id=user.id)


def stored(db: Mongo, user: User) -> dict[str, Any]:
    return db.users.find_one({"_id": user.id}) or {}


def refusal(services: Services, code: str, password: str = NEW) -> tuple[str, str]:
    with pytest.raises(InvalidValue) as refused:
        services.password_resets.reset(code=code, password=password)
    return refused.value.field, str(refused.value)


def test_a_link_is_mailed_to_the_account_of_that_address(
    services: Services, jo: User, db: Mongo
) -> None:
    services.password_resets.request_link(email=" JO@example.com ")
    assert mailed(db) == [jo.id]
    assert db.codes.count_documents({}) == 0  # issued when the email is sent


def test_an_account_made_from_slack_gets_its_first_password(
    services: Services, users: UserService, db: Mongo
) -> None:
    al = users.create(actor=OPERATOR, email="al@example.com", role=Role.MODERATOR)
    services.password_resets.request_link(email="al@example.com")
    assert mailed(db) == [al.id]
    services.password_resets.reset(code=a_code(services, al), password=NEW)
    user = services.sign_in.sign_in(email="al@example.com", password=NEW)
    assert (user.id, user.role, user.has_password) == (al.id, Role.MODERATOR, True)


def test_nobody_is_told_whether_there_is_an_account(
    services: Services, jo: User, db: Mongo
) -> None:
    gone = services.sign_in.sign_up(email="gone@example.com", password=PASSWORD)
    db.users.update_one({"_id": gone.id}, {"$set": {"active": False}})
    emails = ["jo@example.com", "gone@example.com", "nobody@example.com", "no address", "\ud83d"]
    for email in emails:
        services.password_resets.request_link(email=email)
    others = [user_id for user_id in mailed(db) if user_id != jo.id]
    # Emails without a recipient, so that both take the same time.
    assert len(others) == len(emails) - 1
    assert db.users.count_documents({"_id": {"$in": others}}) == 0


def test_known_and_unknown_addresses_ask_the_same_of_the_database(
    watched_db: Mongo, commands: Commands, clock: FixedClock
) -> None:
    services = build_services(watched_db, REDIS_URL="redis://127.0.0.1:9")
    services.users.create(actor=OPERATOR, email="jo@example.com")
    asked = []
    for email in ("jo@example.com", "nobody@example.com"):
        commands.sent.clear()
        services.password_resets.request_link(email=email)
        asked.append([name for name, _ in commands.sent])
    assert asked == [["find", "find", "insert"]] * 2


def test_every_account_of_an_address_gets_one(services: Services, db: Mongo) -> None:
    made = db.users.insert_many([{"email": "Jo@example.com"}, {"email": "jo@example.com"}])
    services.password_resets.request_link(email="jo@example.com")
    assert sorted(mailed(db)) == sorted(made.inserted_ids)


def test_a_double_click_is_one_mail(
    services: Services, jo: User, db: Mongo, clock: FixedClock
) -> None:
    services.password_resets.request_link(email=jo.email)
    services.password_resets.request_link(email=jo.email)
    assert mailed(db) == [jo.id]
    clock.advance(minutes=1)
    services.password_resets.request_link(email=jo.email)
    assert mailed(db) == [jo.id, jo.id]


@pytest.mark.parametrize("email", ["jo@example.com", "nobody@example.com"])
def test_three_mails_an_hour(services: Services, jo: User, email: str) -> None:
    for _ in range(3):
        services.password_resets.request_link(email=email, client_ip=HERE)
    with pytest.raises(LimitReached) as refused:
        services.password_resets.request_link(email=email.upper(), client_ip=HERE)
    assert refused.value.retry_after in range(3_500, 3_601)


@pytest.mark.parametrize("email", [{"$gt": ""}, None, ["jo@example.com"]])
def test_a_condition_is_no_address(services: Services, db: Mongo, email: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        services.password_resets.request_link(email=email)
    assert str(refused.value) == "Write the email as text."
    assert mailed(db) == []


def test_a_new_password_ends_every_session_and_is_notified(
    services: Services, jo: User, db: Mongo
) -> None:
    session, before = services.sign_in.issue_token(jo), stored(db, jo)
    code, other = a_code(services, jo), a_code(services, jo)
    user = services.password_resets.reset(code=code, password=NEW)
    after = stored(db, jo)
    assert after.pop("password") != before.pop("password")
    assert after == before | {"tokenVersion": 2, "emailConfirmedAt": services.clock()}
    with pytest.raises(Unauthenticated):
        services.sign_in.authenticate(session)
    assert services.sign_in.authenticate(services.sign_in.issue_token(user)) == user
    assert services.sign_in.sign_in(email=jo.email, password=NEW) == user
    with pytest.raises(Unauthenticated):
        services.sign_in.sign_in(email=jo.email, password=PASSWORD)
    emails = db.letters.find({"kind": EmailKind.PASSWORD_CHANGED})
    assert [queued_email["userId"] for queued_email in emails] == [jo.id]
    # A code works once, and ends all others.
    assert {refusal(services, code), refusal(services, other)} == {("code", INVALID_LINK)}


def test_it_opens_an_account_that_was_closed_by_failures(services: Services, jo: User) -> None:
    for _ in range(10):
        with pytest.raises(Unauthenticated):
            services.sign_in.sign_in(email=jo.email, password="wrong")
    services.password_resets.reset(code=a_code(services, jo), password=NEW)
    assert services.sign_in.sign_in(email=jo.email, password=NEW).id == jo.id


def test_a_code_that_does_nothing(
    services: Services, jo: User, db: Mongo, clock: FixedClock
) -> None:
    before = stored(db, jo)
    late = a_code(services, jo)
    clock.advance(hours=1)
    link = services.codes.issue(kind=CodeKind.LINK, user_id=jo.id)
    nobodys = services.codes.issue(kind=CodeKind.RESET, user_id=ObjectId())
    for code in (late, link, nobodys, "", "x" * 10_000, "\ud83d", "$ne"):
        assert refusal(services, code) == (
            "code",
            "That link is no longer valid: each works once, and for an hour. Ask for a new one "
            "with “Forgot your password?”.",
        )
    assert refusal(services, {"$ne": ""}) == ("code", "Write the code as text.")  # type: ignore[arg-type]
    assert stored(db, jo) == before


def test_a_bad_password_leaves_the_code_as_it_is(services: Services, jo: User) -> None:
    code = a_code(services, jo)
    assert refusal(services, code, "short") == (
        "password",
        "Choose a password of at least 10 characters.",
    )
    assert refusal(services, code, "jo@example.com") == ("password", EASY_PASSWORD)
    assert services.password_resets.reset(code=code, password=NEW).id == jo.id


def test_too_many_hashes_at_once_leave_the_code_as_it_is(services: Services, jo: User) -> None:
    code = a_code(services, jo)
    with ExitStack() as places:
        for _ in range(16):
            places.enter_context(services.password_resets._hasher._places)
        with pytest.raises(LimitReached) as refused:
            services.password_resets.reset(code=code, password=NEW)
        assert refused.value.retry_after == 2
    assert services.password_resets.reset(code=code, password=NEW).id == jo.id


def test_of_two_who_use_a_code_at_once_one_does(services: Services, jo: User) -> None:
    code = a_code(services, jo)
    passwords = ("first horse", "second horse")
    answers = at_once(
        *[
            lambda new=new: services.password_resets.reset(code=code, password=new)
            for new in passwords
        ]
    )
    (refused,) = (answer for answer in answers if not isinstance(answer, User))
    assert str(refused) == INVALID_LINK
    winner = passwords[isinstance(answers[1], User)]
    assert services.sign_in.sign_in(email=jo.email, password=winner).id == jo.id


def test_an_account_deactivated_since_gets_none(services: Services, jo: User, db: Mongo) -> None:
    code = a_code(services, jo)
    db.users.update_one({"_id": jo.id}, {"$set": {"active": False}})
    before = stored(db, jo)
    assert refusal(services, code) == ("code", INVALID_LINK)
    assert stored(db, jo) == before


# From an operator


def test_an_operator_hands_out_a_code(
    services: Services, users: UserService, jo: User, db: Mongo
) -> None:
    code = password_reset.issue_reset_code(
        users, services.codes, actor=OPERATOR, email="JO@example.com"
    )
    assert password_reset.reset_path(code) == f"/reset?code={code}"
    assert services.password_resets.reset(code=code, password=NEW).id == jo.id


def test_no_code_for_whom_nobody_can_sign_in_as(
    codes: OneTimeCodes, users: UserService, jo: User, db: Mongo
) -> None:
    def refused(email: str, error: type[Exception]) -> str:
        with pytest.raises(error) as caught:
            password_reset.issue_reset_code(users, codes, actor=OPERATOR, email=email)
        return str(caught.value)

    assert refused("x@example.com", NotFound) == "There is no account with that address."
    db.users.update_one({"_id": jo.id}, {"$set": {"active": False}})
    assert refused(jo.email, Conflict) == (
        "That account has been deactivated, so no one can sign in to it."
    )
    db.users.insert_many([{"email": "JO@example.com"}, {"email": "Jo@example.com"}])
    assert refused(jo.email, Conflict) == (
        "Several accounts have that address. Remove all but one first."
    )
    assert db.codes.count_documents({}) == 0


@pytest.mark.parametrize("role", [Role.USER, Role.MODERATOR])
def test_nobody_without_the_right_hands_one_out(
    codes: OneTimeCodes, users: UserService, jo: User, role: Role
) -> None:
    with pytest.raises(PermissionDenied):
        password_reset.issue_reset_code(users, codes, actor=Actor(jo.id, role), email=jo.email)
