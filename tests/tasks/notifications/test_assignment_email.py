"""A new assignee gets one email, and only while they have the ticket."""

from dataclasses import replace
from datetime import timedelta

import pytest
from bson import ObjectId

from services.auth.one_time_codes import OneTimeCodes
from services.core.database import Mongo
from services.core.metrics import NOOP_METER
from services.core.settings import parse_settings
from services.models.events import Event, EventType
from services.models.permissions import Actor
from services.models.ticket import Status, Ticket
from services.models.user import Role, User
from services.outbox.pending import outbox_fields
from services.tickets.actions import TicketActions
from services.tickets.comments import CommentService
from services.tickets.filing import TicketService
from tasks.assignment import assign_ticket
from tasks.email.smtp import EmailConfig, sender_address
from tasks.notifications import email_sender, notify
from tasks.notifications.slack_delivery import SlackRateLimited
from tasks.queue.celery_app import EMAIL_TASK
from tasks.runtime import Runtime
from tests.conftest import (
    JWT_SECRET,
    FixedClock,
    People,
    RecordingPublisher,
    file_ticket,
    reload,
    sample_ticket,
    work,
)
from tests.support.mail_server import MailServer, html
from tests.support.recording_slack import RecordingSlack


@pytest.fixture
def mailing(runtime: Runtime, db: Mongo, clock: FixedClock, mail_server: MailServer) -> Runtime:
    config, _ = parse_settings("worker", {"APP_URL": "https://desk.example.com"})
    return replace(
        runtime,
        email=EmailConfig(
            server=mail_server.server(),
            sender=sender_address(config),
            app_url=config.app_url,
            codes=OneTimeCodes(db, JWT_SECRET, clock),
            meter=NOOP_METER,
        ),
    )


def deliver(mailing: Runtime, publisher: RecordingPublisher, ticket: Ticket) -> None:
    """Run all tasks for the ticket."""
    work(mailing, publisher, ticket)


def told(mail_server: MailServer) -> list[str]:
    return [f"{mail['To']}: {mail['Subject']}" for mail in mail_server.mails]


def test_the_assignee_is_written_to_once(
    mailing: Runtime, publisher: RecordingPublisher, mail_server: MailServer, slack: RecordingSlack,
    ticket: Ticket, expert: User, employee: User, comments: CommentService, db: Mongo,
) -> None:  # fmt: skip
    deliver(mailing, publisher, ticket)
    comments.add(actor=Actor.from_user(employee), ticket_id=str(ticket.id), text="Still so.")
    deliver(mailing, publisher, ticket)
    assert told(mail_server) == [f"{expert.email}: Ticket 1 is yours: VPN is down"]
    (text,) = mail_server.texts()
    assert text.startswith(
        "Hello,\n\n"
        "Ticket 1 is assigned to you:\n\n"
        "“VPN is down”\n\n"
        f"Filed by {employee.name}. Why you: "
    )
    assert "knows VPN" in text
    assert len(slack.messages(People.slack_id(expert))) >= 1  # in Slack as usual
    delivered = reload(db, ticket)
    assert not delivered.is_in_outbox
    (delivery,) = (n for n in delivered.deliveries if ":mail:" in n["key"])
    assert (delivery["key"], delivery["state"]) == (f"3:mail:{expert.id}", "sent")


def test_markup_in_a_title_is_text(
    mailing: Runtime, publisher: RecordingPublisher, mail_server: MailServer, expert: User,
    tickets: TicketService, employee: User,
) -> None:  # fmt: skip
    title = "VPN <img src=x> & <a href='https://evil.example.com'>sign in</a>"
    deliver(mailing, publisher, file_ticket(tickets, employee, title))
    (mail,) = mail_server.mails
    assert mail["Subject"] == f"Ticket 1 is yours: {title}"
    assert "<img" not in html(mail)
    assert "href='" not in html(mail)
    assert "&lt;img src=x&gt; &amp; &lt;a href=&#x27;https://evil" in html(mail)


def test_email_names_the_assigner_and_skips_the_former_assignee(
    mailing: Runtime, publisher: RecordingPublisher, mail_server: MailServer, ticket: Ticket,
    ticket_actions: TicketActions, people: People, expert: User,
) -> None:  # fmt: skip
    deliver(mailing, publisher, ticket)
    colleague = people.add(Role.MODERATOR)
    ticket_actions.reassign(
        actor=Actor.from_user(expert), ticket_id=str(ticket.id), assignee_id=str(colleague.id)
    )
    deliver(mailing, publisher, ticket)
    ticket_actions.reassign(
        actor=Actor.from_user(colleague), ticket_id=str(ticket.id), assignee_id=str(expert.id)
    )
    deliver(mailing, publisher, ticket)
    subject = "Ticket 1 is yours: VPN is down"
    assert told(mail_server) == [f"{user.email}: {subject}" for user in (expert, colleague, expert)]
    assert f"Why you: {expert.name} gave it to you" in mail_server.texts()[1]


def test_nobody_is_written_to_for_what_they_took_themselves(
    mailing: Runtime, publisher: RecordingPublisher, mail_server: MailServer, people: People,
    tickets: TicketService, employee: User, ticket_actions: TicketActions,
) -> None:  # fmt: skip
    taker = people.add(Role.MODERATOR, capacity=0)
    ticket = file_ticket(tickets, employee)
    deliver(mailing, publisher, ticket)
    ticket_actions.take(actor=Actor.from_user(taker), ticket_id=str(ticket.id))
    deliver(mailing, publisher, ticket)
    assert told(mail_server) == []


def test_assignee_without_slack_gets_the_email(
    mailing: Runtime, publisher: RecordingPublisher, mail_server: MailServer, people: People,
    ticket: Ticket, db: Mongo, clock: FixedClock,
) -> None:  # fmt: skip
    remote = people.add(Role.MODERATOR, linked=False)
    given = {"seq": 2, "at": clock(), "by": "system", "type": "assigned", "to": remote.id}
    status = {"field": "status", "from": "TODO"}
    db.tickets.update_one(
        {"_id": ticket.id},
        {
            "$set": {
                "assignedTo": remote.id,
                "status": "IN_PROGRESS",
                "seq": 2,
                **outbox_fields(clock()),
            },
            "$push": {"events": given | status},
        },
    )
    deliver(mailing, publisher, ticket)
    assert told(mail_server) == [f"{remote.email}: Ticket 1 is yours: VPN is down"]
    assert not reload(db, ticket).is_in_outbox


def test_slack_away_does_not_hold_up_the_mail(
    mailing: Runtime, publisher: RecordingPublisher, mail_server: MailServer, slack: RecordingSlack,
    ticket: Ticket, expert: User,
) -> None:  # fmt: skip
    assign_ticket.run(mailing, str(ticket.id))
    slack.fail("chat.postMessage", status=429, retry_after=60)
    with pytest.raises(SlackRateLimited):
        notify.run(mailing, str(ticket.id))
    publisher.asked = [task for task in publisher.asked if task[0] == EMAIL_TASK]
    work(mailing, publisher)
    assert told(mail_server) == [f"{expert.email}: Ticket 1 is yours: VPN is down"]


def test_mail_away_does_not_hold_up_slack_nor_the_ticket(
    mailing: Runtime, publisher: RecordingPublisher, mail_server: MailServer, slack: RecordingSlack,
    ticket: Ticket, expert: User, db: Mongo, clock: FixedClock,
) -> None:  # fmt: skip
    mail_server.stop()
    deliver(mailing, publisher, ticket)
    assert len(slack.messages(People.slack_id(expert))) == 1
    assert not reload(db, ticket).is_in_outbox
    mail_server.start()
    clock.advance(seconds=10)
    publisher.publish_email("")
    work(mailing, publisher)
    assert told(mail_server) == [f"{expert.email}: Ticket 1 is yours: VPN is down"]


def test_a_worker_that_dies_between_email_and_delivery_sends_no_second_one(
    mailing: Runtime, publisher: RecordingPublisher, mail_server: MailServer, ticket: Ticket,
    db: Mongo,
) -> None:  # fmt: skip
    deliver(mailing, publisher, ticket)
    db.tickets.update_one({"_id": ticket.id}, {"$pull": {"notices": {"key": {"$regex": "mail"}}}})
    email_sender.queue_assignment_email(mailing, reload(db, ticket))
    work(mailing, publisher)
    assert len(mail_server.mails) == db.letters.count_documents({}) == 1


@pytest.mark.parametrize("change", ["reassigned", "resolved", "demoted", "deleted"])
def test_outdated_assignment_is_not_emailed(
    mailing: Runtime, publisher: RecordingPublisher, mail_server: MailServer, ticket: Ticket,
    expert: User, people: People, ticket_actions: TicketActions, db: Mongo, clock: FixedClock,
    change: str,
) -> None:  # fmt: skip
    mail_server.stop()
    deliver(mailing, publisher, ticket)
    actor, ticket_id = Actor.from_user(expert), str(ticket.id)
    if change == "reassigned":
        colleague = people.add(Role.MODERATOR)
        ticket_actions.reassign(actor=actor, ticket_id=ticket_id, assignee_id=str(colleague.id))
    elif change == "resolved":
        ticket_actions.resolve(actor=actor, ticket_id=ticket_id, resolution="Done.")
    elif change == "demoted":
        db.users.update_one({"_id": expert.id}, {"$set": {"role": "user"}})
    else:
        db.tickets.delete_one({"_id": ticket.id})
    mail_server.start()
    clock.advance(seconds=10)
    publisher.publish_email("")
    work(mailing, publisher)
    assert told(mail_server) == []
    (queued_email,) = db.letters.find()
    why = "the account may not see the ticket" if change == "demoted" else "the ticket has moved on"
    assert (queued_email["state"], queued_email["error"]) == ("dropped", why)


def test_while_mail_is_off_nothing_is_noted_and_later_only_news_are_mailed(
    mailing: Runtime, runtime: Runtime, publisher: RecordingPublisher, mail_server: MailServer,
    ticket: Ticket, employee: User, comments: CommentService, db: Mongo, clock: FixedClock,
) -> None:  # fmt: skip
    deliver(runtime, publisher, ticket)
    assert [n for n in reload(db, ticket).deliveries if ":mail:" in n["key"]] == []
    assert db.letters.count_documents({}) == 0
    clock.advance(hours=24)
    comments.add(actor=Actor.from_user(employee), ticket_id=str(ticket.id), text="Still so.")
    deliver(mailing, publisher, ticket)
    assert told(mail_server) == []
    assert (EMAIL_TASK, "") not in publisher.asked


NILS = ObjectId("65f0c0ffee65f0c0ffee0002")


def given(**fields: object) -> Ticket:
    event = {"seq": 2, "by": "system", "type": EventType.ASSIGNED, "to": NILS, **fields}
    return sample_ticket(
        assigned_to=NILS,
        status=Status.IN_PROGRESS,
        events=(Event(**event),),  # type: ignore[arg-type]
    )


def test_which_assignment_is_written_of(clock: FixedClock) -> None:
    now = clock()
    fresh = given(at=now)
    assert email_sender.assignment_to_announce(fresh, now=now) == fresh.events[0]
    assert (
        email_sender.assignment_to_announce(fresh, now=now + timedelta(hours=23)) == fresh.events[0]
    )
    assert email_sender.assignment_to_announce(fresh, now=now + timedelta(hours=24)) is None
    assert email_sender.assignment_to_announce(given(at=now, by=NILS), now=now) is None
    assert email_sender.assignment_to_announce(given(at=now, to="legacy"), now=now) is None
    assert email_sender.assignment_to_announce(replace(fresh, assigned_to=None), now=now) is None
    assert (
        email_sender.assignment_to_announce(replace(fresh, status=Status.COMPLETED), now=now)
        is None
    )
    assert email_sender.assignment_to_announce(replace(fresh, events=()), now=now) is None
