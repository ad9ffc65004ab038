import uuid
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import replace
from typing import Any

import pytest
from bson import ObjectId
from pymongo.errors import AutoReconnect, DuplicateKeyError

from demo.servers import RedisServer
from services.core.database import Document, Mongo
from services.core.errors import Conflict, InvalidValue, LimitReached, NotFound
from services.core.rate_limiter import RateLimiter
from services.core.redis_client import connect_redis
from services.models.comment import MessageRef
from services.models.message_source import MessageSource, checked_source
from services.models.permissions import Actor
from services.models.ticket import Priority, Status, Ticket
from services.models.ticket_similarity import TicketWords
from services.models.user import Role, User
from services.registry.services import Services
from services.sla.policy import load_policy
from services.sla.queue_key import queue_key
from services.tickets import filing
from services.tickets.actions import TicketActions
from services.tickets.filing import (
    AlreadyFiled,
    FilingResult,
    SimilarTicketOpen,
    TicketService,
)
from services.tickets.numbered_inserts import NumberedInserts
from services.tickets.queries import load_ticket
from tests.conftest import Commands, FixedClock, People, at_once, file_ticket, reload
from tests.support.action_helpers import refusal
from tests.support.slack_workspace import TEAM_ID, TEAM_URL

EMPLOYEE = Actor(ObjectId(), Role.USER)
COLLEAGUE = Actor(ObjectId(), Role.USER)
MODERATOR = Actor(ObjectId(), Role.MODERATOR)
ADMIN = Actor(ObjectId(), Role.ADMIN)

NOT_FOUND = "There is no such ticket, or you may not see it."


def file(tickets: TicketService, actor: Actor = EMPLOYEE, **fields: Any) -> FilingResult:
    form = {"title": "No VPN", "description": "It drops.", "request_id": uuid.uuid4().hex}
    return tickets.create(**{"actor": actor, "team_id": "T1", **form, **fields})


def stored(db: Mongo, ticket: Ticket) -> dict[str, Any]:
    doc = db.tickets.find_one({"_id": ticket.id})
    assert doc is not None
    return doc


def test_a_ticket_is_stored_with_its_first_event_and_outbox_flag(
    tickets: TicketService, db: Mongo, clock: FixedClock
) -> None:
    filed = file(tickets, title=" No\nVPN ", description=" It drops.\r\nDaily. ", request_id="V1")
    assert filed.is_new
    doc = stored(db, filed.ticket)
    assert doc.pop("nextTryAt") > clock()
    assert doc.pop("alarm")["at"] > clock()
    assert doc.pop("ladders").keys() == {"due"}
    assert doc.pop("search")["public"] == ["no", "vpn", "it", "drops", "daily"]
    assert doc == {
        "_id": filed.ticket.id,
        "title": "No VPN",
        "description": "It drops.\nDaily.",
        "status": "TODO",
        "priority": None,
        "createdBy": EMPLOYEE.user_id,
        "assignedTo": None,
        "createdAt": clock(),
        "teamId": "T1",
        "number": 1,
        "requestId": "V1",
        "dueAt": filed.ticket.due_at,
        "target": {"since": clock(), "rules": load_policy(db).fingerprint},
        "queueKey": queue_key(filed.ticket),
        "seq": 1,
        "events": [{"seq": 1, "at": clock(), "by": EMPLOYEE.user_id, "type": "filed"}],
        "outbox": True,
        "attempts": 0,
    }
    assert load_ticket(db, str(filed.ticket.id)) == filed.ticket


def test_numbers_count_up(tickets: TicketService) -> None:
    assert [file(tickets).ticket.number for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("fields", "field", "sentence"),
    [
        ({"title": ""}, "title", "Give it a title of at least 3 characters."),
        ({"title": " \t\n "}, "title", "Give it a title of at least 3 characters."),
        ({"title": "ab"}, "title", "Give it a title of at least 3 characters."),
        ({"title": "\u200b\u2060\ufeff"}, "title", "Give it a title of at least 3 characters."),
        ({"title": "\u200d\u3164\ufe0f"}, "title", "Give it a title of at least 3 characters."),
        ({"title": "x" * 151}, "title", "A title has at most 150 characters; this one has 151."),
        ({"description": ""}, "description", "Describe what you need."),
        ({"description": "\n \u200b\u202e"}, "description", "Describe what you need."),
        (
            {"description": "x" * 3_001},
            "description",
            "At most 3,000 characters; this text has 3,001.",
        ),
        ({"priority": "BANANA"}, "priority", "Choose one of low, medium, high, urgent."),
        ({"priority": ""}, "priority", "Choose one of low, medium, high, urgent."),
    ],
)
def test_a_bad_field_is_named_and_nothing_stored(
    tickets: TicketService, db: Mongo, fields: dict[str, Any], field: str, sentence: str
) -> None:
    with pytest.raises(InvalidValue) as refused:
        file(tickets, **fields)
    assert (refused.value.field, str(refused.value)) == (field, sentence)
    assert (db.tickets.count_documents({}), db.counters.count_documents({})) == (0, 0)


@pytest.mark.parametrize(
    ("title", "description"),
    [
        ("abc", "x"),
        ("x" * 150, "y" * 3_000),
        ("  " + "x" * 150 + "\u200b", "\n" + "😀" * 3_000 + "\n"),
        ("👩‍💻", "half an emoji: \ud83d"),
    ],
)
def test_the_limits_count_what_can_be_seen(
    tickets: TicketService, title: str, description: str
) -> None:
    ticket = file(tickets, title=title, description=description).ticket
    assert ticket.title == title.strip(" \u200b")
    assert ticket.description == description.strip().rstrip("\ud83d ")


@pytest.mark.parametrize(
    "text", ["$teamId", "{$gt: ''}", '{"$gt": ""}', "$$ROOT", "<!channel>", "a.b.$[]", "__proto__"]
)
def test_text_with_operators_or_markup_is_stored_unchanged(
    tickets: TicketService, ticket_actions: TicketActions, db: Mongo, text: str
) -> None:
    ticket = file(tickets, title=text, description=text, request_id="V1").ticket
    assert (stored(db, ticket)["title"], stored(db, ticket)["description"]) == (text, text)
    edited = file(tickets, title=f"{text}!", description=text, request_id="V1").ticket
    done = ticket_actions.resolve(actor=MODERATOR, ticket_id=str(edited.id), resolution=text)
    assert (stored(db, done)["title"], stored(db, done)["resolution"]) == (f"{text}!", text)


def test_a_double_submit_is_one_ticket(tickets: TicketService, db: Mongo) -> None:
    first = file(tickets, request_id="V1", priority="high")
    again = file(tickets, request_id="V1", priority="high", title=" No  VPN")
    assert (first.is_new, again.is_new) == (True, False)
    assert again.ticket == first.ticket
    assert db.tickets.count_documents({}) == 1


def test_one_form_submitted_many_times_at_once_is_one_ticket(
    tickets: TicketService, db: Mongo
) -> None:
    answers = at_once(*[lambda: file(tickets, request_id="V1")] * 8)
    assert [type(answer) for answer in answers] == [FilingResult] * 8
    assert sum(answer.is_new for answer in answers) == 1
    assert {answer.ticket.id for answer in answers} == {doc["_id"] for doc in db.tickets.find()}
    assert db.tickets.count_documents({}) == 1


def test_another_teams_form_is_another_ticket(tickets: TicketService, db: Mongo) -> None:
    file(tickets, request_id="V1")
    assert file(tickets, request_id="V1", team_id="T2").is_new
    assert db.tickets.count_documents({}) == 2


def test_other_words_in_the_same_form_are_an_edit(
    tickets: TicketService, db: Mongo, clock: FixedClock
) -> None:
    ticket = file(tickets, request_id="V1").ticket
    db.tickets.update_one({"_id": ticket.id}, {"$set": {"assignment.next": clock(), "later": 1}})
    clock.advance(seconds=5)

    edited = file(tickets, request_id="V1", title="No DNS", priority="low")

    assert not edited.is_new
    assert (edited.ticket.title, edited.ticket.description) == ("No DNS", "It drops.")
    doc = stored(db, ticket)
    assert (doc["priority"], doc["seq"], doc["outbox"], doc["later"]) == ("low", 3, True, 1)
    assert doc["assignment"] == {}  # queued before: the new text may match an assignee
    line = {"at": clock(), "by": EMPLOYEE.user_id, "type": "edited"}
    assert doc["events"][1:] == [
        line | {"seq": 2, "field": "title", "from": "No VPN", "to": "No DNS"},
        line | {"seq": 3, "field": "priority", "from": None, "to": "low"},
    ]


def test_no_priority_in_a_second_submission_leaves_the_first(tickets: TicketService) -> None:
    file(tickets, request_id="V1", priority="high")
    again = file(tickets, request_id="V1", title="No DNS").ticket
    assert again.priority is Priority.HIGH


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.TODO])
def test_an_edit_of_what_is_worked_on_is_refused(
    tickets: TicketService, db: Mongo, status: Status
) -> None:
    ticket = file(tickets, request_id="V1").ticket
    db.tickets.update_one({"_id": ticket.id}, {"$set": {"status": status.value}})
    before = stored(db, ticket)
    sentence = refusal(Conflict, file, tickets, request_id="V1", title="No DNS")
    assert sentence == "Ticket 1 is being worked on; it can't be edited here."
    assert not file(tickets, request_id="V1").is_new  # equal values are no edit
    assert stored(db, ticket) == before


def test_another_users_form_is_not_found(tickets: TicketService, db: Mongo) -> None:
    ticket = file(tickets, request_id="V1").ticket
    for thief in (COLLEAGUE, MODERATOR, ADMIN):
        sentence = refusal(NotFound, file, tickets, thief, request_id="V1", title="Mine now")
        assert sentence == "This form is not yours. Open a new one with /ticket."
    assert load_ticket(db, str(ticket.id)) == ticket


def test_twenty_an_hour_then_a_sentence(tickets: TicketService, clock: FixedClock) -> None:
    for number in range(20):
        file(tickets, request_id=f"V{number}")
    assert refusal(LimitReached, file, tickets) == (
        "You have filed 20 tickets within an hour, which is the limit. Try again later; "
        "for an emergency, speak to a moderator."
    )
    assert not file(tickets, request_id="V7").is_new  # a double submit is no new ticket
    assert file(tickets, COLLEAGUE).is_new
    clock.advance(minutes=59)
    refusal(LimitReached, file, tickets)
    clock.advance(minutes=1, seconds=1)
    assert file(tickets).is_new


def test_without_counts_in_redis_the_stored_tickets_count(
    tickets: TicketService, db: Mongo, redis_server: RedisServer, clock: FixedClock
) -> None:
    """Redis was emptied, and another process counts by itself."""
    for _ in range(20):
        file(tickets)
    with connect_redis(redis_server.url) as client:
        client.flushdb()
    refusal(LimitReached, file, tickets)
    refusal(LimitReached, file, TicketService(db, RateLimiter(""), clock=clock))


def test_a_form_that_is_submitted_again_is_no_ticket_too_many(
    tickets: TicketService, caplog: pytest.LogCaptureFixture
) -> None:
    first = file(tickets, request_id="V1").ticket
    for _ in range(19):
        file(tickets)
    with caplog.at_level("INFO"):
        again = file(tickets, request_id="V1")
    assert (again.ticket, again.is_new) == (first, False)
    assert caplog.messages == []  # it is no refusal


def test_after_an_hour_an_emptied_redis_has_counted_all(
    tickets: TicketService, redis_server: RedisServer, db: Mongo, clock: FixedClock
) -> None:
    """Until then, the stored tickets count, too."""
    for _ in range(19):
        file(tickets)
    with connect_redis(redis_server.url) as client:
        client.flushall()
    clock.advance(minutes=30)
    file(tickets)
    refusal(LimitReached, file, tickets)
    clock.advance(minutes=30, seconds=1)
    db.tickets.delete_many({})
    for _ in range(19):
        file(tickets)
    db.tickets.delete_many({})  # only Redis knows them
    refusal(LimitReached, file, tickets)


@pytest.mark.parametrize("redis_url", ["", "as the tests"])
def test_a_ticket_that_is_not_stored_gives_its_place_back(
    tickets: TicketService, redis_server: RedisServer, clock: FixedClock, redis_url: str
) -> None:
    class Broken(NumberedInserts):
        def insert(self, ticket: Document) -> None:
            raise AutoReconnect

    url = redis_server.url if redis_url else ""
    limiter = RateLimiter(url, namespace="places", clock=clock)
    broken = copy(tickets)
    broken._rate_limiter = tickets._rate_limiter = limiter
    broken._inserts = Broken(tickets._db)
    for _ in range(21):
        with pytest.raises(AutoReconnect):
            file(broken)
    for _ in range(20):
        assert file(tickets).is_new
    refusal(LimitReached, file, tickets)


def test_requester_and_staff_see_the_ticket(tickets: TicketService) -> None:
    ticket = file(tickets).ticket
    for actor in (EMPLOYEE, MODERATOR, ADMIN):
        assert tickets.get(actor=actor, ticket_id=str(ticket.id)) == ticket
    assert refusal(NotFound, tickets.get, actor=COLLEAGUE, ticket_id=str(ticket.id)) == NOT_FOUND


@pytest.mark.parametrize("ticket_id", ["", "1", "65f0", "z" * 24, "a" * 12, "{'$gt': ''}", "\x00"])
def test_a_malformed_id_is_not_found(tickets: TicketService, ticket_id: str) -> None:
    assert refusal(NotFound, tickets.get, actor=ADMIN, ticket_id=ticket_id) == NOT_FOUND


def test_an_unknown_id_is_not_found(tickets: TicketService) -> None:
    assert refusal(NotFound, tickets.get, actor=ADMIN, ticket_id=str(ObjectId())) == NOT_FOUND


# From a Slack message

SOURCE = checked_source(
    team_url=TEAM_URL, channel="C0GENERAL", ts="1700000000.000001", slack_user_id="U0ANN"
)
DIRECT = checked_source(team_url=TEAM_URL, channel="D0ANN", ts="1700000000.000002")


def file_from_message(tickets: TicketService, user: User, **fields: Any) -> Ticket:
    fields = {"team_id": TEAM_ID, "source": SOURCE, **fields}
    return file(tickets, Actor.from_user(user), **fields).ticket


def test_the_ticket_keeps_where_it_comes_from(
    tickets: TicketService, people: People, db: Mongo
) -> None:
    ticket = file_from_message(tickets, people.add())
    assert ticket.source == SOURCE
    assert reload(db, ticket).source == SOURCE
    (doc,) = db.tickets.find()
    assert doc["source"] == {
        "channel": "C0GENERAL",
        "ts": "1700000000.000001",
        "permalink": "https://example.slack.com/archives/C0GENERAL/p1700000000000001",
        "threadTs": None,
        "slackUserId": "U0ANN",
    }


def test_tickets_of_no_message_are_not_in_each_others_way(
    tickets: TicketService, people: People, db: Mongo
) -> None:
    user = people.add()
    for _ in range(3):
        file_ticket(tickets, user)
    assert db.tickets.count_documents({"source": {"$exists": False}}) == 3


@pytest.mark.parametrize(
    "other",
    [
        replace(SOURCE, ts="1700000000.000002"),
        replace(SOURCE, channel="C0OTHER"),
    ],
    ids=["another message", "another channel"],
)
def test_other_messages_have_tickets_of_their_own(
    tickets: TicketService, people: People, other: MessageSource
) -> None:
    user = people.add()
    assert [
        file_from_message(tickets, user, source=source).number for source in (SOURCE, other)
    ] == [1, 2]


def test_another_teams_message_is_another_message(tickets: TicketService, people: People) -> None:
    user = people.add()
    file_from_message(tickets, user)
    assert file_from_message(tickets, user, team_id="T0OTHER").source == SOURCE


@pytest.mark.parametrize(
    ("asker", "sees"),
    [("creator", True), (Role.MODERATOR, True), (Role.ADMIN, True), (Role.USER, False)],
)
def test_existing_ticket_is_shown_only_to_its_readers(
    tickets: TicketService, people: People, asker: str | Role, sees: bool
) -> None:
    creator = people.add()
    ticket = file_from_message(tickets, creator)
    person = people.add(asker) if isinstance(asker, Role) else creator
    with pytest.raises(AlreadyFiled) as asked:
        tickets.check_not_filed(actor=Actor.from_user(person), team_id=TEAM_ID, source=SOURCE)
    with pytest.raises(AlreadyFiled) as filed:
        file_from_message(tickets, person)
    who = "You have" if asker == "creator" else "Someone has"
    sentence = f"{who} already filed this as ticket 1."
    assert [str(asked.value), str(filed.value)] == [sentence, sentence]
    found = [error.value.ticket and error.value.ticket.id for error in (asked, filed)]
    assert found == [ticket.id if sees else None] * 2


@pytest.mark.parametrize("change", [{"status": "COMPLETED"}, {"createdBy": COLLEAGUE.user_id}])
def test_a_similar_ticket_that_changes_while_it_is_compared_is_no_question(
    tickets: TicketService, db: Mongo, monkeypatch: pytest.MonkeyPatch, change: Document
) -> None:
    earlier = file(tickets).ticket
    with pytest.raises(SimilarTicketOpen) as refused:
        file(tickets, reject_similar=True)
    assert refused.value.ticket == earlier

    class Changed(TicketWords):
        def similarity(self, other: TicketWords) -> float:
            db.tickets.update_one({"_id": earlier.id}, {"$set": change})
            return TicketWords.similarity(self, other)

    monkeypatch.setattr(filing, "TicketWords", Changed)
    assert file(tickets, reject_similar=True).is_new


@pytest.mark.parametrize("role", [Role.USER, Role.MODERATOR])
def test_an_index_serves_the_reads_of_filing(
    people: People, watched_db: Mongo, commands: Commands, clock: FixedClock, role: Role
) -> None:
    """The hourly limit is counted in MongoDB while Redis has not counted a whole hour."""
    tickets = TicketService(watched_db, RateLimiter(""), clock=clock)
    file(tickets, Actor.from_user(people.add(role)), team_id=TEAM_ID, reject_similar=True)
    assert commands.scans(watched_db.tickets) == []


def test_an_index_finds_the_ticket_of_a_message(
    tickets: TicketService, people: People, watched_db: Mongo, commands: Commands
) -> None:
    actor, watched = Actor.from_user(people.add()), Services(watched_db)
    file(tickets, actor, team_id=TEAM_ID, source=DIRECT)
    with pytest.raises(AlreadyFiled):
        watched.tickets.check_not_filed(actor=actor, team_id=TEAM_ID, source=DIRECT)
    words = ("No VPN", "It drops.")
    watched.tickets.follow_message(team_id=TEAM_ID, source=DIRECT, before=words, after=words)
    found = [
        watched.ticket_threads.find_ticket(team_id=TEAM_ID, message=MessageRef("D0ANN", ts))
        for ts in (DIRECT.ts, SOURCE.ts)
    ]
    assert [thread is None for thread in found] == [False, True]
    assert commands.scans(watched_db.tickets) == []


def test_a_message_without_ticket_may_be_used(tickets: TicketService, people: People) -> None:
    tickets.check_not_filed(actor=Actor.from_user(people.add()), team_id=TEAM_ID, source=SOURCE)


def test_the_same_form_again_is_the_same_ticket(
    tickets: TicketService, people: People, db: Mongo
) -> None:
    user = people.add()
    first = file_from_message(tickets, user, request_id="V1")
    assert file_from_message(tickets, user, request_id="V1").id == first.id
    edited = file_from_message(tickets, user, request_id="V1", title="VPN is gone")
    assert (edited.id, edited.title, edited.source) == (first.id, "VPN is gone", SOURCE)
    assert db.tickets.count_documents({}) == 1


def test_concurrent_users_file_one_ticket_for_a_message(
    tickets: TicketService, people: People, db: Mongo
) -> None:
    everybody = [people.add() for _ in range(8)]

    def attempt(user: User) -> str:
        try:
            file_from_message(tickets, user)
        except AlreadyFiled as lost:
            return str(lost)
        return "filed"

    with ThreadPoolExecutor(8) as pool:
        outcomes = sorted(pool.map(attempt, everybody))
    (doc,) = db.tickets.find()
    told = f"Someone has already filed this as ticket {doc['number']}."
    assert outcomes == [told] * 7 + ["filed"]


def test_concurrent_submissions_of_a_form_return_one_ticket(
    tickets: TicketService, people: People, db: Mongo
) -> None:
    user = people.add()
    with ThreadPoolExecutor(8) as pool:
        made = set(
            pool.map(lambda _: file_from_message(tickets, user, request_id="V1").id, range(8))
        )
    assert len(made) == 1
    assert db.tickets.count_documents({}) == 1


def test_a_used_message_costs_nothing_of_the_limit(
    tickets: TicketService, people: People, clock: FixedClock
) -> None:
    user = people.add()
    file_from_message(tickets, user)
    for _ in range(19):
        file_ticket(tickets, user)
    with pytest.raises(AlreadyFiled):
        file_from_message(tickets, user)


def test_the_database_itself_keeps_a_message_to_one_ticket(
    tickets: TicketService, people: People, db: Mongo
) -> None:
    ticket = file_from_message(tickets, people.add())
    doc = db.tickets.find_one({"_id": ticket.id}) or {}
    del doc["_id"], doc["requestId"], doc["number"]
    with pytest.raises(DuplicateKeyError):
        db.tickets.insert_one(doc)
