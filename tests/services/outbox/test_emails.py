"""Emails wait in the database until they are sent, each once."""

from datetime import timedelta

import pytest
from bson import ObjectId

from services.core.database import Mongo
from services.outbox.emails import Email, EmailKind, Emails, EmailState
from tests.conftest import FixedClock, at_once

USER = ObjectId("65f0c0ffee65f0c0ffee0001")


def claimed(emails: Emails, email_id: str) -> Email:
    queued_email = emails.claim(email_id)
    assert queued_email is not None
    return queued_email


def test_an_email_is_kept_until_it_is_sent(db: Mongo, emails: Emails, clock: FixedClock) -> None:
    email_id = emails.queue(EmailKind.LINKED, user_id=USER, key="k", facts={"slack_name": "Jo"})
    assert emails.next_due_id() == email_id
    queued_email = claimed(emails, email_id)
    assert (queued_email.kind, queued_email.user_id) == (EmailKind.LINKED, USER)
    assert (queued_email.facts, queued_email.attempts) == ({"slack_name": "Jo"}, 1)
    emails.mark_sent(queued_email)
    assert (emails.next_due_id(), emails.claim(email_id), emails.claim_next()) == (
        None,
        None,
        None,
    )
    (stored,) = db.letters.find()
    assert (stored["state"], stored["facts"]) == (EmailState.SENT, {})
    assert stored["expiresAt"] == clock() + timedelta(days=30)


def test_one_kind_and_key_is_one_email_also_after_it_was_sent(db: Mongo, emails: Emails) -> None:
    def post() -> str:
        return emails.queue(EmailKind.WELCOME, user_id=USER, key="k")

    ids = at_once(*[post] * 6)
    assert len(set(ids)) == 1
    emails.mark_sent(claimed(emails, ids[0]))
    assert post() == ids[0]
    assert emails.next_due_id() is None
    others = {
        emails.queue(EmailKind.RESET, user_id=USER, key="k"),
        emails.queue(EmailKind.WELCOME, user_id=USER, key="l"),
    }
    assert len(others | {*ids}) == db.letters.count_documents({}) == 3


def test_its_id_tells_nothing_of_its_key(emails: Emails) -> None:
    email_id = emails.queue(EmailKind.RESET, user_id=USER, key="jo@example.com")
    assert len(email_id) == 32
    assert int(email_id, 16)


def test_of_many_tasks_one_gets_it(emails: Emails) -> None:
    email_id = emails.queue(EmailKind.WELCOME, user_id=USER, key="k")
    found = at_once(*[lambda: emails.claim(email_id), emails.claim_next] * 4)
    assert [type(one) for one in found if one is not None] == [Email]


def test_a_task_that_dies_leaves_it_to_the_next_and_can_no_longer_end_it(
    db: Mongo, emails: Emails, clock: FixedClock
) -> None:
    email_id = emails.queue(EmailKind.WELCOME, user_id=USER, key="k")
    lost = claimed(emails, email_id)
    clock.advance(seconds=44)
    assert emails.claim_next() is None
    clock.advance(seconds=1)
    found = claimed(emails, email_id)
    assert found.attempts == 2
    emails.mark_failed(lost, error="550")
    emails.retry_later(lost, error="450")
    assert db.letters.find_one({"state": EmailState.FAILED}) is None
    emails.mark_sent(found)
    assert db.letters.find_one({"state": EmailState.SENT}) is not None


def test_the_longest_wait_comes_first(emails: Emails, clock: FixedClock) -> None:
    ids = []
    for key in "abc":
        ids.append(emails.queue(EmailKind.WELCOME, user_id=USER, key=key))
        clock.advance(seconds=1)
    assert emails.next_due_id() == ids[0]
    taken = [emails.claim_next() for _ in range(4)]
    assert [queued_email and queued_email.id for queued_email in taken] == [*ids, None]


def test_what_could_not_be_sent_waits_longer_each_time(emails: Emails, clock: FixedClock) -> None:
    email_id = emails.queue(EmailKind.WELCOME, user_id=USER, key="k")
    waits = []
    for _ in range(9):
        emails.retry_later(claimed(emails, email_id), error="450")
        before = clock()
        while emails.next_due_id() is None:
            clock.advance(seconds=10)
        waits.append((clock() - before).total_seconds())
    assert waits == [10, 20, 40, 80, 160, 320, 640, 900, 900]


@pytest.mark.parametrize(
    ("kind", "hours"), [(kind, 1 if kind == "reset" else 24) for kind in EmailKind]
)
def test_after_a_while_nobody_waits_for_it_any_more(
    emails: Emails, clock: FixedClock, kind: EmailKind, hours: int
) -> None:
    queued_email = claimed(emails, emails.queue(kind, user_id=USER, key="k"))
    assert not queued_email.is_expired(clock() + timedelta(hours=hours) - timedelta(milliseconds=1))
    assert queued_email.is_expired(clock() + timedelta(hours=hours))


def test_why_it_ended_is_kept(db: Mongo, emails: Emails) -> None:
    for key, end in (("a", emails.mark_failed), ("b", emails.discard)):
        queued_email = claimed(emails, emails.queue(EmailKind.WELCOME, user_id=USER, key=key))
        end(queued_email, **{"error" if key == "a" else "why": f"because {key}"})
    stored = {(doc["state"], doc["error"]) for doc in db.letters.find()}
    assert stored == {("failed", "because a"), ("dropped", "because b")}
    assert db.letters.count_documents({"nextTryAt": {"$exists": True}}) == 0


def test_all_can_be_dropped(db: Mongo, emails: Emails) -> None:
    for key in "abc":
        emails.queue(EmailKind.WELCOME, user_id=USER, key=key)
    assert emails.discard_all(why="mail is off") == 3
    assert emails.next_due_id() is None
    assert {doc["state"] for doc in db.letters.find()} == {EmailState.DISCARDED}
