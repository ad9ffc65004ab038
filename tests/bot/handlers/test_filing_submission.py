"""The submitted form to file a ticket."""

from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

import bot.app
from bot.handlers.secret_warning import WARNING
from bot.slack.bot_process import BotProcess
from bot.slack.error_responses import NOT_SAVED_DATABASE_UNAVAILABLE
from demo.servers import free_port
from services.core.database import Mongo
from services.models.user import Role, User
from services.tickets.filing import TicketService
from tasks.queue.celery_app import NOTIFY_TASK
from tasks.queue.publisher import CeleryPublisher
from tests.conftest import (
    Bot,
    FixedClock,
    Inline,
    People,
    RecordingPublisher,
    file_ticket,
    filled_in,
)
from tests.support import payloads
from tests.support.canary import FILED
from tests.support.processes import celery_for
from tests.support.recording_slack import RecordingSlack

FilledIn = Callable[..., dict[str, Any]]


@pytest.fixture
def form(ticket_bot: Bot, slack: RecordingSlack, employee: User) -> FilledIn:
    """The employee's form, filled in and submitted."""
    return lambda **values: filled_in(ticket_bot, slack, People.slack_id(employee), **values)


def errors(answer: dict[str, Any]) -> dict[str, str]:
    assert answer["response_action"] == "errors"
    found: dict[str, str] = answer["errors"]
    return found


def headline(answer: dict[str, Any]) -> str:
    assert answer["response_action"] == "update"
    text: str = answer["view"]["blocks"][0]["text"]["text"]
    return text


def test_a_ticket_is_filed(
    ticket_bot: Bot, form: FilledIn, employee: User, db: Mongo, publisher: RecordingPublisher
) -> None:
    body = form(title="VPN drops", description="Every hour.", priority="urgent")
    assert headline(ticket_bot.answer(body)) == "Ticket 1 is filed"
    (doc,) = db.tickets.find(FILED)
    stored = ("number", "title", "description", "priority", "status", "createdBy", "requestId")
    assert [doc[name] for name in stored] == [
        1,
        "VPN drops",
        "Every hour.",
        "urgent",
        "TODO",
        employee.id,
        body["view"]["id"],
    ]
    assert publisher.asked == [(NOTIFY_TASK, str(doc["_id"]))]


PAST = {"deadline": "The deadline has to lie in the future. Choose a later time."}


def test_a_deadline_goes_with_it(
    ticket_bot: Bot, form: FilledIn, db: Mongo, clock: FixedClock
) -> None:
    due = clock.now.replace(second=0, microsecond=0) + timedelta(minutes=2)
    body = form(deadline=int(due.timestamp()))
    assert headline(ticket_bot.answer(body)) == "Ticket 1 is filed"
    (doc,) = db.tickets.find(FILED)
    assert (doc["deadline"], doc["dueAt"]) == (due, due)
    clock.advance(minutes=5)  # submitted again after the deadline
    assert headline(ticket_bot.answer(body)) == "Ticket 1 is filed"
    words = {"title": "VPN drops", "description": "Every hour since Monday."}
    later = {**words, "deadline": int((due + timedelta(days=1)).timestamp())}
    again = payloads.view_submission(body["view"], later, user=body["user"]["id"])
    assert headline(ticket_bot.answer(again)) == "Ticket 1 is filed"
    (doc,) = db.tickets.find(FILED)
    assert doc["deadline"] == due + timedelta(days=1)


def test_a_deadline_that_passed_while_the_form_was_open_is_refused(
    ticket_bot: Bot, form: FilledIn, db: Mongo, clock: FixedClock
) -> None:
    due = clock.now.replace(second=0, microsecond=0) + timedelta(minutes=2)
    body = form(deadline=int(due.timestamp()))
    clock.advance(minutes=5)
    assert errors(ticket_bot.answer(body)) == PAST
    assert errors(ticket_bot.answer(form(deadline=0))) == PAST
    assert errors(ticket_bot.answer(form(deadline=10**18))) == {
        "deadline": "Choose a day and a time."
    }
    assert db.tickets.count_documents(FILED) == 0


def test_all_that_is_wrong_is_said_at_once_beside_its_field(
    ticket_bot: Bot, form: FilledIn, db: Mongo, clock: FixedClock
) -> None:
    long = {"title": "A title has at most 150 characters; this one has 151."}
    late = form(title="x" * 151, description="", deadline=0)
    assert errors(ticket_bot.answer(late)) == {
        **long,
        "description": "Describe what you need.",
        **PAST,
    }
    secret = form(title="x" * 151, description="password: hunter2", deadline=0)
    warning = WARNING.format(submit="File")
    assert errors(ticket_bot.answer(secret)) == {**long, "description": warning, **PAST}
    both = form(title="password: hunter2", deadline=10**18)
    assert errors(ticket_bot.answer(both)) == {
        "deadline": "Choose a day and a time.",
        "title": warning,
    }
    assert db.tickets.count_documents(FILED) == 0


def test_a_form_opened_before_it_asked_for_a_deadline_files_too(
    ticket_bot: Bot, form: FilledIn, db: Mongo
) -> None:
    body = form()
    del body["view"]["state"]["values"]["deadline"]
    assert headline(ticket_bot.answer(body)) == "Ticket 1 is filed"


def test_a_priority_may_be_left_open(ticket_bot: Bot, form: FilledIn, db: Mongo) -> None:
    ticket_bot.answer(form(priority=None))
    assert db.tickets.distinct("priority") == [None]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"title": "  "}, {"title": "Give it a title of at least 3 characters."}),
        ({"title": None}, {"title": "Give it a title of at least 3 characters."}),
        ({"title": "\u200b" * 9}, {"title": "Give it a title of at least 3 characters."}),
        (
            {"title": "x" * 151},
            {"title": "A title has at most 150 characters; this one has 151."},
        ),
        ({"description": "\n \t"}, {"description": "Describe what you need."}),
        (
            {"description": "x" * 3_001},
            {"description": "At most 3,000 characters; this text has 3,001."},
        ),
        (
            {"priority": {"selected_option": {"value": "asap"}}},
            {"priority": "Choose one of low, medium, high, urgent."},
        ),
    ],
)
def test_an_error_stands_beside_its_field(
    ticket_bot: Bot,
    form: FilledIn,
    db: Mongo,
    publisher: RecordingPublisher,
    values: dict[str, Any],
    expected: dict[str, str],
) -> None:
    assert errors(ticket_bot.answer(form(**values))) == expected
    assert db.tickets.count_documents(FILED) == 0
    assert publisher.asked == []


def test_markup_is_stored_and_shown_as_typed(ticket_bot: Bot, form: FilledIn, db: Mongo) -> None:
    typed = "<!channel> <https://evil.example|Sign in> $teamId &amp; :tada:"
    answer = ticket_bot.answer(form(title=typed, description=typed))
    assert answer["view"]["blocks"][1]["text"] == {
        "type": "plain_text",
        "text": typed,
        "emoji": True,
    }
    assert db.tickets.find_one({"title": typed, "description": typed})


def test_after_twenty_tickets_an_hour_it_says_so(
    ticket_bot: Bot,
    form: FilledIn,
    employee: User,
    tickets: TicketService,
    clock: FixedClock,
    db: Mongo,
) -> None:
    for _ in range(20):
        file_ticket(tickets, employee)
    assert errors(ticket_bot.answer(form())) == {
        "title": "You have filed 20 tickets within an hour, which is the limit. Try again later; "
        "for an emergency, speak to a moderator."
    }
    assert db.tickets.count_documents(FILED) == 20
    clock.advance(hours=1, seconds=1)
    assert headline(ticket_bot.answer(form())) == "Ticket 21 is filed"


def test_a_double_submit_is_one_ticket(ticket_bot: Bot, form: FilledIn, db: Mongo) -> None:
    body = form()
    answers = [ticket_bot.answer(body) for _ in range(2)]
    assert [headline(answer) for answer in answers] == ["Ticket 1 is filed"] * 2
    assert db.tickets.count_documents(FILED) == 1


def resent(body: dict[str, Any], **values: str) -> dict[str, Any]:
    return payloads.view_submission(
        body["view"], {"title": "VPN drops", "description": "Every hour.", **values}, **_by(body)
    )


def _by(body: dict[str, Any]) -> dict[str, str]:
    return {"user": body["user"]["id"]}


def test_a_changed_resubmission_is_an_edit(ticket_bot: Bot, form: FilledIn, db: Mongo) -> None:
    body = form()
    ticket_bot.answer(body)
    assert headline(ticket_bot.answer(resent(body, title="VPN is gone"))) == "Ticket 1 is filed"
    (doc,) = db.tickets.find(FILED)
    assert doc["title"] == "VPN is gone"
    assert [event["type"] for event in doc["events"]] == ["filed", "edited", "edited"]


def test_a_changed_resubmission_comes_too_late(ticket_bot: Bot, form: FilledIn, db: Mongo) -> None:
    body = form()
    ticket_bot.answer(body)
    db.tickets.update_one(FILED, {"$set": {"status": "IN_PROGRESS"}})
    assert errors(ticket_bot.answer(resent(body, title="VPN is gone"))) == {
        "title": "Ticket 1 is being worked on; it can't be edited here."
    }
    assert db.tickets.distinct("title", FILED) == ["VPN drops"]


def test_another_users_form_is_not_found(
    ticket_bot: Bot, form: FilledIn, people: People, db: Mongo
) -> None:
    body = form()
    ticket_bot.answer(body)
    body["user"]["id"] = people.slack_id(people.add(Role.ADMIN))
    assert errors(ticket_bot.answer(body)) == {
        "title": "This form is not yours. Open a new one with /ticket."
    }
    assert db.tickets.count_documents(FILED) == 1


def test_a_guest_who_replays_a_form_is_refused(
    ticket_bot: Bot, form: FilledIn, slack: RecordingSlack, db: Mongo
) -> None:
    slack.add_member("U0GUEST", email="guest@example.com", name="Guest", is_restricted=True)
    body = form()
    body["user"]["id"] = "U0GUEST"
    assert errors(ticket_bot.answer(body)) == {
        "title": "Guests cannot use this app. Ask a full member of this workspace to file the "
        "ticket."
    }
    assert db.tickets.count_documents(FILED) == 0


def test_a_submission_says_that_it_was_not_saved(
    bot_without_database: Bot, form: FilledIn, caplog: pytest.LogCaptureFixture
) -> None:
    assert errors(bot_without_database.answer(form())) == {"title": NOT_SAVED_DATABASE_UNAVAILABLE}
    assert NOT_SAVED_DATABASE_UNAVAILABLE == (
        "This could not be saved, because the database is away. Try again in a minute."
    )
    assert "database away: " in caplog.text


def test_redis_away_costs_no_ticket(
    bot_process: BotProcess, form: FilledIn, db: Mongo, caplog: pytest.LogCaptureFixture
) -> None:
    away = CeleryPublisher(celery_for(f"redis://127.0.0.1:{free_port()}/0"))
    answer = Bot(
        bot.app.create_app(replace(bot_process, publisher=away), executor=Inline())
    ).answer(form())
    assert headline(answer) == "Ticket 1 is filed"
    assert db.tickets.count_documents({"outbox": True}) == 1
    assert "is left to the sweep" in caplog.text


class BrokenPublisher:
    """Raises, which a publisher must not."""

    def publish_ticket(self, ticket_id: str) -> None:
        raise RuntimeError("out of order")

    def publish_email(self, email_id: str) -> None:
        raise RuntimeError("out of order")

    def publish_reply(self, reply_id: str) -> None:
        raise RuntimeError("out of order")

    def publish_availability_check(self) -> None:
        raise RuntimeError("out of order")


@pytest.mark.parametrize("executor", [Inline(), ThreadPoolExecutor(1)], ids=["inline", "threads"])
def test_a_fault_after_the_answer_keeps_the_answer(
    bot_process: BotProcess,
    form: FilledIn,
    db: Mongo,
    executor: Executor,
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = bot.app.create_app(replace(bot_process, publisher=BrokenPublisher()), executor=executor)
    assert headline(Bot(app).answer(form())) == "Ticket 1 is filed"
    assert db.tickets.count_documents({"outbox": True}) == 1
    app.listener_runner.listener_executor.shutdown()  # waits for the work after the response
    assert "file_ticket failed after its acknowledgement" in caplog.text


def test_a_fault_before_the_answer_names_a_reference(
    ticket_bot: Bot, form: FilledIn, db: Mongo, caplog: pytest.LogCaptureFixture
) -> None:
    body = form()
    del body["view"]["state"]["values"]["description"]
    sentence = errors(ticket_bot.answer(body))["title"]
    known = "Something went wrong on our side. Try again; if it goes on, tell an admin this "
    assert sentence.startswith(f"{known}reference: ")
    (record,) = [r for r in caplog.records if sentence[-8:] in r.getMessage()]
    assert record.exc_info
    assert db.tickets.count_documents(FILED) == 0


def test_staff_file_for_a_colleague(
    ticket_bot: Bot, slack: RecordingSlack, people: People, moderator: User, db: Mongo
) -> None:
    colleague = people.add()
    chosen = {"createdBy": People.slack_id(colleague)}
    answer = ticket_bot.answer(filled_in(ticket_bot, slack, People.slack_id(moderator), **chosen))
    assert headline(answer) == "Ticket 1 is filed"
    (doc,) = db.tickets.find(FILED)
    assert (doc["createdBy"], doc["filedBy"]) == (colleague.id, moderator.id)
    (filed,) = doc["events"]
    assert (filed["by"], filed["field"], filed["to"]) == (moderator.id, "createdBy", colleague.id)


def test_staff_file_their_own(
    ticket_bot: Bot, slack: RecordingSlack, moderator: User, db: Mongo
) -> None:
    ticket_bot.answer(filled_in(ticket_bot, slack, People.slack_id(moderator)))
    (doc,) = db.tickets.find(FILED)
    assert (doc["createdBy"], "filedBy" in doc) == (moderator.id, False)
    assert "field" not in doc["events"][0]
