"""Start, watch and stop the servers and the product together."""

import secrets
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from demo import seed
from demo.process import ProcessError
from demo.product_processes import ProductProcesses
from demo.servers import LocalSlack, MongoServer, RedisServer, Server, free_port
from demo.slack_page import SlackPage
from services.core import database as core_database

DATABASE = "helpdesk"


class Stack:
    """Servers and product on this machine. `with Stack() as stack:` leaves no process behind."""

    def __init__(
        self,
        *,
        staff: Sequence[seed.Member] | None = None,
        port: int = 0,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """`port` is local-slack's; `settings` are further environment variables of the product."""
        self.staff = list(staff if staff is not None else seed.staff())
        self.logs = Path(tempfile.mkdtemp(prefix="helpdesk-demo-"))
        self.mongo = MongoServer(directory=self.logs / "mongodb")
        self.redis = RedisServer()
        config = seed.workspace_config([seed.EMPLOYEE, *self.staff])
        self.slack = LocalSlack(config, port=port, directory=self.logs / "slack")
        self._settings = dict(settings or {})
        self._http_port = free_port()
        self.pages_url = f"http://127.0.0.1:{self._http_port}"
        self.product: ProductProcesses
        self._open = ExitStack()

    def start(self) -> Self:
        """Return once everything is ready; on a failure stop what was started."""
        try:
            self._start()
        except BaseException:  # Ctrl-C too
            self.stop()
            raise
        return self

    def _start(self) -> None:
        self._open.callback(shutil.rmtree, self.logs, ignore_errors=True)
        # Slack first: a taken port is the most likely failure.
        for server in (self.slack, self.mongo, self.redis):
            self._open.enter_context(server)
        seed.seed_accounts(self.database(), self.staff)
        self.product = ProductProcesses(self._product_settings(), logs=self.logs)
        self._open.callback(self.product.stop)
        self.product.start()
        with SlackPage(self.slack.url) as workspace:
            workspace.wait_for_bot()

    def database(self) -> core_database.Mongo:
        """Return a connection that is closed with the stack."""
        db = core_database.connect(self.mongo.uri_for(DATABASE))
        self._open.callback(db.client.close)
        return db

    def _product_settings(self) -> dict[str, str]:
        return {
            "MONGO_URI": self.mongo.uri_for(DATABASE),
            "REDIS_URL": self.redis.url,
            "JWT_SECRET": secrets.token_urlsafe(),
            "SLACK_API_URL": self.slack.api_url,
            "SLACK_BOT_TOKEN": seed.BOT_TOKEN,
            "SLACK_APP_TOKEN": seed.APP_TOKEN,
            "PORT": str(self._http_port),
            "APP_URL": self.pages_url,
            "TRIAGE_CHANNEL": seed.TRIAGE,
            **self._settings,
        }

    def check(self) -> None:
        """Raise `ProcessError` if a process has ended."""
        servers: list[Server] = [self.slack, self.mongo, self.redis]
        for server in servers:
            if server.process and not server.running:
                raise ProcessError(server.process.describe_end())
        self.product.check()

    def stop(self) -> None:
        """Stop the product, then the servers."""
        self._open.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
