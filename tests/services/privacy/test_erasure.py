"""Erasure: nothing identifies the user any more, and their tickets stay."""

from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import ASCENDING
from pymongo.errors import AutoReconnect

from services.accounts import account_search
from services.accounts.users import UserService
from services.auth.one_time_codes import CodeKind
from services.availability.availability_service import AvailabilityChange, AvailabilityService
from services.core.database import Mongo
from services.core.errors import Conflict, MemberRefused, PermissionDenied, Unauthenticated
from services.home.sessions import HomeSessions, Screen
from services.linking.links import LinkService
from services.lists.list_query import ListKind, ListQuery
from services.lists.list_service import ticket_list_page
from services.models.comment import FileLink
from services.models.comment import MessageRef as SlackPlace
from services.models.message_source import checked_source
from services.models.permissions import OPERATOR, Actor
from services.models.slack_member import SlackMember, link_id
from services.models.ticket import Status, Ticket
from services.models.user import Role, User
from services.outbox.emails import EmailKind
from services.outbox.reminders import UNASSIGNED_ALERT_PREFIX
from services.outbox.replies import ReplyKind
from services.privacy.erasure import Erasure, redaction_update
from services.registry.services import Services
from services.tickets.comments import CommentService
from services.tickets.filing import TicketService
from tasks.runtime import Runtime
from tests.conftest import FixedClock, People, RecordingPublisher, file_ticket, reload, work
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import GENERAL, TEAM_ID, TEAM_URL

EMAIL, NAME, SLACK_ID = "Zach.Quixote@example.com", "Zacharias Quixote", "U0ZACH"
ERASED_WORDS = (b"zach", b"quixote")
PASSWORD = "correct horse"
MEMBER = SlackMember(TEAM_ID, SLACK_ID, TEAM_ID, EMAIL, email_confirmed=True, name=NAME)


@pytest.fixture
def zach(db: Mongo, slack: RecordingSlack, users: UserService, services: Services) -> User:
    """A moderator with a password and a Slack identity."""
    user = services.sign_in.sign_up(email=EMAIL, password=PASSWORD, name=NAME)
    users.confirm_email(actor=OPERATOR, email=EMAIL)
    users.update(actor=OPERATOR, email=EMAIL, role=Role.MODERATOR)
    users.update(actor=OPERATOR, email=EMAIL, skills=["VPN"])
    slack.add_member(SLACK_ID, email=EMAIL, name=NAME)
    link = {"teamId": TEAM_ID, "slackUserId": SLACK_ID, "userId": user.id}
    db.links.insert_one({"_id": link_id(TEAM_ID, SLACK_ID), **link})
    found = users.get(user.id)
    assert found is not None
    return found


class Life:
    """The person's data: an assigned ticket, their own one, and references elsewhere."""

    def __init__(self, *, assigned: Ticket, own: Ticket, quoted: Ticket) -> None:
        self.assigned = assigned
        self.own = own
        self.quoted = quoted


@pytest.fixture
def life(
    db: Mongo,
    zach: User,
    people: People,
    tickets: TicketService,
    comments: CommentService,
    runtime: Runtime,
    publisher: RecordingPublisher,
    services: Services,
    clock: FixedClock,
) -> Life:
    jo, actor = people.add(), Actor.from_user(zach)
    assigned = file_ticket(tickets, jo, "The VPN drops")
    direct = checked_source(
        team_url=TEAM_URL, channel="D0ZACH", ts="1.000001", slack_user_id=SLACK_ID
    )
    said = checked_source(team_url=TEAM_URL, channel=GENERAL, ts="1.000002", slack_user_id=SLACK_ID)
    own = _of_message(tickets, actor, "My chair squeaks", direct)
    quoted = _of_message(tickets, Actor.from_user(jo), "Somebody's printer", said)
    for ticket in (assigned, own, quoted):
        publisher.publish_ticket(str(ticket.id))
    work(runtime, publisher)
    log = FileLink("log.txt", f"{TEAM_URL}files/{SLACK_ID}/F1/log.txt")
    also = FileLink("map.png", "https://example.com/map.png")
    ticket_id = str(assigned.id)
    comments.add(
        actor=actor,
        ticket_id=ticket_id,
        text="Which office?",
        files=(log, also),
        message=SlackPlace("D0ZACH", "1.5"),
    )
    comments.add(
        actor=actor,
        ticket_id=ticket_id,
        text="Odd.",
        internal=True,
        message=SlackPlace(GENERAL, "2"),
    )
    publisher.publish_ticket(ticket_id)
    work(runtime, publisher)
    _elsewhere(db, zach, assigned, services, clock)
    return Life(assigned=reload(db, assigned), own=reload(db, own), quoted=reload(db, quoted))


def _of_message(tickets: TicketService, actor: Actor, title: str, source: Any) -> Ticket:
    return tickets.create(
        actor=actor,
        team_id=TEAM_ID,
        request_id=f"V{ObjectId()}",
        title=title,
        description="Words.",
        source=source,
    ).ticket


def _elsewhere(
    db: Mongo, zach: User, ticket: Ticket, accounts: Services, clock: FixedClock
) -> None:
    actor, link = Actor.from_user(zach), link_id(TEAM_ID, SLACK_ID)
    HomeSessions(db, clock=clock).navigate(link, screen=Screen(ticket_id=ticket.id))
    away = AvailabilityChange(
        is_away=True, away_until=clock() + timedelta(days=30), zone="Europe/Berlin"
    )
    AvailabilityService(db, clock=clock).update(actor=actor, change=away)
    db.users.update_one({"_id": zach.id}, {"$set": {"avatar": "https://example.com/zach.png"}})
    account_search.index_new_accounts(db)
    accounts.codes.issue(kind=CodeKind.LINK, user_id=zach.id)
    accounts.emails.queue(EmailKind.LINKED, user_id=zach.id, key="k", facts={"slack_name": NAME})
    offer = {"to": zach.id, "state": "sent", "channel": "D0ZACH", "ts": "1.000009"}
    db.users.insert_one({"email": "other@example.com", "handOver": offer})
    db.unlinked.insert_one({"_id": link_id(TEAM_ID, "U0ZACH2"), "userId": zach.id, "at": clock()})
    accounts.direct_messages.begin(
        SlackPlace("D0ZACH", "1.000011"), NAME, slack_user_id=SLACK_ID, is_open=True
    )
    accounts.replies.queue(
        ReplyKind.OFFER,
        event="D0ZACH:1.000011",
        recipient="D0ZACH",
        slack_user_id=SLACK_ID,
        message={"text": NAME},
    )
    shown = {"channel": "D0ZACH", "ts": "1.000010", "since": clock()}
    for to in (str(zach.id), f"{UNASSIGNED_ALERT_PREFIX}{zach.id}"):
        db.nudges.insert_one({"to": to, "ended": "sent", "shown": shown})


def leftovers(db: Mongo) -> list[str]:
    """Return the collections whose stored bytes refer to the person."""
    raw: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)
    return [
        f"{name}: {doc.raw!r}"
        for name in db.list_collection_names()
        for doc in db.get_collection(name).with_options(codec_options=raw).find()
        if any(word in bytes(doc.raw).lower() for word in ERASED_WORDS)
    ]


def test_nothing_leads_to_them_any_more(db: Mongo, life: Life, erasure: Erasure) -> None:
    found = {line.partition(":")[0] for line in leftovers(db)}
    assert found == {
        *("users", "links", "unlinked", "letters", "tickets", "nudges"),
        *("inbox", "replies"),
    }
    assert db.codes.count_documents({}) == 1
    (erased,) = erasure.erase(actor=OPERATOR, email=" zach.quixote@EXAMPLE.com")
    assert leftovers(db) == []
    assert db.codes.count_documents({}) == 0
    assert (erased.released_tickets, erased.links, erased.removed_emails) == (2, 1, 2)
    assert erased.redacted_tickets == 3


def test_also_where_cards_are_updated_afterwards(
    services: Services,
    life: Life,
    slack: RecordingSlack,
    runtime: Runtime,
    publisher: RecordingPublisher,
) -> None:
    sent = len(slack.messages(GENERAL)), len(slack.messages(SLACK_ID))
    services.erasure.erase(actor=OPERATOR, email=EMAIL)
    for ticket in (life.assigned, life.own, life.quoted):
        publisher.publish_ticket(str(ticket.id))
    work(runtime, publisher)
    assert leftovers(services.db) == []
    assert (len(slack.messages(GENERAL)), len(slack.messages(SLACK_ID))) == sent
    card, *_ = slack.messages(f"U{str(life.assigned.created_by)[-8:].upper()}")
    assert card["text"] == "Ticket 1 “The VPN drops”: no one is available for this"


def test_their_open_tickets_are_assigned_again(
    services: Services, life: Life, people: People, runtime: Runtime, publisher: RecordingPublisher
) -> None:
    assert life.assigned.status is Status.IN_PROGRESS
    other = people.add(Role.MODERATOR, "VPN")
    services.erasure.erase(actor=OPERATOR, email=EMAIL)
    publisher.publish_ticket(str(life.assigned.id))
    work(runtime, publisher)
    assert reload(services.db, life.assigned).assigned_to == other.id


def test_tickets_and_what_was_written_in_them_stay(
    services: Services, life: Life, zach: User
) -> None:
    services.erasure.erase(actor=OPERATOR, email=EMAIL)
    own, assigned = reload(services.db, life.own), reload(services.db, life.assigned)
    assert (own.title, own.created_by, own.source) == ("My chair squeaks", zach.id, None)
    said, noted = assigned.comments
    assert (said.text, said.by, said.slack_message) == ("Which office?", zach.id, None)
    assert [file.name for file in said.files] == ["map.png"]
    assert (noted.text, noted.slack_message) == ("Odd.", SlackPlace(GENERAL, ""))
    assert {event.by for event in assigned.events} >= {zach.id}
    quoted = reload(services.db, life.quoted)
    assert quoted.source is not None
    assert (quoted.source.channel, quoted.source.slack_user_id) == (GENERAL, None)
    boss = Actor(ObjectId(), Role.ADMIN)
    page = services.home.ticket_page(actor=boss, team_id=TEAM_ID, ticket_id=str(own.id))
    assert page.people.users[zach.id].display_name == "a former colleague"


def test_nothing_is_left_of_the_account(services: Services, life: Life, zach: User) -> None:
    services.erasure.erase(actor=OPERATOR, email=EMAIL)
    doc = services.db.users.find_one({"_id": zach.id})
    assert doc is not None
    assert set(doc.pop("handBack")) == {"at", "by", "reason"}
    assert doc.pop("tokenVersion") > zach.token_version
    assert doc == {
        "_id": zach.id,
        "email": f"{zach.id}@erased.invalid",
        "emailKey": f"{zach.id}@erased.invalid",
        "name": "a former colleague",
        "role": "user",
        "skills": [],
        "active": False,
        "createdAt": zach.created_at,
        "erasedAt": services.clock(),
    }


def test_every_session_ends_and_nobody_signs_in_again(
    erasure: Erasure, zach: User, services: Services
) -> None:
    sign_in = services.sign_in
    token = sign_in.issue_token(zach)
    assert sign_in.authenticate(token).id == zach.id
    erasure.erase(actor=OPERATOR, email=EMAIL)
    with pytest.raises(Unauthenticated):
        sign_in.authenticate(token)
    with pytest.raises(Unauthenticated):
        sign_in.sign_in(email=EMAIL, password=PASSWORD)


def test_the_same_slack_member_starts_again(services: Services, zach: User, life: Life) -> None:
    services.erasure.erase(actor=OPERATOR, email=EMAIL)
    fresh = services.links.get_or_create_user(MEMBER)
    assert fresh.id != zach.id
    assert (fresh.role, fresh.email, fresh.has_password) == (Role.USER, EMAIL, False)
    own = ListQuery(ListKind.OWN)
    assert ticket_list_page(services.db, actor=Actor.from_user(fresh), list_query=own).tickets == ()


def test_erasing_again_finds_nobody(erasure: Erasure, life: Life, db: Mongo) -> None:
    erasure.erase(actor=OPERATOR, email=EMAIL)
    before = list(db.users.find()), list(db.tickets.find())
    assert erasure.erase(actor=OPERATOR, email=EMAIL) == []
    assert (list(db.users.find()), list(db.tickets.find())) == before


@pytest.mark.parametrize("step", ["_unlink", "_redact_ticket", "_anonymise"])
def test_what_was_interrupted_is_finished_by_the_next_run(
    services: Services, life: Life, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    whole = getattr(Erasure, step)

    def breaks(*args: Any) -> None:
        if step != "_anonymise":
            whole(*args)
        raise AutoReconnect("gone")

    monkeypatch.setattr(Erasure, step, breaks)
    with pytest.raises(AutoReconnect):
        services.erasure.erase(actor=OPERATOR, email=EMAIL)
    monkeypatch.undo()
    services.erasure.erase(actor=OPERATOR, email=EMAIL)
    assert leftovers(services.db) == []


def test_the_last_admin_stays(erasure: Erasure, users: UserService, db: Mongo) -> None:
    users.create(actor=OPERATOR, email="boss@example.com", role=Role.ADMIN)
    before = list(db.users.find())
    with pytest.raises(Conflict, match="There has to be an active admin"):
        erasure.erase(actor=OPERATOR, email="boss@example.com")
    assert list(db.users.find()) == before


@pytest.mark.usefixtures("indexes_restored")
def test_who_has_several_accounts_loses_all_of_them(db: Mongo, erasure: Erasure) -> None:
    db.users.create_index([("email", ASCENDING)], unique=True)  # as the legacy backend has
    db.users.insert_many([{"email": "jo@example.com"}, {"email": "JO@example.com", "name": "Jo"}])
    assert len(erasure.erase(actor=OPERATOR, email="jo@example.com")) == 2
    assert set(db.users.distinct("name")) == {"a former colleague"}


def test_a_deactivated_account_can_be_erased(services: Services, life: Life, zach: User) -> None:
    services.db.users.update_one({"_id": zach.id}, {"$set": {"active": False}})
    services.erasure.erase(actor=OPERATOR, email=EMAIL)
    assert leftovers(services.db) == []
    assert reload(services.db, life.assigned).assigned_to is None


def test_in_between_they_are_locked_out(db: Mongo, erasure: Erasure, zach: User) -> None:
    erasure._deactivate(zach.id, OPERATOR)
    with pytest.raises(MemberRefused, match="deactivated"):
        LinkService(db, UserService(db)).get_or_create_user(MEMBER)


@pytest.mark.parametrize("role", [Role.USER, Role.MODERATOR])
def test_only_who_manages_people_may(erasure: Erasure, zach: User, role: Role) -> None:
    with pytest.raises(PermissionDenied):
        erasure.erase(actor=Actor(ObjectId(), role), email=EMAIL)


def test_the_person_takes_part_in_no_ticket_any_more() -> None:
    person, other = ObjectId(), ObjectId()
    doc = {"participants": [other, person], "createdBy": other}
    update = redaction_update(doc, user_id=person, slack_ids=())
    assert update == {"$pull": {"participants": person}}
    assert redaction_update({"participants": "malformed"}, user_id=person, slack_ids=()) == {}
