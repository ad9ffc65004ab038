"""Letters wait in the database until they are sent, each once."""

from datetime import timedelta

import pytest
from bson import ObjectId

from services.core.database import Mongo
from services.outbox.emails import Email, EmailKind, Emails, EmailState
from tests.conftest import FixedClock, at_once

USER = ObjectId("65f0c0ffee65f0c0ffee0001")


@pytest.fixture
def letters(db: Mongo, clock: FixedClock) -> Emails:
    return Emails(db, clock=clock)


def claimed(letters: Emails, letter_id: str) -> Email:
    letter = letters.claim(letter_id)
    assert letter is not None
    return letter


def test_a_letter_is_kept_until_it_is_sent(db: Mongo, letters: Emails, clock: FixedClock) -> None:
    letter_id = letters.queue(EmailKind.LINKED, user_id=USER, key="k", facts={"slack_name": "Jo"})
    assert letters.next_due_id() == letter_id
    letter = claimed(letters, letter_id)
    assert (letter.kind, letter.user_id) == (EmailKind.LINKED, USER)
    assert (letter.facts, letter.attempts) == ({"slack_name": "Jo"}, 1)
    letters.mark_sent(letter)
    assert (letters.next_due_id(), letters.claim(letter_id), letters.claim_next()) == (
        None,
        None,
        None,
    )
    (stored,) = db.letters.find()
    assert (stored["state"], stored["facts"]) == (EmailState.SENT, {})
    assert stored["expiresAt"] == clock() + timedelta(days=30)


def test_one_kind_and_key_is_one_letter_also_after_it_was_sent(db: Mongo, letters: Emails) -> None:
    def post() -> str:
        return letters.queue(EmailKind.WELCOME, user_id=USER, key="k")

    ids = at_once(*[post] * 6)
    assert len(set(ids)) == 1
    letters.mark_sent(claimed(letters, ids[0]))
    assert post() == ids[0]
    assert letters.next_due_id() is None
    others = {
        letters.queue(EmailKind.RESET, user_id=USER, key="k"),
        letters.queue(EmailKind.WELCOME, user_id=USER, key="l"),
    }
    assert len(others | {*ids}) == db.letters.count_documents({}) == 3


def test_its_id_tells_nothing_of_its_key(letters: Emails) -> None:
    letter_id = letters.queue(EmailKind.RESET, user_id=USER, key="jo@example.com")
    assert len(letter_id) == 32
    assert int(letter_id, 16)


def test_of_many_tasks_one_gets_it(letters: Emails) -> None:
    letter_id = letters.queue(EmailKind.WELCOME, user_id=USER, key="k")
    found = at_once(*[lambda: letters.claim(letter_id), letters.claim_next] * 4)
    assert [type(one) for one in found if one is not None] == [Email]


def test_a_task_that_dies_leaves_it_to_the_next_and_can_no_longer_end_it(
    db: Mongo, letters: Emails, clock: FixedClock
) -> None:
    letter_id = letters.queue(EmailKind.WELCOME, user_id=USER, key="k")
    lost = claimed(letters, letter_id)
    clock.advance(seconds=44)
    assert letters.claim_next() is None
    clock.advance(seconds=1)
    found = claimed(letters, letter_id)
    assert found.attempts == 2
    letters.mark_failed(lost, error="550")
    letters.retry_later(lost, error="450")
    assert db.letters.find_one({"state": EmailState.FAILED}) is None
    letters.mark_sent(found)
    assert db.letters.find_one({"state": EmailState.SENT}) is not None


def test_the_longest_wait_comes_first(letters: Emails, clock: FixedClock) -> None:
    ids = []
    for key in "abc":
        ids.append(letters.queue(EmailKind.WELCOME, user_id=USER, key=key))
        clock.advance(seconds=1)
    assert letters.next_due_id() == ids[0]
    taken = [letters.claim_next() for _ in range(4)]
    assert [letter and letter.id for letter in taken] == [*ids, None]


def test_what_could_not_be_sent_waits_longer_each_time(letters: Emails, clock: FixedClock) -> None:
    letter_id = letters.queue(EmailKind.WELCOME, user_id=USER, key="k")
    waits = []
    for _ in range(9):
        letters.retry_later(claimed(letters, letter_id), error="450")
        before = clock()
        while letters.next_due_id() is None:
            clock.advance(seconds=10)
        waits.append((clock() - before).total_seconds())
    assert waits == [10, 20, 40, 80, 160, 320, 640, 900, 900]


@pytest.mark.parametrize(
    ("kind", "hours"), [(kind, 1 if kind == "reset" else 24) for kind in EmailKind]
)
def test_after_a_while_nobody_waits_for_it_any_more(
    letters: Emails, clock: FixedClock, kind: EmailKind, hours: int
) -> None:
    letter = claimed(letters, letters.queue(kind, user_id=USER, key="k"))
    assert not letter.is_expired(clock() + timedelta(hours=hours) - timedelta(milliseconds=1))
    assert letter.is_expired(clock() + timedelta(hours=hours))


def test_why_it_ended_is_kept(db: Mongo, letters: Emails) -> None:
    for key, end in (("a", letters.mark_failed), ("b", letters.discard)):
        letter = claimed(letters, letters.queue(EmailKind.WELCOME, user_id=USER, key=key))
        end(letter, **{"error" if key == "a" else "why": f"because {key}"})
    stored = {(doc["state"], doc["error"]) for doc in db.letters.find()}
    assert stored == {("failed", "because a"), ("dropped", "because b")}
    assert db.letters.count_documents({"nextTryAt": {"$exists": True}}) == 0


def test_all_can_be_dropped(db: Mongo, letters: Emails) -> None:
    for key in "abc":
        letters.queue(EmailKind.WELCOME, user_id=USER, key=key)
    assert letters.discard_all(why="mail is off") == 3
    assert letters.next_due_id() is None
    assert {doc["state"] for doc in db.letters.find()} == {EmailState.DISCARDED}
