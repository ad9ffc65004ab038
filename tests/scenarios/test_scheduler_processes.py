"""Two jobs processes, the leader of which has a wrong clock and is killed."""

from datetime import timedelta
from pathlib import Path

import pytest
from redis import Redis

from demo.servers import RedisServer
from services.core.clock import utcnow
from services.core.database import Mongo
from services.models.ticket import Ticket
from services.models.user import Role
from services.tickets.filing import TicketService
from tasks.queue.celery_app import KEY_PREFIX, QUEUES
from tests.conftest import People, file_ticket
from tests.support.processes import Product, eventually

WRONG_CLOCK = str(Path(__file__).parents[1] / "support" / "wrong_clock")

pytest_plugins = ["tests.support.product"]


def leader(db: Mongo) -> str:
    """Return the leader's process id."""
    doc = db.leases.find_one({"_id": "jobs"}) or {"holder": "::"}
    return str(doc["holder"]).split(":")[1]


def is_asked_for(server: RedisServer, ticket: Ticket) -> bool:
    """Return whether a message about the ticket waits in the broker."""
    with Redis.from_url(server.url) as client:
        waiting = [
            message for queue in QUEUES for message in client.lrange(f"{KEY_PREFIX}{queue}", 0, -1)
        ]
    return any(str(ticket.id).encode() in message for message in waiting)


@pytest.mark.parametrize(
    ("hours", "direction"), [(1, "ahead of"), pytest.param(-1, "behind", marks=pytest.mark.long)]
)
def test_another_leads_within_thirty_seconds_of_the_leaders_death(
    product: Product,
    redis: RedisServer,
    db: Mongo,
    tickets: TicketService,
    people: People,
    hours: int,
    direction: str,
) -> None:
    wrong = {"PYTHONPATH": WRONG_CLOCK, "CLOCK_ERROR_SECONDS": str(hours * 3_600)}
    first, second = product.start("jobs", **wrong), product.start("jobs")
    eventually(lambda: leader(db) != "", what="one leads")
    assert f"the system clock is 1:00:00 {direction} MongoDB's" in first.output()
    lease = db.leases.find_one({"_id": "jobs"}) or {}
    assert abs(lease["until"] - utcnow()) < timedelta(minutes=1)
    eventually(lambda: "this process leads" in first.output(), what="it says so")
    assert "this process leads" not in second.output()

    was = leader(db)
    first.kill()
    people.add(Role.MODERATOR, "VPN")
    ticket = file_ticket(tickets, people.add())  # and the bot's message is lost
    # The lease lasts 20 s; followers check it every 5 s.
    eventually(lambda: leader(db) not in ("", was), what="the other leads", seconds=30)
    eventually(lambda: "this process leads" in second.output(), what="it says so")
    eventually(lambda: is_asked_for(redis, ticket), what="its sweep publishes the ticket")
    assert second.stop(grace=10)
    assert db.leases.find_one({"_id": "jobs"}) is None
