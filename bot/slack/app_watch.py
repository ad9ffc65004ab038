"""What a bot does beside its answers: it reads which scopes Slack grants, stores which events came,
and joins the triage channel."""

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pymongo
from pymongo.errors import PyMongoError
from slack_sdk import WebClient

from bot.slack.bot_process import BotProcess
from bot.slack.source_messages import SLACK_ERRORS
from bot.views.labels import SCOPE_EFFECTS
from services.channels.slack_channel import is_public
from services.core.slack_errors import error_name
from services.core.slack_scopes import GrantedScopes, record_granted_scopes
from services.ops.event_arrivals import STORE_INTERVAL

logger = logging.getLogger(__name__)

# Of the thread. Scopes are read, and each kind of event is stored, at most every `STORE_INTERVAL`.
INTERVAL = timedelta(minutes=1)
QUERY_TIMEOUT_SECONDS = 5.0
STOP_TIMEOUT_SECONDS = 1.0
JOIN_SCOPE = "channels:join"
NOT_JOINED = "the triage channel is not joined"


class AppWatch:
    """Works in a thread of its own. `granted` are the scopes at the start of the bot.

    A failure of Slack or MongoDB changes nothing until the next attempt.
    """

    def __init__(self, bot: BotProcess, granted: GrantedScopes) -> None:
        self._bot = bot
        self._granted = granted
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="app-watch", daemon=True)

    def __enter__(self) -> "AppWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(STOP_TIMEOUT_SECONDS)  # a call may hang

    def _run(self) -> None:
        self._log_missing()
        self._attempt("the scopes are not stored", self._store_scopes)
        self._attempt(NOT_JOINED, self.join_triage_channel)
        rounds = 0
        while not self._stopping.wait(INTERVAL.total_seconds()):
            rounds += 1
            self._attempt("the times of events are not stored", self._store_events)
            if rounds * INTERVAL >= STORE_INTERVAL:
                rounds = 0
                self._attempt("the scopes are not read", self.read_scopes)
                self._attempt(NOT_JOINED, self.join_triage_channel)

    def _attempt(self, failure: str, work: Callable[[], None]) -> None:
        try:
            with pymongo.timeout(QUERY_TIMEOUT_SECONDS):
                work()
        except (PyMongoError, *SLACK_ERRORS) as error:
            logger.info("%s: %s", failure, error_name(error))

    def read_scopes(self) -> None:
        """Ask Slack which scopes are granted, and store them for all processes."""
        before = self._granted
        self._granted = GrantedScopes.from_headers(self._bot.client.auth_test().headers)
        if self._granted != before:
            self._log_missing()
        self._store_scopes()

    def join_triage_channel(self) -> None:
        """Join it if it is public, so that the bot receives the replies to its cards."""
        channel = self._bot.triage_channel
        if channel and JOIN_SCOPE in self._granted:
            client = self._bot.client
            join_channel(client, client.conversations_info(channel=channel)["channel"])

    def _store_scopes(self) -> None:
        record_granted_scopes(self._bot.services.db, self._granted)

    def _store_events(self) -> None:
        self._bot.event_arrivals.store_due(self._bot.services.db)

    def _log_missing(self) -> None:
        if missing := self._granted.missing(SCOPE_EFFECTS):
            logger.warning("the Slack app lacks scopes: %s", ", ".join(missing))


def join_channel(client: WebClient, channel: Mapping[str, Any]) -> bool:
    """Join a public channel of this workspace alone, and return True; another one is left to
    people's invitation.

    `channel` is what `conversations.info` returns. Raises one of `SLACK_ERRORS`.
    """
    if not is_public(channel) or channel.get("is_member") or channel.get("is_archived"):
        return False
    client.conversations_join(channel=channel["id"])
    logger.info("joined the channel %s", channel["id"])
    return True
