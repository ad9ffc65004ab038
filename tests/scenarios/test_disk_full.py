"""MongoDB answers and stores nothing: its disk is full."""

import resource
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from pymongo.errors import OperationFailure

from bot.bootstrap import build_bot_server
from bot.slack.bot_process import BotProcess
from bot.slack.error_responses import error_message
from demo.servers import MongoServer, RedisServer
from services.core.database import Mongo, connect, is_reachable
from services.models.ticket import Ticket
from services.models.user import User
from services.ops.check_runner import fail
from services.ops.database_checks import DatabaseChecks
from services.ops.write_probe import cached_write_probe
from services.registry.indexes import missing_indexes
from services.tickets.filing import TicketService
from tasks.runtime import Runtime
from tests.conftest import (
    Bot,
    FixedClock,
    People,
    RecordingPublisher,
    build_services,
    file_ticket,
    filled_in,
    make_config,
    pressed,
    reload,
    work,
)
from tests.support import payloads
from tests.support.api_client import FINE, Api
from tests.support.canary import FILED
from tests.support.comment_helpers import card_of, ephemeral_messages, said
from tests.support.page_client import Browser, serving
from tests.support.proxies import FullDiskProxy
from tests.support.recording_slack import RecordingSlack

NOT_SAVED = (
    "This could not be saved, because the database has a problem. Try again in a few minutes."
)
NOT_WORKING = (
    "This does not work right now, because the database has a problem. Try again in a few minutes."
)
OUT_OF_DISK_SPACE, INTERNAL_ERROR = 14031, 1


@pytest.fixture
def disk(mongo: MongoServer) -> Iterator[FullDiskProxy]:
    with FullDiskProxy(mongo.port) as proxy:
        yield proxy


@pytest.fixture
def bot_process(
    bot_process: BotProcess,
    disk: FullDiskProxy,
    db: Mongo,
    redis_server: RedisServer,
    clock: FixedClock,
) -> Iterator[BotProcess]:
    """A bot whose database may be full."""
    mongo = connect(disk.uri_for(db.name))
    services = build_services(mongo, clock, REDIS_URL=redis_server.url)
    yield replace(bot_process, services=services)
    mongo.client.close()


@pytest.fixture
def ticket(tickets: TicketService, employee: User, moderator: User, db: Mongo) -> Ticket:
    """An accepted ticket of the employee."""
    ticket = file_ticket(tickets, employee)
    values = {"assignedTo": moderator.id, "status": "IN_PROGRESS", "acceptedAt": ticket.created_at}
    db.tickets.update_one({"_id": ticket.id}, {"$set": values})
    return reload(db, ticket)


def test_a_form_stays_open_and_is_filed_once_when_there_is_space(
    ticket_bot: Bot, slack: RecordingSlack, disk: FullDiskProxy, employee: User, db: Mongo
) -> None:
    form = filled_in(ticket_bot, slack, People.slack_id(employee))
    disk.is_full = True
    for _ in range(3):
        answer = ticket_bot.answer(form)
        assert answer == {"response_action": "errors", "errors": {"title": NOT_SAVED}}
    assert db.tickets.count_documents(FILED) == 0
    disk.is_full = False
    assert ticket_bot.answer(form)["response_action"] == "update"
    assert [doc["title"] for doc in db.tickets.find(FILED)] == ["VPN drops"]


def test_a_message_is_quoted_in_the_form_and_stays_there(
    ticket_bot: Bot, slack: RecordingSlack, disk: FullDiskProxy, employee: User, db: Mongo
) -> None:
    user = People.slack_id(employee)
    disk.is_full = True
    ticket_bot.answer(payloads.message_shortcut("make_ticket", "The VPN drops.", user=user))
    form = payloads.view_submission(slack.last_view(), user=user)
    assert ticket_bot.answer(form)["errors"] == {"title": NOT_SAVED}
    disk.is_full = False
    ticket_bot.answer(form)
    assert [doc["title"] for doc in db.tickets.find(FILED)] == ["The VPN drops."]


@pytest.mark.parametrize(("step", "field"), [("comment", "text"), ("note", "text")])
def test_a_comment_stays_in_its_form(
    ticket_bot: Bot,
    slack: RecordingSlack,
    disk: FullDiskProxy,
    ticket: Ticket,
    moderator: User,
    db: Mongo,
    step: str,
    field: str,
) -> None:
    ticket_bot.answer(pressed(step, ticket, moderator))
    user = People.slack_id(moderator)
    form = payloads.view_submission(slack.last_view(), {field: "Which client?"}, user=user)
    disk.is_full = True
    assert ticket_bot.answer(form)["errors"] == {field: NOT_SAVED}
    disk.is_full = False
    ticket_bot.answer(form)
    assert [comment.text for comment in reload(db, ticket).comments] == ["Which client?"]


def test_slack_repeats_a_reply_until_it_is_stored(
    ticket_bot: Bot,
    slack: RecordingSlack,
    disk: FullDiskProxy,
    runtime: Runtime,
    publisher: RecordingPublisher,
    ticket: Ticket,
    employee: User,
    db: Mongo,
) -> None:
    work(runtime, publisher, ticket)
    reply = said(slack, employee, card_of(slack, employee), "It still drops")
    disk.is_full = True
    assert ticket_bot.send(reply).status == 503
    disk.is_full = False
    assert ticket_bot.send(reply).status == 200
    assert [comment.text for comment in reload(db, ticket).comments] == ["It still drops"]


def test_a_button_says_it_below_its_message(
    ticket_bot: Bot,
    slack: RecordingSlack,
    disk: FullDiskProxy,
    ticket: Ticket,
    moderator: User,
    db: Mongo,
) -> None:
    db.tickets.update_one({"_id": ticket.id}, {"$unset": {"acceptedAt": ""}})
    disk.is_full = True
    ticket_bot.answer(pressed("accept", reload(db, ticket), moderator))
    assert ephemeral_messages(slack) == [(People.slack_id(moderator), NOT_SAVED)]
    assert disk.refused


def test_what_only_reads_works(
    ticket_bot: Bot, slack: RecordingSlack, disk: FullDiskProxy, ticket: Ticket, moderator: User
) -> None:
    disk.is_full = True
    ticket_bot.answer(pressed("resolve", ticket, moderator))
    assert slack.last_view()["callback_id"] == "resolve_ticket"


def test_the_api_answers_503(
    api: Api, disk: FullDiskProxy, employee: User, moderator: User, ticket: Ticket, db: Mongo
) -> None:
    disk.is_full = True
    for answer in (
        api.post("/api/tickets", by=employee, json=FINE),
        api.patch(f"/api/tickets/{ticket.id}", by=moderator, json={"title": "VPN"}),
    ):
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert answer.json() == {"error": NOT_SAVED, "code": "unavailable"}
    assert api.get("/api/tickets", by=employee).status_code == 200
    disk.is_full = False
    api.filed(employee)
    assert db.tickets.count_documents(FILED) == 2


def test_an_account_page_keeps_what_was_typed(
    bot_process: BotProcess, disk: FullDiskProxy, people: People
) -> None:
    with serving(bot_process) as url:
        disk.is_full = True
        page = Browser(url).sign_up("emma@example.com", name="Emma")
    assert (page.status, page.alerts) == (503, [NOT_SAVED])
    assert page.inputs["name"]["value"] == "Emma"


def test_the_bot_stays_ready_and_says_it(bot_process: BotProcess, disk: FullDiskProxy) -> None:
    bot = replace(bot_process, config=make_config(HOST="127.0.0.1", PORT="0"))
    server = build_bot_server(bot, shared_counts=lambda: None)
    disk.is_full = True
    with server.web_server as web:
        url = f"http://127.0.0.1:{web.port}"
        ready = requests.get(f"{url}/readyz", timeout=10)
        metrics = requests.get(f"{url}/metrics", timeout=10)
    server.listener_executor.shutdown()
    assert (ready.status_code, ready.json()) == (200, {"status": "ok", "writes": "failing"})
    assert "\nticket_bot_mongodb_writable 0.0\n" in metrics.text
    assert disk.refused == ["update"]


@pytest.mark.parametrize("code", [OUT_OF_DISK_SPACE, INTERNAL_ERROR])
def test_the_doctor_says_it(disk: FullDiskProxy, db: Mongo, code: int) -> None:
    disk.is_full, disk.code = True, code
    checks = DatabaseChecks(
        disk.uri_for(db.name), missing_indexes=missing_indexes, program_version=2
    )
    assert checks.check_connection() == fail(
        f"it answers, but stores nothing (error {code})",
        "Look at the free space of its disk (for Atlas: at the quota) and at its log.",
    )
    checks.close()


class LimitedMongoServer(MongoServer):
    """A server whose files cannot grow after `fill()`, as on a full disk."""

    def _command(self) -> list[str | Path]:
        # Without the trap the signal SIGXFSZ would end the server.
        return ["sh", "-c", 'trap "" XFSZ; exec "$0" "$@"', *super()._command()]

    def fill(self) -> None:
        assert self.process
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (0, 0))


@pytest.mark.skipif(sys.platform != "linux", reason="prlimit is Linux's")
def test_a_real_server_that_cannot_write(tmp_path: Path) -> None:
    with LimitedMongoServer(directory=tmp_path / "mongo") as server:
        with closing(connect(server.uri).client) as client:
            tickets = client["full"].tickets
            tickets.insert_one({"_id": 1})
            server.fill()
            with pytest.raises(OperationFailure) as failure:
                tickets.insert_one({"_id": 2})
            assert error_message(failure.value, is_save=True) == NOT_SAVED
            with pytest.raises(OperationFailure) as failure:
                tickets.find_one()
            assert error_message(failure.value) == NOT_WORKING
            assert not cached_write_probe(client["full"])()
            assert is_reachable(client["full"])
        server.kill()
        server.start()  # with space on its disk
        with closing(connect(server.uri).client) as client:
            assert [doc["_id"] for doc in client["full"].tickets.find()] == [1]
            assert cached_write_probe(client["full"])()
