import pytest
from bson import ObjectId

from services.accounts.users import UserService
from services.core.database import Mongo
from services.core.errors import Conflict, MemberRefused
from services.linking.links import ACCOUNT_UNLINKED, LinkService
from services.linking.unlink import LinkedMember, Unlink, UnlinkPreview
from services.models.permissions import Actor
from services.models.slack_member import SlackMember
from services.models.user import Role, User
from services.outbox.emails import EmailKind, Emails
from services.tickets.filing import TicketService
from tests.conftest import FixedClock, at_once, file_ticket

JO = SlackMember("T1", "U1", "T1", "jo@example.com", email_confirmed=True, name="Jo")
STALE = "You are linked to another account by now, or to none. Type /account to see which."


@pytest.fixture
def jo(links: LinkService) -> User:
    return links.get_or_create_user(JO)


def test_account_and_tickets_stay(
    unlink_service: Unlink,
    links: LinkService,
    users: UserService,
    tickets: TicketService,
    db: Mongo,
    clock: FixedClock,
    jo: User,
) -> None:
    ticket = file_ticket(tickets, jo)
    done = unlink_service.unlink(
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
    unlink_service: Unlink, links: LinkService, db: Mongo, jo: User
) -> None:
    unlink_service.unlink(actor=Actor.from_user(jo), team_id="T1", slack_user_id="U1")
    with pytest.raises(MemberRefused) as refused:
        links.get_or_create_user(JO)
    assert str(refused.value) == ACCOUNT_UNLINKED
    assert (db.users.count_documents({}), db.links.count_documents({})) == (1, 0)
    # They can link again on request, and unlink again.
    for _ in range(2):
        assert links.get_or_create_user(JO, allow_unlinked=True) == jo
        unlink_service.unlink(actor=Actor.from_user(jo), team_id="T1", slack_user_id="U1")


def test_only_ones_own_link_is_ended(unlink_service: Unlink, links: LinkService, db: Mongo) -> None:
    jo = links.get_or_create_user(JO)
    al = Actor(ObjectId(), Role.ADMIN)
    db.users.insert_one({"_id": al.user_id, "email": "al@example.com"})
    with pytest.raises(Conflict) as refused:
        unlink_service.unlink(actor=al, team_id="T1", slack_user_id="U1")
    assert str(refused.value) == STALE
    assert links.find_user(team_id="T1", slack_user_id="U1") == jo
    assert db.unlinked.count_documents({}) == 0


def test_a_link_that_has_changed_is_a_conflict(
    unlink_service: Unlink, links: LinkService, db: Mongo, jo: User
) -> None:
    other = db.users.insert_one({"email": "other@example.com"}).inserted_id
    db.links.update_one({"_id": "T1:U1"}, {"$set": {"userId": other}})
    with pytest.raises(Conflict):
        unlink_service.unlink(actor=Actor.from_user(jo), team_id="T1", slack_user_id="U1")
    assert (db.links.find_one() or {})["userId"] == other
    assert db.unlinked.count_documents({}) == 0


def test_two_presses_are_one(unlink_service: Unlink, db: Mongo, jo: User) -> None:
    def unlink() -> object:
        return unlink_service.unlink(actor=Actor.from_user(jo), team_id="T1", slack_user_id="U1")

    done = at_once(*[unlink] * 6)
    assert sorted(type(outcome).__name__ for outcome in done) == ["Conflict"] * 5 + ["UnlinkResult"]
    assert db.links.count_documents({}) == 0


@pytest.mark.parametrize(("password", "by_address"), [(None, True), ("$2b$04$hash", False)])
def test_what_to_know_before(
    unlink_service: Unlink, db: Mongo, jo: User, password: str | None, by_address: bool
) -> None:
    db.users.update_one({"_id": jo.id}, {"$set": {"password": password}})
    theirs = {"assignedTo": jo.id}
    db.tickets.insert_many(
        [{**theirs, "status": status} for status in ("TODO", "WAITING", "COMPLETED")]
    )
    preview = unlink_service.preview(actor=Actor.from_user(jo))
    assert (preview.user.id, preview.open_ticket_count, preview.can_relink_by_email) == (
        jo.id,
        2,
        by_address,
    )


def test_where_linking_is_strict_only_a_code_leads_back(
    db: Mongo, users: UserService, clock: FixedClock, jo: User
) -> None:
    strict = LinkService(db, users, is_strict=True)
    unlink_service = Unlink(db, users, strict, Emails(db, clock=clock), clock=clock)
    assert unlink_service.preview(actor=Actor.from_user(jo)) == UnlinkPreview(
        jo, 0, can_relink_by_email=False
    )


def test_an_account_that_is_gone_has_nothing_to_unlink(unlink_service: Unlink) -> None:
    nobody = Actor(ObjectId(), Role.USER)
    for call in (
        lambda: unlink_service.preview(actor=nobody),
        lambda: unlink_service.unlink(actor=nobody, team_id="T1", slack_user_id="U1"),
    ):
        with pytest.raises(Conflict) as refused:
            call()
        assert str(refused.value) == STALE


def test_ones_slack_identities(
    unlink_service: Unlink, db: Mongo, jo: User, clock: FixedClock
) -> None:
    stopped = {"teamId": "T0", "slackUserId": "U9", "userId": jo.id, "stopped": {"at": clock()}}
    db.links.insert_one({"_id": "T0:U9", **stopped})
    assert unlink_service.linked_members(actor=Actor.from_user(jo)) == [
        LinkedMember("T0", "U9", since=None, is_active=False),
        LinkedMember("T1", "U1", since=clock(), is_active=True),
    ]
