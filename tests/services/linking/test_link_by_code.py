"""Linking by a code: two steps, whose answers are the same whatever is wrong with a code."""

from dataclasses import replace
from typing import Any

import pytest
from bson import ObjectId

from services.accounts.users import UserService, new_account_doc
from services.auth.one_time_codes import CodeKind, OneTimeCodes
from services.core.database import Mongo
from services.core.errors import DomainError, InvalidValue, LimitReached, MemberRefused
from services.linking.link_by_code import (
    AccountLinkedElsewhere,
    LinkByCode,
    LinkPreview,
    LinkResult,
    mask_email,
)
from services.linking.links import LinkService
from services.models.slack_member import SlackMember
from services.models.user import Role, User
from services.outbox.emails import EmailKind, Emails
from services.tickets.filing import TicketService
from tests.conftest import FixedClock, at_once, file_ticket

JO = SlackMember(
    team_id="T1",
    slack_user_id="U1",
    home_team_id="T1",
    email="jo@slack.example",
    email_confirmed=True,
    name="Jo in Slack",
)
AL = replace(JO, slack_user_id="U2", email="al@slack.example", name="Al")
WRONG = (
    "This code is wrong, out of date or used already. Get a new one on the page; it is good for "
    "ten minutes."
)
HELD = (
    "That account is linked to another Slack member, who has been told. Unlink it there first: "
    "type /account as that member, or open your profile on the page."
)
GUEST = (
    "The help desk is not open to guests. Ask a full member of this workspace to file the ticket."
)


@pytest.fixture
def mona(db: Mongo, users: UserService, clock: FixedClock) -> User:
    """A moderator of the predecessor's, with a password."""
    doc = new_account_doc(email="Mona@example.com", role=Role.MODERATOR, now=clock())
    db.users.insert_one({**doc, "password": "$2b$04$hash"})
    return User.from_doc(db.users.find_one({"_id": doc["_id"]}) or {})


def issue(codes: OneTimeCodes, user: User) -> str:
    return codes.issue(kind=CodeKind.LINK, user_id=user.id)


def said(error: type[DomainError], call: Any) -> str:
    with pytest.raises(error) as refused:
        call()
    return str(refused.value)


def link(
    link_by_code: LinkByCode, codes: OneTimeCodes, user: User, member: SlackMember = JO
) -> LinkResult:
    offer = link_by_code.preview(member=member, code=issue(codes, user))
    return link_by_code.confirm(member=member, code_id=offer.code_id)


def test_a_code_links(
    link_by_code: LinkByCode,
    links: LinkService,
    codes: OneTimeCodes,
    db: Mongo,
    mona: User,
    clock: FixedClock,
) -> None:
    code = issue(codes, mona)
    offer = link_by_code.preview(member=JO, code=code.lower())
    name = codes.code_id(kind=CodeKind.LINK, code=code)
    assert offer == LinkPreview(
        code_id=name,
        email="M…@example.com",
        is_slack_address=False,
        previous_user=None,
        open_ticket_count=0,
    )
    assert link_by_code.preview(member=JO, code=code) == offer  # until it is confirmed
    assert links.find_user(team_id="T1", slack_user_id="U1") is None
    done = link_by_code.confirm(member=JO, code_id=offer.code_id)
    assert (done.user, done.previous_user) == (mona, None)
    assert links.find_user(team_id="T1", slack_user_id="U1") == mona
    assert list(db.links.find()) == [
        {
            "_id": "T1:U1",
            "teamId": "T1",
            "slackUserId": "U1",
            "userId": mona.id,
            "createdAt": clock(),
        }
    ]
    queued_email = Emails(db, clock=clock).claim(done.email_ids[0])
    assert queued_email is not None
    assert (queued_email.kind, queued_email.user_id) == (EmailKind.LINKED, mona.id)
    assert queued_email.facts == {"slack_name": "Jo in Slack"}


def test_an_offer_says_whether_the_address_is_the_one_in_slack(
    link_by_code: LinkByCode, codes: OneTimeCodes, mona: User
) -> None:
    code = issue(codes, mona)
    for address, is_slack_address in (
        ("mona@EXAMPLE.com", True),
        ("m@example.com", False),
        ("", False),
    ):
        offer = link_by_code.preview(member=replace(JO, email=address), code=code)
        assert offer.is_slack_address is is_slack_address


def test_whatever_is_wrong_with_a_code_is_said_alike(
    link_by_code: LinkByCode, codes: OneTimeCodes, db: Mongo, mona: User, clock: FixedClock
) -> None:
    used = issue(codes, mona)
    name = codes.code_id(kind=CodeKind.LINK, code=used)
    link_by_code.confirm(member=JO, code_id=name)
    reset = codes.issue(kind=CodeKind.RESET, user_id=mona.id)
    gone = codes.issue(kind=CodeKind.LINK, user_id=ObjectId())
    for code in (used, "00000-00000", reset, gone):
        with pytest.raises(InvalidValue) as refused:
            link_by_code.preview(member=AL, code=code)
        assert (refused.value.field, str(refused.value)) == ("code", WRONG)
    assert said(InvalidValue, lambda: link_by_code.confirm(member=AL, code_id=name)) == WRONG
    expired = issue(codes, mona)
    clock.advance(minutes=10)
    assert said(LimitReached, lambda: link_by_code.preview(member=AL, code=expired)).startswith(
        "Too many"
    )
    assert (
        said(InvalidValue, lambda: link_by_code.preview(member=replace(JO), code=expired)) == WRONG
    )
    assert db.links.count_documents({}) == 1


def test_a_lock_is_for_right_codes_too(
    link_by_code: LinkByCode, codes: OneTimeCodes, mona: User
) -> None:
    for _ in range(5):
        said(DomainError, lambda: link_by_code.preview(member=JO, code="wrong"))
    code = issue(codes, mona)
    assert said(LimitReached, lambda: link_by_code.preview(member=JO, code=code)).startswith(
        "Too many"
    )
    assert link_by_code.preview(member=AL, code=code).email == "M…@example.com"


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ({"is_guest": True}, GUEST),
        ({"is_deleted": True}, "Only people with a working Slack account can use the help desk."),
        (
            {"home_team_id": "T2"},
            "The help desk is for members of this workspace; you belong to another organisation. "
            "Ask your contact here to file the ticket.",
        ),
    ],
)
def test_a_code_makes_nobody_a_member(
    link_by_code: LinkByCode,
    codes: OneTimeCodes,
    db: Mongo,
    mona: User,
    what: dict[str, Any],
    sentence: str,
) -> None:
    code, other = issue(codes, mona), replace(JO, **what)
    name = codes.code_id(kind=CodeKind.LINK, code=code)
    assert said(MemberRefused, lambda: link_by_code.preview(member=other, code=code)) == sentence
    assert said(MemberRefused, lambda: link_by_code.confirm(member=other, code_id=name)) == sentence
    assert said(MemberRefused, lambda: link_by_code.link_by_email(member=other)) == sentence
    assert codes.peek(kind=CodeKind.LINK, code=code) == mona.id
    assert db.links.count_documents({}) == 0


def test_a_code_needs_no_address_in_slack(
    link_by_code: LinkByCode, codes: OneTimeCodes, mona: User
) -> None:
    nameless = replace(JO, email="", email_confirmed=None, name=None)
    assert link(link_by_code, codes, mona, nameless).user == mona


def test_a_deactivated_account_is_not_linked(
    link_by_code: LinkByCode, codes: OneTimeCodes, db: Mongo, mona: User
) -> None:
    code = issue(codes, mona)
    offer = link_by_code.preview(member=JO, code=code)
    db.users.update_one({"_id": mona.id}, {"$set": {"active": False}})
    deactivated = "Your help desk account has been deactivated. Ask an admin of this help desk."
    assert said(MemberRefused, lambda: link_by_code.preview(member=JO, code=code)) == deactivated
    assert (
        said(MemberRefused, lambda: link_by_code.confirm(member=JO, code_id=offer.code_id))
        == deactivated
    )
    assert db.links.count_documents({}) == 0


def test_another_account_takes_the_place_of_ones_former(
    link_by_code: LinkByCode,
    links: LinkService,
    codes: OneTimeCodes,
    tickets: TicketService,
    db: Mongo,
    mona: User,
    clock: FixedClock,
) -> None:
    former = links.get_or_create_user(JO)
    ticket = file_ticket(tickets, former)
    open_one = {"assignedTo": former.id, "status": "IN_PROGRESS"}
    db.tickets.insert_many([dict(open_one), {**open_one, "status": "COMPLETED"}])
    offer = link_by_code.preview(member=JO, code=issue(codes, mona))
    assert (offer.previous_user, offer.open_ticket_count) == (former, 1)
    done = link_by_code.confirm(member=JO, code_id=offer.code_id)
    assert done.previous_user == former
    assert links.find_user(team_id="T1", slack_user_id="U1") == mona
    assert links.slack_ids(team_id="T1", user_ids={mona.id, former.id}) == {mona.id: "U1"}
    assert (db.tickets.find_one({"_id": ticket.id}) or {})["createdBy"] == former.id
    emails = Emails(db, clock=clock)
    written = [emails.claim(queued_email) for queued_email in done.email_ids]
    told = [(queued_email.kind, queued_email.user_id) for queued_email in written if queued_email]
    assert told == [(EmailKind.LINKED, mona.id), (EmailKind.UNLINKED, former.id)]


def test_ones_own_account_is_not_linked_twice(
    link_by_code: LinkByCode, codes: OneTimeCodes, mona: User
) -> None:
    link(link_by_code, codes, mona)
    code = issue(codes, mona)
    same = "You are linked to that account already."
    assert said(InvalidValue, lambda: link_by_code.preview(member=JO, code=code)) == same
    name = codes.code_id(kind=CodeKind.LINK, code=code)
    assert said(InvalidValue, lambda: link_by_code.confirm(member=JO, code_id=name)) == same


def test_an_account_linked_to_another_member_is_refused_and_the_code_spent(
    link_by_code: LinkByCode, links: LinkService, codes: OneTimeCodes, mona: User
) -> None:
    link(link_by_code, codes, mona)
    code = issue(codes, mona)
    with pytest.raises(AccountLinkedElsewhere) as held:
        link_by_code.preview(member=AL, code=code)
    assert (str(held.value), held.value.slack_user_id, held.value.user) == (HELD, "U1", mona)
    assert said(InvalidValue, lambda: link_by_code.preview(member=AL, code=code)) == WRONG
    assert links.find_user(team_id="T1", slack_user_id="U2") is None


def test_another_member_who_was_quicker_keeps_the_account(
    link_by_code: LinkByCode, codes: OneTimeCodes, db: Mongo, mona: User
) -> None:
    offer = link_by_code.preview(member=AL, code=issue(codes, mona))
    db.links.insert_one({"_id": "T1:U1", "teamId": "T1", "slackUserId": "U1", "userId": mona.id})
    assert (
        said(AccountLinkedElsewhere, lambda: link_by_code.confirm(member=AL, code_id=offer.code_id))
        == HELD
    )


def test_the_link_of_a_member_who_is_gone_makes_way(
    link_by_code: LinkByCode,
    links: LinkService,
    codes: OneTimeCodes,
    db: Mongo,
    mona: User,
    clock: FixedClock,
) -> None:
    link(link_by_code, codes, mona)
    stopped = {"stopped": {"at": clock(), "reason": "nobody"}}
    db.links.update_one({"_id": "T1:U1"}, {"$set": stopped})
    links.get_or_create_user(AL)  # who has an account already
    assert link(link_by_code, codes, mona, AL).user == mona
    assert [(doc["_id"], doc["userId"]) for doc in db.links.find()] == [("T1:U2", mona.id)]


def test_ones_own_stopped_link_is_made_good_by_a_code(
    link_by_code: LinkByCode,
    links: LinkService,
    codes: OneTimeCodes,
    db: Mongo,
    mona: User,
    clock: FixedClock,
) -> None:
    link(link_by_code, codes, mona)
    mark = {"at": clock(), "by": "system", "reason": "gone", "isGone": True}
    db.users.update_one({"_id": mona.id}, {"$set": {"handBack": mark}})
    stopped = {"stopped": {"at": clock(), "reason": "nobody"}}
    db.links.update_one({"_id": "T1:U1"}, {"$set": stopped})
    assert link(link_by_code, codes, mona).previous_user is None
    assert links.find_user(team_id="T1", slack_user_id="U1") == mona
    assert "handBack" not in (db.users.find_one({"_id": mona.id}) or {})


def test_of_two_who_take_one_code_one_links(
    link_by_code: LinkByCode, codes: OneTimeCodes, db: Mongo, mona: User
) -> None:
    members = [replace(JO, slack_user_id=f"U{number}") for number in range(6)]
    name = link_by_code.preview(member=JO, code=issue(codes, mona)).code_id
    done = at_once(
        *[
            lambda member=member: link_by_code.confirm(member=member, code_id=name)
            for member in members
        ]
    )
    assert [type(outcome) for outcome in done].count(LinkResult) == 1
    assert {str(o) for o in done if not isinstance(o, LinkResult)} <= {WRONG, HELD}
    assert db.links.count_documents({}) == 1


def test_of_two_members_who_link_one_account_at_once_one_does(
    link_by_code: LinkByCode, codes: OneTimeCodes, db: Mongo, mona: User, clock: FixedClock
) -> None:
    """Each with a code of their own, as a page shows it while the other's is being used."""

    class Generous(OneTimeCodes):
        def redeem_by_id(self, *, kind: CodeKind, code_id: str) -> ObjectId | None:
            return self.peek_by_id(kind=kind, code_id=code_id)

    codes.issue(kind=CodeKind.LINK, user_id=mona.id)
    name = (db.codes.find_one() or {})["_id"]
    generous = Generous(db, "the tests' own secret, 32 bytes or more", clock)
    users = UserService(db, clock=clock)
    racing = LinkByCode(
        db, users, LinkService(db, users), generous, Emails(db, clock=clock), clock=clock
    )
    members = [replace(JO, slack_user_id=f"U{number}") for number in range(6)]
    done = at_once(
        *[lambda member=member: racing.confirm(member=member, code_id=name) for member in members]
    )
    assert [type(outcome) for outcome in done].count(LinkResult) == 1
    assert {str(o) for o in done if not isinstance(o, LinkResult)} == {HELD}
    assert [doc["userId"] for doc in db.links.find()] == [mona.id]


def test_the_address_of_a_newcomer_is_theirs_without_a_code(
    link_by_code: LinkByCode, links: LinkService
) -> None:
    assert link_by_code.can_link_by_email(team_id="T1", slack_user_id="U1")
    user = link_by_code.link_by_email(member=JO)
    assert user.email == "jo@slack.example"
    assert links.find_user(team_id="T1", slack_user_id="U1") == user
    assert not link_by_code.can_link_by_email(team_id="T1", slack_user_id="U1")
    type_it = "Type the code that the page shows."
    assert said(InvalidValue, lambda: link_by_code.link_by_email(member=JO)) == type_it


def test_where_linking_is_strict_there_is_no_way_without_a_code(
    db: Mongo, users: UserService, codes: OneTimeCodes, mona: User, clock: FixedClock
) -> None:
    links = LinkService(db, users, is_strict=True, clock=clock)
    strict = LinkByCode(db, users, links, codes, Emails(db, clock=clock), clock=clock)
    assert not strict.can_link_by_email(team_id="T1", slack_user_id="U1")
    type_it = "Type the code that the page shows."
    assert said(InvalidValue, lambda: strict.link_by_email(member=JO)) == type_it
    assert link(strict, codes, mona).user == mona
    assert db.users.count_documents({}) == 1


@pytest.mark.parametrize(
    ("email", "shown"),
    [
        ("Mona@example.com", "M…@example.com"),
        ("x@example.com", "x…@example.com"),
        ('"a@b"@example.com', '"…@example.com'),
        ("nothing", "n…"),
        ("", "…"),
    ],
)
def test_an_address_is_masked(email: str, shown: str) -> None:
    assert mask_email(email) == shown
