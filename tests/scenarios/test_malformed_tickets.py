"""A ticket whose stored data is malformed: the others go on, and the operator reads which one."""

from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from services.core.database import Mongo
from services.core.installation import claim_installation
from services.models.ticket import Ticket
from services.models.user import Role, User
from services.ops.job_health import count_failing, find_failing
from services.outbox import pending
from tasks.processes.jobs import ALL_JOBS
from tasks.queue.job_registry import JobContext
from tests.conftest import FixedClock, People, file_ticket
from tests.support.bot_and_workers import BotAndWorkers
from tests.support.slack_workspace import TEAM_ID

pytest_plugins = ["tests.support.scenario"]


def run_jobs(system: BotAndWorkers) -> None:
    """Run every job once, which raises what one of them raises, then the workers."""
    context = JobContext(system.runtime.services, system.publisher, lambda: True)
    for job in ALL_JOBS:
        if job.name in ("upkeep", "alarms", "sweep", "waiting", "handing_back"):
            job.run(context)
    system.work()


def findings(db: Mongo, clock: FixedClock) -> list[str]:
    return [finding.format_line("jobs") for finding in find_failing(db, now=clock())]


def make_due(db: Mongo, clock: FixedClock) -> None:
    """Make every ticket's timing out of date, and something of it undelivered."""
    due = {**pending.outbox_fields(clock()), "nextTryAt": clock(), "queueKey": None}
    db.tickets.update_many({}, {"$set": due})


MALFORMED: dict[str, tuple[dict[str, Any], str]] = {
    "events that are a text": ({"$set": {"events": "x"}}, "events is no list"),
    "an event without a time": ({"$unset": {"events.1.at": ""}}, "events[1] has no valid at"),
    "an event without an author": ({"$unset": {"events.0.by": ""}}, "events[0] has no valid by"),
    "a card without a kind": ({"$unset": {"cards.0.kind": ""}}, "cards[0] has no valid kind"),
    "cards that are a number": ({"$set": {"cards": 7}}, "cards is no list"),
    "deliveries that are an object": ({"$set": {"notices": {"a": 1}}}, "notices is no list"),
    "a delivery without a state": (
        {"$unset": {"notices.0.state": ""}},
        "notices[0] has no valid state",
    ),
    "a seq that is a text": ({"$set": {"seq": "x"}}, "seq is no number"),
    "a comment without an author": (
        {"$set": {"comments": [{"id": ObjectId(), "at": 1}]}},
        "comments[0] has no valid at",
    ),
}


@pytest.mark.parametrize(("fault", "reason"), MALFORMED.values(), ids=MALFORMED)
def test_the_others_go_on_and_doctor_names_it(
    system: BotAndWorkers,
    ticket: Ticket,
    clock: FixedClock,
    ann: User,
    fault: dict[str, Any],
    reason: str,
) -> None:
    db = system.db
    whole = db.tickets.find_one({"_id": ticket.id})
    assert whole
    other = system.file(ann, "The printer is on fire")
    db.tickets.update_one({"_id": ticket.id}, fault)
    make_due(db, clock)
    for _ in range(2):
        run_jobs(system)
        clock.now += timedelta(minutes=2)
    healthy = system.now(other)
    assert (healthy.is_in_outbox, bool(healthy.queue_key)) == (False, True)
    assert findings(db, clock) == [
        f"FAIL  jobs:          ticket 1 (_id {ticket.id}) is set aside: {reason}. Repair the "
        "document in the collection tickets. It is looked at again every 15 minutes."
    ]
    assert count_failing(db)["ticket"] == 1
    assert pending.outbox_ages(db, now=clock()) == []
    # Once repaired, it goes on by itself.
    db.tickets.update_one(
        {"_id": ticket.id},
        {
            "$set": {key: whole[key] for key in ("events", "cards", "notices", "seq")},
            "$unset": {"comments": ""},
        },
    )
    for _ in range(3):
        clock.now += timedelta(minutes=16)
        run_jobs(system)
    repaired = system.now(ticket)
    assert (repaired.is_in_outbox, repaired.defect) == (False, "")
    assert findings(db, clock) == []


def test_a_legacy_ticket_that_cannot_be_adopted(
    system: BotAndWorkers, clock: FixedClock, ann: User
) -> None:
    db = system.db
    claim_installation(db, team_id=TEAM_ID, clock=clock)
    odd, usual = ({"status": "odd", "title": "Old", "createdBy": ann.id} for _ in range(2))
    ids = db.tickets.insert_many([{**odd, "events": "x"}, usual]).inserted_ids
    run_jobs(system)
    numbers = [doc.get("number") for doc in db.tickets.find({"_id": {"$in": ids}}).sort("_id")]
    assert (numbers[0], bool(numbers[1])) == (None, True)
    assert f"ticket {ids[0]} is set aside" in findings(db, clock)[0]


def test_a_ticket_that_cannot_go_back_to_the_outbox(
    system: BotAndWorkers, clock: FixedClock, people: People, ann: User
) -> None:
    odd, usual = (file_ticket(system.tickets, ann, f"Leak {n}") for n in range(2))
    for ticket in (odd, usual):
        system.work(ticket)
        assert system.now(ticket).is_queued_unassigned
    system.db.tickets.update_one({"_id": odd.id}, {"$set": {"seq": "x"}})
    people.add(Role.MODERATOR)
    clock.now += timedelta(minutes=6)
    run_jobs(system)
    assert system.now(usual).assigned_to
    assert "is set aside: seq is no number" in findings(system.db, clock)[0]


def test_a_step_that_cannot_be_stored(
    system: BotAndWorkers, ticket: Ticket, clock: FixedClock, ann: User
) -> None:
    other = system.file(ann, "The printer is on fire")
    system.db.tickets.update_one({"_id": ticket.id}, {"$set": {"events": "x"}})
    clock.now += timedelta(days=3)
    run_jobs(system)
    assert len(system.now(other).events) > len(other.events)
    assert "what is due by the clock for ticket 1 failed" in findings(system.db, clock)[0]
