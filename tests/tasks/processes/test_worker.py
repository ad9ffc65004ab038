"""The worker and jobs processes as they run in production: started, used, stopped."""

from pathlib import Path

import pytest

from demo.servers import MongoServer, RedisServer
from services.core.database import Mongo
from services.models.ticket import Status
from services.models.user import Role
from services.tickets.filing import TicketService
from tasks.queue.publisher import CeleryPublisher
from tests.conftest import People, file_ticket, reload
from tests.support.aimock import AIMock
from tests.support.processes import Product, celery_for, eventually, is_outbox_empty
from tests.support.recording_slack import RecordingSlack

pytest_plugins = ["tests.support.product"]


@pytest.fixture
def publisher(redis: RedisServer) -> CeleryPublisher:
    return CeleryPublisher(celery_for(redis.url))


def test_a_worker_asks_gemini_and_waits_as_long_as_slack_asks(
    product: Product,
    publisher: CeleryPublisher,
    slack: RecordingSlack,
    people: People,
    tickets: TicketService,
    db: Mongo,
) -> None:
    employee, expert = people.add(), people.add(Role.MODERATOR, "VPN")
    slack.fail("chat.postMessage", status=429, retry_after=3)
    with AIMock() as gemini:
        gemini.answer(skills=["VPN"], summary="No tunnel.", priority="high", notes="Look.")
        worker = product.start("worker", GEMINI_API_KEY="key", GEMINI_API_URL=gemini.url)
        ticket = file_ticket(tickets, employee, "Cannot reach the office")
        publisher.publish_ticket(str(ticket.id))
        eventually(lambda: is_outbox_empty(db), what="everybody was told")
    found = reload(db, ticket)
    assert (found.status, found.assigned_to) == (Status.IN_PROGRESS, expert.id)
    assert found.assignment["source"] == "gemini"
    (card,) = slack.messages(people.slack_id(expert))
    assert "No tunnel." in str(card["blocks"])
    refused, *taken = slack.calls_to("chat.postMessage")
    again = next(call for call in taken if call.args["channel"] == refused.args["channel"])
    assert again.at - refused.at >= 3
    assert worker.stop(grace=10)


def test_a_worker_told_to_stop_leaves_a_slow_ticket_to_the_next(
    product: Product,
    publisher: CeleryPublisher,
    people: People,
    tickets: TicketService,
    db: Mongo,
) -> None:
    employee = people.add()
    people.add(Role.MODERATOR, "VPN")
    with AIMock() as gemini:
        gemini.delay(30, skills=["VPN"])
        worker = product.start("worker", GEMINI_API_KEY="key", GEMINI_API_URL=gemini.url)
        ticket = file_ticket(tickets, employee)
        publisher.publish_ticket(str(ticket.id))
        eventually(
            lambda: "until" in reload(db, ticket).assignment, what="the worker is asking Gemini"
        )
        assert worker.stop(grace=10), "the worker had to be killed"
    assert reload(db, ticket).is_in_outbox
    product.start("worker")
    publisher.publish_ticket(str(ticket.id))
    eventually(lambda: reload(db, ticket).assigned_to is not None, what="it was assigned")


def test_jobs_stop_in_time_and_give_up_the_lease(product: Product, db: Mongo) -> None:
    jobs = product.start("jobs")
    eventually(lambda: db.leases.find_one({"_id": "jobs"}) is not None, what="it leads")
    assert jobs.stop(grace=10), "the jobs had to be killed"
    assert db.leases.find_one({"_id": "jobs"}) is None


def test_jobs_stop_in_time_when_the_database_is_away(
    redis: RedisServer, slack: RecordingSlack, tmp_path: Path
) -> None:
    with MongoServer() as own:
        made = Product(mongo_uri=own.uri_for("jobs"), redis=redis, slack=slack, directory=tmp_path)
        jobs = made.start("jobs")
        own.kill()
        jobs.terminate()
        eventually(lambda: not jobs.running, what="the jobs have ended", seconds=10)
        assert jobs.exit_code == 0
        assert "the lease is left to expire" in jobs.output()
