from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from demo.servers import MongoServer
from services import handing_back, notices, outbox, queue_places, waiting
from services.analysis import Source
from services.assigning import AssignmentStore
from services.assignment import Choice, Reason
from services.comment import Place as SlackPlace
from services.comments import CommentService
from services.database import DEFAULT_NAME, INDEXES, Mongo, connect, ensure_indexes, missing_indexes
from services.leases import Lease
from services.links import LinkService, SlackMember
from services.lists import ListService
from services.models import Card, Role
from services.moves import TicketMoves
from services.people import PeopleService, PersonFields
from services.permissions import OPERATOR, Actor
from services.roll import Place
from services.selection import ListKind, Selection, skill_key
from services.sources import checked_source
from services.team import claim_team
from services.threads import Threads
from services.tickets import TicketService
from services.users import UserService
from tests.conftest import Commands, FixedClock, at_once, file_ticket
from tests.slack_workspace import TEAM_ID, TEAM_URL


@pytest.mark.parametrize(
    ("path", "name"),
    [("helpdesk", "helpdesk"), ("", DEFAULT_NAME), ("?retryWrites=true", DEFAULT_NAME)],
)
def test_the_uri_names_the_database(path: str, name: str) -> None:
    db = connect(f"mongodb://127.0.0.1:9/{path}")  # nobody listens there: nothing is reached yet
    assert db.name == name
    assert db.client.codec_options.tz_aware
    assert db.client.write_concern.document == {"w": "majority", "j": True}
    assert db.client.options.timeout == 5
    db.client.close()


@pytest.fixture
def bare(mongo: MongoServer) -> Iterator[Mongo]:
    """A database without an index."""
    db = connect(mongo.uri_for(f"test-{ObjectId()}"))
    yield db
    db.client.close()


def test_every_index_is_made_once_whoever_asks_and_how_often(bare: Mongo) -> None:
    wanted = {
        f"{collection}.{index.document['name']}"
        for collection, indexes in INDEXES.items()
        for index in indexes
    }
    assert set(missing_indexes(bare)) == wanted
    assert at_once(*[lambda: ensure_indexes(bare)] * 4) == [None] * 4
    ensure_indexes(bare)
    assert missing_indexes(bare) == []
    made = {name: set(bare[name].index_information()) - {"_id_"} for name in INDEXES}
    assert {f"{name}.{index}" for name, indexes in made.items() for index in indexes} == wanted


def test_the_predecessors_documents_do_not_stand_in_the_way(bare: Mongo) -> None:
    bare.users.insert_many([{"email": "jo@example.com"}, {"email": "jo@example.com"}])
    bare.tickets.insert_many([{"title": "a"}, {"title": "a"}, {"number": None}, {"number": None}])
    ensure_indexes(bare)
    bare.tickets.insert_many([{"title": "b"}, {"title": "b"}])


@pytest.mark.parametrize(
    ("collection", "doc"),
    [
        ("tickets", {"teamId": "T1", "number": 1}),
        ("tickets", {"teamId": "T1", "requestId": "V1"}),
        ("tickets", {"teamId": "T1", "source": {"channel": "C1", "ts": "1.000001"}}),
        ("links", {"teamId": "T1", "userId": "u"}),
    ],
)
def test_what_must_be_unique_in_a_team_is(db: Mongo, collection: str, doc: dict[str, Any]) -> None:
    db[collection].insert_one(dict(doc))
    db[collection].insert_one(doc | {"teamId": "T2"})
    with pytest.raises(DuplicateKeyError):
        db[collection].insert_one(dict(doc))


def use_all(db: Mongo, clock: FixedClock) -> None:
    """Everything the services do for filing, assigning, notifying and resolving."""
    users, tickets = UserService(db, clock=clock), TicketService(db, clock=clock)
    links = LinkService(db, users, clock=clock)
    store = AssignmentStore(db, links)
    claim_team(db, team_id=TEAM_ID)
    Lease(db, "jobs", clock=clock).hold()
    invited = users.create(actor=OPERATOR, email="jo@example.com", role=Role.MODERATOR)
    users.set_skills(actor=OPERATOR, email="jo@example.com", skills=["VPN"])
    for number, email in enumerate(("jo@example.com", "al@example.com")):
        links.admit(SlackMember(TEAM_ID, f"U{number}", TEAM_ID, email, email_confirmed=True))
    users.team_skills()
    users.ids_of(Role.ADMIN)
    users.many({invited.id})
    links.slack_ids(team_id=TEAM_ID, user_ids={invited.id})
    ticket = file_ticket(tickets, invited)
    message = checked_source(team_url=TEAM_URL, channel="C1X", ts="1.000001")
    tickets.check_unused(actor=Actor.of(invited), team_id=TEAM_ID, source=message)
    store.claim(ticket.id, now=clock())
    store.candidates(team_id=TEAM_ID, now=clock())
    store.park(ticket, now=clock())
    waiting.wake_due(db, now=clock())
    waiting.wake(db, now=clock())
    ticket = tickets.get(actor=Actor.of(invited), ticket_id=str(ticket.id))
    store.assign(
        ticket,
        Choice(invited.id, Reason.SKILLS, "knows VPN", 1.0, {}),
        source=Source.ROUTER,
        now=clock(),
    )
    store.release(ticket.id)
    lists = ListService(db, users, links, clock=clock)
    for kind in ListKind:
        lists.look(actor=Actor.of(invited), team_id=TEAM_ID, selection=Selection(kind))
    for selection in (
        Selection(ListKind.QUEUE, assignee=str(invited.id)),
        Selection(ListKind.QUEUE, skill=skill_key("VPN")),
    ):
        lists.look(actor=Actor.of(invited), team_id=TEAM_ID, selection=selection)
    queue_places.give_places(db)
    outbox.due(db, now=clock(), limit=9)
    outbox.back_off(db, ticket.id, now=clock())
    card = Card("requester", invited.id, "D1", "1.5", seq=1, digest="d")
    notices.claim(db, ticket.id, "k", now=clock())
    notices.sent(db, ticket.id, "k", channel="D1", ts="1.5", card=card)
    notices.card_updated(db, ticket.id, card, seq=2, digest="d", now=clock())
    outbox.settle(db, ticket.id, seen=1)
    notices.spoil_card(db, ticket.id, channel="D1", ts="1.5", now=clock())
    manage_people(db, invited.id, clock)
    moves = TicketMoves(db, users, clock=clock)
    moves.resolve(actor=Actor.of(invited), ticket_id=str(ticket.id), resolution="Done.")
    moves.redraw(actor=Actor.of(invited), ticket_id=str(ticket.id), channel="D1", ts="1.5")
    _talk(db, Actor.of(invited), str(ticket.id), clock)


def manage_people(db: Mongo, moderator: ObjectId, clock: FixedClock) -> None:
    """Everything admins do to accounts."""
    service, admin = PeopleService(db, clock=clock), Actor(ObjectId(), Role.ADMIN)
    first = service.page(actor=admin, place=Place(search="j jo"))
    service.page(actor=admin, place=Place(beside=first.users[0].id))
    shown = PersonFields.of(service.get(actor=admin, user_id=str(moderator)))
    for fields in ({"active": "deactivated"}, {"active": "active", "role": "admin"}):
        wanted = replace(shown, **fields)
        service.update(actor=admin, user_id=str(moderator), shown=shown, wanted=wanted)
        service.hand_back(actor=admin, user_id=moderator)
        handing_back.due(db, now=clock())
        shown = wanted
    db.users.insert_one({"role": "admin"})
    wanted = replace(shown, role="moderator")
    service.update(actor=admin, user_id=str(moderator), shown=shown, wanted=wanted)
    service.update_own(actor=Actor(moderator, Role.MODERATOR), skills="VPN", away_until="")


def _talk(db: Mongo, actor: Actor, ticket_id: str, clock: FixedClock) -> None:
    comments, place = CommentService(db, clock=clock), SlackPlace("D1", "1.6")
    assert Threads(db).find(team_id=TEAM_ID, place=SlackPlace("D1", "1.5"))
    comments.add(actor=actor, ticket_id=ticket_id, text="Hello", slack=place)
    comments.edit(actor=actor, ticket_id=ticket_id, text="Hello!", slack=place)
    comments.delete(ticket_id=ticket_id, slack=place)
    ticket = comments.ready(actor=actor, ticket_id=ticket_id, internal=False)
    notices.message_updated(db, ticket.id, "k", seq=ticket.seq, version="v", now=clock())


def filters(name: str, command: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """What a command looks for, by collection."""
    collection = str(command.get(name))
    if name == "find":
        return [(collection, command["filter"])]
    if name in ("findAndModify", "distinct", "count"):
        return [(collection, command["query"])]
    if name == "aggregate":
        return [(collection, stage["$match"]) for stage in command["pipeline"][:1]]
    return [(collection, change["q"]) for change in command.get(f"{name}s", [])]


def is_served(query: dict[str, Any], index: dict[str, Any]) -> bool:
    """Whether MongoDB can use the index: the query narrows its first field and implies its filter.

    SecantusDB's own explain() cannot be asked: it scans as soon as one condition of a query is
    on a field outside the index, even beside an `_id`.
    """
    first = next(iter(index["key"]))
    condition = query.get(first, {"$ne": None})
    narrowed = not isinstance(condition, dict) or not {"$ne", "$exists"} & set(condition)
    implied = all(
        query.get(field) == wanted
        or (isinstance(wanted, dict) and "$gt" in wanted and _implies(query.get(field, {}), wanted))
        for field, wanted in index.get("partialFilterExpression", {}).items()
    )
    return narrowed and implied and not (index.get("sparse") and condition is None)


def _implies(condition: Any, wanted: dict[str, Any]) -> bool:
    """A value, or a range that says so itself."""
    return not isinstance(condition, dict) or wanted.items() <= condition.items()


def is_served_by(query: dict[str, Any], keys: list[tuple[str, int]]) -> bool:
    """Whether `INDEXES` has a ticket's index of these keys, and it serves the query."""
    indexes = [index.document for index in INDEXES["tickets"]]
    return any(is_served(query, i) for i in indexes if list(i["key"].items()) == keys)


def test_every_query_of_the_services_is_served_by_an_index(
    watched_db: Mongo, commands: Commands, clock: FixedClock
) -> None:
    use_all(watched_db, clock)
    asked = [question for sent in commands.sent for question in filters(*sent)]
    assert {collection for collection, _ in asked} >= {"users", "links", "tickets", "leases"}
    served = {name: [{"key": {"_id": 1}}] for name, _ in asked}
    for name, indexes in INDEXES.items():
        served.setdefault(name, []).extend(index.document for index in indexes)
    assert [
        (collection, query)
        for collection, query in asked
        if not any(is_served(query, index) for index in served[collection])
    ] == []


@pytest.mark.parametrize(
    ("query", "served"),
    [
        ({"teamId": "T1", "requestId": "V1"}, True),
        ({"requestId": "V1"}, False),
        ({"teamId": "T1", "source.ts": "1.000001", "source.channel": "C1"}, True),
        ({"teamId": "T1", "source.channel": "C1"}, False),
        ({"teamId": "T1", "title": "x"}, False),
        ({"outbox": True, "nextTryAt": {"$lte": 1}}, True),
        ({"nextTryAt": {"$lte": 1}}, False),
        ({"assignment.next": {"$gt": 1}}, True),
        ({"queueKey": {"$gt": ""}}, True),
        ({"queueKey": {"$gt": "", "$gte": "0-1"}, "$or": []}, True),
        ({"queueKey": {"$gte": "0-1"}}, False),
        ({"status": {"$in": ["TODO"]}, "queueKey": None}, True),
        ({"relatedSkills": {"$in": ["VPN"]}, "queueKey": {"$gt": ""}}, True),
        ({"relatedSkills": {"$in": ["VPN"]}}, False),
        ({"assignment.next": None}, False),
        ({"createdBy": {"$ne": 1}}, False),
        ({"title": "x"}, False),
    ],
)
def test_the_check_itself(query: dict[str, Any], served: bool) -> None:
    assert any(is_served(query, index.document) for index in INDEXES["tickets"]) is served


def test_the_sweep_needs_no_sort(db: Mongo, clock: FixedClock) -> None:
    due = db.tickets.find({"outbox": True, "nextTryAt": {"$lte": clock()}}).sort("nextTryAt")
    plan = str(due.explain()["queryPlanner"])
    assert "outbox_due" in plan
    assert "SORT" not in plan
