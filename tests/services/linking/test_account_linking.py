"""Linking by a code in two steps, and unlinking; every bad code gets the same answer."""

from copy import copy
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from bson import ObjectId
from pymongo.errors import AutoReconnect

from bot.slack.client import member_lookup
from services.accounts.users import UserService, new_account_doc
from services.auth.one_time_codes import CodeKind, OneTimeCodes
from services.core.database import Mongo
from services.core.errors import (
    Conflict,
    DomainError,
    InvalidValue,
    LimitReached,
    MemberRefused,
    PermissionDenied,
    Unauthenticated,
)
from services.core.rate_limiter import RateLimiter
from services.linking.account_linking import (
    AccountLinkedElsewhere,
    AccountLinking,
    LinkedMember,
    LinkPreview,
    LinkResult,
    UnlinkPreview,
    mask_email,
)
from services.linking.links import ACCOUNT_UNLINKED, LinkService
from services.models.permissions import Actor
from services.models.slack_member import SlackMember
from services.models.user import Role, User
from services.outbox.emails import EmailKind, Emails
from services.registry.services import Services
from services.tickets.filing import TicketService
from tests.conftest import JWT_SECRET, FixedClock, at_once, file_ticket, web_client
from tests.support.action_helpers import refusal
from tests.support.recording_slack import RecordingSlack

JO = SlackMember("T1", "U1", "T1", "jo@slack.example", email_confirmed=True, name="Jo in Slack")
AL = replace(JO, slack_user_id="U2", email="al@slack.example", name="Al")
WRONG = (
    "This code is wrong, out of date or used already. Get a new one on the page; it works for ten "
    "minutes."
)
HELD = (
    "That account is linked to another Slack member, who has been notified. Unlink it there first: "
    "type /account as that member, or open your profile on the page."
)
GUEST = "Guests cannot use this app. Ask a full member of this workspace to file the ticket."


@pytest.fixture
def mona(db: Mongo, users: UserService, clock: FixedClock) -> User:
    """A moderator with a password, created by the legacy backend."""
    doc = new_account_doc(email="Mona@example.com", role=Role.MODERATOR, now=clock(), name="Mona")
    db.users.insert_one({**doc, "password": "$2b$04$hash"})
    return User.from_doc(db.users.find_one({"_id": doc["_id"]}) or {})


def issue(codes: OneTimeCodes, user: User) -> str:
    return codes.issue(kind=CodeKind.LINK, user_id=user.id)


def link(
    account_linking: AccountLinking, codes: OneTimeCodes, user: User, member: SlackMember = JO
) -> LinkResult:
    offer = account_linking.preview_code(member=member, code=issue(codes, user))
    return account_linking.confirm_code(member=member, code_id=offer.code_id)


def test_a_code_links(services: Services, mona: User) -> None:
    code = issue(services.codes, mona)
    offer = services.account_linking.preview_code(member=JO, code=code.lower())
    name = services.codes.code_id(kind=CodeKind.LINK, code=code)
    assert offer == LinkPreview(
        code_id=name,
        email="M…@example.com",
        is_slack_address=False,
        previous_user=None,
        open_ticket_count=0,
    )
    assert (
        services.account_linking.preview_code(member=JO, code=code) == offer
    )  # until it is confirmed
    assert services.links.find_user(team_id="T1", slack_user_id="U1") is None
    done = services.account_linking.confirm_code(member=JO, code_id=offer.code_id)
    assert (done.user, done.previous_user) == (mona, None)
    assert services.links.find_user(team_id="T1", slack_user_id="U1") == mona
    assert list(services.db.links.find()) == [
        {
            "_id": "T1:U1",
            "teamId": "T1",
            "slackUserId": "U1",
            "userId": mona.id,
            "createdAt": services.clock(),
        }
    ]
    queued_email = Emails(services.db, clock=services.clock).claim(done.email_ids[0])
    assert queued_email is not None
    assert (queued_email.kind, queued_email.user_id) == (EmailKind.LINKED, mona.id)
    assert queued_email.facts == {"slack_name": "Jo in Slack"}


def test_an_offer_says_whether_the_address_is_the_one_in_slack(
    services: Services, mona: User
) -> None:
    code = issue(services.codes, mona)
    for address, is_slack_address in (
        ("mona@EXAMPLE.com", True),
        ("m@example.com", False),
        ("", False),
    ):
        offer = services.account_linking.preview_code(member=replace(JO, email=address), code=code)
        assert offer.is_slack_address is is_slack_address


def test_whatever_is_wrong_with_a_code_is_said_alike(
    services: Services, mona: User, clock: FixedClock
) -> None:
    used = issue(services.codes, mona)
    name = services.codes.code_id(kind=CodeKind.LINK, code=used)
    services.account_linking.confirm_code(member=JO, code_id=name)
    reset = services.codes.issue(kind=CodeKind.RESET, user_id=mona.id)
    gone = services.codes.issue(kind=CodeKind.LINK, user_id=ObjectId())
    for code in (used, "00000-00000", reset, gone):
        with pytest.raises(InvalidValue) as refused:
            services.account_linking.preview_code(member=AL, code=code)
        assert (refused.value.field, str(refused.value)) == ("code", WRONG)
    assert (
        refusal(
            InvalidValue, lambda: services.account_linking.confirm_code(member=AL, code_id=name)
        )
        == WRONG
    )
    expired = issue(services.codes, mona)
    clock.advance(minutes=10)
    assert (
        refusal(
            InvalidValue, lambda: services.account_linking.preview_code(member=AL, code=expired)
        )
        == WRONG
    )
    assert services.db.links.count_documents({}) == 1


def test_a_lock_is_for_right_codes_too(services: Services, mona: User) -> None:
    for _ in range(5):
        refusal(DomainError, lambda: services.account_linking.preview_code(member=JO, code="wrong"))
    code = issue(services.codes, mona)
    assert refusal(
        LimitReached, lambda: services.account_linking.preview_code(member=JO, code=code)
    ).startswith("Too many")
    assert services.account_linking.preview_code(member=AL, code=code).email == "M…@example.com"


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ({"is_guest": True}, GUEST),
        ({"is_deleted": True}, "Only people with an active Slack account can use this app."),
        (
            {"home_team_id": "T2"},
            "This app is for members of this workspace, and you belong to another one. Ask your "
            "contact here to file the ticket.",
        ),
    ],
)
def test_a_code_makes_nobody_a_member(
    services: Services, mona: User, what: dict[str, Any], sentence: str
) -> None:
    code, other = issue(services.codes, mona), replace(JO, **what)
    name = services.codes.code_id(kind=CodeKind.LINK, code=code)
    assert (
        refusal(
            MemberRefused, lambda: services.account_linking.preview_code(member=other, code=code)
        )
        == sentence
    )
    assert (
        refusal(
            MemberRefused, lambda: services.account_linking.confirm_code(member=other, code_id=name)
        )
        == sentence
    )
    assert (
        refusal(MemberRefused, lambda: services.account_linking.link_by_email(member=other))
        == sentence
    )
    assert services.codes.peek(kind=CodeKind.LINK, code=code) == mona.id
    assert services.db.links.count_documents({}) == 0


def test_a_code_needs_no_address_in_slack(services: Services, mona: User) -> None:
    nameless = replace(JO, email="", email_confirmed=None, name=None)
    assert link(services.account_linking, services.codes, mona, nameless).user == mona


def test_a_deactivated_account_is_not_linked(services: Services, mona: User) -> None:
    code = issue(services.codes, mona)
    offer = services.account_linking.preview_code(member=JO, code=code)
    services.db.users.update_one({"_id": mona.id}, {"$set": {"active": False}})
    deactivated = "Your account in this app is deactivated. Ask one of its admins."
    assert (
        refusal(MemberRefused, lambda: services.account_linking.preview_code(member=JO, code=code))
        == deactivated
    )
    assert (
        refusal(
            MemberRefused,
            lambda: services.account_linking.confirm_code(member=JO, code_id=offer.code_id),
        )
        == deactivated
    )
    assert services.db.links.count_documents({}) == 0


def test_another_account_takes_the_place_of_ones_former(services: Services, mona: User) -> None:
    former = services.links.get_or_create_user(JO)
    ticket = file_ticket(services.tickets, former)
    open_one = {"assignedTo": former.id, "status": "IN_PROGRESS"}
    services.db.tickets.insert_many([dict(open_one), {**open_one, "status": "COMPLETED"}])
    offer = services.account_linking.preview_code(member=JO, code=issue(services.codes, mona))
    assert (offer.previous_user, offer.open_ticket_count) == (former, 1)
    done = services.account_linking.confirm_code(member=JO, code_id=offer.code_id)
    assert done.previous_user == former
    assert services.links.find_user(team_id="T1", slack_user_id="U1") == mona
    assert services.links.slack_ids(team_id="T1", user_ids={mona.id, former.id}) == {mona.id: "U1"}
    assert (services.db.tickets.find_one({"_id": ticket.id}) or {})["createdBy"] == former.id
    emails = Emails(services.db, clock=services.clock)
    written = [emails.claim(queued_email) for queued_email in done.email_ids]
    told = [(queued_email.kind, queued_email.user_id) for queued_email in written if queued_email]
    assert told == [(EmailKind.LINKED, mona.id), (EmailKind.UNLINKED, former.id)]


def test_ones_own_account_is_not_linked_twice(services: Services, mona: User) -> None:
    link(services.account_linking, services.codes, mona)
    code = issue(services.codes, mona)
    same = "You are linked to that account already."
    assert (
        refusal(InvalidValue, lambda: services.account_linking.preview_code(member=JO, code=code))
        == same
    )
    name = services.codes.code_id(kind=CodeKind.LINK, code=code)
    assert (
        refusal(
            InvalidValue, lambda: services.account_linking.confirm_code(member=JO, code_id=name)
        )
        == same
    )


def test_an_account_linked_to_another_member_is_refused_and_the_code_spent(
    services: Services, mona: User
) -> None:
    link(services.account_linking, services.codes, mona)
    code = issue(services.codes, mona)
    with pytest.raises(AccountLinkedElsewhere) as held:
        services.account_linking.preview_code(member=AL, code=code)
    assert (str(held.value), held.value.slack_user_id, held.value.user) == (HELD, "U1", mona)
    assert (
        refusal(InvalidValue, lambda: services.account_linking.preview_code(member=AL, code=code))
        == WRONG
    )
    assert services.links.find_user(team_id="T1", slack_user_id="U2") is None


def test_another_member_who_was_quicker_keeps_the_account(services: Services, mona: User) -> None:
    offer = services.account_linking.preview_code(member=AL, code=issue(services.codes, mona))
    services.db.links.insert_one(
        {"_id": "T1:U1", "teamId": "T1", "slackUserId": "U1", "userId": mona.id}
    )
    found = refusal(
        AccountLinkedElsewhere,
        lambda: services.account_linking.confirm_code(member=AL, code_id=offer.code_id),
    )
    assert found == HELD


def test_the_link_of_a_member_who_is_gone_makes_way(services: Services, mona: User) -> None:
    link(services.account_linking, services.codes, mona)
    stopped = {"stopped": {"at": services.clock(), "reason": "nobody"}}
    services.db.links.update_one({"_id": "T1:U1"}, {"$set": stopped})
    services.links.get_or_create_user(AL)  # has an account already
    assert link(services.account_linking, services.codes, mona, AL).user == mona
    assert [(doc["_id"], doc["userId"]) for doc in services.db.links.find()] == [("T1:U2", mona.id)]


def test_ones_own_stopped_link_is_made_good_by_a_code(services: Services, mona: User) -> None:
    link(services.account_linking, services.codes, mona)
    mark = {"at": services.clock(), "by": "system", "reason": "gone", "isGone": True}
    services.db.users.update_one({"_id": mona.id}, {"$set": {"handBack": mark}})
    stopped = {"stopped": {"at": services.clock(), "reason": "nobody"}}
    services.db.links.update_one({"_id": "T1:U1"}, {"$set": stopped})
    assert link(services.account_linking, services.codes, mona).previous_user is None
    assert services.links.find_user(team_id="T1", slack_user_id="U1") == mona
    assert "handBack" not in (services.db.users.find_one({"_id": mona.id}) or {})


def test_of_two_who_take_one_code_one_links(services: Services, mona: User) -> None:
    members = [replace(JO, slack_user_id=f"U{number}") for number in range(6)]
    name = services.account_linking.preview_code(
        member=JO, code=issue(services.codes, mona)
    ).code_id
    done = at_once(
        *[
            lambda member=member: services.account_linking.confirm_code(member=member, code_id=name)
            for member in members
        ]
    )
    assert [type(outcome) for outcome in done].count(LinkResult) == 1
    assert {str(o) for o in done if not isinstance(o, LinkResult)} <= {WRONG, HELD}
    assert services.db.links.count_documents({}) == 1


def test_of_two_members_who_link_one_account_at_once_one_does(
    services: Services, mona: User, clock: FixedClock
) -> None:
    """Each member has a valid code of their own, so only the link can decide."""

    class Generous(OneTimeCodes):
        def redeem_by_id(self, *, kind: CodeKind, code_id: str) -> ObjectId | None:
            return self.peek_by_id(kind=kind, code_id=code_id)

    services.codes.issue(kind=CodeKind.LINK, user_id=mona.id)
    name = (services.db.codes.find_one() or {})["_id"]
    generous = Generous(services.db, "the tests' own secret, 32 bytes or more", clock)
    users = UserService(services.db, clock=clock)
    racing = AccountLinking(
        services.db,
        users,
        LinkService(services.db, users),
        generous,
        Emails(services.db, clock=clock),
        services.rate_limiter,
        services.address_claims,
        clock=clock,
    )
    members = [replace(JO, slack_user_id=f"U{number}") for number in range(6)]
    done = at_once(
        *[
            lambda member=member: racing.confirm_code(member=member, code_id=name)
            for member in members
        ]
    )
    assert [type(outcome) for outcome in done].count(LinkResult) == 1
    assert {str(o) for o in done if not isinstance(o, LinkResult)} == {HELD}
    assert [doc["userId"] for doc in services.db.links.find()] == [mona.id]


def test_a_new_member_links_by_address_without_a_code(services: Services) -> None:
    assert services.account_linking.can_link_by_email(team_id="T1", slack_user_id="U1")
    user = services.account_linking.link_by_email(member=JO)
    assert user.email == "jo@slack.example"
    assert services.links.find_user(team_id="T1", slack_user_id="U1") == user
    assert not services.account_linking.can_link_by_email(team_id="T1", slack_user_id="U1")
    type_it = "Type the code that the page shows."
    assert (
        refusal(InvalidValue, lambda: services.account_linking.link_by_email(member=JO)) == type_it
    )


def test_where_linking_is_strict_there_is_no_way_without_a_code(
    services: Services, mona: User
) -> None:
    links = LinkService(services.db, services.users, is_strict=True, clock=services.clock)
    strict = AccountLinking(
        services.db,
        services.users,
        links,
        services.codes,
        Emails(services.db, clock=services.clock),
        services.rate_limiter,
        services.address_claims,
        clock=services.clock,
    )
    assert not strict.can_link_by_email(team_id="T1", slack_user_id="U1")
    type_it = "Type the code that the page shows."
    assert refusal(InvalidValue, lambda: strict.link_by_email(member=JO)) == type_it
    assert link(strict, services.codes, mona).user == mona
    assert services.db.users.count_documents({}) == 1


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


def test_after_five_wrong_codes_within_a_quarter_of_an_hour_one_waits(
    services: Services, mona: User, clock: FixedClock
) -> None:
    def guess(member: SlackMember = JO) -> str:
        call = partial(services.account_linking.preview_code, member=member, code="wrong")
        return refusal(DomainError, call)

    assert [guess() for _ in range(4)] == [WRONG] * 4
    clock.advance(minutes=10)
    right = issue(services.codes, mona)
    for _ in range(3):  # neither counts, nor forgives the wrong ones
        services.account_linking.preview_code(member=JO, code=right)
    assert guess() == WRONG
    assert guess() == "Too many wrong codes. Try again in 5 minutes, with a new code."
    assert guess(AL) == WRONG
    clock.advance(minutes=5, seconds=1)
    assert [guess() for _ in range(4)] == [WRONG] * 4
    assert guess() == "Too many wrong codes. Try again in 10 minutes, with a new code."


def test_of_many_concurrent_guesses_five_are_looked_up(services: Services) -> None:
    guess = partial(services.account_linking.preview_code, member=JO, code="wrong")
    outcomes = [type(outcome) for outcome in at_once(*[guess] * 12)]
    assert (outcomes.count(InvalidValue), outcomes.count(LimitReached)) == (5, 7)


def test_a_fault_of_the_database_is_no_wrong_code(services: Services, mona: User) -> None:
    class Broken(OneTimeCodes):
        def peek_by_id(self, *, kind: CodeKind, code_id: str) -> ObjectId | None:
            raise AutoReconnect

    broken = copy(services.account_linking)
    broken._codes = Broken(services.db, JWT_SECRET)
    for _ in range(6):
        with pytest.raises(AutoReconnect):
            broken.preview_code(member=JO, code="any")
    code = issue(services.codes, mona)
    assert services.account_linking.preview_code(member=JO, code=code)


MEMBER = SlackMember("T1", "U1", "T1", "jo@example.com", email_confirmed=True, name="Jo")
STALE = "You are now linked to another account, or to none. Type /account to see which."


@pytest.fixture
def jo(links: LinkService) -> User:
    return links.get_or_create_user(MEMBER)


def test_account_and_tickets_stay(
    account_linking: AccountLinking,
    links: LinkService,
    users: UserService,
    tickets: TicketService,
    db: Mongo,
    clock: FixedClock,
    jo: User,
) -> None:
    ticket = file_ticket(tickets, jo)
    done = account_linking.unlink(
        actor=Actor.from_user(jo), team_id="T1", slack_user_id="U1", slack_name="Jo"
    )
    assert done.user == users.get(jo.id) == jo
    assert (db.tickets.find_one({"_id": ticket.id}) or {})["createdBy"] == jo.id
    assert links.find_user(team_id="T1", slack_user_id="U1") is None
    assert links.slack_ids(team_id="T1", user_ids={jo.id}) == {}
    queued_email = Emails(db, clock=clock).claim(done.email_ids[0])
    assert queued_email is not None
    assert (queued_email.kind, queued_email.user_id, queued_email.facts) == (
        EmailKind.UNLINKED,
        jo.id,
        {"slack_name": "Jo"},
    )


def test_the_next_use_neither_links_again_nor_makes_a_duplicate(
    account_linking: AccountLinking, links: LinkService, db: Mongo, jo: User
) -> None:
    account_linking.unlink(actor=Actor.from_user(jo), team_id="T1", slack_user_id="U1")
    with pytest.raises(MemberRefused) as refused:
        links.get_or_create_user(MEMBER)
    assert str(refused.value) == ACCOUNT_UNLINKED
    assert (db.users.count_documents({}), db.links.count_documents({})) == (1, 0)
    # They can link again on request, and unlink again.
    for _ in range(2):
        assert links.get_or_create_user(MEMBER, allow_unlinked=True) == jo
        account_linking.unlink(actor=Actor.from_user(jo), team_id="T1", slack_user_id="U1")


def test_only_ones_own_link_is_ended(
    account_linking: AccountLinking, links: LinkService, db: Mongo
) -> None:
    jo = links.get_or_create_user(MEMBER)
    al = Actor(ObjectId(), Role.ADMIN)
    db.users.insert_one({"_id": al.user_id, "email": "al@example.com"})
    with pytest.raises(Conflict) as refused:
        account_linking.unlink(actor=al, team_id="T1", slack_user_id="U1")
    assert str(refused.value) == STALE
    assert links.find_user(team_id="T1", slack_user_id="U1") == jo
    assert db.unlinked.count_documents({}) == 0


def test_a_link_that_has_changed_is_a_conflict(
    account_linking: AccountLinking, links: LinkService, db: Mongo, jo: User
) -> None:
    other = db.users.insert_one({"email": "other@example.com"}).inserted_id
    db.links.update_one({"_id": "T1:U1"}, {"$set": {"userId": other}})
    with pytest.raises(Conflict):
        account_linking.unlink(actor=Actor.from_user(jo), team_id="T1", slack_user_id="U1")
    assert (db.links.find_one() or {})["userId"] == other
    assert db.unlinked.count_documents({}) == 0


def test_two_presses_are_one(account_linking: AccountLinking, db: Mongo, jo: User) -> None:
    def unlink() -> object:
        return account_linking.unlink(actor=Actor.from_user(jo), team_id="T1", slack_user_id="U1")

    done = at_once(*[unlink] * 6)
    assert sorted(type(outcome).__name__ for outcome in done) == ["Conflict"] * 5 + ["UnlinkResult"]
    assert db.links.count_documents({}) == 0


@pytest.mark.parametrize(("password", "by_address"), [(None, True), ("$2b$04$hash", False)])
def test_what_to_know_before(
    account_linking: AccountLinking, db: Mongo, jo: User, password: str | None, by_address: bool
) -> None:
    db.users.update_one({"_id": jo.id}, {"$set": {"password": password}})
    theirs = {"assignedTo": jo.id}
    db.tickets.insert_many(
        [{**theirs, "status": status} for status in ("TODO", "WAITING", "COMPLETED")]
    )
    preview = account_linking.preview_unlink(actor=Actor.from_user(jo))
    assert (preview.user.id, preview.open_ticket_count, preview.can_relink_by_email) == (
        jo.id,
        2,
        by_address,
    )


def test_where_linking_is_strict_only_a_code_leads_back(
    services: Services, db: Mongo, users: UserService, codes: OneTimeCodes, jo: User
) -> None:
    strict = LinkService(db, users, is_strict=True)
    account_linking = AccountLinking(
        db,
        users,
        strict,
        codes,
        services.emails,
        RateLimiter(""),
        services.address_claims,
        clock=services.clock,
    )
    assert account_linking.preview_unlink(actor=Actor.from_user(jo)) == UnlinkPreview(
        jo, 0, can_relink_by_email=False
    )


def test_an_account_that_is_gone_has_nothing_to_unlink(account_linking: AccountLinking) -> None:
    nobody = Actor(ObjectId(), Role.USER)
    for call in (
        lambda: account_linking.preview_unlink(actor=nobody),
        lambda: account_linking.unlink(actor=nobody, team_id="T1", slack_user_id="U1"),
    ):
        with pytest.raises(Conflict) as refused:
            call()
        assert str(refused.value) == STALE


def test_ones_slack_identities(
    account_linking: AccountLinking, db: Mongo, jo: User, clock: FixedClock
) -> None:
    stopped = {"teamId": "T0", "slackUserId": "U9", "userId": jo.id, "stopped": {"at": clock()}}
    db.links.insert_one({"_id": "T0:U9", **stopped})
    assert account_linking.linked_members(actor=Actor.from_user(jo)) == [
        LinkedMember("T0", "U9", since=None, is_active=False),
        LinkedMember("T1", "U1", since=clock(), is_active=True),
    ]


def test_all_links_but_those_to_keep_are_ended(
    account_linking: AccountLinking, links: LinkService, db: Mongo, jo: User
) -> None:
    for team, slack_id in (("T0", "U9"), ("T2", "U8")):
        link = {"teamId": team, "slackUserId": slack_id, "userId": jo.id}
        db.links.insert_one({"_id": f"{team}:{slack_id}", **link})
    other = links.get_or_create_user(AL)
    unlinked = account_linking.unlink_all(actor=Actor.from_user(jo), keep={"T2:U8"})
    assert [member.link_id for member, _ in unlinked] == ["T0:U9", "T1:U1"]
    assert {email for _, result in unlinked for email in result.email_ids} == {
        letter["_id"] for letter in db.letters.find({"kind": EmailKind.UNLINKED})
    }
    assert db.letters.count_documents({"kind": EmailKind.UNLINKED, "userId": jo.id}) == 2
    assert {link["_id"]: link["userId"] for link in db.links.find()} == {
        "T2:U8": jo.id,
        AL.link_id: other.id,
    }
    with pytest.raises(MemberRefused, match="You have unlinked your account"):
        links.get_or_create_user(MEMBER)
    account_linking.unlink_all(actor=Actor.from_user(jo))
    assert account_linking.linked_members(actor=Actor.from_user(jo)) == []
    assert account_linking.unlink_all(actor=Actor.from_user(jo)) == []


# An attacker who has a session of the account is at work while the owner resets the password


def reset(services: Services, user: User) -> None:
    code = services.codes.issue(kind=CodeKind.RESET, user_id=user.id)
    services.password_resets.reset(code=code, password="another horse")
    services.account_linking.unlink_all(actor=Actor.from_user(user))


def test_no_code_is_issued_to_a_session_that_has_ended(
    services: Services, mona: User, db: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reset comes between the check of the session and the new code."""
    original = services.codes.issue

    def issue_after_reset(*, kind: CodeKind, user_id: ObjectId) -> str:
        monkeypatch.undo()
        reset(services, mona)
        return original(kind=kind, user_id=user_id)

    monkeypatch.setattr(services.codes, "issue", issue_after_reset)
    with pytest.raises(Unauthenticated, match="Your session has ended"):
        services.account_linking.issue_code(user=mona)
    assert db.codes.count_documents({}) == 0
    current = services.users.get(mona.id)
    assert current is not None
    code = services.account_linking.issue_code(user=current)
    assert services.codes.peek(kind=CodeKind.LINK, code=code) == mona.id


def test_a_code_redeemed_just_before_a_reset_links_no_one(
    services: Services, mona: User, db: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer = services.account_linking.preview_code(member=JO, code=issue(services.codes, mona))
    original = services.codes.redeem_by_id

    def redeem_before_reset(**of: Any) -> ObjectId | None:
        monkeypatch.undo()
        redeemed = original(**of)
        reset(services, mona)
        return redeemed

    monkeypatch.setattr(services.codes, "redeem_by_id", redeem_before_reset)
    with pytest.raises(InvalidValue, match=WRONG):
        services.account_linking.confirm_code(member=JO, code_id=offer.code_id)
    assert db.links.count_documents({}) == 0


def test_a_code_frees_the_account_of_a_member_who_left_unnoticed(
    services: Services, mona: User, slack: RecordingSlack
) -> None:
    services.look_up_member = member_lookup(web_client(slack))
    link(services.account_linking, services.codes, mona)
    slack.add_member("U1", email="jo@slack.example", name="Jo", deleted=True)
    linked = link(services.account_linking, services.codes, mona, AL)
    assert linked.user.id == mona.id
    assert services.db.links.distinct("_id") == ["T1:U2"]


@pytest.mark.parametrize("role", [Role.USER, Role.MODERATOR])
def test_only_who_manages_people_unlinks_others(services: Services, mona: User, role: Role) -> None:
    link(services.account_linking, services.codes, mona)
    with pytest.raises(PermissionDenied):
        services.account_linking.unlink_account(actor=Actor(mona.id, role), email=mona.email)
    assert services.db.links.count_documents({}) == 1
    admin = Actor(ObjectId(), Role.ADMIN)
    assert services.account_linking.unlink_account(actor=admin, email=mona.email) == ["U1"]
    assert services.links.find_user(team_id="T1", slack_user_id="U1") is None


def test_an_account_without_a_name_gets_slacks_when_it_is_linked(
    services: Services, mona: User
) -> None:
    services.db.users.update_one({"_id": mona.id}, {"$unset": {"name": ""}})
    done = link(services.account_linking, services.codes, mona)
    assert done.user.name == "Jo in Slack"
    assert services.users.get(mona.id) == done.user
