"""Which accounts are confirmed, what an unconfirmed one does not get, and how it is confirmed."""

from dataclasses import asdict, replace
from typing import Any

import pytest
from pymongo import IndexModel
from pymongo.errors import DuplicateKeyError

from bot.slack.client import member_lookup
from services.account_admin.account_admin import AccountAdmin, PersonFields
from services.accounts.confirmation import EmailConfirmation
from services.accounts.users import UserService, new_account_doc
from services.auth.one_time_codes import CodeKind
from services.core.clock import utcnow
from services.core.database import Mongo
from services.core.errors import Conflict, InvalidValue
from services.models.permissions import OPERATOR, Actor
from services.models.slack_member import link_id
from services.models.user import Role, User
from services.registry.services import Services
from tests.conftest import FixedClock, web_client
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import TEAM_ID

ADDRESS = "mod@example.com"
REFUSED = (
    "It is not confirmed that mod@example.com is the address of this account's owner, so it "
    "gets no role. If you know the owner, confirm it on the server: python app.py users confirm "
    "mod@example.com"
)


@pytest.fixture
def confirmation(services: Services, slack: RecordingSlack, clock: FixedClock) -> EmailConfirmation:
    """What the users' service uses, asking the recording Slack."""
    made = EmailConfirmation(services.db, member_lookup(web_client(slack)), clock=clock)
    services.users.confirmation = made
    return made


@pytest.fixture
def squatter(services: Services, confirmation: EmailConfirmation) -> User:
    """An account that a stranger signed up for."""
    return services.sign_in.sign_up(email=ADDRESS, password="a squatter's password", name="Mod")


def link(db: Mongo, user: User, slack_id: str, **fields: Any) -> None:
    ids = {"teamId": TEAM_ID, "slackUserId": slack_id, "userId": user.id}
    db.links.insert_one({"_id": link_id(TEAM_ID, slack_id), **ids, **fields})


def reloaded(users: UserService, user: User) -> User:
    return users.get(user.id) or user


def test_who_signed_up_gets_no_role_until_an_operator_confirms(
    users: UserService, squatter: User, clock: FixedClock
) -> None:
    with pytest.raises(Conflict) as refused:
        users.update(actor=OPERATOR, email=ADDRESS, role=Role.MODERATOR)
    assert str(refused.value) == REFUSED
    assert reloaded(users, squatter).role is Role.USER
    assert users.update(actor=OPERATOR, email=ADDRESS, skills=["VPN"]).skills == ("VPN",)
    assert users.update(actor=OPERATOR, email=ADDRESS, role="user").role is Role.USER
    users.confirm_email(actor=OPERATOR, email=" Mod@Example.com ")
    assert reloaded(users, squatter).email_confirmed_at == clock()
    assert users.update(actor=OPERATOR, email=ADDRESS, role=Role.MODERATOR).role is Role.MODERATOR


def test_the_form_of_a_person_refuses_it_at_the_role(
    services: Services, admin: User, squatter: User
) -> None:
    people = AccountAdmin(services.db, services.users, clock=services.clock)
    shown = PersonFields.from_user(squatter)
    wanted = PersonFields(**{**asdict(shown), "role": "admin"})
    with pytest.raises(InvalidValue) as refused:
        people.update(
            actor=Actor.from_user(admin), user_id=str(squatter.id), shown=shown, wanted=wanted
        )
    assert (refused.value.field, str(refused.value)) == ("role", REFUSED)
    wanted = replace(shown, capacity="3")
    changed = people.update(
        actor=Actor.from_user(admin), user_id=str(squatter.id), shown=shown, wanted=wanted
    )
    assert changed.capacity == 3


@pytest.mark.parametrize(
    ("fields", "is_confirmed"),
    [
        ({}, True),  # an invitation, or made from Slack
        ({"password": "hash"}, False),
        ({"password": "hash", "role": "moderator"}, True),
        ({"password": "hash", "role": "superuser"}, False),
        ({"isVerified": True, "password": "hash"}, False),  # the legacy backend's, never sent
        ({"disownedAt": None}, True),
    ],
)
def test_what_counts_without_a_date(
    db: Mongo, users: UserService, fields: dict[str, Any], is_confirmed: bool
) -> None:
    db.users.insert_one({"email": ADDRESS, **fields})
    [user] = users.find_by_email(ADDRESS)
    assert users.confirmation.is_confirmed(user) is is_confirmed


def test_a_linked_members_confirmed_address_counts_and_is_stored(
    services: Services, confirmation: EmailConfirmation, squatter: User, slack: RecordingSlack
) -> None:
    slack.add_member("U0MOD", email="Mod@Example.com", name="Mod")
    assert not confirmation.is_confirmed(squatter)
    assert slack.calls == []  # without a link there is nobody to ask about
    link(services.db, squatter, "U0MOD")
    assert confirmation.is_confirmed(squatter)
    assert [call.method for call in slack.calls] == ["users.info"]
    assert confirmation.is_confirmed(reloaded(services.users, squatter))
    assert len(slack.calls) == 1
    assert services.users.update(actor=OPERATOR, email=ADDRESS, role=Role.ADMIN)


@pytest.mark.parametrize(
    "member",
    [
        {"email": "other@example.com"},
        {"email": ADDRESS, "is_email_confirmed": False},
        {"email": ADDRESS, "is_email_confirmed": None},
        {"email": ADDRESS, "deleted": True},
        {"email": ""},
    ],
)
def test_a_link_made_by_a_code_proves_the_member_and_not_the_address(
    services: Services,
    confirmation: EmailConfirmation,
    squatter: User,
    slack: RecordingSlack,
    member: dict[str, Any],
) -> None:
    slack.add_member("U0MOD", name="Mod", **{"email": "x@example.com"} | member)
    link(services.db, squatter, "U0MOD")
    assert not confirmation.is_confirmed(squatter)


def test_a_stopped_link_and_an_unknown_member_prove_nothing(
    services: Services, confirmation: EmailConfirmation, squatter: User, slack: RecordingSlack
) -> None:
    slack.add_member("U0MOD", email=ADDRESS, name="Mod")
    link(services.db, squatter, "U0MOD", stopped={"reason": "guest"})
    assert not confirmation.is_confirmed(squatter)
    services.db.links.update_one({}, {"$unset": {"stopped": ""}, "$set": {"slackUserId": "U0NO"}})
    assert not confirmation.is_confirmed(squatter)


def test_cards_ask_slack_once_in_some_minutes_and_again_after_no_answer(
    services: Services, squatter: User, slack: RecordingSlack
) -> None:
    seconds = [0.0]
    confirmation = EmailConfirmation(
        services.db, member_lookup(web_client(slack)), timer=lambda: seconds[0]
    )
    slack.add_member("U0MOD", email="other@example.com", name="Mod")
    link(services.db, squatter, "U0MOD")
    slack.fail("users.info", status=500)
    assert confirmation.find_unconfirmed([squatter]) == {squatter.id}
    for _ in range(3):
        assert confirmation.find_unconfirmed([squatter]) == {squatter.id}
    assert len(slack.calls) == 2
    slack.add_member("U0MOD", email=ADDRESS, name="Mod")
    assert confirmation.find_unconfirmed([squatter]) == {squatter.id}
    seconds[0] = 301.0
    assert confirmation.find_unconfirmed([squatter]) == set()


def test_a_reset_link_confirms_whoever_handed_it_over(services: Services, squatter: User) -> None:
    code = services.codes.issue(kind=CodeKind.RESET, user_id=squatter.id)
    services.password_resets.reset(code=code, password="the owner's own password")
    assert reloaded(services.users, squatter).email_confirmed_at == services.clock()


def test_an_unconfirmed_account_keeps_nobody_from_being_invited(
    users: UserService, squatter: User
) -> None:
    invited = users.create(actor=OPERATOR, email=ADDRESS, role=Role.MODERATOR)
    assert invited.id != squatter.id
    assert users.update(actor=OPERATOR, email=ADDRESS, role=Role.ADMIN).id == invited.id
    assert users.confirm_email(actor=OPERATOR, email=ADDRESS).id == invited.id
    assert reloaded(users, squatter).email_confirmed_at is None
    with pytest.raises(Conflict) as refused:
        users.create(actor=OPERATOR, email=ADDRESS)
    assert str(refused.value) == "There is an account with that address already."


def test_beside_it_in_the_legacy_backends_database_too(
    users: UserService, squatter: User, db: Mongo, indexes_restored: None
) -> None:
    """Its index allows each spelling of an address once."""
    db.users.create_indexes([IndexModel("email", unique=True)])
    with pytest.raises(DuplicateKeyError):
        db.users.insert_one(new_account_doc(email=ADDRESS, role=Role.USER, now=utcnow()))
    assert users.create(actor=OPERATOR, email=ADDRESS).email == "mod@EXAMPLE.COM"
    assert len(users.find_by_email(ADDRESS)) == 2
