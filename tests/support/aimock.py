"""Two stand-ins for Gemini, both real HTTP servers on this machine.

`AIMock` is npm's @copilotkit/aimock: answers by the ticket's text, and the everyday faults. It
cannot drip, block a prompt, redirect, or show the request's schema; `BareGemini` does these in the
standard library. Neither needs a key or a network.
"""

import json
import re
import shutil
import socket
import ssl
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Any, Self

import requests

from demo.binaries import NPM_PACKAGES, ROOT
from demo.process import ProcessError
from demo.servers import HOST, Server
from tests.support.canary import CANARY

PROGRAM = ROOT / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.js"


def answer_text(
    *,
    skills: Sequence[str] | None = (),
    summary: str = "Something is broken.",
    priority: str = "medium",
    notes: str = "",
    confidence: float = 0.9,
) -> str:
    """A model's answer that keeps to the schema; `skills=None` for a team that has none."""
    answer = {"summary": summary, "priority": priority, "helpfulNotes": notes}
    named = {} if skills is None else {"relatedSkills": list(skills)}
    return json.dumps({**answer, **named, "confidence": confidence})


class AIMock(Server):
    """The first answer whose `when` is part of what was sent is given: an empty one goes last."""

    name = "aimock"
    announces_port = re.compile(r"listening on http://127\.0\.0\.1:(\d+)")

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def answer(self, when: str = "", *, tokens: int = 120, **answer: Any) -> None:
        """`answer` as for `answer_text`."""
        self.say(answer_text(**answer), when, usage={"totalTokenCount": tokens})

    def say(self, text: str, when: str = "", **overrides: Any) -> None:
        """Any text at all; finishReason="length" cuts it off, "content_filter" blocks it."""
        self._add(when, {"content": text, **overrides})

    def fail(self, status: int, when: str = "", *, message: str = "no") -> None:
        self._add(when, {"error": {"message": message, "type": "ERROR"}, "status": status})

    def garble(self, when: str = "") -> None:
        """200 with a body that is no JSON."""
        self._add(when, {"content": "{}"}, chaos={"malformedRate": 1})

    def hang_up(self, when: str = "") -> None:
        self._add(when, {"content": "{}"}, chaos={"disconnectRate": 1})

    def delay(self, seconds: float, when: str = "", **answer: Any) -> None:
        latency = {"latencyMs": round(seconds * 1_000)}
        self._add(when, {"content": answer_text(**answer)}, chaos=latency)

    def reset(self) -> None:
        """Forget every answer and every request, none of which may name a private ticket."""
        assert CANARY not in str(self.prompts())
        self._control("POST", "reset", {})

    def prompts(self) -> list[str]:
        """What was asked so far, oldest first: the part that holds the ticket."""
        journal = self._control("GET", "journal")
        return [entry["body"]["messages"][-1]["content"] for entry in journal if entry["body"]]

    def _add(self, when: str, response: Mapping[str, Any], **options: Any) -> None:
        match = {"userMessage": when} if when else {}
        fixture = {"match": match, "response": response, **options}
        self._control("POST", "fixtures", {"fixtures": [fixture]})

    def _control(self, method: str, path: str, body: Any = None) -> Any:
        response = requests.request(method, f"{self.url}/__aimock/{path}", json=body, timeout=5)
        if not response.ok:
            raise ProcessError(f"aimock refused {path}: {response.text}")
        return response.json()

    def _command(self) -> list[str | Path]:
        node = shutil.which("node")
        if node is None or not PROGRAM.exists():
            raise ProcessError(f"node or aimock is missing. Run: {NPM_PACKAGES}")
        fixtures = self.directory / "fixtures"
        fixtures.mkdir(exist_ok=True)
        options = ["--host", HOST, "--port", str(self.port), "--fixtures", str(fixtures)]
        return [node, PROGRAM, *options]

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/__aimock/health", timeout=1).ok
        except requests.RequestException:
            return False


@dataclass(frozen=True)
class Received:
    path: str
    headers: Mapping[str, str]
    body: Any


@dataclass
class Reply:
    """What `BareGemini` says. `drip` blanks are sent first, ten a second; before them it waits."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    drip: int = 0
    promise: int = 0  # bytes that Content-Length announces and that never come
    wait: float = 0.0  # seconds
    reset: bool = False  # the connection, in place of any answer


def gemini_body(text: str, *, finish: str = "STOP", **more: Any) -> dict[str, Any]:
    """Gemini's REST answer, with fields that came after google-generativeai stopped."""
    part = {"text": text, "thoughtSignature": "c2ln"}
    content = {"role": "model", "parts": [part]}
    usage = {"promptTokenCount": 90, "thoughtsTokenCount": 20, "totalTokenCount": 140}
    return {
        "candidates": [{"content": content, "finishReason": finish, "index": 0}],
        "usageMetadata": {**usage, "promptTokensDetails": [{"modality": "TEXT"}]},
        "modelVersion": "gemini-3-flash",
        "responseId": "r1",
        **more,
    }


class BareGemini:
    """Says `reply` to every request, or what `decide` makes of it, and keeps what it received."""

    def __init__(
        self,
        decide: Callable[[Received], Reply] | None = None,
        *,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.reply = Reply()
        self._decide = decide
        self._stopping = Event()
        self.received: list[Received] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = json.loads(self.rfile.read(length))
                received = Received(self.path, dict(self.headers.items()), body)
                outer.received.append(received)
                outer._send(self, outer._decide(received) if outer._decide else outer.reply)

            def log_message(self, *_: Any) -> None: ...

        class Many(ThreadingHTTPServer):
            request_queue_size = 64

        self._scheme = "https" if tls else "http"
        self._server = Many((HOST, 0), Handler)
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def url(self) -> str:
        return f"{self._scheme}://{HOST}:{self.port}"

    @property
    def port(self) -> int:
        return self._server.server_port

    def _send(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        self._stopping.wait(reply.wait)
        if reply.reset:  # closed with a lingering time of 0, TCP resets it
            handler.connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            handler.connection.close()
            return
        raw = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        handler.send_response(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(reply.drip + len(raw) + reply.promise))
        try:
            handler.end_headers()
            for _ in range(reply.drip):
                handler.wfile.write(b" ")
                time.sleep(0.1)
            handler.wfile.write(raw)
        except OSError:
            return  # it did not wait for the rest, which is what is being tested

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()  # ends every delay
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        assert CANARY not in str([received.body for received in self.received])
