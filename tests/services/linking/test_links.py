from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from bson import ObjectId

from bot.slack.client import member_lookup
from services.accounts.users import UserService
from services.core.clock import utcnow
from services.core.database import Mongo
from services.core.errors import MemberRefused
from services.linking.links import LinkService, adopt_name, check_email, check_member
from services.models.permissions import OPERATOR
from services.models.slack_member import SlackMember
from services.models.user import Role, User
from tests.conftest import FixedClock, at_once, web_client
from tests.support.recording_slack import RecordingSlack

JO = SlackMember("T1", "U1", "T1", "Jo@Example.com", email_confirmed=True, name="Jo")
NO_PERSON = "Only people with an active Slack account can use this app."
STRANGER = (
    "This app is for members of this workspace, and you belong to another one. Ask your contact "
    "here to file the ticket."
)
GUEST = "Guests cannot use this app. Ask a full member of this workspace to file the ticket."
NO_EMAIL = "Slack does not tell your email address. Ask an admin of this app."
UNCONFIRMED = (
    "Slack has not confirmed your email address yet. Confirm it in your Slack profile, "
    "then try again."
)
INVITED_UNCONFIRMED = (
    "Your email address was invited, but Slack has not confirmed that it is yours. "
    "Confirm it in your Slack profile, then try again."
)
HAS_PASSWORD = (
    "Your email address already has an account with a password. Type /account to link it."
)
LINK_FIRST = "Link your account first: type /account."
UNLINKED = "You have unlinked your account. Type /account to link one again."
DEACTIVATED = "Your account in this app is deactivated. Ask one of its admins."
TAKEN = (
    "The account of your email address belongs to another Slack member. Ask an admin of this app."
)
SEVERAL = (
    "Several accounts have your email address. Type /account to link one of them, or ask an admin "
    "of this app."
)


def refusal(links: LinkService, member: SlackMember) -> str:
    with pytest.raises(MemberRefused) as refused:
        links.get_or_create_user(member)
    return str(refused.value)


def invite(users: UserService, role: Role = Role.MODERATOR, *, name: str | None = JO.name) -> User:
    return users.create(actor=OPERATOR, email="jo@example.com", role=role, name=name)


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ({"is_bot": True}, NO_PERSON),
        ({"is_deleted": True}, NO_PERSON),
        ({"is_stranger": True}, STRANGER),
        ({"home_team_id": "T2"}, STRANGER),
        ({"is_guest": True}, GUEST),
        ({"email": ""}, NO_EMAIL),
        ({"email": "  "}, NO_EMAIL),
        ({"email_confirmed": False}, UNCONFIRMED),
        ({"is_guest": True, "email": "", "is_stranger": True, "is_bot": True}, NO_PERSON),
    ],
)
def test_who_gets_no_account(
    links: LinkService, db: Mongo, what: dict[str, Any], sentence: str
) -> None:
    db.users.insert_one({"email": ""})  # must not match a blank address
    assert refusal(links, replace(JO, **what)) == sentence
    assert (db.links.count_documents({}), db.users.count_documents({})) == (0, 1)


@pytest.mark.parametrize("confirmed", [True, None])
def test_a_first_use_makes_an_account(
    links: LinkService, db: Mongo, clock: FixedClock, confirmed: bool | None
) -> None:
    user = links.get_or_create_user(replace(JO, email_confirmed=confirmed))
    assert (user.email, user.role, user.name) == ("Jo@Example.com", Role.USER, "Jo")
    assert db.users.find_one({}, {"_id": 0}) == {
        "email": "Jo@Example.com",
        "emailKey": "jo@example.com",
        "role": "user",
        "skills": [],
        "name": "Jo",
        "active": True,
        "tokenVersion": 1,
        "capacity": 8,
        "createdAt": clock(),
        **({"emailConfirmedAt": clock()} if confirmed else {}),
    }
    assert list(db.links.find()) == [
        {
            "_id": "T1:U1",
            "teamId": "T1",
            "slackUserId": "U1",
            "userId": user.id,
            "createdAt": clock(),
        }
    ]
    assert links.find_user(team_id="T1", slack_user_id="U1") == user
    assert links.get_or_create_user(JO) == user


@pytest.mark.parametrize(("confirmed", "role"), [(True, Role.ADMIN), (None, Role.USER)])
def test_admin_emails_count_only_where_confirmed(
    links: LinkService, confirmed: bool | None, role: Role
) -> None:
    boss = replace(JO, email="Boss@Example.com", email_confirmed=confirmed)
    assert links.get_or_create_user(boss).role is role


def test_admin_emails_leave_an_invitation_as_it_was_made(
    links: LinkService, users: UserService
) -> None:
    users.create(actor=OPERATOR, email="boss@example.com", role=Role.MODERATOR)
    assert links.get_or_create_user(replace(JO, email="boss@example.com")).role is Role.MODERATOR


def test_an_invitation_links_to_the_confirmed_address(
    links: LinkService, users: UserService, db: Mongo
) -> None:
    invitation = invite(users)
    assert links.get_or_create_user(JO) == invitation
    assert links.find_user(team_id="T1", slack_user_id="U1") == invitation
    assert db.users.count_documents({}) == 1


def test_an_account_copied_from_another_workspace_keeps_its_role_and_skills(
    links: LinkService, users: UserService, db: Mongo
) -> None:
    """docs/install.md, "Several bots, and several workspaces"."""
    account = links.get_or_create_user(JO)
    users.update(actor=OPERATOR, email=account.email, role=Role.MODERATOR, skills=["VPN"])
    db.links.delete_many({})  # only the accounts are copied
    there = replace(JO, team_id="T2", home_team_id="T2", slack_user_id="U9")
    found = links.get_or_create_user(there)
    assert (found.id, found.role, found.skills) == (account.id, Role.MODERATOR, ("VPN",))


def test_an_invitation_is_not_for_an_address_slack_says_nothing_about(
    links: LinkService, users: UserService, db: Mongo
) -> None:
    invite(users)
    assert refusal(links, replace(JO, email_confirmed=None)) == INVITED_UNCONFIRMED
    assert refusal(links, replace(JO, email_confirmed=False)) == UNCONFIRMED
    assert db.links.count_documents({}) == 0


@pytest.mark.parametrize(
    ("account", "sentence"),
    [
        ({"password": "$2b$10$hash"}, HAS_PASSWORD),
        ({"active": False}, DEACTIVATED),
        ({"active": False, "password": "$2b$10$hash"}, DEACTIVATED),
    ],
)
def test_an_account_that_is_no_invitation_is_not_linked(
    links: LinkService, db: Mongo, account: dict[str, Any], sentence: str
) -> None:
    db.users.insert_one({"email": "JO@example.com", "role": "admin", **account})
    assert refusal(links, JO) == sentence
    assert db.links.count_documents({}) == 0


def test_two_accounts_with_the_address_link_to_neither(links: LinkService, db: Mongo) -> None:
    db.users.insert_many([{"email": "jo@example.com"}, {"email": "Jo@Example.com"}])
    assert refusal(links, JO) == SEVERAL
    assert db.links.count_documents({}) == 0


def test_an_invitation_is_accepted_beside_an_account_whose_password_was_reset(
    links: LinkService, users: UserService, db: Mongo
) -> None:
    """Someone signed up with the address before it was invited, and its owner took that account
    over by the link of the welcome email."""
    reset = {"email": "jo@example.com", "password": "$2b$10$hash", "emailConfirmedAt": utcnow()}
    claimed = db.users.insert_one({**reset, "emailConfirmedAt": None}).inserted_id
    invitation = invite(users)
    db.users.update_one({"_id": claimed}, {"$set": reset})
    db.users.update_one({"_id": claimed}, {"$set": {"active": False}})
    assert refusal(links, JO) == SEVERAL
    db.users.update_one({"_id": claimed}, {"$set": {"active": True}})
    assert links.get_or_create_user(JO) == invitation
    assert links.get_or_create_user(JO) == invitation


def test_a_linked_account_that_was_deactivated_is_refused(links: LinkService, db: Mongo) -> None:
    user = links.get_or_create_user(JO)
    db.users.update_one({"_id": user.id}, {"$set": {"active": False}})
    with pytest.raises(MemberRefused) as refused:
        links.find_user(team_id="T1", slack_user_id="U1")
    assert str(refused.value) == refusal(links, JO) == DEACTIVATED


def test_members_who_come_at_once_each_get_their_own_account(links: LinkService, db: Mongo) -> None:
    members = [
        replace(JO, slack_user_id=f"U{number}", email=f"member{number}@example.com")
        for number in range(8)
    ]
    accounts = [links.get_or_create_user(member).id for member in members]
    db.users.update_one({"_id": accounts[6]}, {"$set": {"active": False}})
    db.links.update_one({"_id": members[7].link_id}, {"$set": {"stopped": {"reason": "guest"}}})

    def find(member: SlackMember) -> ObjectId | None:
        user = links.find_user(team_id=member.team_id, slack_user_id=member.slack_user_id)
        return user.id if user else None

    unknown = replace(JO, slack_user_id="U0UNKNOWN")
    for _ in range(5):
        *known, deactivated, stopped, missing = at_once(
            *(partial(find, member) for member in (*members, unknown))
        )
        assert known == accounts[:6]
        assert str(deactivated) == DEACTIVATED
        assert (stopped, missing) == (None, None)


def test_the_role_is_read_each_time(links: LinkService, users: UserService) -> None:
    links.get_or_create_user(JO)
    users.update(actor=OPERATOR, email="jo@example.com", role=Role.ADMIN)
    found = links.find_user(team_id="T1", slack_user_id="U1")
    assert found is not None
    assert found.role is Role.ADMIN


def test_another_members_account_is_not_shared(links: LinkService) -> None:
    """If another member gets the address, they do not get the account."""
    links.get_or_create_user(JO)
    assert refusal(links, replace(JO, slack_user_id="U2")) == TAKEN
    assert links.find_user(team_id="T1", slack_user_id="U2") is None


@pytest.fixture
def asking(db: Mongo, users: UserService, slack: RecordingSlack, clock: FixedClock) -> LinkService:
    """Links that ask the recording Slack about the members of other links."""
    return LinkService(db, users, look_up_member=member_lookup(web_client(slack)), clock=clock)


RETURNED = replace(JO, slack_user_id="U2")


def test_a_member_who_returns_with_another_id_gets_their_account(
    asking: LinkService, db: Mongo, slack: RecordingSlack, clock: FixedClock
) -> None:
    """Slack has said that the former member is deactivated."""
    user = asking.get_or_create_user(JO)
    stopped = {"at": clock(), "reason": "nobody"}
    db.links.update_one({"_id": "T1:U1"}, {"$set": {"stopped": stopped}})
    release = {"at": clock(), "by": "system", "reason": "gone", "isGone": True}
    db.users.update_one({"_id": user.id}, {"$set": {"handBack": release}})
    assert asking.get_or_create_user(RETURNED).id == user.id
    assert slack.calls == []
    [link] = db.links.find()
    assert (link["_id"], link["slackUserId"], "stopped" in link) == ("T1:U2", "U2", False)
    assert "handBack" not in (db.users.find_one() or {})


@pytest.mark.parametrize(
    "former",
    [
        {"deleted": True},
        {"id": "U2"},  # Slack answers with the person's other id
        {"enterprise_user": {"id": "U2"}},
        None,  # Slack does not know them any more
    ],
)
def test_slack_is_asked_about_the_member_of_the_link(
    asking: LinkService, db: Mongo, slack: RecordingSlack, former: dict[str, Any] | None
) -> None:
    user = asking.get_or_create_user(JO)
    if former is not None:
        slack.add_member("U1", email="jo@example.com", name="Jo", **former)
    assert asking.get_or_create_user(RETURNED).id == user.id
    assert [call.method for call in slack.calls] == ["users.info"]
    assert db.links.distinct("_id") == ["T1:U2"]


@pytest.mark.parametrize("reason", [None, "guest"])
def test_a_link_stays_with_a_member_who_is_in_slack(
    asking: LinkService, db: Mongo, slack: RecordingSlack, clock: FixedClock, reason: str | None
) -> None:
    asking.get_or_create_user(JO)
    if reason:
        stopped = {"at": clock(), "reason": reason}
        db.links.update_one({}, {"$set": {"stopped": stopped}})
    slack.add_member("U1", email="other@example.com", name="Jo")
    assert refusal(asking, RETURNED) == TAKEN
    slack.fail("users.info", status=500)  # no answer frees no link
    assert refusal(asking, RETURNED) == TAKEN
    assert db.links.distinct("_id") == ["T1:U1"]


def test_the_other_id_of_the_same_person_is_the_same_member(
    links: LinkService, strict: LinkService, db: Mongo
) -> None:
    """As in an Enterprise Grid, whatever the address, and with a password, too."""
    user = links.get_or_create_user(JO)
    db.users.update_one({}, {"$set": {"password": "hash"}})
    other = replace(JO, slack_user_id="W1", aliases=frozenset({"U1"}), email="new@example.com")
    assert strict.get_or_create_user(other).id == user.id
    assert [link["slackUserId"] for link in db.links.find()] == ["W1"]
    back = replace(JO, aliases=frozenset({"W1"}))
    assert links.get_or_create_user(back).id == user.id
    assert db.users.count_documents({}) == 1


def test_who_unlinked_under_one_id_is_not_linked_by_the_other(
    links: LinkService, db: Mongo, clock: FixedClock
) -> None:
    db.unlinked.insert_one({"_id": "T1:U1", "userId": ObjectId(), "at": clock()})
    other = replace(JO, slack_user_id="W1", aliases=frozenset({"U1"}))
    assert refusal(links, other) == UNLINKED
    assert links.get_or_create_user(other, allow_unlinked=True)
    assert db.unlinked.count_documents({}) == 0


def test_of_many_who_return_at_once_one_wins(
    asking: LinkService, db: Mongo, slack: RecordingSlack
) -> None:
    user = asking.get_or_create_user(JO)
    slack.add_member("U1", email="jo@example.com", name="Jo", deleted=True)
    members = [replace(JO, slack_user_id=f"U{number}") for number in range(2, 6)]
    for number in range(2, 6):
        slack.add_member(f"U{number}", email="jo@example.com", name="Jo")
    answers = at_once(
        *[lambda member=member: asking.get_or_create_user(member) for member in members]
    )
    assert [one.id for one in answers if isinstance(one, User)] == [user.id]
    assert {str(one) for one in answers if not isinstance(one, User)} == {TAKEN}
    assert db.links.count_documents({}) == 1


def test_a_member_keeps_the_account_when_the_address_changes(links: LinkService) -> None:
    user = links.get_or_create_user(JO)
    assert links.get_or_create_user(replace(JO, email="married@example.com")) == user


@pytest.mark.parametrize("invited", [False, True])
def test_concurrent_first_uses_make_one_account_and_one_link(
    links: LinkService, users: UserService, db: Mongo, invited: bool
) -> None:
    if invited:
        invite(users)
    answers = at_once(*[lambda: links.get_or_create_user(JO)] * 8)
    assert answers == [answers[0]] * 8
    assert isinstance(answers[0], User)
    assert db.users.count_documents({}) == 1
    assert [link["userId"] for link in db.links.find()] == [answers[0].id]


def test_a_concurrent_link_is_no_other_member(users: UserService, db: Mongo) -> None:
    class Late(LinkService):
        """Look up the member's link just before a concurrent first use creates it."""

        def find_user(self, **_: str) -> None:
            LinkService(db, users).get_or_create_user(JO)

    invitation = invite(users)
    assert Late(db, users).get_or_create_user(JO) == invitation
    assert db.links.count_documents({}) == 1


def test_of_two_members_for_one_invitation_one_wins(
    links: LinkService, users: UserService, db: Mongo
) -> None:
    invitation = invite(users)
    members = [replace(JO, slack_user_id=f"U{number}") for number in range(8)]
    answers = at_once(
        *[lambda member=member: links.get_or_create_user(member) for member in members]
    )
    assert [answer for answer in answers if isinstance(answer, User)] == [invitation]
    assert {str(answer) for answer in answers if not isinstance(answer, User)} == {TAKEN}
    assert db.links.count_documents({}) == 1


def test_a_link_whose_account_was_never_written_is_healed(links: LinkService, db: Mongo) -> None:
    """The process died between the link and the account."""
    user_id = ObjectId()
    db.links.insert_one({"_id": "T1:U1", "teamId": "T1", "slackUserId": "U1", "userId": user_id})
    assert links.find_user(team_id="T1", slack_user_id="U1") is None
    assert links.get_or_create_user(JO).id == user_id


def test_a_new_invitation_after_a_deletion_is_linked_again(
    links: LinkService, users: UserService, db: Mongo
) -> None:
    db.users.delete_one({"_id": links.get_or_create_user(JO).id})
    invitation = invite(users)
    assert links.get_or_create_user(JO) == invitation
    assert links.slack_ids(team_id="T1", user_ids={invitation.id}) == {invitation.id: "U1"}


def test_slack_ids_leave_out_who_is_not_linked_here(links: LinkService) -> None:
    user = links.get_or_create_user(JO)
    elsewhere = links.get_or_create_user(
        replace(JO, team_id="T2", home_team_id="T2", email="x@example.com", slack_user_id="U2")
    )
    asked = {user.id, elsewhere.id, ObjectId()}
    assert links.slack_ids(team_id="T1", user_ids=asked) == {user.id: "U1"}
    assert links.slack_ids(team_id="T1", user_ids=set()) == {}


def test_a_full_member_passes() -> None:
    for member in (JO, replace(JO, email_confirmed=None)):
        check_member(member)
        check_email(member)


@pytest.fixture
def strict(db: Mongo, users: UserService, clock: FixedClock) -> LinkService:
    admins = frozenset({"jo@example.com"})
    return LinkService(db, users, admin_emails=admins, is_strict=True, clock=clock)


@pytest.mark.parametrize("invited", [False, True])
def test_where_linking_is_strict_no_address_opens_an_account(
    strict: LinkService, users: UserService, db: Mongo, invited: bool
) -> None:
    if invited:
        invite(users)
    assert refusal(strict, JO) == LINK_FIRST
    assert refusal(strict, replace(JO, email="")) == LINK_FIRST
    assert refusal(strict, replace(JO, is_guest=True)) == GUEST
    assert (db.links.count_documents({}), db.users.count_documents({})) == (0, int(invited))


def test_where_linking_is_strict_a_link_works_as_ever(
    strict: LinkService, links: LinkService
) -> None:
    user = links.get_or_create_user(JO)
    assert strict.find_user(team_id="T1", slack_user_id="U1") == user


def test_a_member_who_unlinked_is_not_linked_by_the_next_use(
    links: LinkService, db: Mongo, clock: FixedClock
) -> None:
    user = links.get_or_create_user(JO)
    db.links.delete_one({"_id": "T1:U1"})
    db.unlinked.insert_one({"_id": "T1:U1", "userId": user.id, "at": clock()})
    assert refusal(links, JO) == UNLINKED
    assert refusal(links, replace(JO, email="other@example.com")) == UNLINKED
    assert (db.links.count_documents({}), db.users.count_documents({})) == (0, 1)
    assert links.get_or_create_user(JO, allow_unlinked=True) == user
    assert db.unlinked.count_documents({}) == 0


def test_what_is_refused_stays_unlinked(links: LinkService, db: Mongo, clock: FixedClock) -> None:
    db.unlinked.insert_one({"_id": "T1:U1", "userId": ObjectId(), "at": clock()})
    known = {"email": "jo@example.com", "password": "$2b$10$hash", "emailConfirmedAt": clock()}
    db.users.insert_one(known)
    with pytest.raises(MemberRefused) as refused:
        links.get_or_create_user(JO, allow_unlinked=True)
    assert str(refused.value) == HAS_PASSWORD
    assert refusal(links, JO) == UNLINKED


def test_a_stopped_link_is_nobodys_until_slack_lets_them_in_again(
    links: LinkService, strict: LinkService, db: Mongo, clock: FixedClock
) -> None:
    user = links.get_or_create_user(JO)
    stopped = {"stopped": {"at": clock(), "reason": "guest"}}
    db.links.update_one({"_id": "T1:U1"}, {"$set": stopped})
    assert links.find_user(team_id="T1", slack_user_id="U1") is None
    assert links.slack_ids(team_id="T1", user_ids={user.id}) == {}
    assert refusal(links, replace(JO, is_guest=True)) == GUEST
    assert strict.get_or_create_user(replace(JO, email="")) == user
    assert links.find_user(team_id="T1", slack_user_id="U1") == user
    assert links.slack_ids(team_id="T1", user_ids={user.id}) == {user.id: "U1"}


def test_a_stopped_link_of_a_deactivated_account_stays_refused(
    links: LinkService, db: Mongo, clock: FixedClock
) -> None:
    user = links.get_or_create_user(JO)
    db.users.update_one({"_id": user.id}, {"$set": {"active": False}})
    stopped = {"stopped": {"at": clock(), "reason": "guest"}}
    db.links.update_one({"_id": "T1:U1"}, {"$set": stopped})
    assert refusal(links, JO) == DEACTIVATED


def test_an_invitation_without_a_name_gets_slacks_at_the_first_use(
    links: LinkService, users: UserService, db: Mongo
) -> None:
    invited = invite(users, name=None)
    user = links.get_or_create_user(JO)
    assert (user.id, user.name) == (invited.id, "Jo")
    renamed = db.audit.find_one({"action": "account.name"}, {"_id": 0, "at": 0}) or {}
    assert renamed == {
        "by": "system",
        "action": "account.name",
        "subject": user.id,
        "from": None,
        "to": None,
    }


def test_an_admins_name_for_an_invitation_stays(links: LinkService, users: UserService) -> None:
    users.create(actor=OPERATOR, email="jo@example.com", name="Joanna")
    assert links.get_or_create_user(JO).name == "Joanna"


@pytest.mark.parametrize("stored", [{"first": "Jo", "last": "Doe"}, "Joanna"])
def test_a_name_that_is_stored_concurrently_or_in_parts_stays(
    links: LinkService, users: UserService, db: Mongo, clock: FixedClock, stored: Any
) -> None:
    invited = invite(users, name=None)
    db.users.update_one({"_id": invited.id}, {"$set": {"name": stored}})
    assert adopt_name(db, invited, JO, now=clock()) == users.get(invited.id)
    assert (db.users.find_one({"_id": invited.id}) or {})["name"] == stored
