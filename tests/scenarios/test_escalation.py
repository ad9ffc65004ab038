"""Escalation of a ticket that is not accepted, with real processes and the real clock."""

from datetime import timedelta

from demo.servers import RedisServer
from services.accounts.users import UserService
from services.core.clock import utcnow
from services.core.database import Mongo
from services.models.ticket import Ticket
from services.models.user import Role
from services.tickets.actions import TicketActions
from services.tickets.filing import TicketService
from tasks.queue.publisher import CeleryPublisher
from tests.conftest import FixedClock, People, file_ticket, reload
from tests.support.action_helpers import by
from tests.support.bot_and_workers import buttons
from tests.support.processes import Product, celery_for, eventually
from tests.support.recording_slack import RecordingSlack

pytest_plugins = ["tests.support.product"]


def long_ago(db: Mongo, ticket: Ticket) -> None:
    """Move the assignment two weeks into the past."""
    then = utcnow() - timedelta(days=14)
    tracks = {"ladders.accept.since": then, "alarm.at": then}
    db.tickets.update_one({"_id": ticket.id}, {"$set": tracks})


def test_its_assignee_is_reminded_and_then_it_is_reassigned(
    product: Product,
    redis: RedisServer,
    slack: RecordingSlack,
    db: Mongo,
    people: People,
    tickets: TicketService,
    users: UserService,
    clock: FixedClock,
) -> None:
    employee, jo = people.add(), people.add(Role.MODERATOR, "VPN")
    product.start("worker")
    ticket = file_ticket(tickets, employee, "VPN is down")
    CeleryPublisher(celery_for(redis.url)).publish_ticket(str(ticket.id))
    eventually(lambda: reload(db, ticket).assigned_to == jo.id, what="it is Jo's")
    al = people.add(Role.MODERATOR, "VPN")
    long_ago(db, ticket)
    for _ in range(2):  # two candidates for the leader
        product.start("jobs")

    eventually(lambda: db.nudges.count_documents({}) == 1, what="there is something to tell")
    db.nudges.update_many({}, {"$set": {"at": utcnow()}})  # skip the batch window
    eventually(lambda: len(slack.messages(people.slack_id(jo))) == 2, what="Jo was reminded")
    reminder = slack.messages(people.slack_id(jo))[1]
    assert reminder["text"] == "Ticket 1 “VPN is down” waits for you to accept it"
    assert buttons(reminder) == ["Accept", "Reassign", "Details"]

    long_ago(db, ticket)
    eventually(lambda: reload(db, ticket).assigned_to == al.id, what="it was reassigned")
    eventually(lambda: slack.messages(people.slack_id(al)) != [], what="Al has a card")
    TicketActions(db, users, clock=clock).accept(**by(al, ticket))
    told = [event.to for event in reload(db, ticket).events if event.field == "alarm"]
    assert told == ["accept_reminder", "accept_next"]
    next_step = reload(db, ticket).next_step
    assert next_step is not None
    assert next_step.step.value.startswith("due_")
