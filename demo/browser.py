"""A headless Chromium, driven over its DevTools protocol.

with Browser(directory=Path("/tmp/profile")) as browser:
    page = browser.open("http://localhost:3000", width=1000, height=800)
    page.wait_for("document.querySelector('.message')", "a message")
    page.screenshot("document.querySelector('.message')", Path("message.png"))
"""

import base64
import json
import re
import shutil
import time
from pathlib import Path
from typing import Any, Self

import requests
import websocket

from demo.block_translation import Json
from demo.process import POLL_SECONDS, Process, ProcessError

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
TIMEOUT_SECONDS = 20.0
PORT_PATTERN = re.compile(r"DevTools listening on ws://127\.0\.0\.1:(\d+)/")
NAVIGATED_PATTERN = re.compile(r"navigated or closed|execution context", re.IGNORECASE)
# Without the sandbox, which Chromium refuses for root; it opens only our own pages.
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)


class PageNavigated(ProcessError):
    """The page was navigated during the call."""


class Browser:
    def __init__(self, *, directory: Path) -> None:
        """`directory` keeps its profile and its log."""
        directory.mkdir(parents=True, exist_ok=True)
        self._process = Process(
            "Chromium",
            [_program(), *FLAGS, f"--user-data-dir={directory / 'profile'}", "about:blank"],
            log=directory / "chromium.log",
        )
        self._pages: list[Page] = []

    def open(
        self, url: str, *, width: int, height: int, scale: float = 1, is_phone: bool = False
    ) -> "Page":
        """Open a tab of that size in CSS pixels (`scale` pixels each), and wait for its load."""
        found = PORT_PATTERN.search(self._process.output())
        if found is None:
            raise ProcessError("Chromium is not running.")
        tab = f"http://127.0.0.1:{found.group(1)}/json/new?about:blank"
        answer = requests.put(tab, timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()
        page = Page(answer.json()["webSocketDebuggerUrl"])
        self._pages.append(page)
        size = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": is_phone}
        page.call("Emulation.setDeviceMetricsOverride", **size)
        for domain in ("Log", "Runtime"):  # console errors are events of these
            page.call(f"{domain}.enable")
        page.go(url)
        return page

    def __enter__(self) -> Self:
        self._process.start()
        try:
            self._process.wait_until(
                lambda: bool(PORT_PATTERN.search(self._process.output())), timeout=TIMEOUT_SECONDS
            )
        except BaseException:  # Ctrl-C too
            self._process.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for page in self._pages:
            page.close()
        self._process.stop(grace=5.0)


class Page:
    """One tab. An element is given as a JavaScript expression."""

    def __init__(self, debugger_url: str) -> None:
        self._socket = websocket.create_connection(
            debugger_url, timeout=TIMEOUT_SECONDS, suppress_origin=True
        )
        self._calls = 0
        self._console_errors: list[str] = []

    @property
    def console_errors(self) -> list[str]:
        """The errors in the console, including those of the page's security policy."""
        self.evaluate("0")  # earlier events arrive before its answer
        return list(self._console_errors)

    def go(self, url: str) -> None:
        """Open a page that does not redirect, and wait until it has loaded."""
        self.call("Page.navigate", url=url)
        self.wait_for(f"location.href.startsWith({json.dumps(url)})", "the page to open")
        self.wait_for("document.readyState === 'complete'", "the page to load")

    def call(self, method: str, **params: Any) -> Json:
        """Call the protocol. Raises `ProcessError` if the browser refuses it."""
        self._calls += 1
        self._socket.send(json.dumps({"id": self._calls, "method": method, "params": params}))
        while True:
            answer: Json = json.loads(self._socket.recv())
            if answer.get("id") == self._calls:
                break
            self._console_errors += _console_error(answer)
        if "error" in answer:
            refusal = answer["error"].get("message", "")
            kind = PageNavigated if NAVIGATED_PATTERN.search(refusal) else ProcessError
            raise kind(f"Chromium refuses {method}: {refusal}")
        result: Json = answer["result"]
        return result

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression. Raises `ProcessError` if it throws."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            thrown = answer["exceptionDetails"].get("exception", {}).get("description")
            raise ProcessError(f"On the page, {expression} failed: {thrown}")
        return answer["result"].get("value")

    def wait_for(self, expression: str, what: str, *, seconds: float = TIMEOUT_SECONDS) -> None:
        """Wait until `expression` is true; `what` completes the sentence "Waited ... for"."""
        deadline = time.monotonic() + seconds
        while not self._holds(expression):
            if time.monotonic() > deadline:
                shown = self.evaluate("document.body.innerText")
                raise ProcessError(f"Waited {seconds:.0f} s for {what}. The page shows:\n{shown}")
            time.sleep(POLL_SECONDS)

    def _holds(self, expression: str) -> bool:
        try:
            return bool(self.evaluate(f"Boolean({expression})"))
        except PageNavigated:  # retried on the next page
            return False

    def click(self, element: str) -> None:
        self.wait_for(element, element)
        self.evaluate(f"({element}).click()")

    def type(self, element: str, text: str) -> None:
        """Replace an input's text as if typed."""
        self.wait_for(element, element)
        self.evaluate(f"(({element}).focus(), ({element}).select())")
        self.call("Input.insertText", text=text)

    def choose(self, select: str, value: str) -> None:
        """Choose an option of a select, and fire its change event."""
        self.wait_for(select, select)
        self.evaluate(
            f"(select => {{ select.value = {json.dumps(value)};"
            f" select.dispatchEvent(new Event('change', {{bubbles: true}})) }})({select})"
        )

    def screenshot(self, element: str, file: Path, *, margin: int = 0) -> None:
        """Write a PNG of one visible element with `margin` CSS pixels around it."""
        self.wait_for(element, element)
        box = self.evaluate(
            f"(({{x, y, width, height}}) => ({{x, y, width, height}}))"
            f"(({element}).getBoundingClientRect())"
        )
        clip = {
            "x": box["x"] - margin,
            "y": box["y"] - margin,
            "width": box["width"] + 2 * margin,
            "height": box["height"] + 2 * margin,
            "scale": 1,
        }
        answer = self.call("Page.captureScreenshot", format="png", clip=clip)
        file.write_bytes(base64.b64decode(answer["data"]))

    def close(self) -> None:
        self._socket.close()


def element_with(selector: str, *texts: str) -> str:
    """Return JavaScript for the first element of the selector that contains all texts."""
    return (
        f"[...document.querySelectorAll({json.dumps(selector)})]"
        f".find(e => {json.dumps(texts)}.every(text => e.textContent.includes(text)))"
    )


def _console_error(event: Json) -> list[str]:
    """Return the text of an event that reports an error."""
    method, params = event.get("method"), event.get("params", {})
    if method == "Log.entryAdded" and params["entry"]["level"] == "error":
        return [str(params["entry"]["text"])]
    if method == "Runtime.exceptionThrown":
        return [str(params["exceptionDetails"]["text"])]
    if method == "Runtime.consoleAPICalled" and params["type"] == "error":
        return [str(argument.get("value")) for argument in params["args"]]
    return []


def _program() -> str:
    for name in PROGRAMS:
        if found := shutil.which(name):
            return found
    raise ProcessError("Chromium is missing. Run: make screenshots")
