"""MongoDB accepts connections and answers nothing."""

import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from time import sleep

import pytest

from demo.servers import MongoServer, RedisServer, Server
from services.core.database import CircuitBreaker, DatabaseUnavailable, connect
from services.models.user import Role
from services.registry.services import Services
from tests.conftest import People
from tests.support.http_bot import HttpBot
from tests.support.page_client import PASSWORD, Browser
from tests.support.processes import Product, eventually
from tests.support.recording_slack import RecordingSlack

NOT_SAVED = "This could not be saved, because the database is away. Try again in a minute."
PEOPLE = 40


def send(server: Server, number: int) -> None:
    assert server.process
    os.kill(server.process.pid, number)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MongoServer]:
    server = MongoServer(directory=tmp_path / "mongo")
    server.start()
    yield server
    send(server, signal.SIGCONT)
    server.stop()


def test_of_forty_who_submit_at_once_each_reads_that_it_is_not_saved(
    server: MongoServer, redis: RedisServer, slack: RecordingSlack, tmp_path: Path
) -> None:
    """Twenty are handled at a time: the others must not wait until Slack has given up."""
    product = Product(
        mongo_uri=server.uri_for("hang"), redis=redis, slack=slack, directory=tmp_path
    )
    with closing(connect(server.uri_for("hang")).client) as client:
        services = Services(client["hang"])
        user = People.slack_id(People(services.db, slack).add(Role.USER))
    try:
        bot = HttpBot(product)
        forms = [bot.filled_in(slack, user, title=f"VPN {n}") for n in range(PEOPLE)]
        send(server, signal.SIGSTOP)
        with ThreadPoolExecutor(PEOPLE) as people:
            answers = list(people.map(bot.answer, forms))
        assert [list(a["errors"].values()) for a in answers] == [[NOT_SAVED]] * PEOPLE
        send(server, signal.SIGCONT)
        eventually(
            lambda: bot.answer(forms[0]).get("response_action") == "update", what="it is saved"
        )
    finally:
        product.stop()


def test_each_process_stops_in_time_while_mongodb_and_redis_hang(
    server: MongoServer, slack: RecordingSlack, tmp_path: Path
) -> None:
    with RedisServer() as redis:
        product = Product(
            mongo_uri=server.uri_for("hang"), redis=redis, slack=slack, directory=tmp_path
        )
        with closing(connect(server.uri_for("hang")).client) as client:
            services = Services(client["hang"])
            user = People.slack_id(People(services.db, slack).add(Role.USER))
        bot = HttpBot(product)
        product.start("worker")
        product.start("jobs")
        form = bot.filled_in(slack, user)
        browser = Browser(bot.url)
        sign_in = browser.open("/signin")
        suspended = (server, redis)
        with (
            ThreadPoolExecutor() as clients,
            socket.create_connection(("127.0.0.1", bot.port)) as stalled,
        ):
            try:
                for each in suspended:
                    send(each, signal.SIGSTOP)
                stalled.sendall(b"POST /slack/events HTTP/1.1\r\nContent-Length: 9\r\n\r\n")
                saved = clients.submit(bot.answer, form)
                page = clients.submit(
                    browser.fill, sign_in, "/signin", email="emma@example.com", password=PASSWORD
                )
                sleep(1)  # so long that the processes' next calls have begun
                for process in product.processes:
                    process.terminate()
                for process in product.processes:
                    eventually(lambda: not process.running, what=process.name, seconds=10)  # noqa: B023
                assert [process.exit_code for process in product.processes] == [0, 0, 0]
                assert list(saved.result()["errors"].values()) == [NOT_SAVED]
                assert page.result().status == 503
            finally:
                for each in suspended:
                    send(each, signal.SIGCONT)
                product.stop()


def test_no_work_starts_while_earlier_work_gets_no_answer(server: MongoServer) -> None:
    db = connect(server.uri)
    breaker = CircuitBreaker(db)

    def work() -> object:
        with breaker.deadline(60):
            return db.tickets.find_one()

    def is_open() -> bool:
        try:
            with breaker.deadline(60):
                return False
        except DatabaseUnavailable:
            return True

    send(server, signal.SIGSTOP)
    with ThreadPoolExecutor() as threads:
        earlier = threads.submit(work)
        try:
            eventually(is_open, what="it opens")
            assert not earlier.done()
        finally:
            send(server, signal.SIGCONT)
        assert earlier.result() is None
    eventually(lambda: not is_open(), what="it closes once MongoDB answers")
    assert work() is None
    db.client.close()
