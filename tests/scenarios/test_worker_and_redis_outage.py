"""The worker is killed during a delivery, and Redis goes down."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from bot.slack.bot_process import BotProcess
from demo.servers import RedisServer
from services.core.database import Mongo
from services.models.ticket import Status
from services.models.user import Role, User
from services.tickets.filing import TicketService
from tasks.queue.publisher import CeleryPublisher
from tests.conftest import Bot, People, inline_bot, with_services
from tests.support import payloads
from tests.support.processes import Product, celery_for, eventually, is_outbox_empty
from tests.support.recording_slack import RecordingSlack

pytest_plugins = ["tests.support.product"]

CANARY = "canary-5f1d"


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """A Redis that the test can stop."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def publishing_bot(redis: RedisServer, bot_process: BotProcess, db: Mongo) -> Bot:
    """A bot with this test's Redis and the real clock."""
    publisher = CeleryPublisher(celery_for(redis.url))
    real = with_services(bot_process, tickets=TicketService(db))
    return inline_bot(replace(real, publisher=publisher))


def file(publishing_bot: Bot, slack: RecordingSlack, person: User, title: str) -> str:
    """File a ticket through the form and return the answer."""
    user = People.slack_id(person)
    publishing_bot.send(payloads.slash_command(user=user))
    values = {"title": title, "description": f"{CANARY}: please help"}
    answer = publishing_bot.send(payloads.view_submission(slack.last_view(), values, user=user))
    assert answer.status == 200
    return str(answer.body)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_nothing_is_lost(
    product: Product,
    publishing_bot: Bot,
    redis: RedisServer,
    slack: RecordingSlack,
    people: People,
    db: Mongo,
) -> None:
    employee = people.add()
    experts = {skill: people.add(Role.MODERATOR, skill) for skill in ("VPN", "Printer", "SAP")}
    worker = product.start("worker")
    product.start("jobs")

    slack.fail("chat.postMessage", status=500)
    slack.delay("chat.postMessage", 30)
    file(publishing_bot, slack, employee, "The VPN is down")
    # Killed between Slack's answer and the record of it, the expert's card would come twice.
    held = {"$and": [{"notices.state": "claimed"}, {"notices.state": "sent"}]}
    eventually(lambda: db.tickets.find_one(held) is not None, what="one notice is claimed")
    worker.kill()
    redis.stop()

    for skill in ("Printer", "SAP", "VPN"):
        assert "filed" in file(publishing_bot, slack, employee, f"{skill} does not work")
    assert db.tickets.count_documents({"status": Status.TODO}) >= 3

    slack.recover()
    redis.start()
    product.start("worker")
    eventually(lambda: is_outbox_empty(db), what="nobody is behind any ticket", seconds=240)

    tickets = list(db.tickets.find())
    assert len(tickets) == 4
    for ticket in tickets:
        skill = next(skill for skill in experts if skill in ticket["title"])
        assert ticket["assignedTo"] == experts[skill].id
        assert ticket["status"] == Status.IN_PROGRESS
        assert {delivery["state"] for delivery in ticket["notices"]} == {"sent"}
        assert len(ticket["notices"]) == 2
    for expert in experts.values():
        cards = slack.messages(people.slack_id(expert))
        assert len(cards) == sum(t["assignedTo"] == expert.id for t in tickets)
    logs = product.logs()
    assert CANARY not in logs
    assert employee.email not in logs
