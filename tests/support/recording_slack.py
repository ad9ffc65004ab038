"""A Slack Web API on loopback that records every call, answers as Slack would, and can misbehave.

    with RecordingSlack() as slack:
        slack.add_member("U0EMP", email="employee@example.com", name="Employee")
        WebClient(token="xoxb-test", base_url=slack.url).chat_postMessage(channel="U0EMP", ...)
        slack.messages("U0EMP")[-1]["text"]

It is as strict as Slack: the token has the scopes of bot/manifest.py and no others, the bot changes
only its own messages, a trigger opens one view within three seconds. A call that no Slack would
take, whatever the workspace holds, is answered with Slack's error and kept in `refused`, so that a
fixture can assert that there was none. What depends on the workspace (an archived channel, a
deleted message, a member who left) is only answered with its error.
"""

import copy
import itertools
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from tests.support.blockkit import check_message
from tests.support.slack_http import RawReply, Reply, Server
from tests.support.slack_methods import answer
from tests.support.slack_scopes import GRANTED
from tests.support.slack_workspace import CLOCK, TEAM_ID, Json, SlackClock, SlackError, Workspace

TOKEN = "xoxb-test"
RESPONSE_URL_USES = 5
RESPONSE_URL_SECONDS = 1_800


@dataclass(frozen=True)
class Call:
    """One request. `method` is "response_url" for those; `at` is time.monotonic() in seconds."""

    method: str
    args: Json
    token: str | None
    at: float
    path: str
    status: int
    answer: Json


@dataclass(frozen=True)
class Refused:
    method: str
    violations: list[str]
    args: Json


@dataclass
class _ResponseUrl:
    uses: int
    expires: float


@dataclass
class _Fault:
    method: str
    times: int
    where: Callable[[Json], bool]
    reply: Reply | None = None
    seconds: float = 0.0
    hangs_up: bool = False


class RecordingSlack:
    """Start it with `with` or start(); after stop(), start() listens on the same port again."""

    def __init__(
        self,
        *,
        tokens: Iterable[str] = (TOKEN,),
        team_id: str = TEAM_ID,
        scopes: str = GRANTED,
        clock: SlackClock = CLOCK,
        tls: ssl.SSLContext | None = None,
        address: str | None = None,
    ) -> None:
        """`clock` is what triggers and response URLs expire by. With `tls` it speaks https.
        Clients reach it at `address` ("https://slack.com"), at its port by default."""
        self._initial = (frozenset(tokens), team_id, scopes)
        self.clock = clock
        self.socket_mode_url = "wss://127.0.0.1:9/nowhere"
        self._tls = tls
        self._address = address
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._server: Server | None = None
        self._thread: threading.Thread | None = None
        self._port = 0
        self._clear_state()

    def _clear_state(self) -> None:
        tokens, team_id, scopes = self._initial
        self.tokens = set(tokens)
        self.app_tokens: set[str] = set()  # they are told `socket_mode_url`
        self.scopes = scopes
        self.workspace = Workspace(team_id=team_id)
        self.calls: list[Call] = []
        self.refused: list[Refused] = []
        self._faults: list[_Fault] = []
        self._response_urls: dict[str, _ResponseUrl] = {}
        self.idle_seconds: float | None = None  # connections are then closed; 0: after each answer
        self.seconds_per_call = 0.0  # how long each call takes by the clock of triggers
        self._ids = itertools.count(1)

    def reset(self) -> None:
        """Forget everything and run, as a new one would."""
        self._stopping.set()  # ends the delays of what is still being answered
        with self._changed:
            self._clear_state()
        self._stopping.clear()
        if self._server is None:
            self.start()

    def start(self) -> Self:
        self._stopping.clear()
        self._server = Server(
            self._port, self.serve, self._tls, idle_seconds=lambda: self.idle_seconds
        )
        self._port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def stop(self) -> None:
        if self._server is None or self._thread is None:
            return
        self._stopping.set()  # ends every delay
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server = self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """For WebClient(base_url=...) and SLACK_API_URL; ends in /api/."""
        return f"{self._root}/api/"

    @property
    def port(self) -> int:
        return self._port

    @property
    def connections(self) -> int:
        """How many it has accepted since its start."""
        return self._server.connections if self._server else 0

    @property
    def open_connections(self) -> int:
        return self._server.open_connections if self._server else 0

    @property
    def _root(self) -> str:
        return self._address or f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}"

    def response_url(self) -> str:
        """A new one: five uses within half an hour, as Slack allows."""
        with self._changed:
            path = f"/response/{next(self._ids)}"
            expires = self.clock() + RESPONSE_URL_SECONDS
            self._response_urls[path] = _ResponseUrl(RESPONSE_URL_USES, expires)
        return f"{self._root}{path}"

    # What the workspace holds

    def add_member(self, user_id: str, *, email: str, name: str, **overrides: Any) -> Json:
        """A member as users.info tells it. Overrides replace fields; `profile` is merged."""
        with self._changed:
            return self.workspace.add_member(user_id, email=email, name=name, **overrides)

    def add_grid_member(
        self, user_id: str, *, email: str, name: str, teams: Sequence[str], **overrides: Any
    ) -> Json:
        """A member of an Enterprise Grid as users.info tells it: `teams` are their workspaces,
        and `team_id` names only one of them, or with None none."""
        with self._changed:
            return self.workspace.add_grid_member(
                user_id, email=email, name=name, teams=teams, **overrides
            )

    def add_channel(self, channel_id: str, **overrides: Any) -> None:
        """A channel as conversations.info tells it: public, and without the bot by default.

        `members` are the user ids in it, none by default; None stands for the whole workspace.
        """
        with self._changed:
            self.workspace.add_channel(channel_id, **overrides)

    def change_channel(self, channel_id: str, **changes: Any) -> None:
        """Archive, rename or share the channel, or add or remove the bot (`is_member`)."""
        with self._changed:
            self.workspace.channels[channel_id] |= changes

    def say(self, channel: str, text: str, *, user: str, **fields: Any) -> Json:
        """A member writes there, and so is in the channel; the message as Slack keeps it."""
        with self._changed:
            return copy.deepcopy(self.workspace.say(channel, text, user=user, **fields))

    def edit(self, message: Json, text: str) -> Json:
        """Its author edits a message; the message as Slack keeps it now."""
        with self._changed:
            kept = self.workspace.message(message["channel"], message["ts"])
            kept |= {"text": text, "edited": {"user": kept["user"], "ts": self.workspace.next_ts()}}
            return copy.deepcopy(kept)

    def remove(self, message: Json) -> None:
        """Its author deletes a message."""
        with self._changed:
            kept = self.workspace.message(message["channel"], message["ts"])
            self.workspace.remove(kept)

    def messages(self, channel_or_user: str) -> list[Json]:
        """A conversation's messages as they now are, oldest first; a user's id means the DM."""
        with self._changed:
            channel = self.workspace.channel(channel_or_user)
            return copy.deepcopy(self.workspace.messages.get(channel, []))

    def view(self, view_id: str) -> Json:
        with self._changed:
            return copy.deepcopy(self.workspace.views[view_id])

    def last_view(self) -> Json:
        """The modal opened, pushed or updated last."""
        with self._changed:
            modals = [v for v in self.workspace.views.values() if v["type"] == "modal"]
            assert modals, f"no modal was opened; {self._arrived()}"
            return copy.deepcopy(modals[-1])

    def home(self, user_id: str) -> Json:
        with self._changed:
            assert user_id in self.workspace.homes, f"no Home was published; {self._arrived()}"
            return copy.deepcopy(self.workspace.views[self.workspace.homes[user_id]])

    # What was called

    def calls_to(self, method: str) -> list[Call]:
        with self._changed:
            return [call for call in self.calls if call.method == method]

    def wait_for(
        self,
        method: str,
        count: int = 1,
        timeout: float = 10,
        where: Callable[[Call], bool] = lambda _: True,
    ) -> list[Call]:
        """All matching calls, once there are at least `count`; fails after `timeout` seconds."""

        def matching() -> list[Call]:
            return [call for call in self.calls if call.method == method and where(call)]

        with self._changed:
            if not self._changed.wait_for(lambda: len(matching()) >= count, timeout):
                had = f"{len(matching())} of {count} calls to {method} within {timeout} s"
                raise AssertionError(f"{had}; {self._arrived()}")
            return matching()

    def clear(self) -> None:
        """Forgets calls and refusals; messages, views and faults stay."""
        with self._changed:
            self.calls.clear()
            self.refused.clear()

    def _arrived(self) -> str:
        calls = [f"{c.method} {c.status} {json.dumps(c.args)[:120]}" for c in self.calls]
        return "arrived:\n  " + "\n  ".join(calls or ["nothing"])

    # How it misbehaves

    def fail(
        self,
        method: str,
        *,
        times: int = 1,
        status: int = 200,
        error: str | None = None,
        retry_after: int = 1,
        where: Callable[[Json], bool] = lambda _: True,
    ) -> None:
        """The next `times` calls whose args match change nothing and get this answer instead."""
        known = {429: "ratelimited", 500: "internal_error", 503: "service_unavailable"}
        code = error or known.get(status)
        if code is None:
            raise ValueError("say which error Slack answers")
        headers = {"Retry-After": str(retry_after)} if status == 429 else {}
        reply = (status, {"ok": False, "error": code}, headers)
        with self._changed:
            self._faults.append(_Fault(method, times, where, reply))

    def delay(
        self,
        method: str,
        seconds: float,
        *,
        times: int = 1,
        where: Callable[[Json], bool] = lambda _: True,
    ) -> None:
        """The next `times` calls are carried out at once and answered `seconds` later."""
        with self._changed:
            self._faults.append(_Fault(method, times, where, seconds=seconds))

    def hang_up(self, method: str, *, times: int = 1, carried_out: bool = True) -> None:
        """The next `times` calls are carried out or not, and their connections closed without an
        answer."""
        reply: Reply | None = None if carried_out else (503, {}, {})
        with self._changed:
            fault = _Fault(method, times, lambda _: True, reply, hangs_up=True)
            self._faults.append(fault)

    def recover(self) -> None:
        """Takes back what fail(), delay() and hang_up() still had in store."""
        with self._changed:
            self._faults.clear()

    # How a request is served

    def serve(self, path: str, args: Json, token: str | None) -> Reply | RawReply | None:
        """Answers and records in one step: who sees the call also sees what it changed. None hangs
        up."""
        is_response = path.startswith("/response/")
        method = "response_url" if is_response else path.removeprefix("/api/")
        with self._changed:
            afterwards = self._fault(method, args, slow=True)
            instead = self._fault(method, args, slow=False)
            status, body_out, more = instead.reply or (
                self._respond(path, args) if is_response else self._call(method, args, token)
            )
            reply = (status, copy.deepcopy(body_out), {"x-oauth-scopes": self.scopes, **more})
            self.clock.advance(self.seconds_per_call)
            self.calls.append(Call(method, args, token, time.monotonic(), path, status, reply[1]))
            self._changed.notify_all()
        self._stopping.wait(afterwards.seconds)
        return None if afterwards.hangs_up or instead.hangs_up else reply

    def _fault(self, method: str, args: Json, *, slow: bool) -> _Fault:
        for fault in self._faults:
            if fault.method == method and (fault.reply is None) == slow and fault.where(args):
                fault.times -= 1
                if fault.times == 0:
                    self._faults.remove(fault)
                return fault
        return _Fault(method, 0, lambda _: True)

    def _call(self, method: str, args: Json, token: str | None) -> Reply:
        if method == "apps.connections.open" and token in self.app_tokens:
            return 200, {"ok": True, "url": self.socket_mode_url}, {}
        if token in self.app_tokens:
            return 200, SlackError("not_allowed_token_type").answer(), {}
        if method != "api.test" and token not in self.tokens:
            code = "invalid_auth" if token else "not_authed"
            return 200, SlackError(code).answer(), {}
        scopes = [scope.strip() for scope in self.scopes.split(",")]
        try:
            body = answer(self.workspace, method, args, scopes=scopes, now=self.clock())
        except SlackError as error:
            body = self._refuse(method, args, error)
        return 200, body, {}

    def _respond(self, path: str, args: Json) -> Reply:
        held = self._response_urls.get(path)
        if held is None or held.expires < self.clock():
            return 404, {"ok": False, "error": "expired_url"}, {}
        if held.uses == 0:
            return 404, {"ok": False, "error": "used_url"}, {}
        held.uses -= 1
        violations = [] if args.get("delete_original") else check_message(args)
        if violations:
            error = SlackError("invalid_blocks", violations)
            return 400, self._refuse("response_url", args, error), {}
        return 200, {"ok": True}, {}

    def _refuse(self, method: str, args: Json, error: SlackError) -> Json:
        if error.violations:
            self.refused.append(Refused(method, error.violations, args))
        return error.answer()
