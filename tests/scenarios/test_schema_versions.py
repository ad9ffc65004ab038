"""Releases side by side on one database: the older one's processes stop when they must."""

import subprocess
import sys
from datetime import timedelta

import pytest

from demo.binaries import ROOT
from demo.servers import free_port
from services.core import schema_version
from services.core.clock import utcnow
from services.core.database import Mongo
from services.models.ticket import Status
from services.registry.migrations import PROGRAM_VERSION
from services.tickets.filing import TicketService
from tests.conftest import People, file_ticket, reload
from tests.support.http_bot import SECRET
from tests.support.processes import Product, eventually

pytest_plugins = ["tests.support.product"]

# `app.py` of another release: its data version, its migrations, and shorter intervals.
RELEASE = """
import sys
from datetime import timedelta
from services.core import schema_version
from services.registry import migrations

def mark(db, *, limit, now):
    found = list(db.tickets.find({{"marked": None}}, ["_id"]).limit(limit))
    for doc in found:
        db.tickets.update_one(doc, {{"$set": {{"marked": True}}}})
    return len(found)

schema_version.CHECK_INTERVAL = timedelta(milliseconds=100)
migrations.GRACE_PERIOD = timedelta(seconds=1)
migrations.PROGRAM_VERSION = {version}
if {stops_older}:
    migration = migrations.Migration({version}, "mark the tickets", mark, stops_older=True)
    migrations.Migrations.__init__.__kwdefaults__["migrations"] = [migration]
import app
sys.exit(app.main(sys.argv[1:]))
"""


def release(version: int, *, stops_older: bool = False) -> list[str]:
    return [sys.executable, "-c", RELEASE.format(version=version, stops_older=stops_older)]


@pytest.fixture
def bot_settings(empty_product: Product) -> dict[str, str]:
    return {"SLACK_SIGNING_SECRET": SECRET, "PORT": str(free_port())}


def test_a_newer_release_stops_the_older_ones_processes_and_migrates(
    empty_product: Product,
    bot_settings: dict[str, str],
    db: Mongo,
    tickets: TicketService,
    people: People,
) -> None:
    older = [
        empty_product.start("bot", program=release(8), **bot_settings),
        empty_product.start("worker", program=release(8)),
        empty_product.start("jobs", program=release(8)),
    ]
    ticket = file_ticket(tickets, people.add())
    eventually(lambda: not reload(db, ticket).is_in_outbox, what="the older release notifies")
    empty_product.start("jobs", program=release(9, stops_older=True))
    empty_product.start("worker", program=release(9))
    older[2].terminate()  # the newer jobs lead
    for process in older[:2]:
        eventually(lambda: not process.running, what="an older process stops")  # noqa: B023
        assert process.exit_code == 3, process.tail()
        assert "needs data version 9, and this program knows 8" in process.output()
    eventually(
        lambda: schema_version.stored_schema(db).version == 9, what="the migration completes"
    )
    assert db.tickets.count_documents({"marked": True}) == 1
    later = file_ticket(tickets, people.add(), "Printer")
    eventually(lambda: not reload(db, later).is_in_outbox, what="the newer release notifies")
    assert reload(db, later).status is Status.TODO


@pytest.fixture
def newer_data(db: Mongo) -> None:
    schema_version.raise_min_reader(db, 99, now=utcnow() - timedelta(days=1))


@pytest.mark.usefixtures("newer_data")
@pytest.mark.parametrize("command", ["bot", "worker", "jobs", "users list", "explain 1"])
def test_an_older_release_does_not_start(
    empty_product: Product, bot_settings: dict[str, str], command: str
) -> None:
    ended = subprocess.run(  # noqa: S603  our own command
        [sys.executable, "app.py", *command.split()],
        env=empty_product.settings | bot_settings,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (3, "")
    known = f"needs data version 99, and this program knows {PROGRAM_VERSION}."
    assert known in ended.stderr.splitlines()[-1]
