"""Worker and jobs processes with a mail server that stops answering and recovers."""

import socket

import pytest
from bson import ObjectId

from demo.servers import RedisServer
from services.core.clock import utcnow
from services.core.database import Mongo
from services.models.user import Role
from services.outbox.emails import EmailKind, Emails
from services.tickets.filing import TicketService
from tasks.notifications.email_sender import EMAIL_OFF_REASON
from tasks.queue.publisher import CeleryPublisher
from tasks.queue.shared_metrics import SharedCounts
from tests.conftest import People, file_ticket
from tests.support.mail_server import HOST, MAIL_PASSWORD, MAIL_USER, MailServer
from tests.support.processes import Product, celery_for, eventually, is_outbox_empty
from tests.support.recording_slack import RecordingSlack

pytest_plugins = ["tests.support.product"]


@pytest.fixture
def publisher(redis: RedisServer) -> CeleryPublisher:
    return CeleryPublisher(celery_for(redis.url))


def let_claims_expire(db: Mongo) -> None:
    """Expire the claims of a worker that was killed."""
    db.leases.update_one({"_id": "mail"}, {"$set": {"until": utcnow()}})
    db.letters.update_many({"state": "waiting"}, {"$set": {"nextTryAt": utcnow()}})


def sent(redis: RedisServer) -> float:
    """Return how many assignment emails this Redis has counted as sent."""
    counts = SharedCounts(redis.url)() or {}
    ours = (n for key, n in counts.items() if key.labels == ("assigned", "sent"))
    return sum(ours)


def test_a_silent_mail_server_delays_nobody_and_a_killed_worker_mails_nobody_twice(
    product: Product,
    publisher: CeleryPublisher,
    redis: RedisServer,
    slack: RecordingSlack,
    people: People,
    tickets: TicketService,
    db: Mongo,
) -> None:
    employee, expert = people.add(), people.add(Role.MODERATOR, "VPN")
    before = sent(redis)
    with socket.create_server((HOST, 0)) as silent:  # accepts, and never answers
        port = silent.getsockname()[1]
        settings = {
            "MAILTRAP_SMTP_HOST": HOST,
            "MAILTRAP_SMTP_PORT": str(port),
            "MAILTRAP_SMTP_USER": MAIL_USER,
            "MAILTRAP_SMTP_PASS": MAIL_PASSWORD,
            "APP_URL": "https://desk.example.com",
        }
        worker = product.start("worker", **settings)
        # More emails than worker processes: if each waited, none would be left for Slack.
        for number in range(6):
            ticket = file_ticket(tickets, employee, f"VPN fault {number}")
            publisher.publish_ticket(str(ticket.id))
        eventually(lambda: is_outbox_empty(db), what="everybody was told in Slack")
        caller, _ = silent.accept()
        with caller:
            assert len(slack.messages(People.slack_id(expert))) == 6
            worker.kill()
    with MailServer(port=port, auth=True) as mail_server:
        let_claims_expire(db)
        product.start("worker", **settings)
        product.start("jobs")
        subjects = {f"Ticket {n + 1} is yours: VPN fault {n}" for n in range(6)}
        eventually(lambda: len(mail_server.mails) >= 6, what="the mails have arrived")
        eventually(lambda: sent(redis) - before == 6, what="they are counted")
        assert sorted(mail["Subject"] for mail in mail_server.mails) == sorted(subjects)
        assert {to for _, (to,) in mail_server.envelopes} == {expert.email}
    assert {queued_email["state"] for queued_email in db.letters.find()} == {"sent"}


def test_a_worker_without_a_mail_server_says_so_once_and_keeps_no_emails(
    product: Product, publisher: CeleryPublisher, db: Mongo
) -> None:
    email_id = Emails(db).queue(EmailKind.WELCOME, user_id=ObjectId(), key="k")
    worker = product.start("worker")
    publisher.publish_email(email_id)
    dropped = {"_id": email_id, "state": "dropped", "error": EMAIL_OFF_REASON}
    eventually(lambda: db.letters.find_one(dropped) is not None, what="it was dropped")
    assert worker.output().count(EMAIL_OFF_REASON) == 1
