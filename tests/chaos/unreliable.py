"""Stand-ins for Slack and Gemini that fail every call for a while."""

import copy
import json
import re
import threading
import time
from collections.abc import Callable
from random import Random
from typing import Any

from tests.chaos.faults import FaultKind
from tests.support.aimock import BareGemini, Received, answer_text, gemini_body
from tests.support.aimock import Reply as GeminiReply
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_http import RawReply, Reply

Json = dict[str, Any]

GARBAGE = b"<html><body>An upstream server misbehaves.</body></html>"
HANG_SECONDS = 40.0
RETRY_AFTER_SECONDS = "2"
RECENT = 60  # messages of a conversation that people look at


class UnreliableSlack(RecordingSlack):
    """`mode` is the fault of every call. A call that fails is not carried out."""

    def __init__(self) -> None:
        super().__init__()
        self.mode: FaultKind | None = None
        self.recovered = threading.Event()
        self.failed_calls = 0
        self._opened: dict[str, Json] = {}
        self._posted: dict[str, float] = {}

    def serve(self, path: str, args: Json, token: str | None) -> Reply | RawReply | None:
        if self.mode is not None:
            return self._failure(self.mode)
        reply = super().serve(path, args, token)
        answer = reply[1] if reply and isinstance(reply[1], dict) else {}
        with self._changed:
            if path == "/api/views.open" and answer.get("ok"):
                self._opened[args["trigger_id"]] = answer["view"]
            if path == "/api/chat.postMessage" and answer.get("ok"):
                self._posted[answer["ts"]] = time.monotonic()
            self.calls.clear()  # thousands, each with its blocks
        return reply

    def _failure(self, mode: FaultKind) -> Reply | RawReply | None:
        self.failed_calls += 1
        match mode:
            case FaultKind.ERROR:
                return 500, {"ok": False, "error": "internal_error"}, {}
            case FaultKind.RATE_LIMIT:
                headers = {"Retry-After": RETRY_AFTER_SECONDS}
                return 429, {"ok": False, "error": "ratelimited"}, headers
            case FaultKind.GARBAGE:
                return 200, GARBAGE, {"Content-Type": "text/html"}
            case FaultKind.HANG:
                self.recovered.wait(HANG_SECONDS)
                return 503, {"ok": False, "error": "service_unavailable"}, {}
        return None  # the connection is closed

    def opened_by(self, trigger_id: str, *, seconds: float) -> Json | None:
        """Return the modal that the trigger opened, None if it opens none within `seconds`."""
        with self._changed:
            self._changed.wait_for(lambda: trigger_id in self._opened, seconds)
            return self._opened.pop(trigger_id, None)

    def seconds_since_post(self, ts: str) -> float:
        """Return the age of a message of the bot."""
        return time.monotonic() - self._posted.get(ts, time.monotonic())

    def pick(self, channel_or_user: str, random: Random, where: Callable[[Json], bool]) -> Json:
        """Return one of the bot's recent messages there that are in no thread, {} if none."""
        with self._changed:
            channel = self.workspace.channel(channel_or_user)
            recent = self.workspace.messages.get(channel, [])[-RECENT:]
            found = [m for m in recent if "bot_id" in m and "thread_ts" not in m and where(m)]
            return copy.deepcopy(random.choice(found)) if found else {}

    def pick_reply(self, channel: str, random: Random, where: Callable[[Json], bool]) -> Json:
        """The same of the bot's messages in threads of a channel."""
        with self._changed:
            recent = self.workspace.messages.get(channel, [])[-RECENT:]
            found = [m for m in recent if "bot_id" in m and "thread_ts" in m and where(m)]
            return copy.deepcopy(random.choice(found)) if found else {}


class UnreliableGemini(BareGemini):
    """Names the skill that the ticket is about; `mode` is the fault of every request."""

    def __init__(self, skills: list[str]) -> None:
        super().__init__(self._answer)
        self.mode: FaultKind | None = None
        self.failed_calls = 0
        self._skill = re.compile("about (" + "|".join(skills) + ")")

    def _answer(self, received: Received) -> GeminiReply:
        self.received.clear()
        if self.mode is not None:
            self.failed_calls += 1
        match self.mode:
            case FaultKind.ERROR:
                return GeminiReply({"error": {"code": 500, "message": "no"}}, status=500)
            case FaultKind.RATE_LIMIT:
                return GeminiReply({"error": {"code": 429, "message": "no"}}, status=429)
            case FaultKind.GARBAGE:
                return GeminiReply(GARBAGE)
            case FaultKind.HANG:
                return GeminiReply({}, status=503, wait=HANG_SECONDS)
            case FaultKind.HANG_UP:
                return GeminiReply(reset=True)
        named = self._skill.findall(json.dumps(received.body))
        return GeminiReply(gemini_body(answer_text(skills=named[-1:])))
