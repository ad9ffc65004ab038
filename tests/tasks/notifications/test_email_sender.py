"""Emails reach the mail server once and do not delay each other."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from billiard.exceptions import SoftTimeLimitExceeded

from services.auth.one_time_codes import LIFETIMES, CodeKind, OneTimeCodes
from services.core.database import Mongo
from services.core.leases import BackoffLock
from services.core.metrics import InMemoryMeter
from services.core.settings import parse_settings
from services.models.user import Role, User
from services.outbox.emails import EmailKind, Emails
from tasks.email.smtp import EmailConfig, build_email_config, sender_address
from tasks.notifications import email_sender
from tasks.queue.celery_app import EMAIL_TASK
from tasks.runtime import Runtime
from tests.conftest import JWT_SECRET, FixedClock, People, RecordingPublisher, at_once, work
from tests.support.mail_server import HOST, MailServer, html

URL = "https://desk.example.com"


@pytest.fixture
def meter() -> InMemoryMeter:
    return InMemoryMeter()


@pytest.fixture
def email_config(
    mail_server: MailServer, db: Mongo, clock: FixedClock, meter: InMemoryMeter
) -> EmailConfig:
    config, _ = parse_settings("worker", {"APP_URL": URL})
    return EmailConfig(
        server=mail_server.server(timeout_seconds=1.0),
        sender=sender_address(config),
        app_url=config.app_url,
        codes=OneTimeCodes(db, JWT_SECRET, clock),
        meter=meter,
    )


@pytest.fixture
def mailing(runtime: Runtime, email_config: EmailConfig) -> Runtime:
    return replace(runtime, email=email_config)


@pytest.fixture
def emma(people: People) -> User:
    return people.add()


def states(db: Mongo) -> list[tuple[str, str | None]]:
    """The states of the emails, in the order of queueing."""
    return [(doc["state"], doc.get("error")) for doc in db.letters.find().sort("facts.n")]


def post(emails: Emails, user: User, key: int = 1, kind: EmailKind = EmailKind.LINKED) -> str:
    facts = {"slack_name": "Emma P.", "n": key}
    return emails.queue(kind, user_id=user.id, key=str(key), facts=facts)


def counted(meter: InMemoryMeter) -> dict[tuple[str, ...], Any]:
    return {
        key.labels: value
        for key, value in meter.samples().items()
        if key.metric == "ticket_bot_mails_total"
    }


def test_an_email_is_sent_once_to_its_recipient(
    mailing: Runtime,
    mail_server: MailServer,
    emails: Emails,
    emma: User,
    db: Mongo,
    meter: InMemoryMeter,
) -> None:
    email_id = post(emails, emma)
    for _ in range(3):
        email_sender.run(mailing, email_id)
    assert mail_server.envelopes == [("helpdesk@desk.example.com", [emma.email])]
    (sent,) = mail_server.mails
    assert sent["Subject"] == "Your account was linked to Slack"
    assert sent["From"] == "Help desk <helpdesk@desk.example.com>"
    assert sent["Message-ID"] == f"<{email_id}@desk.example.com>"
    (text,) = mail_server.texts()
    assert text.startswith("Hello,\n\nThe Slack member “Emma P.” was linked to your")
    assert f'<a href="{URL}/profile"' in html(sent)
    assert states(db) == [("sent", None)]
    assert counted(meter) == {("linked", "sent"): 1}


@pytest.mark.parametrize(
    "kind", [kind for kind in EmailKind if kind is not EmailKind.ASSIGNED], ids=str
)
def test_every_kind_is_written(
    mailing: Runtime, mail_server: MailServer, emails: Emails, emma: User, kind: EmailKind
) -> None:
    email_sender.run(mailing, post(emails, emma, kind=kind))
    assert len(mail_server.mails) == 1


def test_one_task_sends_all_due_emails_over_one_connection(
    mailing: Runtime, mail_server: MailServer, emails: Emails, people: People
) -> None:
    ids = [post(emails, people.add(), key) for key in range(5)]
    email_sender.run(mailing, ids[3])
    assert [mail["Message-ID"][1:33] for mail in mail_server.mails] == [ids[3], *ids[:3], ids[4]]
    assert mail_server.connections == 1


def test_many_tasks_at_once_send_each_email_once(
    mailing: Runtime, mail_server: MailServer, emails: Emails, people: People
) -> None:
    ids = [post(emails, people.add(), key) for key in range(6)]
    at_once(*[lambda email_id=email_id: email_sender.run(mailing, email_id) for email_id in ids])
    assert sorted(mail["Message-ID"][1:33] for mail in mail_server.mails) == sorted(ids)


def test_email_queued_during_another_task_is_published_again(
    mailing: Runtime,
    mail_server: MailServer,
    emails: Emails,
    people: People,
    publisher: RecordingPublisher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = post(emails, people.add(), 1), ""
    leave = BackoffLock.release

    def release_with_a_late_email(lock: BackoffLock) -> None:
        nonlocal second
        if not second:
            second = post(emails, people.add(), 2)
            email_sender.run(mailing, second)  # finds the lock closed
            assert len(mail_server.mails) == 1
        leave(lock)

    monkeypatch.setattr(BackoffLock, "release", release_with_a_late_email)
    email_sender.run(mailing, first)
    assert publisher.asked == [(EMAIL_TASK, second)]
    work(mailing, publisher)
    assert len(mail_server.mails) == 2


def test_a_long_queue_is_worked_off_by_several_tasks(
    mailing: Runtime,
    mail_server: MailServer,
    emails: Emails,
    people: People,
    publisher: RecordingPublisher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(email_sender, "MAX_ROUND_SECONDS", 0.0)
    ids = [post(emails, people.add(), key) for key in range(3)]
    email_sender.run(mailing, ids[0])
    assert len(mail_server.mails) == 1
    assert publisher.asked == [(EMAIL_TASK, ids[1])]
    work(mailing, publisher)
    assert len(mail_server.mails) == 3


def test_a_reset_email_carries_a_code_made_when_it_is_sent(
    mailing: Runtime, mail_server: MailServer, emails: Emails, emma: User, db: Mongo,
    email_config: EmailConfig,
) -> None:  # fmt: skip
    email_id = post(emails, emma, kind=EmailKind.RESET)
    assert db.codes.count_documents({}) == 0
    email_sender.run(mailing, email_id)
    (text,) = mail_server.texts("Choose a new password")
    code = text.partition(f"{URL}/reset?code=")[2].split()[0]
    assert email_config.codes.peek(kind=CodeKind.RESET, code=code) == emma.id
    assert code not in str([*db.letters.find(), *db.codes.find()])


@pytest.mark.parametrize(
    ("kind", "subject"),
    [
        (EmailKind.WELCOME, "Welcome to Help desk"),
        (EmailKind.CONFIRM, "Confirm your address"),
    ],
)
def test_a_code_confirms_the_address_until_it_is_confirmed(
    mailing: Runtime, mail_server: MailServer, emails: Emails, emma: User, db: Mongo,
    email_config: EmailConfig, kind: EmailKind, subject: str,
) -> None:  # fmt: skip
    email_sender.run(mailing, post(emails, emma, kind=kind))
    (text,) = mail_server.texts(subject)
    code = text.partition(f"{URL}/confirm?code=")[2].split()[0]
    assert email_config.codes.peek(kind=CodeKind.CONFIRM, code=code) == emma.id
    assert code not in str([*db.letters.find(), *db.codes.find()])
    mailing.services.users.confirmation.record(emma, by="self")
    email_sender.run(mailing, post(emails, emma, 2, EmailKind.CONFIRM))
    assert states(db)[-1] == ("dropped", "the address is confirmed")


def test_no_code_is_made_while_the_server_is_away(
    mailing: Runtime, email_config: EmailConfig, mail_server: MailServer, emails: Emails,
    emma: User, db: Mongo,
) -> None:  # fmt: skip
    mail_server.stop()
    email_sender.run(mailing, post(emails, emma, kind=EmailKind.RESET))
    assert db.codes.count_documents({}) == 0


def test_the_code_lives_as_long_as_the_email_says() -> None:
    assert LIFETIMES[CodeKind.RESET] == timedelta(hours=1)


def test_without_pages_there_is_no_link_to_a_new_password(
    mailing: Runtime, email_config: EmailConfig, mail_server: MailServer, emails: Emails,
    emma: User, db: Mongo, meter: InMemoryMeter,
) -> None:  # fmt: skip
    post(emails, emma, 1, EmailKind.RESET)
    email_id = post(emails, emma, 2, EmailKind.WELCOME)
    email_sender.run(replace(mailing, email=replace(email_config, app_url=None)), email_id)
    assert states(db) == [("failed", "APP_URL is not set"), ("sent", None)]
    assert counted(meter) == {("reset", "refused"): 1, ("welcome", "sent"): 1}


def test_a_server_that_is_down_gets_it_once_it_is_up(
    mailing: Runtime, mail_server: MailServer, emails: Emails, emma: User, db: Mongo,
    clock: FixedClock, meter: InMemoryMeter, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    mail_server.stop()
    email_id = post(emails, emma)
    email_sender.run(mailing, email_id)
    assert states(db) == [("waiting", "ConnectionRefusedError")]
    assert "emails paused for 10 s: ConnectionRefusedError" in caplog.text
    mail_server.start()
    email_sender.run(mailing, email_id)
    assert mail_server.mails == []  # not yet
    clock.advance(seconds=10)
    email_sender.run(mailing, email_id)
    assert len(mail_server.mails) == 1
    assert states(db) == [("sent", None)]
    assert counted(meter) == {("linked", "delayed"): 1, ("linked", "sent"): 1}


def test_a_failing_server_gets_no_email_during_the_back_off(
    mailing: Runtime, mail_server: MailServer, emails: Emails, people: People
) -> None:
    mail_server.answers = ["421 4.3.2 Shutting down"]
    ids = [post(emails, people.add(), key) for key in range(4)]
    for email_id in ids:
        email_sender.run(mailing, email_id)
    assert mail_server.connections == 1


def test_a_server_that_is_away_for_a_day_is_given_up_on(
    mailing: Runtime, mail_server: MailServer, emails: Emails, emma: User, db: Mongo,
    clock: FixedClock, meter: InMemoryMeter,
) -> None:  # fmt: skip
    mail_server.stop()
    post(emails, emma, 1, EmailKind.RESET)
    post(emails, emma, 2)
    calls = 0
    while emails.next_due_id():
        email_sender.run(mailing, emails.next_due_id() or "")
        calls += 1
        clock.advance(minutes=15)
        if calls == 5:  # an hour
            assert states(db)[0] == ("failed", "too late")
    assert states(db)[1] == ("failed", "too late")
    assert 90 < calls < 110
    assert counted(meter)["reset", "given_up"] == counted(meter)["linked", "given_up"] == 1


def test_a_refused_recipient_fails_at_once_and_stops_nobody(
    mailing: Runtime, mail_server: MailServer, emails: Emails, people: People, db: Mongo,
    meter: InMemoryMeter,
) -> None:  # fmt: skip
    gone, here = people.add(), people.add()
    mail_server.recipients[gone.email] = "550 5.1.1 No such user"
    email_sender.run(mailing, post(emails, gone, 1))
    email_sender.run(mailing, post(emails, here, 2))
    assert states(db) == [("failed", "550"), ("sent", None)]
    assert counted(meter) == {("linked", "refused"): 1, ("linked", "sent"): 1}


def test_a_delayed_recipient_is_tried_later_and_stops_nobody(
    mailing: Runtime, mail_server: MailServer, emails: Emails, people: People, db: Mongo,
    clock: FixedClock,
) -> None:  # fmt: skip
    full, here = people.add(), people.add()
    mail_server.recipients[full.email] = "452 4.2.2 Mailbox full"
    post(emails, full, 1)
    email_sender.run(mailing, post(emails, here, 2))
    assert states(db) == [("waiting", "452"), ("sent", None)]
    mail_server.recipients.clear()
    clock.advance(seconds=10)
    email_sender.run(mailing, emails.next_due_id() or "")
    assert states(db) == [("sent", None)] * 2


def test_an_email_that_always_breaks_the_connection_goes_last(
    mailing: Runtime, mail_server: MailServer, emails: Emails, people: People, db: Mongo,
    clock: FixedClock,
) -> None:  # fmt: skip
    poison, here = people.add(), people.add()
    mail_server.recipients[poison.email] = "421 4.7.0 Go away"
    email_sender.run(mailing, post(emails, poison, 1))
    post(emails, here, 2)
    clock.advance(seconds=10)
    email_sender.run(mailing, emails.next_due_id() or "")
    assert states(db) == [("waiting", "421"), ("sent", None)]


def test_a_slow_server_costs_one_task_its_time_and_no_other(
    mailing: Runtime, mail_server: MailServer, emails: Emails, emma: User, db: Mongo,
    clock: FixedClock,
) -> None:  # fmt: skip
    mail_server.delay = 1.5  # longer than the timeout
    email_id = post(emails, emma)
    email_sender.run(mailing, email_id)
    assert states(db) == [("waiting", "SMTPServerDisconnected")]
    mail_server.delay = 0.0
    clock.advance(seconds=10)
    email_sender.run(mailing, email_id)
    assert states(db) == [("sent", None)]
    # The server accepted the first; the Message-ID identifies the repeat.
    assert len({mail["Message-ID"] for mail in mail_server.mails}) == 1


def test_the_time_limit_ends_a_server_that_drips(
    mailing: Runtime, emails: Emails, emma: User, db: Mongo, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    def drip(*_: object, **__: object) -> None:
        raise SoftTimeLimitExceeded

    monkeypatch.setattr("tasks.email.smtp.SmtpConnection.send", drip)
    email_sender.run(mailing, post(emails, emma))
    assert states(db) == [("waiting", "time limit")]
    assert "emails paused for 10 s: time limit" in caplog.text


def test_a_fault_of_ours_lets_the_next_task_in_soon(
    mailing: Runtime, emails: Emails, emma: User, db: Mongo, clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch, mail_server: MailServer,
) -> None:  # fmt: skip
    def broken(*_: object) -> None:
        raise RuntimeError("out of order")

    email_id = post(emails, emma)
    with monkeypatch.context() as patch:
        patch.setattr(email_sender, "compose", broken)
        with pytest.raises(RuntimeError):
            email_sender.run(mailing, email_id)
    clock.advance(seconds=45)
    email_sender.run(mailing, email_id)
    assert states(db) == [("sent", None)]


@pytest.mark.parametrize("kind", list(EmailKind), ids=str)
def test_deactivated_account_gets_only_security_emails(
    mailing: Runtime, mail_server: MailServer, emails: Emails, people: People, db: Mongo,
    kind: EmailKind,
) -> None:  # fmt: skip
    former = people.add(active=False)
    email_sender.run(mailing, post(emails, former, kind=kind))
    told = kind in {"password_changed", "linked", "unlinked"}
    assert states(db) == [("sent", None) if told else ("dropped", "the account is deactivated")]
    assert len(mail_server.mails) == told


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        (None, "the account is gone"),
        ({"email": ""}, "the account has no address"),
        ({"email": "a former colleague"}, "the account has no address"),
    ],
    ids=["gone", "no address", "erased"],
)
def test_nobody_to_write_to(
    mailing: Runtime, mail_server: MailServer, emails: Emails, emma: User, db: Mongo,
    fields: dict[str, str] | None, why: str,
) -> None:  # fmt: skip
    if fields:
        db.users.update_one({"_id": emma.id}, {"$set": fields})
    else:
        db.users.delete_one({"_id": emma.id})
    email_sender.run(mailing, post(emails, emma))
    assert states(db) == [("dropped", why)]
    assert mail_server.mails == []


def test_while_mail_is_off_emails_do_not_pile_up(
    runtime: Runtime, emails: Emails, emma: User, db: Mongo, mailing: Runtime,
    mail_server: MailServer,
) -> None:  # fmt: skip
    email_id = post(emails, emma)
    email_sender.run(runtime, email_id)
    off = "mail is off, because MAILTRAP_SMTP_HOST is not set"
    assert states(db) == [("dropped", off)]
    email_sender.run(mailing, email_id)  # old emails stay discarded
    assert mail_server.mails == []


def test_no_address_and_no_word_of_it_is_logged(
    mailing: Runtime, mail_server: MailServer, emails: Emails, people: People,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level("DEBUG")
    for key, answer in enumerate(["550 No such user jo@canary", "450 jo@canary", "421 jo@canary"]):
        user = people.add(Role.MODERATOR)
        mail_server.recipients[user.email] = answer
        post(emails, user, key)
    email_sender.run(mailing, emails.next_due_id() or "")
    assert "failed: 550" in caplog.text
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("tasks")]
    assert len(ours) == 3
    assert [line for line in ours if "@" in line or "Emma" in line] == []


@pytest.mark.parametrize(
    ("env", "shown"),
    [
        ({}, "helpdesk@localhost"),
        ({"APP_URL": "http://127.0.0.1:5000"}, "helpdesk@localhost"),
        ({"APP_URL": "http://[::1]:5000"}, "helpdesk@localhost"),
        ({"APP_URL": "https://desk.example.com/x"}, "helpdesk@desk.example.com"),
        ({"MAILTRAP_SMTP_USER": "1a2b3c", "APP_URL": URL}, f"helpdesk@{URL[8:]}"),
        ({"MAILTRAP_SMTP_USER": "it@example.com", "APP_URL": URL}, "it@example.com"),
        (
            {"MAIL_FROM": "desk@example.com", "MAILTRAP_SMTP_USER": "it@example.com"},
            "desk@example.com",
        ),
    ],
)
def test_sender_address_follows_the_settings(env: dict[str, str], shown: str) -> None:
    config, problems = parse_settings("manifest", env)
    assert problems == []
    assert sender_address(config).addr_spec == shown


@pytest.mark.parametrize(
    "bad", ["desk", "Help <desk@example.com>", "désk@example.com", "a@b.c\x07"]
)
def test_a_bad_sender_is_a_problem_of_the_settings(bad: str) -> None:
    _, problems = parse_settings("manifest", {"MAIL_FROM": bad})
    assert problems == ["MAIL_FROM must be an email address, such as helpdesk@example.com"]


def test_the_settings_make_the_email_config(codes: OneTimeCodes) -> None:
    off, _ = parse_settings("worker", {})
    assert build_email_config(off, codes, InMemoryMeter()) is None
    env = {"MAILTRAP_SMTP_HOST": HOST, "MAILTRAP_SMTP_USER": "u", "MAILTRAP_SMTP_PASS": "p"}
    made = build_email_config(parse_settings("worker", env)[0], codes, InMemoryMeter())
    assert made
    server = made.server
    assert (server.host, server.port, server.user, server.password) == (HOST, 2525, "u", "p")
    assert server.timeout_seconds == 10
