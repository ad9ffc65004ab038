"""The HTTP API of a bot process, with a worker."""

import http.client
import itertools
import json
import threading
import time
from collections.abc import Callable

import pytest

from demo.servers import free_port
from services.accounts.users import UserService
from services.auth.session_tokens import SessionTokens
from services.core.database import Mongo
from services.models.permissions import OPERATOR
from services.models.user import Role, User
from tests.conftest import People
from tests.support.api_client import FINE, PASSWORD, Api
from tests.support.canary import FILED
from tests.support.http_bot import HttpBot
from tests.support.processes import Product, eventually, is_outbox_empty, run
from tests.support.recording_slack import RecordingSlack

pytest_plugins = ["tests.support.product"]

CALLS, TOGETHER = 200, 10


def test_from_signing_up_to_the_resolution(
    product: Product, people: People, slack: RecordingSlack, db: Mongo
) -> None:
    product.start("worker")
    api = Api(HttpBot(product, TRUSTED_PROXIES="127.0.0.1").url)
    moderator = people.add(Role.MODERATOR, "VPN")
    account = {"email": "emma@example.com", "password": PASSWORD}
    emma = api.post("/api/auth/signup", json=account).json()["token"]
    path = f"/api/tickets/{api.filed(emma)['_id']}"
    eventually(
        lambda: api.get(path, by=emma).json()["ticket"]["status"] == "IN_PROGRESS",
        what="assigned",
    )
    ticket = api.get(path, by=emma).json()["ticket"]
    assert ticket["assignedTo"] == {"_id": str(moderator.id), "email": moderator.email}
    slack.wait_for("chat.postMessage", where=lambda c: "Ticket 1" in c.args["text"])
    assert api.patch(path, by=emma, json={"status": "COMPLETED"}).status_code == 403

    role = "users role emma@example.com moderator"
    refused = run(role, **product.settings)
    assert (refused.returncode, "users confirm emma@example.com" in refused.stderr) == (1, True)
    for command in ("users confirm emma@example.com", role):
        made = run(command, **product.settings)
        assert made.returncode == 0, made.stderr
    assert api.get(path, by=emma).status_code == 401  # another role, another session
    emma = api.post("/api/auth/login", json=account).json()["token"]
    done = {"status": "COMPLETED", "message": "Restarted the gateway."}
    assert api.patch(path, by=emma, json=done).json()["ticket"]["resolution"] == done["message"]
    eventually(lambda: is_outbox_empty(db), what="everybody told")
    assert api.post("/api/auth/logout", by=emma).status_code == 200
    assert api.get("/api/tickets", by=emma).status_code == 401


def test_with_redis_away_a_ticket_is_filed_once_and_found_again(
    product: Product, people: People, db: Mongo
) -> None:
    nowhere = f"redis://127.0.0.1:{free_port()}/0"
    api = Api(HttpBot(product, TRUSTED_PROXIES="127.0.0.1", REDIS_URL=nowhere).url)
    account = {"email": "emma@example.com", "password": PASSWORD}
    emma = api.post("/api/auth/signup", json=account).json()["token"]
    headers = {"Idempotency-Key": "1"}
    first = api.post("/api/tickets", by=emma, json=FINE, headers=headers)
    again = api.post("/api/tickets", by=emma, json=FINE, headers=headers)
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert [doc["outbox"] for doc in db.tickets.find(FILED)] == [True]
    assert people


class Crowd:
    """Concurrent clients with one connection each; `filers` are enough to stay below limits."""

    def __init__(self, port: int, filers: list[str]) -> None:
        self._port = port
        self._filers = itertools.cycle(filers)
        self._lock = threading.Lock()
        self.statuses: set[int] = set()

    def rate(self, clients: int, method: str, token: str | None = None) -> float:
        """Return the calls per second."""
        threads = [
            threading.Thread(target=self._work, args=(CALLS // clients, method, token))
            for _ in range(clients)
        ]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return CALLS / (time.monotonic() - began)

    def _work(self, calls: int, method: str, token: str | None) -> None:
        client = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        body = json.dumps(FINE) if method == "POST" else None
        for _ in range(calls):
            with self._lock:
                by = token or next(self._filers)
            headers = {"Authorization": f"Bearer {by}", "Content-Type": "application/json"}
            client.request(method, "/api/tickets", body, headers)
            answer = client.getresponse()
            answer.read()
            self.statuses.add(answer.status)
        client.close()


@pytest.mark.long
def test_how_many_calls_a_second(
    product: Product,
    db: Mongo,
    users: UserService,
    record_property: Callable[[str, object], None],
) -> None:
    tokens = SessionTokens(product.settings["JWT_SECRET"])

    def token(number: int) -> str:
        user: User = users.create(actor=OPERATOR, email=f"{number}@example.com")
        return tokens.issue(user)

    bot = HttpBot(product, LOG_LEVEL="INFO")
    crowd = Crowd(bot.port, [token(number) for number in range(CALLS // 5)])
    posted = [crowd.rate(clients, "POST") for clients in (1, TOGETHER)]
    assert crowd.statuses == {201}
    assert db.tickets.count_documents(FILED) == 2 * CALLS
    reader, api = token(CALLS), Api(bot.url)
    for _ in range(10):
        api.filed(reader)
    read = [crowd.rate(clients, "GET", reader) for clients in (1, TOGETHER)]
    assert crowd.statuses == {200, 201}
    record_property(
        "api",
        f"POST ticket: {posted[0]:.0f} a second over one connection, {posted[1]:.0f} over ten; "
        f"GET ten own tickets: {read[0]:.0f} and {read[1]:.0f}",
    )
