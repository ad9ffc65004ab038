"""The servers, processes and databases of one run, each started when a group first needs it."""

import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import psutil
from bson import ObjectId

from bench import bare_servers
from bench.counted import FileTrips
from bench.desk import Desks
from bench.measure import Meter
from demo.binaries import ROOT
from demo.local_stack import READY, START_SECONDS, environment
from demo.process import Process
from demo.servers import HOST, MongoServer, RedisServer, free_port
from services.core.database import connect
from services.registry.indexes import ensure_indexes
from services.registry.services import Services
from tests.support.certificates import CertificateAuthority
from tests.support.slack_http import Reply, Server
from tests.support.slack_workspace import BOT_USER_ID, TEAM_ID, TEAM_URL

JWT_SECRET = "the benchmark's secret, 32 bytes or more"  # noqa: S105  of data that is deleted


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured. `crisis`: open tickets of the `many`, after the rows with few open."""

    rounds: int = 9
    operations: int = 20
    requests: int = 300
    form_seconds: float = 2.0
    long_list: int = 10_000
    few: int = 1_000
    many: int = 100_000
    crisis: int = 10_000
    candidates: int = 1_000
    large_team: int = 10_000
    due: int = 100
    assigned: int = 120


@dataclass(frozen=True, slots=True)
class Program:
    """A running process. `meter` measures it, with the children it has, and MongoDB if asked."""

    process: Process
    port: int
    meter: Meter

    def processes(self) -> list[psutil.Process]:
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]


class Slack:
    """Accepts every call over https, and notes when each message is posted."""

    def __init__(self, authority: CertificateAuthority) -> None:
        self._server = Server(0, self._serve, authority.server_context(HOST))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._opened: dict[str, threading.Event] = {}
        self.url = f"https://{HOST}:{self._server.server_port}/api/"
        self.posted: list[float] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def expect(self, trigger_id: str) -> threading.Event:
        """Return the event of the form that is opened with this trigger."""
        return self._opened.setdefault(trigger_id, threading.Event())

    def _serve(self, path: str, args: dict[str, Any], _: str | None) -> Reply:
        answer: dict[str, Any] = {"ok": True}
        match path.rpartition("/")[2]:
            case "auth.test":
                answer |= {"team_id": TEAM_ID, "url": TEAM_URL, "user_id": BOT_USER_ID}
            case "users.info":
                user = args["user"]
                profile = {"email": f"{user}@example.com".lower(), "real_name": user}
                member = {"id": user, "team_id": TEAM_ID, "profile": profile}
                answer["user"] = {**member, "is_email_confirmed": True}
            case "views.open":
                answer["view"] = {"id": "V0", "hash": "1", **args["view"]}
                if opened := self._opened.pop(args["trigger_id"], None):
                    opened.set()
            case "chat.postMessage":
                ts = f"{time.time():.6f}"
                channel = f"D{args['channel'][1:]}"
                answer |= {"channel": channel, "ts": ts, "message": {"ts": ts}}
                self.posted.append(time.perf_counter())
            case _:
                answer["view"] = {"id": "V0", "hash": "1"}
        return 200, answer, {}


class Stand:
    def __init__(self, sizes: Sizes | None = None) -> None:
        self.sizes = sizes or Sizes()
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    @cached_property
    def directory(self) -> Path:
        return Path(self._exit.enter_context(tempfile.TemporaryDirectory()))

    @cached_property
    def mongo(self) -> MongoServer:
        return self._exit.enter_context(MongoServer())

    @cached_property
    def redis(self) -> RedisServer:
        return self._exit.enter_context(RedisServer())

    @cached_property
    def authority(self) -> CertificateAuthority:
        return CertificateAuthority(self.directory)

    @cached_property
    def slack(self) -> Slack:
        return self._exit.enter_context(Slack(self.authority))

    @cached_property
    def services(self) -> Services:
        """The services of the database that the bot uses."""
        return self.services_of("bench", self.redis)

    @cached_property
    def bot(self) -> Program:
        program = self.running("app.py", "bot", ready=READY["bot"])
        return self._exit.enter_context(program)

    @cached_property
    def bare(self) -> Program:
        """The baselines of a bot."""
        settings = {"MONGO_URI": self.mongo.uri_for("bare"), "FORM_PORT": str(self.form_port)}
        program = self.running(
            "-m", "bench.bare_servers", ready=bare_servers.READY, settings=settings
        )
        return self._exit.enter_context(program)

    @cached_property
    def form_port(self) -> int:
        """The port of the baseline that opens a form."""
        return free_port()

    @cached_property
    def desks(self) -> Desks:
        """Few and many tickets, 400 of both open."""
        return self._exit.enter_context(
            Desks(self.sizes.few, self.sizes.many, is_open=400, has_words=True)
        )

    @cached_property
    def open_desks(self) -> Desks:
        """Few and many tickets, all of them open, none private."""
        desks = Desks(self.sizes.few, self.sizes.many, is_open=None, private_every=0)
        return self._exit.enter_context(desks)

    def services_of(self, database: str, redis: RedisServer) -> Services:
        db = connect(self.mongo.uri_for(database))
        self._exit.callback(db.client.close)
        ensure_indexes(db)
        return Services(db, redis_url=redis.url)

    @contextmanager
    def running(
        self,
        *program: str,
        ready: str,
        settings: dict[str, str] | None = None,
        is_counted: bool = True,
        processes: Sequence[int] = (),
    ) -> Iterator[Program]:
        """Run a Python program until the block ends; its meter measures `processes`, too."""
        port = free_port()
        log = self.directory / f"{ObjectId()}.log"
        trips = log.with_suffix(".trips")
        counted = ["-m", "bench.counted", str(trips)] if is_counted else []
        env = {
            "MONGO_URI": self.mongo.uri_for("bench"),
            "REDIS_URL": self.redis.url,
            "JWT_SECRET": JWT_SECRET,
            "SLACK_API_URL": self.slack.url,
            "SLACK_BOT_TOKEN": "xoxb-bench",
            "SLACK_SIGNING_SECRET": bare_servers.SIGNING_SECRET,
            "SSL_CERT_FILE": str(self.authority.file),
            "PORT": str(port),
            **(settings or {}),
        }
        command = [sys.executable, *counted, *program]
        process = Process(program[-1], command, log=log, env=environment(env), cwd=ROOT)
        process.start()
        try:
            process.wait_until(lambda: ready in process.output(), timeout=START_SECONDS)
            children = psutil.Process(process.pid).children(recursive=True)
            measured = [process.pid, *(child.pid for child in children), *processes]
            meter = Meter(processes=measured, trips=FileTrips(trips), is_external=True)
            yield Program(process, port, meter)
        finally:
            process.stop()
