"""The processes and servers of a run, and the faults that strike them."""

import os
import signal
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Self

import redis

from demo.binaries import ROOT
from demo.local_stack import READY
from demo.process import Process, ProcessError
from demo.servers import MongoServer, RedisServer
from services.channels.request_channels import ChannelMode, RequestChannel
from services.core.clock import utcnow
from services.core.database import Mongo, connect
from services.registry.indexes import ensure_indexes
from tests.chaos.faults import INSTANCES, PROCESSES, Fault, FaultKind
from tests.chaos.leaks import LeakWatch
from tests.chaos.load import ASK_IT, IT_HELP
from tests.chaos.unreliable import UnreliableGemini, UnreliableSlack
from tests.support.canary import private_tickets
from tests.support.http_bot import HttpBot
from tests.support.processes import Product
from tests.support.slack_workspace import TEAM_ID, TRIAGE

REQUEST_CHANNELS = {IT_HELP: ChannelMode.EVERY_MESSAGE, ASK_IT: ChannelMode.ON_REQUEST}
RESTART_SECONDS = 60.0
READY_SECONDS = 180.0  # a bound only for a start that fails
STOP_SECONDS = 20.0  # what a supervisor grants between SIGTERM and SIGKILL


class ChaosStack:
    """Two bots, two workers and two jobs processes with their servers.

    `root` is the directory of the program that they start with; `plant` is a bug of
    tests/chaos/plants.py.
    """

    def __init__(
        self, directory: Path, *, skills: list[str], root: Path = ROOT, plant: str = ""
    ) -> None:
        self._directory, self._root, self._plant = directory, root, plant
        self.slack = UnreliableSlack()
        self.gemini = UnreliableGemini(skills)
        self.mongo, self.redis = MongoServer(), RedisServer()
        self.struck: Counter[str] = Counter()
        self.ended_by_themselves: list[str] = []
        self._open = ExitStack()
        self.bots: list[HttpBot] = []
        self.processes: dict[str, list[Process]] = {}
        self.leaks = LeakWatch(lambda: self.processes)
        self.killed_in_restart: list[str] = []

    def __enter__(self) -> Self:
        try:
            for part in (self.slack, self.gemini, self.mongo, self.redis):
                self._open.enter_context(part)
            self.slack.add_channel(TRIAGE, is_member=True, members=None)
            self.db: Mongo = connect(self.mongo.uri_for("chaos"))
            self._open.enter_context(self.db.client)
            ensure_indexes(self.db)
            for channel, mode in REQUEST_CHANNELS.items():
                self.slack.add_channel(channel, is_member=True, members=None)
                self.db.channels.insert_one(RequestChannel(TEAM_ID, channel, mode).to_doc())
            self.db.tickets.insert_many(private_tickets(utcnow, team_id=TEAM_ID, first_number=1))
            self._start_product()
            self._open.enter_context(self.leaks)
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def logs(self) -> str:
        """Return all that the processes have logged."""
        return "".join(path.read_text() for path in self._directory.glob("*.log"))

    def _start_product(self) -> None:
        self._product = product = Product(
            mongo_uri=self.mongo.uri_for("chaos"),
            redis=self.redis,
            slack=self.slack,
            directory=self._directory,
            root=self._root,
        )
        product.ready_seconds = READY_SECONDS
        product.settings |= {
            "LOG_LEVEL": "INFO",
            "TRIAGE_CHANNEL": TRIAGE,
            "GEMINI_API_KEY": "key",
            "GEMINI_API_URL": self.gemini.url,
            "GEMINI_TIMEOUT": "5",
        }
        if self._plant:
            path = f"{Path(__file__).with_name('planted')}{os.pathsep}{ROOT}"
            product.settings |= {"PYTHONPATH": path, "PLANT": self._plant}
        self._open.callback(product.stop)
        self.bots = [HttpBot(product) for _ in range(INSTANCES)]
        self.processes["bot"] = [bot.process for bot in self.bots]
        for command in ("worker", "jobs"):
            self.processes[command] = [product.start(command) for _ in range(INSTANCES)]

    def restart_one_by_one(self, root: Path) -> None:
        """Replace every process by one of the program in `root`, one after the other."""
        self._product.root = root
        for number, bot in enumerate(self.bots):
            self._stop_gracefully(bot.process)
            self.bots[number] = HttpBot(self._product, port=bot.port)
            self.processes["bot"][number] = self.bots[number].process
        for command in ("worker", "jobs"):
            for number, process in enumerate(self.processes[command]):
                self._stop_gracefully(process)
                self.processes[command][number] = self._product.start(command)

    def _stop_gracefully(self, process: Process) -> None:
        if not process.stop(grace=STOP_SECONDS):
            self.killed_in_restart.append(process.name)

    def strike(self, faults: Sequence[Fault], *, since: float) -> None:
        """Apply each fault at its time after `since`, and end it before the next begins."""
        for fault in faults:
            time.sleep(max(0.0, since + fault.at - time.monotonic()))
            if fault.target in ("Slack", "Gemini"):
                self._fail_calls(fault)
            else:
                self.restart_ended()
                self._strike_process(fault)
            self.struck[fault.name] += 1

    def _fail_calls(self, fault: Fault) -> None:
        service = self.slack if fault.target == "Slack" else self.gemini
        self.slack.recovered.clear()
        service.mode = fault.kind
        time.sleep(fault.lasts)
        service.mode = None
        self.slack.recovered.set()

    def _strike_process(self, fault: Fault) -> None:
        match fault.kind:
            case FaultKind.FLUSH:
                with redis.Redis.from_url(self.redis.url) as client:
                    client.flushall()
            case FaultKind.STOP:
                group = self._process(fault).pid
                os.killpg(group, signal.SIGSTOP)
                time.sleep(fault.lasts)
                os.killpg(group, signal.SIGCONT)
            case FaultKind.TERMINATE if fault.target in PROCESSES:
                process = self._process(fault)
                process.stop(grace=STOP_SECONDS)
                start(process)
            case FaultKind.TERMINATE:
                server = self._server(fault)
                server.stop()
                server.start()
            case FaultKind.KILL if fault.target == "worker's child":
                self._kill_child(self.processes["worker"][fault.instance], Random(fault.at))  # noqa: S311
            case FaultKind.KILL if fault.target in PROCESSES:
                process = self._process(fault)
                process.kill()
                time.sleep(fault.lasts / 2)
                start(process)
            case FaultKind.KILL:
                server = self._server(fault)
                server.kill()
                time.sleep(fault.lasts / 2)
                server.start()

    def _process(self, fault: Fault) -> Process:
        if fault.target in PROCESSES:
            return self.processes[fault.target][fault.instance]
        process = self._server(fault).process
        assert process
        return process

    def _server(self, fault: Fault) -> MongoServer | RedisServer:
        return self.mongo if fault.target == "MongoDB" else self.redis

    @staticmethod
    def _kill_child(process: Process, random: Random) -> None:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        if children:
            os.kill(int(random.choice(children)), signal.SIGKILL)

    def restart_ended(self) -> None:
        """Restart a process that ended by itself, as a supervisor does."""
        for command, processes in self.processes.items():
            for process in processes:
                if not process.running:
                    self.ended_by_themselves.append(f"{command} (exit {process.exit_code})")
                    start(process)


def start(process: Process) -> None:
    """Start until it is ready: a start fails while Slack or a server does not answer."""
    deadline = time.monotonic() + RESTART_SECONDS
    while True:
        process.start()
        try:
            process.wait_until(lambda: _is_ready(process), timeout=RESTART_SECONDS)
        except ProcessError:
            process.kill()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return


def _is_ready(process: Process) -> bool:
    return READY[process.name] in process.output()
