"""After a day without jobs all due steps are taken, with few messages."""

from collections import Counter
from copy import deepcopy
from datetime import UTC, datetime

import pytest
from bson import ObjectId

from services.core.installation import claim_installation
from services.models.ticket import Ticket
from services.ops.job_health import job_problems, load_job_runs
from services.sla.queue_key import queue_key
from tasks.processes.scheduler import Scheduler
from tests.conftest import People, work
from tests.support.action_helpers import by
from tests.support.escalation_day import Day, at
from tests.support.processes import is_outbox_empty
from tests.support.slack_workspace import TEAM_ID, TRIAGE

pytest_plugins = ["tests.support.business_day"]

# Three working days before the Tuesday when the jobs restart.
THURSDAY = datetime(2037, 2, 26, 9, 30, tzinfo=UTC)
UNACCEPTED, LATE, UNASSIGNED, WAITING = 160, 160, 160, 20


def multiply(day: Day, ticket: Ticket, count: int) -> None:
    """Insert copies of the ticket, until there are `count`."""
    doc = day.db.tickets.find_one({"_id": ticket.id})
    assert doc is not None
    known = day.db.tickets.count_documents({})
    copies = []
    for number in range(known + 1_000, known + 1_000 + count - 1):
        copy = deepcopy(doc) | {"_id": ObjectId(), "number": number, "requestId": f"V{number}"}
        copies.append(copy | {"queueKey": queue_key(Ticket.from_doc(copy))})
    day.db.tickets.insert_many(copies)


def run_all(day: Day, jobs: Scheduler, *, minutes: int) -> None:
    """Run every job and the workers in turn."""
    until = day.clock.now.timestamp() + 60 * minutes
    while day.clock.now.timestamp() < until:
        jobs.renew_leadership()
        for name in jobs.jobs:
            jobs.run(name)
            work(day.runtime, day.publisher)
        day.clock.advance(seconds=20)


def posted(day: Day) -> Counter[str]:
    return Counter(call.args["channel"] for call in day.slack.calls_to("chat.postMessage"))


def steps_taken(day: Day) -> Counter[str]:
    events = [event for doc in day.db.tickets.find() for event in doc["events"]]
    return Counter(event["to"] for event in events if event.get("field") == "alarm")


@pytest.mark.long
@pytest.mark.timeout(300)  # only limits a test that fails; about 20 s of one core
def test_five_hundred_tickets_are_a_handful_of_messages(day: Day) -> None:
    employee, jo, boss = day.people.add(), day.moderator("VPN", capacity=900), day.admin()
    claim_installation(day.db, team_id=TEAM_ID)
    day.clock.now = THURSDAY
    asked = day.file(employee)
    day.ticket_actions.ask_requester(**by(jo, asked), question="Which office?")
    day.deliver(asked)
    day.clock.now = at(2, 9)
    unaccepted, late = day.file(employee), day.file(employee)
    day.accept(late, jo)
    day.db.users.update_many({}, {"$set": {"capacity": 0}})
    nobodys = day.file(employee)
    assert nobodys.assigned_to is None
    for ticket, count in (
        (asked, WAITING),
        (unaccepted, UNACCEPTED),
        (late, LATE),
        (nobodys, UNASSIGNED),
    ):
        multiply(day, ticket, count)

    day.slack.clear()
    day.clock.now = at(3, 10)
    jobs = Scheduler(day.runtime.services, day.publisher)
    run_all(day, jobs, minutes=2)

    assert steps_taken(day) == {
        "accept_reminder": UNACCEPTED,
        "due_triage": UNACCEPTED + LATE,
        "due_admins": UNASSIGNED,
        "waiting_ask": WAITING,
    }
    messages = {
        People.slack_id(employee): WAITING,  # each ticket asks its own question
        People.slack_id(jo): 2,
        People.slack_id(boss): 2,
        TRIAGE: 1,
    }
    assert posted(day) == messages
    digest, late_ones = sorted(day.texts_to(jo))[::-1]
    assert digest.startswith("Open tickets today: 340 yours, 160 unassigned, 480 overdue")
    assert late_ones.startswith("320 tickets need a look: Ticket 2, ")
    (channel,) = day.texts_to(TRIAGE)
    assert channel.startswith("480 tickets need a look: ")
    assert any(text.startswith("160 tickets need a look: ") for text in day.texts_to(boss))

    run_all(day, jobs, minutes=1)
    assert posted(day) == messages
    assert is_outbox_empty(day.db)
    assert job_problems(load_job_runs(day.db), now=day.clock()) == []
