"""Sign-up, sign-in and sessions, and the faults of the legacy app."""

import logging
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import bcrypt
import pytest
from bson import ObjectId

from demo.servers import RedisServer, free_port
from services.account_admin.account_admin import AccountAdmin, PersonFields
from services.accounts.users import UserService
from services.auth.one_time_codes import CodeKind
from services.auth.passwords import PasswordHasher
from services.auth.sign_in import ACCOUNT_EXISTS, SESSION_ENDED, WRONG_CREDENTIALS, SignInService
from services.core.database import Mongo
from services.core.errors import Conflict, InvalidValue, LimitReached, Unauthenticated
from services.models.permissions import OPERATOR, Actor
from services.models.user import Role, User
from services.outbox.emails import EmailKind
from services.registry.services import Services
from tests.conftest import CHEAP, EASY_PASSWORD, Commands, FixedClock, at_once, build_services
from tests.services.auth.test_passwords import Work

PASSWORD = "correct horse"
COST_15 = "$2b$15$TW1gj9hhxx8nlhVPenzZtOK2Sv7RwryAFNw6WSXvLsMzh1iYKHENW"
HERE = "198.51.100.7"


def join(sign_in: SignInService, email: str = "jo@example.com", **fields: Any) -> User:
    return sign_in.sign_up(**{"email": email, "password": PASSWORD, **fields})


def legacy(db: Mongo, password: str = PASSWORD, **fields: Any) -> ObjectId:
    """An account as the legacy backend stored it."""
    cost, prefix = fields.pop("cost", CHEAP), fields.pop("prefix", "$2b$")
    made = bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode()
    doc = {
        "email": "jo@example.com",
        "password": prefix + made.removeprefix("$2b$"),
        "role": "moderator",
        "skills": ["VPN"],
        "__v": 0,
        **fields,
    }
    return ObjectId(db.users.insert_one(doc).inserted_id)


def stored(db: Mongo, user_id: ObjectId) -> dict[str, Any]:
    return db.users.find_one({"_id": user_id}) or {}


def refusal(sign_in: SignInService, email: str = "jo@example.com", password: str = PASSWORD) -> str:
    with pytest.raises(Unauthenticated) as refused:
        sign_in.sign_in(email=email, password=password)
    return str(refused.value)


def is_known(sign_in: SignInService, device_token: str, email: str = "jo@example.com") -> bool:
    """Whether the device may try a password after others have tried a hundred."""
    with pytest.raises((LimitReached, Unauthenticated)) as refused:
        sign_in.sign_in(
            email=email, password="wrong", client_ip="192.0.2.1", device_token=device_token
        )
    return refused.type is Unauthenticated


def spray(sign_in: SignInService) -> None:
    for number in range(100):
        with pytest.raises(Unauthenticated):
            sign_in.sign_in(
                email="jo@example.com", password="wrong", client_ip=f"198.18.{number}.1"
            )


# Signing up


def test_a_new_account_has_the_role_user_and_can_sign_in(
    sign_in: SignInService, db: Mongo, clock: FixedClock
) -> None:
    user = join(sign_in, " Jo@Example.com ", skills=[" VPN ", "vpn"], name=" Jo  Doe ")
    doc = stored(db, user.id)
    password = doc.pop("password")
    assert doc == {
        "_id": user.id,
        "email": "Jo@Example.com",
        "emailKey": "jo@example.com",
        "role": "user",
        "skills": ["VPN"],
        "name": "Jo Doe",
        "active": True,
        "tokenVersion": 1,
        "capacity": 8,
        "createdAt": clock(),
    }
    assert password.startswith("$2b$04$")
    assert sign_in.sign_in(email="JO@example.com", password=PASSWORD) == user
    assert sign_in.authenticate(sign_in.issue_token(user)) == user


def test_nobody_signs_up_as_an_admin(sign_in: SignInService) -> None:
    """The legacy backend accepted a role in the request. There is no such argument here."""
    assert join(sign_in).role is Role.USER
    with pytest.raises(TypeError):
        join(sign_in, "al@example.com", role="admin")


def test_no_answer_carries_the_hash(sign_in: SignInService) -> None:
    for user in (join(sign_in), sign_in.sign_in(email="jo@example.com", password=PASSWORD)):
        assert "$2b$" not in str(asdict(user))


def test_a_welcome_is_posted_once(sign_in: SignInService, db: Mongo) -> None:
    user = join(sign_in)
    with pytest.raises(Conflict):
        join(sign_in)
    emails = [(doc["kind"], doc["userId"]) for doc in db.letters.find()]
    assert emails == [(EmailKind.WELCOME, user.id)]


@pytest.mark.parametrize(
    ("fields", "field", "sentence"),
    [
        (
            {"email": "jo"},
            "email",
            "That is not an email address. Write it like name@example.com.",
        ),
        ({"email": {"$gt": ""}}, "email", "Write the email as text."),
        ({"password": "1234567"}, "password", "Choose a password of at least 10 characters."),
        ({"password": "qwertyuiop"}, "password", EASY_PASSWORD),
        ({"password": "jo@example.com"}, "password", EASY_PASSWORD),
        ({"name": "Zebulon", "password": "zebulon1234"}, "password", EASY_PASSWORD),
        ({"password": {"$ne": "x"}}, "password", "Write the password as text."),
        ({"skills": "VPN"}, "skills", "Write the skills as a list of texts."),
        ({"skills": ["x" * 51]}, "skills", "A skill has at most 50 characters."),
        ({"name": "x" * 81}, "name", "A name has at most 80 characters."),
        ({"name": ["Jo"]}, "name", "Write the name as text."),
    ],
)
def test_a_bad_field_is_named(
    sign_in: SignInService, db: Mongo, fields: dict[str, Any], field: str, sentence: str
) -> None:
    with pytest.raises(InvalidValue) as refused:
        join(sign_in, **fields)
    assert (refused.value.field, str(refused.value)) == (field, sentence)
    assert db.users.count_documents({}) == db.letters.count_documents({}) == 0


@pytest.mark.parametrize("again", ["jo@example.com", " JO@EXAMPLE.COM", "j\u200bo@example.com"])
@pytest.mark.parametrize("before", ["password", "invitation", "deactivated", "legacy"])
def test_an_address_has_one_account(
    sign_in: SignInService, users: UserService, db: Mongo, again: str, before: str
) -> None:
    if before == "invitation":
        users.create(actor=OPERATOR, email="Jo@example.com", role=Role.ADMIN)
    elif before == "legacy":
        db.users.insert_one({"email": "Jo@Example.com"})
    else:
        user = join(sign_in, "Jo@example.com")
        db.users.update_one({"_id": user.id}, {"$set": {"active": before != "deactivated"}})
    there = list(db.users.find())
    with pytest.raises(Conflict) as refused:
        join(sign_in, again, password="another one")
    assert str(refused.value) == (
        "There is an account with that address already. Sign in, or set a password with “Forgot "
        "your password?”."
    )
    untouched = [doc | {"emailKey": "jo@example.com"} for doc in there]
    assert list(db.users.find()) == untouched


def test_of_many_who_sign_up_with_one_address_at_once_one_does(
    db: Mongo, redis: RedisServer, clock: FixedClock
) -> None:
    # One hasher each, or they would wait for each other's hashes.
    bots = [build_services(db, clock, REDIS_URL=redis.url).sign_in for _ in range(8)]
    answers = at_once(*[lambda bot=bot: join(bot, password=f"{id(bot):016}") for bot in bots])
    made = [answer for answer in answers if isinstance(answer, User)]
    assert len(made) == 1
    assert {str(answer) for answer in answers if answer not in made} == {ACCOUNT_EXISTS}
    assert [doc["_id"] for doc in db.users.find()] == [made[0].id]
    assert db.leases.count_documents({}) == 0
    winner = bots[answers.index(made[0])]
    assert winner.sign_in(email="jo@example.com", password=f"{id(winner):016}") == made[0]


def test_an_invitation_that_comes_between_is_not_doubled(
    services: Services, users: UserService, db: Mongo
) -> None:
    sign_in = services.sign_in

    class Meanwhile(UserService):
        """An admin invites that address right before the account is stored."""

        asked = 0

        def find_by_email(self, email: str) -> list[User]:
            self.asked += 1
            found = super().find_by_email(email)
            if self.asked == 2:
                users.create(actor=OPERATOR, email=email, role=Role.MODERATOR)
            return found

    sign_in._users = Meanwhile(db)
    with pytest.raises(Conflict) as refused:
        join(sign_in)
    assert str(refused.value) == ACCOUNT_EXISTS
    assert db.users.distinct("role") == ["moderator"]
    assert db.letters.count_documents({}) == 0


def test_sign_ups_from_one_address_have_a_limit(sign_in: SignInService, db: Mongo) -> None:
    join(sign_in, client_ip=HERE)
    for _ in range(29):
        with pytest.raises(Conflict):
            join(sign_in, client_ip=HERE)
    with pytest.raises(LimitReached) as refused:
        join(sign_in, "al@example.com", client_ip=HERE)
    assert refused.value.retry_after in range(3_500, 3_601)
    assert join(sign_in, "al@example.com", client_ip="203.0.113.9")


# Signing in


def test_wrong_unknown_deactivated_and_without_password_are_told_alike(
    sign_in: SignInService, users: UserService, db: Mongo
) -> None:
    user = join(sign_in)
    gone = join(sign_in, "gone@example.com")
    db.users.update_one({"_id": gone.id}, {"$set": {"active": False}})
    users.create(actor=OPERATOR, email="invited@example.com")
    told = {
        refusal(sign_in, password="correct hors"),
        refusal(sign_in, password=""),
        refusal(sign_in, "nobody@example.com"),
        refusal(sign_in, "gone@example.com"),
        refusal(sign_in, "invited@example.com"),
        refusal(sign_in, "invited@example.com", ""),
        refusal(sign_in, "no address"),
        refusal(sign_in, "\ud83d@example.com"),
        refusal(sign_in, "x" * 100_000),
        refusal(sign_in, ""),
    }
    assert told == {WRONG_CREDENTIALS}
    assert WRONG_CREDENTIALS == "Email or password is wrong, or the account has been deactivated."
    assert sign_in.sign_in(email="jo@example.com", password=PASSWORD) == user


@pytest.mark.parametrize("field", ["email", "password"])
@pytest.mark.parametrize("value", [{"$gt": ""}, {"$ne": None}, ["jo@example.com"], 7, None, True])
def test_a_condition_in_place_of_a_text_reaches_no_query(
    watched_db: Mongo, commands: Commands, redis: RedisServer, field: str, value: Any
) -> None:
    """The legacy backend opened an admin's session for {"email": {"$gt": ""}}."""
    sign_in = build_services(watched_db, REDIS_URL=redis.url).sign_in
    legacy(watched_db, email="admin@example.com", role="admin")
    commands.sent.clear()
    sent: dict[str, Any] = {"email": "admin@example.com", "password": PASSWORD}
    with pytest.raises(InvalidValue) as refused:
        sign_in.sign_in(**{**sent, field: value})
    assert (refused.value.field, str(refused.value)) == (field, f"Write the {field} as text.")
    assert commands.sent == []


def test_known_and_unknown_addresses_ask_the_same_of_the_database_and_of_bcrypt(
    watched_db: Mongo,
    commands: Commands,
    redis: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    services = build_services(watched_db, REDIS_URL=redis.url)
    services.password_hasher = PasswordHasher(cost=5)
    users, sign_in = services.users, services.sign_in
    users.create(actor=OPERATOR, email="invited@example.com")
    legacy(watched_db, cost=4, prefix="$2a$")
    join(sign_in, "al@example.com")
    users.find_by_email("any")  # fills in the search key of every address
    work = Work(monkeypatch)
    seen = []
    for email in ("nobody", "invited", "jo", "al"):
        work.spent = 0
        commands.sent.clear()
        refusal(sign_in, f"{email}@example.com", "wrong horse")
        seen.append((work.spent, [name for name, _ in commands.sent]))
    assert seen == [(2**5, ["find", "find"])] * 4


@pytest.mark.parametrize("password", ["password", " " * 8, "jo@example.com"])
def test_an_older_password_that_is_too_short_or_easy_still_works(
    sign_in: SignInService, db: Mongo, password: str
) -> None:
    user_id = legacy(db, password, cost=5)
    for _ in range(2):  # the first one replaces the hash
        assert sign_in.sign_in(email="jo@example.com", password=password).id == user_id
    assert stored(db, user_id)["password"].startswith("$2b$04$")


@pytest.mark.parametrize(("cost", "prefix"), [(10, "$2b$"), (4, "$2a$"), (5, "$2y$")])
def test_a_legacy_hash_is_replaced_at_the_first_sign_in(
    sign_in: SignInService, db: Mongo, cost: int, prefix: str
) -> None:
    user_id = legacy(db, cost=cost, prefix=prefix, email=" Jo@Example.com")
    before = stored(db, user_id)
    refusal(sign_in, password="wrong horse")
    assert stored(db, user_id) == before | {"emailKey": "jo@example.com"}
    session = sign_in.issue_token(sign_in.sign_in(email="jo@example.com", password=PASSWORD))
    after = stored(db, user_id)
    assert after.pop("password") != before.pop("password")
    assert after == before | {"emailKey": "jo@example.com"}
    assert stored(db, user_id)["password"].startswith("$2b$04$")
    # No session ended, and the password is the same.
    assert sign_in.authenticate(session).id == user_id
    renewed = stored(db, user_id)["password"]
    assert sign_in.sign_in(email="jo@example.com", password=PASSWORD).role is Role.MODERATOR
    assert stored(db, user_id)["password"] == renewed


def test_a_legacy_hash_of_cost_fifteen_opens_once_and_is_replaced(
    sign_in: SignInService, db: Mongo
) -> None:
    user_id = legacy(db)
    db.users.update_one({}, {"$set": {"password": COST_15}})
    assert sign_in.sign_in(email="jo@example.com", password=PASSWORD).id == user_id
    assert stored(db, user_id)["password"].startswith("$2b$04$")


def test_a_concurrent_password_change_is_not_undone_by_a_rehash(
    services: Services, db: Mongo
) -> None:
    sign_in = services.sign_in
    user_id = legacy(db, cost=5)
    real = sign_in._hasher.hash

    def meanwhile(text: str) -> str:
        db.users.update_one({"_id": user_id}, {"$set": {"password": real("changed horse")}})
        return real(text)

    sign_in._hasher.hash = meanwhile  # type: ignore[method-assign]
    assert sign_in.sign_in(email="jo@example.com", password=PASSWORD)
    assert sign_in.sign_in(email="jo@example.com", password="changed horse")
    refusal(sign_in)


def test_a_renewal_that_finds_no_place_waits_for_the_next_time(
    services: Services, db: Mongo
) -> None:
    sign_in = services.sign_in
    user_id = legacy(db, cost=5)
    before = stored(db, user_id)["password"]

    def busy(text: str) -> str:
        raise LimitReached("busy", retry_after=1)

    sign_in._hasher.hash = busy  # type: ignore[method-assign]
    assert sign_in.sign_in(email="jo@example.com", password=PASSWORD)
    assert stored(db, user_id)["password"] == before


def test_of_accounts_with_one_address_the_password_decides(
    sign_in: SignInService, db: Mongo
) -> None:
    one = legacy(db, "first horse", email="Jo@example.com", role="user")
    two = legacy(db, "second horse", email="jo@Example.com", role="admin")
    three = legacy(db, "first horse", email="JO@EXAMPLE.COM", role="user")
    db.users.insert_one({"email": "jO@example.com", "password": None})

    def opened(email: str, password: str) -> ObjectId:
        return sign_in.sign_in(email=email, password=password).id

    assert opened("jo@example.com", "first horse") == one
    assert opened("jo@example.com", "second horse") == two
    # Of two with the same password, the one with this spelling.
    assert opened("JO@EXAMPLE.COM", "first horse") == three
    db.users.update_one({"_id": one}, {"$set": {"active": False}})
    assert opened("Jo@example.com", "first horse") == three
    refusal(sign_in, password="third horse")


@pytest.mark.parametrize("hashed", [None, "", "plain", 7, b"$2b$", {"$gt": ""}, ["x"]])
def test_an_account_whose_hash_is_none_cannot_be_signed_in_to(
    sign_in: SignInService, db: Mongo, hashed: Any
) -> None:
    legacy(db)
    db.users.update_one({}, {"$set": {"password": hashed}})
    for password in ("", "plain", "None", PASSWORD):
        refusal(sign_in, password=password)


def test_a_password_that_bcrypt_would_cut_is_refused_before_it_is_compared(
    sign_in: SignInService, db: Mongo
) -> None:
    """Truncated, as in the legacy backend, any password with the same beginning would match."""
    legacy(db, "x" * 72)
    assert sign_in.sign_in(email="jo@example.com", password="x" * 72)
    for email in ("jo@example.com", "nobody@example.com"):
        with pytest.raises(InvalidValue) as refused:
            sign_in.sign_in(email=email, password="x" * 73)
        assert refused.value.field == "password"
        assert str(refused.value).startswith("A password has at most 72 letters")


def test_after_ten_failures_not_even_the_right_password_opens(sign_in: SignInService) -> None:
    join(sign_in)
    for email in ("jo@example.com", "nobody@example.com"):
        for number in range(10):
            refusal(sign_in, f" {email.title() if number % 2 else email}", "wrong horse")
        with pytest.raises(LimitReached) as refused:
            sign_in.sign_in(email=email, password=PASSWORD)
        assert str(refused.value) == "Too many attempts. Try again in 15 minutes."
        assert refused.value.retry_after in range(840, 901)


def test_a_success_in_time_forgives_the_failures(sign_in: SignInService) -> None:
    join(sign_in)
    for _ in range(2):
        for _ in range(9):
            refusal(sign_in, password="wrong horse")
        assert sign_in.sign_in(email="jo@example.com", password=PASSWORD)


def test_thirty_failures_close_an_address(sign_in: SignInService) -> None:
    join(sign_in)
    for number in range(30):
        with pytest.raises(Unauthenticated):
            sign_in.sign_in(email=f"{number}@example.com", password=PASSWORD, client_ip=HERE)
    with pytest.raises(LimitReached):
        sign_in.sign_in(email="jo@example.com", password=PASSWORD, client_ip=HERE)
    assert sign_in.sign_in(email="jo@example.com", password=PASSWORD, client_ip="203.0.113.9")


def test_a_new_password_makes_every_device_unknown(services: Services) -> None:
    """A person who signed up with the address, or knew the password, is limited like strangers."""
    sign_in, resets = services.sign_in, services.password_resets
    squatter = sign_in.issue_device_token(join(sign_in))
    spray(sign_in)
    assert is_known(sign_in, squatter)
    user = services.users.find_by_email("jo@example.com")[0]
    code = services.codes.issue(kind=CodeKind.RESET, user_id=user.id)
    owner = sign_in.issue_device_token(resets.reset(code=code, password="four words by chance"))
    spray(sign_in)
    assert not is_known(sign_in, squatter)
    assert is_known(sign_in, owner)


def test_a_device_of_an_unconfirmed_account_is_unknown_beside_a_confirmed_one(
    services: Services,
) -> None:
    sign_in = services.sign_in
    squatter = join(sign_in)
    invited = services.users.create(actor=OPERATOR, email="jo@example.com", role=Role.MODERATOR)
    spray(sign_in)
    assert not is_known(sign_in, sign_in.issue_device_token(squatter))
    assert is_known(sign_in, sign_in.issue_device_token(invited))


def test_with_redis_away_one_signs_in_and_is_rate_limited_all_the_same(
    db: Mongo, clock: FixedClock, process_time: None
) -> None:
    away = f"redis://127.0.0.1:{free_port()}/0"
    sign_in = build_services(db, clock, REDIS_URL=away).sign_in
    user = join(sign_in, client_ip=HERE)
    assert sign_in.sign_in(email="jo@example.com", password=PASSWORD, client_ip=HERE) == user
    for _ in range(10):
        refusal(sign_in, password="wrong horse")
    with pytest.raises(LimitReached) as refused:
        sign_in.sign_in(email="jo@example.com", password=PASSWORD)
    assert refused.value.retry_after == 900
    clock.advance(minutes=15, seconds=1)
    assert sign_in.sign_in(email="jo@example.com", password=PASSWORD) == user


# Sessions


def ended(sign_in: SignInService, token: str) -> None:
    with pytest.raises(Unauthenticated) as refused:
        sign_in.authenticate(token)
    assert (
        str(refused.value) == SESSION_ENDED == "Your session has ended, or there was none. Sign in."
    )


def test_a_session_ends_after_a_week(sign_in: SignInService, clock: FixedClock) -> None:
    """The legacy backend's sessions did not expire."""
    token = sign_in.issue_token(join(sign_in))
    clock.advance(days=6, hours=23)
    assert sign_in.authenticate(token)
    clock.advance(hours=1)
    ended(sign_in, token)


def test_signing_out_ends_that_session_alone(sign_in: SignInService, db: Mongo) -> None:
    user = join(sign_in)
    ending, other = sign_in.issue_token(user), sign_in.issue_token(user)
    for _ in range(2):  # a double click
        sign_in.sign_out(token=ending)
        ended(sign_in, ending)
    assert sign_in.authenticate(other).id == user.id
    assert len(stored(db, user.id)["endedSessions"]) == 1
    assert ending not in str(stored(db, user.id))
    sign_in.sign_out(token="none of ours")


def test_ended_sessions_are_stored_until_they_would_expire(
    sign_in: SignInService, db: Mongo, clock: FixedClock
) -> None:
    user = join(sign_in)
    sign_in.sign_out(token=sign_in.issue_token(user))
    clock.advance(days=7, seconds=1)
    last = sign_in.issue_token(user)
    sign_in.sign_out(token=last)
    ended(sign_in, last)
    assert len(stored(db, user.id)["endedSessions"]) == 1


def test_signing_out_everywhere_ends_every_session_of_the_account(sign_in: SignInService) -> None:
    user, other = join(sign_in), join(sign_in, "al@example.com")
    tokens = [sign_in.issue_token(user), sign_in.issue_token(user)]
    sign_in.sign_out_everywhere(user_id=user.id)
    for token in tokens:
        ended(sign_in, token)
    assert sign_in.authenticate(sign_in.issue_token(other)) == other
    again = sign_in.sign_in(email="jo@example.com", password=PASSWORD)
    assert sign_in.authenticate(sign_in.issue_token(again)) == again


def test_a_legacy_account_can_sign_out_too(sign_in: SignInService, db: Mongo) -> None:
    """The account has no tokenVersion."""
    user_id = legacy(db)
    token = sign_in.issue_token(sign_in.sign_in(email="jo@example.com", password=PASSWORD))
    assert sign_in.authenticate(token).id == user_id
    sign_in.sign_out(token=token)
    ended(sign_in, token)
    token = sign_in.issue_token(sign_in.sign_in(email="jo@example.com", password=PASSWORD))
    sign_in.sign_out_everywhere(user_id=user_id)
    ended(sign_in, token)


def test_signing_out_many_times_at_once_counts_each(sign_in: SignInService, db: Mongo) -> None:
    user = join(sign_in)
    at_once(*[lambda: sign_in.sign_out_everywhere(user_id=user.id)] * 8)
    assert stored(db, user.id)["tokenVersion"] == 9


def _delete(db: Mongo, user: User) -> None:
    db.users.delete_one({"_id": user.id})


def _demote(db: Mongo, user: User) -> None:
    UserService(db).update(actor=OPERATOR, email=user.email, role=Role.USER)


def _deactivate(db: Mongo, user: User) -> None:
    service, admin = AccountAdmin(db, UserService(db)), Actor(ObjectId(), Role.ADMIN)
    shown = PersonFields.from_user(user)
    wanted = PersonFields(**{**asdict(shown), "active": "deactivated"})
    service.update(actor=admin, user_id=str(user.id), shown=shown, wanted=wanted)


@pytest.mark.parametrize("happens", [_delete, _demote, _deactivate])
def test_a_session_ends_with_what_it_stood_for(
    sign_in: SignInService, users: UserService, db: Mongo, happens: Callable[[Mongo, User], None]
) -> None:
    """The legacy backend's demoted admins and deleted users kept their rights."""
    users.create(actor=OPERATOR, email="boss@example.com", role=Role.ADMIN)
    user = join(sign_in)
    users.confirm_email(actor=OPERATOR, email=user.email)
    user = users.update(actor=OPERATOR, email=user.email, role=Role.ADMIN)
    token = sign_in.issue_token(user)
    assert sign_in.authenticate(token).role is Role.ADMIN
    happens(db, user)
    ended(sign_in, token)


def test_a_deactivation_by_another_program_ends_it_too(sign_in: SignInService, db: Mongo) -> None:
    """The legacy backend does not raise tokenVersion."""
    user = join(sign_in)
    token = sign_in.issue_token(user)
    db.users.update_one({"_id": user.id}, {"$set": {"active": False}})
    ended(sign_in, token)


def test_the_role_is_that_of_this_moment(sign_in: SignInService, db: Mongo) -> None:
    """Even if the legacy backend changed it, without a new tokenVersion."""
    user = join(sign_in)
    token = sign_in.issue_token(user)
    db.users.update_one({"_id": user.id}, {"$set": {"role": "moderator"}})
    assert sign_in.authenticate(token).role is Role.MODERATOR


@pytest.mark.parametrize("token", ["", "nonsense", {"$gt": ""}, None])
def test_nonsense_is_nobodys_session(sign_in: SignInService, token: str) -> None:
    ended(sign_in, token)


def test_nothing_secret_is_logged(
    sign_in: SignInService, db: Mongo, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="services"):
        user = join(sign_in)
        token = sign_in.issue_token(user)
        refusal(sign_in, password="wrong horse")
        sign_in.authenticate(token)
    for secret in (PASSWORD, "wrong horse", token, "jo@example.com", "$2b$"):
        assert secret not in caplog.text
