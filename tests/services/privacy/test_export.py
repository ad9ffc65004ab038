"""The export of a user's data as JSON, and `app.py users export|erase`."""

import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId
from bson.datetime_ms import DatetimeMS

from services.accounts.users import UserService
from services.channels.request_channels import ChannelMode, RequestChannel
from services.core.database import Mongo
from services.core.errors import PermissionDenied
from services.models.comment import MessageRef
from services.models.permissions import OPERATOR, Actor
from services.models.slack_member import link_id
from services.models.ticket import Ticket
from services.models.user import Role, User
from services.outbox.emails import EmailKind
from services.outbox.replies import ReplyKind
from services.privacy.export import DataExport, to_json_value
from services.registry.services import Services
from services.tickets.comments import CommentService
from services.tickets.filing import TicketService
from tests.conftest import FixedClock, People, file_ticket
from tests.support import legacy_app
from tests.support.processes import run
from tests.support.slack_workspace import TEAM_ID


def uri_of(db: Mongo) -> str:
    host, port = db.client.address or ("", 0)
    return f"mongodb://{host}:{port}/{db.name}"


def iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


@pytest.fixture
def jo(db: Mongo, services: Services, clock: FixedClock) -> User:
    user = services.sign_in.sign_up(email="Jo@example.com", password="correct horse")
    link = {"teamId": TEAM_ID, "slackUserId": "U0JO", "userId": user.id, "createdAt": clock()}
    db.links.insert_one({"_id": link_id(TEAM_ID, "U0JO"), **link})
    return user


@pytest.fixture
def ticket(jo: User, tickets: TicketService, comments: CommentService, people: People) -> Ticket:
    """Jo's ticket, with an entry by a moderator."""
    ticket = file_ticket(tickets, jo, "My chair squeaks")
    helper = Actor.from_user(people.add(Role.MODERATOR))
    comments.add(actor=Actor.from_user(jo), ticket_id=str(ticket.id), text="The left wheel.")
    comments.add(actor=helper, ticket_id=str(ticket.id), text="We oil it.")
    comments.add(actor=helper, ticket_id=str(ticket.id), text="Him again.", internal=True)
    return ticket


def test_it_holds_their_data_and_no_more(
    db: Mongo, users: UserService, jo: User, ticket: Ticket, clock: FixedClock, services: Services
) -> None:
    for member, words in (("U0JO", "It squeaks"), ("U0OTHER", "Him again")):
        ref = MessageRef(member, "1.000001")
        services.direct_messages.begin(ref, words, slack_user_id=member, is_open=True)
        services.replies.queue(
            ReplyKind.OFFER,
            event=member,
            recipient=member,
            slack_user_id=member,
            message={"text": "Shall I?"},
        )
    for channel, by in (("C0IT", jo.id), ("C0HR", ObjectId())):
        made = RequestChannel(TEAM_ID, channel, ChannelMode.ON_REQUEST, by=by, at=clock())
        db.channels.insert_one(made.to_doc())
    found = DataExport(db, users).export(actor=OPERATOR, email=" JO@example.com")
    assert found["email"] == "JO@example.com"
    (held,) = found["accounts"]
    assert held["account"] == {
        "_id": str(jo.id),
        "email": "Jo@example.com",
        "name": None,
        "role": "user",
        "skills": [],
        "active": True,
        "capacity": 8,
        "createdAt": iso(clock()),
    }
    assert held["links"] == [
        {
            "_id": link_id(TEAM_ID, "U0JO"),
            "teamId": TEAM_ID,
            "slackUserId": "U0JO",
            "createdAt": iso(clock()),
        }
    ]
    (filed,) = held["tickets"]
    assert (filed["title"], filed["number"]) == ("My chair squeaks", 1)
    assert [comment["text"] for comment in held["comments"]] == ["The left wheel."]
    assert {(event["type"], event["ticketNumber"]) for event in held["events"]} == {
        ("filed", 1),
        ("commented", 1),
    }
    (queued_email,) = held["letters"]
    assert (queued_email["kind"], queued_email["createdAt"]) == (EmailKind.WELCOME, iso(clock()))
    assert [sent["text"] for sent in held["directMessages"]] == ["It squeaks"]
    assert [(sent["message"], sent["state"]) for sent in held["replies"]] == [
        ({"text": "Shall I?"}, "waiting")
    ]
    assert held["requestChannels"] == [{"_id": f"{TEAM_ID}:C0IT", "at": iso(clock())}]
    text = json.dumps(found)
    assert "Him again" not in text
    assert "$2b$" not in text


def test_legacy_accounts_with_all_their_fields(db: Mongo, users: UserService) -> None:
    legacy_app.load_into(db, team_id=TEAM_ID)
    (held,) = DataExport(db, users).export(actor=OPERATOR, email="mo.derator@example.com")[
        "accounts"
    ]
    assert held["account"]["department"] == {"name": "IT", "floor": 3}
    accounts = DataExport(db, users).export(actor=OPERATOR, email="jo@example.com")["accounts"]
    assert [len(held["tickets"]) for held in accounts] == [26, 0]
    assert json.loads(json.dumps(accounts, allow_nan=False)) == accounts


def test_it_holds_data_about_assignees(
    db: Mongo,
    jo: User,
    users: UserService,
    people: People,
    tickets: TicketService,
    clock: FixedClock,
) -> None:
    """Assignments and their reasons, messages and corrections are included, too."""
    chosen, taken = (file_ticket(tickets, people.add(), f"Secret words {n}") for n in (1, 2))
    why = {"source": "gemini", "reason": "knows VPN", "score": 0.5}
    sent = {"state": "sent", "channel": "D0JO", "ts": "1.5"}
    told = [{"key": f"2:assigned:{one}", **sent} for one in (jo.id, ObjectId())]
    given = {"assignedTo": jo.id, "status": "IN_PROGRESS"}
    db.tickets.update_one(
        {"_id": chosen.id}, {"$set": {**given, "assignment": why, "notices": told}}
    )
    by_hand = {"source": "manual", "reason": "He has time for once"}
    db.tickets.update_one({"_id": taken.id}, {"$set": {**given, "assignment": by_hand}})
    said = {"ticketId": chosen.id, "at": clock(), "kind": "reassigned", "skills": ["vpn"]}
    db.corrections.insert_one({"_id": "a", **said, "by": ObjectId(), "from": jo.id, "to": None})
    db.corrections.insert_one({"_id": "b", **said, "by": ObjectId(), "from": None, "to": None})
    db.unlinked.insert_one({"_id": link_id(TEAM_ID, "U0OLD"), "userId": jo.id, "at": clock()})
    (held,) = DataExport(db, users).export(actor=OPERATOR, email=jo.email)["accounts"]
    first, second = (
        {"ticketId": str(one.id), "ticketNumber": one.number, "status": "IN_PROGRESS"}
        for one in (chosen, taken)
    )
    assert held["assigned"] == [{**first, "choice": why}, second]
    place = {"ticketId": str(chosen.id), "ticketNumber": chosen.number}
    assert held["messages"] == [{**place, "kind": "assigned", **sent}]
    assert held["corrections"] == [{**to_json_value(said), "their": "from"}]
    assert held["formerLinks"] == [{"_id": link_id(TEAM_ID, "U0OLD"), "at": iso(clock())}]
    text = json.dumps(held)
    assert "Secret words" not in text
    assert "for once" not in text


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (datetime(2026, 3, 1, 12, 0, 0, 5_000, UTC), "2026-03-01T12:00:00.005Z"),
        (ObjectId("65f0c0ffee65f0c0ffee0012"), "65f0c0ffee65f0c0ffee0012"),
        (math.inf, "inf"),
        ({"a": [1, 2.5, True, None, "x"]}, {"a": [1, 2.5, True, None, "x"]}),
        (DatetimeMS(577_186_700_000_000), "577186700000000"),
    ],
)
def test_every_value_has_a_place_in_json(value: Any, written: Any) -> None:
    assert to_json_value(value) == written


@pytest.mark.parametrize("role", [Role.USER, Role.MODERATOR])
def test_only_who_manages_people_may(db: Mongo, users: UserService, jo: User, role: Role) -> None:
    with pytest.raises(PermissionDenied):
        DataExport(db, users).export(actor=Actor(jo.id, role), email=jo.email)


def test_the_commands(db: Mongo, jo: User, ticket: Ticket) -> None:
    env = {"MONGO_URI": uri_of(db)}
    exported = run("users export", "jo@example.com", **env)
    assert (exported.returncode, exported.stderr) == (0, "")
    assert json.loads(exported.stdout)["accounts"][0]["account"]["_id"] == str(jo.id)
    erased = run("users erase", "jo@example.com", **env)
    assert (erased.returncode, erased.stderr) == (0, "")
    assert erased.stdout.splitlines() == [
        f"Account {jo.id} is deactivated, signed out everywhere and now called “a former "
        "colleague”.",
        "Address, name, password, skills and profile are removed; Slack links: 1, emails: 1.",
        "Open tickets returned to the queue: 0. Tickets without their links to Slack now: 0.",
        "The tickets stay, and what people wrote in them was not changed.",
    ]
    again = run("users erase", "jo@example.com", **env)
    assert (again.returncode, again.stdout) == (
        0,
        "There is no account with that address, so there is nothing to erase.\n",
    )
    gone = run("users export", "jo@example.com", **env)
    assert (gone.returncode, gone.stderr) == (1, "There is no account with that address.\n")


def test_it_names_the_tickets_they_take_part_in(
    db: Mongo, users: UserService, jo: User, ticket: Ticket
) -> None:
    db.tickets.update_one({"_id": ticket.id}, {"$set": {"participants": [jo.id]}})
    (held,) = DataExport(db, users).export(actor=OPERATOR, email=jo.email)["accounts"]
    assert held["participating"] == [{"ticketId": str(ticket.id), "ticketNumber": 1}]
