"""A backup taken under load, restored into an empty database, on which the product then runs.

docs/backup.md describes what operators do with `mongodump` and `mongorestore`.
"""

import re
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

import bot.app
from bot.slack.bot_process import BotProcess
from bot.web.api.blueprint import api_blueprint
from bot.web.flask_app import create_flask_app
from bot.web.server import WebServer
from bot.web.slack_events import SlackEvents
from demo.binaries import ROOT
from demo.servers import MongoServer, RedisServer
from services.core.clock import utcnow
from services.core.database import Document, Mongo, connect
from services.core.installation import claim_installation
from services.models.user import Role, User
from services.registry.indexes import ensure_indexes
from services.registry.services import Services
from tasks.processes.jobs import publish_due
from tasks.queue.job_registry import JobContext
from tasks.runtime import Runtime
from tests.chaos.load import FILED, Ledger, Load
from tests.chaos.report import NUMBER, Report
from tests.chaos.stack import ChaosStack
from tests.chaos.unreliable import UnreliableSlack
from tests.conftest import (
    People,
    RecordingPublisher,
    build_services,
    make_config,
    web_client,
    work,
)
from tests.support import payloads
from tests.support.http_bot import PATIENCE, SECRET, HttpBot
from tests.support.mongosh import run as run_in_mongosh
from tests.support.processes import Product, eventually
from tests.support.slack_workspace import TEAM_ID, TEAM_URL, TRIAGE

PAGE = (ROOT / "docs" / "backup.md").read_text()
SKILLS = ["VPN", "Printer"]
TICKETS, SECONDS = 10, 3.0
# A claim of the moment of the dump has expired, see `CLAIM_DURATION`.
LATER = timedelta(minutes=2)


class System:
    """A bot over HTTP and a worker, in this process, on one database."""

    def __init__(self, services: Services, slack: UnreliableSlack) -> None:
        self.services, self.slack = services, slack
        self.publisher = RecordingPublisher()
        self.runtime = Runtime(
            services, slack=web_client(slack), publisher=self.publisher, triage_channel=TRIAGE
        )

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Serve Slack and the API, and yield the URL; the worker runs beside it."""
        bot_process = BotProcess(
            self.services,
            config=make_config(SLACK_SIGNING_SECRET=SECRET),
            client=web_client(self.slack),
            publisher=self.publisher,
            team_id=TEAM_ID,
            team_url=TEAM_URL,
        )
        stop = threading.Event()

        def work_on() -> None:
            while not stop.wait(0.01):
                work(self.runtime, self.publisher)

        with ExitStack() as open_:
            executor = open_.enter_context(ThreadPoolExecutor(8))
            slack_app = bot.app.create_app(bot_process, executor=executor)
            web = create_flask_app(
                is_ready=lambda: True,
                blueprints=[api_blueprint(bot_process)],
                slack_events=SlackEvents(slack_app, signing_secret=SECRET),
            )
            server = open_.enter_context(WebServer(web, host="127.0.0.1", port=0))
            worker = open_.enter_context(ThreadPoolExecutor(1)).submit(work_on)
            open_.callback(stop.set)
            yield f"http://127.0.0.1:{server.port}"
            stop.set()
            worker.result()  # raises what the worker raised

    def deliver(self) -> None:
        """Publish what is due, as the jobs do, and work on it, until nothing is."""
        context = JobContext(self.services, self.publisher, should_continue=lambda: True)
        publish_due(context)
        while self.publisher.asked:
            work(self.runtime, self.publisher)
            publish_due(context)


def dump(db: Mongo) -> dict[str, list[Document]]:
    """Read every collection, `counters` last, so that no ticket is newer than its counter."""
    names = sorted(db.list_collection_names(), key=lambda name: (name == "counters", name))
    return {name: list(db[name].find()) for name in names}


def restore(db: Mongo, dumped: Mapping[str, list[Document]]) -> None:
    ensure_indexes(db)  # mongorestore makes those of the dump
    for name, docs in dumped.items():
        if docs:
            db[name].insert_many(docs)


def report_on(system: System, redis: RedisServer, ledger: Ledger, staff: list[User]) -> Report:
    """Return what the chaos run's own comparison says."""
    stack = SimpleNamespace(db=system.services.db, slack=system.slack, redis=redis, logs=str)
    report = Report(cast(ChaosStack, stack), ledger, staff=staff)
    report.judge()
    return report


def kinds(report: Report) -> set[str]:
    return {failure.partition(":")[0] for failure in report.failures}


def stored(db: Mongo, words: list[str]) -> bool:
    found = str(list(db.tickets.find({}, ["title", "comments.text"])))
    return all(word in found for word in words)


def acknowledged(ledger: Ledger, db: Mongo) -> Ledger:
    """Return a copy of what was acknowledged until now, and is in the database."""
    copied = Ledger(filed=dict(ledger.filed), inputs=list(ledger.inputs))
    copied.comments = [each for each in list(ledger.comments) if stored(db, [each.word])]
    return copied


@pytest.fixture
def restored_db(mongo: MongoServer) -> Iterator[Mongo]:
    made = connect(mongo.uri_for(f"restored-{uuid.uuid4().hex}"))
    yield made
    made.client.drop_database(made.name)
    made.client.close()


def later() -> datetime:
    return utcnow() + LATER


def statements() -> list[str]:
    """Return what the page tells operators to run in mongosh after a restore."""
    return re.findall(r"mongosh .*?--eval '(.*?)'", PAGE, re.DOTALL)


@pytest.mark.timeout(180)  # only limits a test that fails
def test_a_backup_taken_under_load_works(
    mongo: MongoServer, redis: RedisServer, db: Mongo, restored_db: Mongo, tmp_path: Path
) -> None:
    with UnreliableSlack() as slack:
        slack.add_channel(TRIAGE, is_member=True, members=None)
        system = System(build_services(db, REDIS_URL=redis.url), slack)
        people = People(db, slack)
        staff = [people.add(Role.MODERATOR, skill, capacity=1_000) for skill in SKILLS]
        requesters = [people.add() for _ in range(4)]
        claim_installation(db, team_id=TEAM_ID)
        load = partial(
            Load,
            slack=slack,
            requesters=requesters,
            staff=staff,
            skills=SKILLS,
            seed=1,
            channel_share=0,
        )
        before, dumped = dump_under_load(system, load)
        waiting = {doc["number"] for doc in dumped["tickets"] if doc["outbox"]}
        lost = db.tickets.count_documents({}) - len(dumped["tickets"])
        # As in a backup that has read the counter first.
        dumped["counters"] = [{**doc, "value": 1} for doc in dumped["counters"]]
        restore(restored_db, dumped)
        shown = all_messages(slack)
        product = Product(
            mongo_uri=mongo.uri_for(restored_db.name), redis=redis, slack=slack, directory=tmp_path
        )
        try:
            http_bot = HttpBot(product, TRIAGE_CHANNEL=TRIAGE)
            after = System(build_services(restored_db, later, REDIS_URL=redis.url), slack)
            after.deliver()
            # Slack has messages from after the backup, and cards that show changes made since.
            report = report_on(after, redis, before, staff)
            assert kinds(report) <= {"doubled in all", "cards that differ"}, report.table()
            repeated = {number for ts, number in all_messages(slack).items() if ts not in shown}
            assert repeated <= waiting

            highest = max(doc["number"] for doc in dumped["tickets"])
            assert file_over_http(http_bot, slack, requesters[0]) == highest + 1
            skip_numbers, redraw = statements()
            assert run_in_mongosh(restored_db, skip_numbers.replace("T0EXAMPLE", TEAM_ID)) == 1
            assert file_over_http(http_bot, slack, requesters[1]) > highest + lost + 1
            posted = all_messages(slack)
            assert run_in_mongosh(restored_db, redraw.replace("2026-03-01", "2000-01-01"))
            after.deliver()
            report = report_on(after, redis, before, staff)
            assert kinds(report) <= {"doubled in all"}, report.table()
            new = set(all_messages(slack).items()) - set(posted.items())
            assert {number for _, number in new} <= {highest + 1, highest + 1_002}
        finally:
            product.stop()


def dump_under_load(
    system: System, make_load: Callable[..., Load]
) -> tuple[Ledger, dict[str, list[Document]]]:
    """Return what was acknowledged before the dump, and the dump."""
    db = system.services.db
    with system.serving() as url:
        bots = [cast(HttpBot, SimpleNamespace(url=url))]
        load = make_load(bots=bots, token=system.services.sign_in.issue_token)
        load.run(tickets=TICKETS // 2, seconds=SECONDS / 2)
        # A ticket that its only candidate has declined waits there for another one.
        untold = {"outbox": True, "assignedTo": {"$ne": None}}
        eventually(lambda: db.tickets.count_documents(untold) == 0, what="messages to reply to")
        users = threading.Thread(target=load.run, kwargs={"tickets": TICKETS, "seconds": SECONDS})
        users.start()
        eventually(lambda: len(load.ledger.filed) >= TICKETS, what="half of the load")
        before = acknowledged(load.ledger, db)
        dumped = dump(db)
        users.join()
    assert load.ledger.faults == []
    return before, dumped


def all_messages(slack: UnreliableSlack) -> dict[tuple[str, str], int]:
    """Return the number of the ticket that each message of the bot names, by channel and `ts`."""
    return {
        (channel, message["ts"]): int(number[1])
        for channel, found in slack.workspace.messages.items()
        for message in found
        if "bot_id" in message and (number := NUMBER.search(message["text"]))
    }


def file_over_http(http_bot: HttpBot, slack: UnreliableSlack, requester: User) -> int:
    command = payloads.slash_command(user=People.slack_id(requester))
    http_bot.answer(command)
    view = slack.opened_by(command["trigger_id"], seconds=PATIENCE)
    assert view
    values = {"title": "After the restore", "description": "Help."}
    form = payloads.view_submission(view, values, user=People.slack_id(requester))
    number = FILED.search(str(http_bot.answer(form)))
    assert number
    return int(number[1])
