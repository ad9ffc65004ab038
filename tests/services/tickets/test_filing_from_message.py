"""Of one message one ticket is made."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from pymongo.errors import DuplicateKeyError

from services.core.database import Mongo
from services.models.message_source import MessageSource, checked_source
from services.models.permissions import Actor
from services.models.ticket import Ticket
from services.models.user import Role, User
from services.tickets.filing import AlreadyFiled, TicketService
from tests.conftest import FixedClock, People, file_ticket, reload
from tests.support.slack_workspace import TEAM_ID, TEAM_URL

SOURCE = checked_source(
    team_url=TEAM_URL, channel="C0GENERAL", ts="1700000000.000001", slack_user_id="U0ANN"
)
ALREADY_FILED = "Somebody has already made ticket 1 of this message."
_forms = itertools.count(1)


def make(
    tickets: TicketService,
    user: User,
    *,
    source: MessageSource | None = SOURCE,
    form: str = "",
    title: str = "VPN drops",
    team: str = TEAM_ID,
) -> Ticket:
    return tickets.create(
        actor=Actor.from_user(user),
        team_id=team,
        request_id=form or f"V{next(_forms)}",
        title=title,
        description="Every hour.",
        source=source,
    ).ticket


def test_the_ticket_keeps_where_it_comes_from(
    tickets: TicketService, people: People, db: Mongo
) -> None:
    ticket = make(tickets, people.add())
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
    assert [make(tickets, user, source=source).number for source in (SOURCE, other)] == [1, 2]


def test_another_teams_message_is_another_message(tickets: TicketService, people: People) -> None:
    user = people.add()
    make(tickets, user)
    assert make(tickets, user, team="T0OTHER").source == SOURCE


@pytest.mark.parametrize(
    ("asker", "sees"),
    [("creator", True), (Role.MODERATOR, True), (Role.ADMIN, True), (Role.USER, False)],
)
def test_who_sees_the_ticket_that_is_there(
    tickets: TicketService, people: People, asker: str | Role, sees: bool
) -> None:
    creator = people.add()
    ticket = make(tickets, creator)
    person = people.add(asker) if isinstance(asker, Role) else creator
    with pytest.raises(AlreadyFiled) as asked:
        tickets.check_not_filed(actor=Actor.from_user(person), team_id=TEAM_ID, source=SOURCE)
    with pytest.raises(AlreadyFiled) as filed:
        make(tickets, person)
    assert [str(asked.value), str(filed.value)] == [ALREADY_FILED, ALREADY_FILED]
    found = [error.value.ticket and error.value.ticket.id for error in (asked, filed)]
    assert found == [ticket.id if sees else None] * 2


def test_a_message_without_ticket_may_be_used(tickets: TicketService, people: People) -> None:
    tickets.check_not_filed(actor=Actor.from_user(people.add()), team_id=TEAM_ID, source=SOURCE)


def test_the_same_form_again_is_the_same_ticket(
    tickets: TicketService, people: People, db: Mongo
) -> None:
    user = people.add()
    first = make(tickets, user, form="V1")
    assert make(tickets, user, form="V1").id == first.id
    edited = make(tickets, user, form="V1", title="VPN is gone")
    assert (edited.id, edited.title, edited.source) == (first.id, "VPN is gone", SOURCE)
    assert db.tickets.count_documents({}) == 1


def test_of_many_people_at_once_one_makes_the_ticket(
    tickets: TicketService, people: People, db: Mongo
) -> None:
    everybody = [people.add() for _ in range(8)]

    def attempt(user: User) -> str:
        try:
            make(tickets, user)
        except AlreadyFiled as lost:
            return str(lost)
        return "filed"

    with ThreadPoolExecutor(8) as pool:
        outcomes = sorted(pool.map(attempt, everybody))
    (doc,) = db.tickets.find()
    told = f"Somebody has already made ticket {doc['number']} of this message."
    assert outcomes == [told] * 7 + ["filed"]


def test_of_one_form_sent_many_times_at_once_nobody_is_told_off(
    tickets: TicketService, people: People, db: Mongo
) -> None:
    user = people.add()
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: make(tickets, user, form="V1").id, range(8)))
    assert len(made) == 1
    assert db.tickets.count_documents({}) == 1


def test_a_used_message_costs_nothing_of_the_limit(
    tickets: TicketService, people: People, clock: FixedClock
) -> None:
    """Who has filed their twenty is told of the ticket, not of the limit."""
    user = people.add()
    make(tickets, user)
    for _ in range(19):
        file_ticket(tickets, user)
    with pytest.raises(AlreadyFiled):
        make(tickets, user)


def test_the_database_itself_keeps_a_message_to_one_ticket(
    tickets: TicketService, people: People, db: Mongo
) -> None:
    ticket = make(tickets, people.add())
    doc = db.tickets.find_one({"_id": ticket.id}) or {}
    del doc["_id"], doc["requestId"], doc["number"]
    with pytest.raises(DuplicateKeyError):
        db.tickets.insert_one(doc)
