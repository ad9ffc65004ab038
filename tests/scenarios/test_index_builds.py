"""Processes on a database whose unique indexes take a while to build."""

import sys
from typing import Any

import pytest
import requests

from bot.slack.error_responses import DATABASE_PREPARING
from demo.local_stack import READY
from demo.process import Process
from demo.servers import free_port
from services.core.database import Mongo
from services.registry.indexes import INDEXES, declared_indexes, missing_indexes
from tests.support import payloads
from tests.support.http_bot import SECRET
from tests.support.processes import Product, eventually

pytest_plugins = ["tests.support.product"]

# `app.py` whose builds of unique indexes wait for a document in `gate`; `begun` records each build.
SLOW_BUILDS = """
import os, sys, time
from datetime import timedelta
from pymongo.collection import Collection
from services.core import leases
from services.registry import index_builds

create = Collection.create_indexes

def slow(self, models):
    name = models[0].document["name"]
    if name not in self.index_information():
        self.database.begun.insert_one({"index": f"{self.name}.{name}", "pid": os.getpid()})
        while models[0].document.get("unique") and not self.database.gate.find_one():
            time.sleep(0.05)
    return create(self, models)

Collection.create_indexes = slow
leases.LEASE_DURATION = timedelta(seconds=3)
leases.LEASE_RENEW_INTERVAL = timedelta(seconds=0.5)
index_builds.LOG_INTERVAL_SECONDS = 0.2
import app
app.INDEX_CHECK_SECONDS = 0.2
sys.exit(app.main(sys.argv[1:]))
"""
PROGRAM = [sys.executable, "-c", SLOW_BUILDS]
BUILDING = "indexes are being built"


@pytest.fixture
def bare(db: Mongo, indexes_restored: None) -> Mongo:
    for name in INDEXES:
        db[name].drop_indexes()
    return db


def start(product: Product, command: str, port: int = 0) -> Process:
    bot = {"SLACK_SIGNING_SECRET": SECRET, "PORT": str(port)} if port else {}
    return product.start(command, program=PROGRAM, until=BUILDING, **bot)


def send(port: int, payload: dict[str, Any]) -> requests.Response:
    body, signed = payloads.signed(payload, SECRET)
    url = f"http://127.0.0.1:{port}/slack/events"
    return requests.post(url, data=body, headers=signed, timeout=30)


def get(port: int, path: str) -> requests.Response:
    return requests.get(f"http://127.0.0.1:{port}{path}", timeout=30)


def test_processes_wait_and_one_builds(empty_product: Product, bare: Mongo) -> None:
    ports = [free_port(), free_port()]
    processes = [start(empty_product, "bot", port) for port in ports]
    processes += [start(empty_product, command) for command in ("jobs", "worker")]
    port = ports[1]
    eventually(lambda: get(port, "/healthz").status_code == 200, what="the bot serves")
    readiness = get(port, "/readyz")
    assert readiness.status_code == 503
    assert readiness.json()["error"].startswith("MongoDB builds indexes: codes.kind_1_userId_1,")
    assert send(port, payloads.slash_command(user="U1")).json()["text"] == DATABASE_PREPARING
    assert send(port, payloads.event({"type": "app_home_opened", "user": "U1"})).status_code == 503
    page = get(port, "/api/tickets")
    assert (page.status_code, page.json()["error"]) == (503, DATABASE_PREPARING)
    (first,) = bare.begun.find()
    assert first["pid"] == processes[0].pid

    processes[0].kill()  # in the middle of the build: another one resumes it
    eventually(lambda: bare.begun.count_documents({}) == 2, what="the build is resumed")
    output = "".join(process.output() for process in processes)
    assert [ready for ready in READY.values() if ready in output] == []
    bare.gate.insert_one({})
    for process, name in zip(processes[1:], ("bot", "jobs", "worker"), strict=True):
        eventually(lambda: READY[name] in process.output(), what=READY[name])  # noqa: B023
    assert get(port, "/readyz").status_code == 200
    eventually(lambda: missing_indexes(bare) == [], what="the leader builds the others")
    begun = [doc["index"] for doc in bare.begun.find()]
    others = declared_indexes(unique=False)
    # Only the first was begun twice.
    assert sorted(begun) == sorted(
        [first["index"], *map(str, declared_indexes(unique=True)), *map(str, others)]
    )


def test_duplicates_that_a_slow_build_finds_stop_the_bot(
    empty_product: Product, bare: Mongo
) -> None:
    bare.tickets.insert_many([{"teamId": "T1", "number": 7, "title": "a"} for _ in range(2)])
    bot = start(empty_product, "bot", free_port())
    bare.gate.insert_one({})
    eventually(lambda: not bot.running, what="the bot ends")
    assert bot.exit_code == 3
    assert "cannot be built: documents of tickets have the same teamId and number" in bot.output()


def test_a_process_that_waits_stops_on_a_signal(empty_product: Product, bare: Mongo) -> None:
    worker = start(empty_product, "worker")
    worker.terminate()
    eventually(lambda: not worker.running, what="the worker ends")
    assert worker.exit_code == 0
