"""The README's animated picture: a ticket from filing to its resolution, on the demo's page.

The page is recorded at each step of Emma, who files, and Lara, who accepts and resolves.
"""

import json
import tempfile
from pathlib import Path

from PIL import Image

from demo.browser import Page, element_with
from demo.seed import EMPLOYEE, Member

TITLE = "The printer prints blank pages"
DESCRIPTION = "The one on the second floor, since noon."
RESOLUTION = "Replaced the toner."
WIDTH, HEIGHT, SCALE = 900, 560, 1.5
# A message that two workers update concurrently waits for the sweep.
WAIT_SECONDS = 40.0
# Milliseconds that a frame stays: while text is typed, before a press, and to read.
TYPING, PRESS, READ, LAST = 250, 600, 1_600, 3_000
# Without local-slack's own controls. The caption takes the place of its name.
STYLE = """
    .app-status, .topbar-right > .status, .notif, .sound-toggle, .inspector-toggle,
    .search-bar, .composer-attach, .channel-sub, .msg-time { display: none !important }
    .brand { font-size: 0 }
    .brand::after { content: var(--caption); font-size: 16px; letter-spacing: 0 }
    .modal-overlay { align-items: center !important }
    .pressed { outline: 3px solid #1264a3 !important; outline-offset: 2px }
    .composer-input::placeholder { color: transparent }
    * { transition: none !important; animation: none !important; caret-color: transparent }
"""
COMPOSER = "document.querySelector('.composer-input')"
SEND = "document.querySelector('.composer-send')"
SUBMIT = "document.querySelector('.modal-foot .primary')"


def record(page: Page, assignee: Member, file: Path) -> None:
    """Write the picture. `page` shows a workspace without tickets, `assignee` knows printers."""
    with tempfile.TemporaryDirectory() as directory:
        recorder = _Recorder(page, Path(directory))
        recorder.become(EMPLOYEE, "1. Emma files a ticket")
        recorder.frame(PRESS)
        recorder.type(COMPOSER, f"/ticket {TITLE}", start=1)
        recorder.press(SEND)
        recorder.wait_for_text(".modal", "Description")
        recorder.frame(READ)
        recorder.type(_input("Description"), DESCRIPTION)
        recorder.press(SUBMIT)
        recorder.wait_for_text(".modal", "is filed")
        recorder.frame(READ)
        recorder.press(_button("Close"))
        recorder.read_messages(EMPLOYEE)
        recorder.wait_for_text(".main", assignee.real_name)
        recorder.frame(LAST)

        recorder.become(assignee, f"2. {assignee.first_name} gets it, with the reason why")
        recorder.read_messages(assignee)
        recorder.wait_for_text(".main", "Why you:")
        recorder.frame(LAST)
        recorder.press(_button("Accept"))
        recorder.wait_for_text(".main", "In progress")
        recorder.frame(READ)
        recorder.press(_button("Resolve"))
        recorder.wait_for_text(".modal", "What was done?")
        recorder.type(_input("What was done?"), RESOLUTION)
        recorder.press(SUBMIT)
        recorder.wait_for_text(".main", "Resolved by")
        recorder.frame(READ)

        recorder.become(EMPLOYEE, "3. Emma reads what was done")
        recorder.read_messages(EMPLOYEE)
        recorder.wait_for_text(".main", "What was done")
        recorder.wait_for_text(".main", "If that did not solve it")
        recorder.frame(2 * LAST)
        recorder.save(file)


class _Recorder:
    """Takes frames of one page, and does what a person does there."""

    def __init__(self, page: Page, directory: Path) -> None:
        self._page = page
        self._directory = directory
        self._frames: list[tuple[Path, int]] = []
        page.evaluate(
            "document.head.appendChild(document.createElement('style'))"
            f".textContent = {json.dumps(STYLE)}"
        )

    def become(self, member: Member, caption: str) -> None:
        self._page.choose("document.querySelector('.actas select')", member.slack_id)
        value = json.dumps(json.dumps(caption))
        self._page.evaluate(f"document.documentElement.style.setProperty('--caption', {value})")

    def read_messages(self, member: Member) -> None:
        """Open the direct messages of the bot with the member."""
        self._page.click(element_with(".sidebar-item", member.real_name))

    def wait_for_text(self, selector: str, text: str) -> None:
        self._page.wait_for(element_with(selector, text), text, seconds=WAIT_SECONDS)

    def frame(self, milliseconds: int) -> None:
        file = self._directory / f"{len(self._frames):03}.png"
        self._page.screenshot("document.body", file)
        self._frames.append((file, milliseconds))

    def type(self, element: str, text: str, *, start: int = 2) -> None:
        """Take a frame at every third word, from `start` words on, and one of the whole text."""
        words = text.split()
        for end in range(start, len(words), 3):
            self._page.type(element, " ".join(words[:end]))
            self.frame(TYPING)
        self._page.type(element, text)
        self.frame(PRESS)

    def press(self, element: str) -> None:
        """Take a frame with the element marked, then click it."""
        self._page.wait_for(element, element)
        self._page.evaluate(f"({element}).classList.add('pressed')")
        self.frame(PRESS)
        self._page.evaluate(f"({element}).classList.remove('pressed')")
        self._page.click(element)

    def save(self, file: Path) -> None:
        first, *others = (Image.open(frame).convert("RGB") for frame, _ in self._frames)
        durations = [milliseconds for _, milliseconds in self._frames]
        first.save(file, save_all=True, append_images=others, duration=durations, loop=0)


def _input(label: str) -> str:
    return f"{element_with('.modal .bk-input', label)}?.querySelector('input, textarea')"


def _button(label: str) -> str:
    """Return JavaScript for the last button with exactly this label."""
    return (
        "[...document.querySelectorAll('.modal button, .main button')]"
        f".findLast(e => e.textContent.trim() === {json.dumps(label)})"
    )
