"""The demo as its user finds it: the welcome, the sample tickets, and what each step promises."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from demo import seed
from demo.binaries import ROOT
from demo.block_translation import ORIGINAL_KEY
from demo.local_stack import Stack
from demo.sample_tickets import SAMPLE_TICKETS
from demo.slack_page import SlackPage
from demo.slack_user import ScreenMessage, SlackUser
from demo.welcome import MESSAGE, TITLE

FIRST_NEW = len(SAMPLE_TICKETS) + 1


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack(has_sample_tickets=True) as made:
        yield made


def test_the_welcome_is_all_that_general_shows_and_opens_the_form(emma: SlackUser) -> None:
    (welcome,) = emma.read(seed.GENERAL)
    assert welcome.by_bot
    assert welcome.text.startswith("*Welcome to the demo*")
    assert welcome.labels == ("File this ticket",)
    emma.click(welcome, "file_with_title")
    form = emma.wait_for_modal("File a ticket")
    assert form.fields["title"]["initial_value"] == TITLE
    filed = emma.fill(description="At home and in the office alike.").submit()
    assert filed.modal is not None
    assert f"Ticket {FIRST_NEW} is filed" in filed.modal.text
    emma.dismiss()
    emma.wait_for_dm(f"#{FIRST_NEW} ", "*Assigned* to @Nils")


def test_a_message_in_it_help_is_a_ticket_that_emoji_act_on(
    emma: SlackUser, workspace: SlackPage
) -> None:
    lara = SlackUser(workspace, "U0LARA")
    before = emma.read(seed.HELP)
    assert before[0].text.startswith("The copy room's printer")
    emma.say(MESSAGE, channel=seed.HELP)
    message = emma.read(seed.HELP)[len(before)]

    def line() -> ScreenMessage | None:
        return next((m for m in emma.thread(message) if "*Assigned* to Lara" in m.text), None)

    assert emma.wait_for(line, "the line below the message").labels == ("Details",)
    lara.react(message, "eyes")
    emma.wait_for(
        lambda: [m for m in emma.thread(message) if "Accepted by Lara" in m.text], "accepted"
    )
    lara.react(message, "white_check_mark")
    (question,) = lara.wait_for_dm("Resolve *Ticket")
    lara.click(question, "resolve_asked")
    lara.wait_for_modal("Resolve")
    lara.fill(resolution="Opened the cover of the camera.").submit()
    emma.wait_for(
        lambda: [m for m in emma.thread(message) if "Opened the cover" in m.text], "resolved"
    )


def test_home_queue_and_ticket_page_have_something_to_show(nils: SlackUser) -> None:
    nils.open_home()
    home = nils.wait_for(lambda: nils.home, "Home")
    assert "DNS still has the wiki's old address" in home.text
    nils.press("The queue")
    nils.wait_for(lambda: nils.home and "The queue" in nils.home.text, "the queue")
    queue = nils.home
    assert queue is not None
    first, second = queue.text.index("Coffee machine"), queue.text.index("Laptop does not wake up")
    assert first < second  # nobody has it; overdue


def test_nothing_is_ever_drawn_in_slacks_notation(
    ada: SlackUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the sample tickets left, and what local-slack draws first after a command or button."""
    state = ada.workspace.state
    drawn: list[Any] = [dict(state.messages)]
    apply = state.apply

    def record(event: dict[str, Any]) -> None:
        if event["t"] != "log":  # the inspector shows requests as they are
            drawn.append(event)
        apply(event)

    monkeypatch.setattr(state, "apply", record)
    ada.open_home()
    ada.wait_for(lambda: ada.home, "Home")
    for arguments in ("queue", "12", "update 12"):
        ada.command("/ticket", arguments)
    ada.dismiss()
    texts = list(_texts(drawn))
    assert len(texts) > 1_000
    assert [text for text in texts if "<!date" in text or "&lt;" in text or "&amp;" in text] == []


def _texts(node: Any) -> Iterator[str]:
    """Return the texts that local-slack draws: not the originals, nor dialogs it never opens."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key not in (ORIGINAL_KEY, "confirm", "metadata", "private_metadata"):
                yield from _texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value)
    elif isinstance(node, str):
        yield node


def test_the_doctor_finds_the_settings_of_the_demo(stack: Stack) -> None:
    done = subprocess.run(  # noqa: S603  our own command
        [sys.executable, str(ROOT / "app.py"), "doctor"],
        cwd=stack.logs,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 active, of them 3 moderators and 1 admin" in done.stdout
