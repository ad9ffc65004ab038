"""Time from the signed request of `/ticket` until the form opens, over https, and the CPU time of
the bot's process. The baseline is a bare Bolt app on the same server, which opens a fixed form
through the same kept connections.

Slack and the people who use it run in this process, for both alike.
"""

import http.client
import json
import os
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from bench.figures import Figure
from demo.binaries import ROOT
from demo.local_stack import READY, environment
from demo.process import Process
from demo.servers import HOST, RedisServer, free_port
from tests.support import payloads
from tests.support.certificates import CertificateAuthority
from tests.support.http_bot import SECRET
from tests.support.slack_http import Reply, Server
from tests.support.slack_workspace import TEAM_ID

PEOPLE, ROUNDS, SECONDS = 20, 7, 2.0
BURST, BURST_SECONDS = 100, 0.05
# Of the baseline's rate, and of the slowest form of a burst.
MIN_RATIO, MAX_BURST_MS = 0.7, 1_000
FLOOR_READY = "the floor is ready"


def measure(mongo_uri: str) -> list[Figure]:
    """The two figures. Rounds of the product and of the baseline alternate."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        authority = CertificateAuthority(directory)
        slack = stack.enter_context(_Slack(authority))
        redis = stack.enter_context(RedisServer())
        env = {
            "MONGO_URI": mongo_uri,
            "REDIS_URL": redis.url,
            "JWT_SECRET": "0" * 32,
            "SLACK_API_URL": slack.url,
            "SLACK_BOT_TOKEN": "xoxb-bench",
            "SLACK_SIGNING_SECRET": SECRET,
            "SSL_CERT_FILE": str(authority.file),
        }
        product = stack.enter_context(
            _running(["app.py", "bot"], READY["bot"], slack, directory, env)
        )
        floor = stack.enter_context(
            _running(["-m", "bench.opening_forms"], FLOOR_READY, slack, directory, env)
        )
        for app in (product, floor):  # the first use by a member creates the account
            for person in range(PEOPLE):
                app.open_form(person)
        rounds = [(product.open_forms(seconds=SECONDS), floor.open_forms(seconds=SECONDS))
                  for _ in range(ROUNDS)]  # fmt: skip
        bursts = [(product.burst(), floor.burst()) for _ in range(3)]
    own, bare = ([r[side] for r in rounds] for side in (0, 1))
    own_ms = statistics.median(r.ms for r in own)
    bare_ms = statistics.median(r.ms for r in bare)
    cpu = [statistics.median(r.cpu_ms for r in side) for side in (own, bare)]
    p50 = [statistics.median(r.p50 for r in side) for side in (own, bare)]
    slowest = [statistics.median(burst[side] for burst in bursts) for side in (0, 1)]
    return [
        Figure(
            f"open the form, {PEOPLE} people at once",
            own_ms,
            bare_ms / MIN_RATIO,
            bare_ms,
            note=f"{1_000 / own_ms:.0f}/s, plain {1_000 / bare_ms:.0f}/s; CPU {cpu[0]:.1f} ms, "
            f"plain {cpu[1]:.1f} ms; p50 {p50[0]:.0f} ms, plain {p50[1]:.0f} ms",
        ),
        Figure(
            f"slowest form of {BURST} within {BURST_SECONDS * 1_000:.0f} ms",
            slowest[0],
            MAX_BURST_MS,
            slowest[1],
        ),
    ]


@dataclass(frozen=True, slots=True)
class Round:
    """In milliseconds: for each form, the median until it opened, and CPU time for each."""

    ms: float
    p50: float
    cpu_ms: float


class _Slack:
    """Answers over https, and tells who waits that a form is open."""

    def __init__(self, authority: CertificateAuthority) -> None:
        self._server = Server(0, self._serve, authority.server_context(HOST))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._opened: dict[str, threading.Event] = {}

    def __enter__(self) -> "_Slack":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self._server.server_port}/api/"

    def expect(self, trigger_id: str) -> threading.Event:
        return self._opened.setdefault(trigger_id, threading.Event())

    def _serve(self, path: str, args: dict[str, Any], _: str | None) -> Reply:
        answer: dict[str, Any] = {"ok": True}
        match path.removeprefix("/api/"):
            case "auth.test":
                answer |= {"team_id": TEAM_ID, "url": "https://example.slack.com/", "user_id": "U0"}
            case "users.info":
                email = f"{args['user']}@example.com".lower()
                profile = {"email": email, "real_name": args["user"]}
                answer["user"] = {
                    "id": args["user"],
                    "team_id": TEAM_ID,
                    "profile": profile,
                    "is_email_confirmed": True,
                }
            case "views.open":
                answer["view"] = {"id": "V0", "hash": "1", **args["view"]}
                if opened := self._opened.pop(args["trigger_id"], None):
                    opened.set()
        return 200, answer, {}


class _App:
    def __init__(self, process: Process, port: int, slack: _Slack) -> None:
        self._usage = psutil.Process(process.pid)
        self._port = port
        self._slack = slack

    def open_forms(self, *, seconds: float) -> Round:
        """Everyone opens one form after the other."""
        until = time.monotonic() + seconds
        cpu, began = self._cpu_seconds(), time.monotonic()

        def press(person: int) -> list[float]:
            taken = []
            while time.monotonic() < until:
                taken.append(self.open_form(person))
            return taken

        with ThreadPoolExecutor(PEOPLE) as people:
            taken = [ms for each in people.map(press, range(PEOPLE)) for ms in each]
        wall = time.monotonic() - began
        return Round(
            ms=wall * 1_000 / len(taken),
            p50=statistics.median(taken),
            cpu_ms=(self._cpu_seconds() - cpu) * 1_000 / len(taken),
        )

    def burst(self) -> float:
        """The milliseconds until the last form is open."""

        def press(number: int) -> float:
            time.sleep(number * BURST_SECONDS / BURST)
            return self.open_form(number % PEOPLE)

        with ThreadPoolExecutor(BURST) as people:
            return max(people.map(press, range(BURST)))

    def open_form(self, person: int) -> float:
        """Return the milliseconds until it is open at Slack."""
        command = payloads.slash_command(user=f"U0BENCH{person}")
        body, headers = payloads.signed(command, SECRET)
        opened = self._slack.expect(command["trigger_id"])
        began = time.monotonic()
        # As Slack does, on a new connection.
        connection = http.client.HTTPConnection(HOST, self._port, timeout=60)
        connection.request("POST", "/slack/events", body, headers | {"Connection": "close"})
        if (status := connection.getresponse().status) != http.client.OK:
            raise RuntimeError(f"the bot answered a command with {status}")
        connection.close()
        if not opened.wait(60):
            raise RuntimeError("no form was opened")
        return (time.monotonic() - began) * 1_000

    def _cpu_seconds(self) -> float:
        times = self._usage.cpu_times()
        return float(times.user + times.system)


@contextmanager
def _running(
    command: list[str], ready: str, slack: _Slack, directory: Path, env: dict[str, str]
) -> Iterator[_App]:
    port = free_port()
    log = directory / f"{len(list(directory.iterdir()))}.log"
    settings = environment(env | {"PORT": str(port)})
    process = Process(command[-1], [sys.executable, *command], log=log, env=settings, cwd=ROOT)
    process.start()
    try:
        process.wait_until(lambda: ready in process.output(), timeout=30)
        yield _App(process, port, slack)
    finally:
        process.terminate()
        process.stop()


def _serve_floor() -> None:
    """Run the baseline until SIGTERM."""
    from flask import Flask, Response, request  # noqa: PLC0415  of the baseline's process only
    from slack_bolt import App  # noqa: PLC0415
    from slack_bolt.adapter.flask import SlackRequestHandler  # noqa: PLC0415

    from bot.slack.transport import SlackClient  # noqa: PLC0415
    from bot.views.modals.file_ticket import file_ticket_modal  # noqa: PLC0415
    from bot.web.server import WebServer  # noqa: PLC0415

    token = os.environ["SLACK_BOT_TOKEN"]
    for name in ("SLACK_BOT_TOKEN", "SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET"):
        os.environ.pop(name, None)  # Bolt would read them
    client = SlackClient(
        token=token,
        base_url=os.environ["SLACK_API_URL"],
        retry_handlers=[],
    )
    app = App(
        client=client,
        signing_secret=SECRET,
        listener_executor=ThreadPoolExecutor(PEOPLE),
    )
    form = json.loads(json.dumps(file_ticket_modal(is_ai_enabled=False)))

    @app.command("/ticket")
    def open_form(ack: Callable[[], None], body: dict[str, Any]) -> None:
        client.views_open(trigger_id=body["trigger_id"], view=form)
        ack()

    flask_app = Flask(__name__)
    handler = SlackRequestHandler(app)

    @flask_app.post("/slack/events")
    def receive() -> Response:
        return handler.handle(request)

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with WebServer(flask_app, host=HOST, port=int(os.environ["PORT"])):
        print(FLOOR_READY, flush=True)
        stop.wait()


if __name__ == "__main__":
    _serve_floor()
