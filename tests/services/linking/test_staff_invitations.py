"""Moderators and admins that an admin chooses in Slack."""

from dataclasses import replace
from typing import Any

import pytest
from bson import ObjectId

from services.accounts.users import UserService
from services.core.database import Mongo
from services.core.errors import InvalidValue, PermissionDenied
from services.core.leases import Lease
from services.linking import staff_invitations as staff
from services.linking.links import ExclusionReason, LinkService, suspend_link
from services.linking.staff_invitations import StaffInvitation, StaffInvitations
from services.models.permissions import OPERATOR, Actor
from services.models.slack_member import SlackMember
from services.models.user import Role, User
from services.registry.services import Services
from tests.conftest import FixedClock, at_once

JO = SlackMember("T1", "U1", "T1", "Jo@Example.com", email_confirmed=True, name="Jo")
ADA = Actor(ObjectId(), Role.ADMIN)


def invite(
    staff_invitations: StaffInvitations,
    member: SlackMember = JO,
    *,
    role: str = "moderator",
    skills: str = "VPN, DNS",
) -> StaffInvitation:
    return staff_invitations.invite(actor=ADA, member=member, role=role, skills=skills)


def refusal(
    staff_invitations: StaffInvitations, member: SlackMember = JO, **fields: str
) -> tuple[str, str]:
    with pytest.raises(InvalidValue) as refused:
        invite(staff_invitations, member, **fields)
    return refused.value.field, str(refused.value)


def account(users: UserService, **fields: Any) -> User:
    return users.create(actor=OPERATOR, email="jo@example.com", **{"name": "Jo", **fields})


def audited(db: Mongo) -> list[tuple[Any, ...]]:
    found = db.audit.find({"by": ADA.user_id}).sort("_id")
    return [(entry["action"], entry["from"], entry["to"]) for entry in found]


def test_a_member_without_an_account_is_invited(
    staff_invitations: StaffInvitations, links: LinkService, db: Mongo
) -> None:
    invitation = invite(staff_invitations)
    user = invitation.user
    assert (invitation.is_linked, invitation.needs_code) == (False, False)
    assert (user.email, user.role, user.skills, user.name) == (
        "Jo@Example.com", Role.MODERATOR, ("VPN", "DNS"), "Jo")  # fmt: skip
    assert (user.has_password, db.links.count_documents({})) == (False, 0)
    assert audited(db) == [("account.created", None, "moderator")]
    assert links.get_or_create_user(JO).id == user.id


def test_a_members_own_account_gets_the_role_and_the_skills(
    staff_invitations: StaffInvitations, links: LinkService, db: Mongo
) -> None:
    own = links.get_or_create_user(replace(JO, name=None))
    db.users.update_one({"_id": own.id}, {"$set": {"skills": ["SAP"]}})
    invitation = invite(staff_invitations, skills="VPN, sap")
    user = invitation.user
    assert (invitation.is_linked, invitation.needs_code) == (True, False)
    assert (user.id, user.role, user.skills) == (own.id, Role.MODERATOR, ("SAP", "VPN"))
    assert user.name == "Jo"  # of Slack, as it had none
    assert sorted(audited(db)) == [
        ("account.role", "user", "moderator"),
        ("account.skills", ["SAP"], ["SAP", "VPN"]),
    ]
    promoted = invite(staff_invitations, role="admin", skills="").user
    assert (promoted.role, promoted.skills) == (Role.ADMIN, ("SAP", "VPN"))


def test_the_account_of_the_members_address_gets_the_role(
    staff_invitations: StaffInvitations, users: UserService
) -> None:
    invited = account(users)
    assert invite(staff_invitations).user.id == invited.id
    assert len(users.find_by_email("jo@example.com")) == 1


def test_it_is_done_once_however_often_it_is_submitted(
    staff_invitations: StaffInvitations, db: Mongo
) -> None:
    invited = at_once(*[lambda: invite(staff_invitations)] * 4)
    assert invited == [invited[0]] * 4
    assert invite(staff_invitations) == invited[0]
    assert (db.users.count_documents({}), len(audited(db))) == (1, 1)
    assert db.leases.count_documents({}) == 0


def test_another_process_that_adds_the_member_is_waited_for(
    staff_invitations: StaffInvitations, db: Mongo, clock: FixedClock
) -> None:
    with Lease(db, "invitation:T1:U1", clock=clock):
        assert refusal(staff_invitations) == ("member", staff.BEING_ADDED)
    assert invite(staff_invitations).user.role is Role.MODERATOR


def test_a_first_use_at_the_same_moment_is_waited_for(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = services.users.create

    def create_after_first_use(**fields: Any) -> User:
        services.links.get_or_create_user(JO)
        return create(**fields)

    with monkeypatch.context() as slow:
        slow.setattr(services.users, "create", create_after_first_use)
        assert refusal(services.staff_invitations) == ("member", staff.BEING_ADDED)
    invitation = invite(services.staff_invitations)
    assert (invitation.is_linked, invitation.user.role) == (True, Role.MODERATOR)
    assert services.db.users.count_documents({}) == 1


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ({"is_bot": True}, "This is an app. Choose a person."),
        (
            {"is_deleted": True},
            "This person's Slack account is deactivated. Choose someone else.",
        ),
        ({"is_guest": True}, "Guests cannot work on tickets. Choose a full member."),
        (
            {"home_team_id": "T2"},
            "This person belongs to another workspace. Choose a member of this one.",
        ),
        (
            {"is_stranger": True},
            "This person belongs to another workspace. Choose a member of this one.",
        ),
        (
            {"email": ""},
            "Slack shows no email address of this person, so they cannot be invited.",
        ),
        (
            {"email_confirmed": None},
            "Slack has not confirmed this person's email address yet. Ask them to confirm it in "
            "their Slack profile.",
        ),
    ],
)
def test_who_is_refused(
    staff_invitations: StaffInvitations, db: Mongo, what: dict[str, Any], sentence: str
) -> None:
    assert refusal(staff_invitations, replace(JO, **what)) == ("member", sentence)
    assert db.users.count_documents({}) == 0


def test_an_account_whose_address_nobody_confirmed_gets_no_role(
    services: Services, db: Mongo
) -> None:
    own = services.links.get_or_create_user(JO)
    db.users.update_one(
        {"_id": own.id}, {"$set": {"password": "hash"}, "$unset": {"emailConfirmedAt": ""}}
    )
    field, sentence = refusal(services.staff_invitations)
    assert field == "member"
    assert sentence.endswith("python app.py users confirm Jo@Example.com")
    assert audited(db) == []


def test_an_unconfirmed_account_of_the_address_stays_beside_the_invitation(
    staff_invitations: StaffInvitations, users: UserService, db: Mongo
) -> None:
    claim = account(users)
    db.users.update_one({"_id": claim.id}, {"$set": {"password": "hash"}})
    assert invite(staff_invitations).user.id != claim.id
    assert (users.get(claim.id) or claim).role is Role.USER


def test_an_account_that_cannot_get_the_role_is_refused(
    staff_invitations: StaffInvitations, users: UserService, links: LinkService, db: Mongo
) -> None:
    user = account(users, role=Role.ADMIN)
    assert refusal(staff_invitations) == ("role", staff.IS_ADMIN)
    db.users.update_one({"_id": user.id}, {"$set": {"active": False}})
    assert refusal(staff_invitations) == ("member", staff.ACCOUNT_DEACTIVATED)
    db.users.update_one({"_id": user.id}, {"$set": {"active": True}})
    links.get_or_create_user(replace(JO, slack_user_id="U2"))
    assert refusal(staff_invitations) == (
        "member",
        "The account of this person's email address belongs to another Slack member. End that "
        "link on the server first: python app.py users unlink jo@example.com",
    )
    account_2 = {"email": "JO@example.com", "emailKey": "jo@example.com", "role": "admin"}
    db.users.insert_one(account_2)
    assert refusal(staff_invitations) == ("member", staff.SEVERAL_ACCOUNTS)


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"role": "user"}, ("role", "Choose a role.")),
        ({"role": ""}, ("role", "Choose a role.")),
        ({"skills": "x" * 51}, ("skills", "A skill has at most 50 characters.")),
    ],
)
def test_a_bad_field_is_named(
    staff_invitations: StaffInvitations, fields: dict[str, Any], refused: tuple[str, str]
) -> None:
    assert refusal(staff_invitations, **fields) == refused


def test_a_member_who_is_active_again_works_again(
    staff_invitations: StaffInvitations, links: LinkService, db: Mongo, clock: FixedClock
) -> None:
    own = links.get_or_create_user(JO)
    link = db.links.find_one({"userId": own.id}) or {}
    suspend_link(db, link, ExclusionReason.GUEST, now=clock())
    assert invite(staff_invitations).user.id == own.id
    assert links.slack_ids(team_id="T1", user_ids={own.id}) == {own.id: "U1"}


@pytest.mark.parametrize("why", ["strict", "password", "unlinked"])
def test_whether_the_member_links_the_account_first(
    services: Services, users: UserService, db: Mongo, clock: FixedClock, why: str
) -> None:
    if why == "password":
        user = account(users, role=Role.MODERATOR)
        db.users.update_one({"_id": user.id}, {"$set": {"password": "hash"}})
    if why == "unlinked":
        db.unlinked.insert_one({"_id": "T1:U1"})
    strict = LinkService(db, users, is_strict=why == "strict", clock=clock)
    assert invite(StaffInvitations(db, users, strict, clock=clock)).needs_code


@pytest.mark.parametrize("role", [Role.USER, Role.MODERATOR])
def test_only_an_admin_adds_moderators(
    staff_invitations: StaffInvitations, db: Mongo, role: Role
) -> None:
    with pytest.raises(PermissionDenied):
        staff_invitations.invite(
            actor=Actor(ObjectId(), role), member=JO, role="moderator", skills=""
        )
    assert db.users.count_documents({}) == 0
