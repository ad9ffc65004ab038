"""Pictures of Block Kit payloads, drawn near Slack's look by npm's slack-blocks-to-jsx.

with Browser(directory=directory) as browser:
    pictures = [PayloadPicture("card", message["blocks"], kind="message", author="Help desk")]
    save_pictures(browser, pictures, people={"U1": "Emma"}, directory=directory)
"""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from demo.binaries import ROOT
from demo.block_translation import Json
from demo.browser import Browser
from demo.process import ProcessError

SCRIPT = Path(__file__).parent / "draw_payloads.mjs"
TIME_ZONE = "Europe/Berlin"  # of the demo's members
WIDTH, HEIGHT, SCALE = 640, 4000, 1.5
# Slack's font and sizes; nothing that the library writes for its own page.
CSS = """
    * { font-family: Lato, "Liberation Sans", "Noto Color Emoji", sans-serif !important }
    code, pre, code *, pre * { font-family: "Liberation Mono", monospace !important }
    body { margin: 0; color: #1d1c1d; font-size: 15px; line-height: 1.46668 }
    figure { display: none; margin: 0; padding: 8px 20px; width: 600px; box-sizing: border-box }
    figure:target { display: block }
    figure.home { padding: 16px 20px }
    figure.modal { border: 1px solid #ccc; border-radius: 8px; padding: 0 20px; width: 520px }
    figure img { border-radius: 8px }
    figure [class*="max-w-"] { max-width: none }
    header { font-size: 22px; font-weight: 900; padding: 16px 0 8px }
    footer { display: flex; justify-content: flex-end; gap: 12px; padding: 16px 0 }
    footer span { border: 1px solid #bbb; border-radius: 4px; padding: 6px 12px; font-weight: 700 }
    footer span + span { background: #007a5a; color: #fff; border-color: #007a5a }
    figure.member .slack_blocks_to_jsx--header > div:first-of-type { display: none }
    .notice { color: #616061; font-size: 13px; margin: 0 0 4px 44px }
    .error { color: #e01e5a; font-size: 13px; margin: 2px 0 6px }
    .pointer-events-none { color: #1d1c1d !important }
    ::placeholder { color: #8d8d8d }
    .text-small.gap-1 > p { display: none }
"""


@dataclass(frozen=True, slots=True)
class PayloadPicture:
    """What `kind` of thing the blocks are, and what Slack shows around them.

    `time`, when it was sent, and `now`, the present by default, are in Unix seconds. `errors` are
    those of a form's fields, by block_id. `is_member`: a member of Slack wrote it.
    """

    id: str
    blocks: Sequence[Json]
    kind: Literal["message", "home", "modal"]
    author: str = ""
    time: float | None = None
    now: float | None = None
    only_visible_to_you: bool = False
    is_member: bool = False
    title: str = ""
    submit: str | None = None
    close: str | None = None
    errors: Mapping[str, str] = field(default_factory=dict)


def draw_page(
    pictures: Sequence[PayloadPicture],
    *,
    people: Mapping[str, str],
    channels: Mapping[str, str] | None = None,
) -> str:
    """Return an HTML page with a <figure> for each picture; `people` are names by Slack id."""
    node = shutil.which("node")
    if node is None:
        raise ProcessError("Node is missing.")
    drawing = {
        "users": dict(people),
        "channels": dict(channels or {}),
        "css": CSS,
        "pictures": [asdict(picture) for picture in pictures],
    }
    drawn = subprocess.run(  # noqa: S603  our own script
        [node, SCRIPT],
        input=json.dumps(drawing),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "TZ": TIME_ZONE, "NODE_ENV": "production"},
        check=False,
    )
    if drawn.returncode:
        raise ProcessError(f"The payloads cannot be drawn:\n{drawn.stderr[-2_000:]}")
    return drawn.stdout


def save_pictures(
    browser: Browser,
    pictures: Sequence[PayloadPicture],
    *,
    people: Mapping[str, str],
    channels: Mapping[str, str] | None = None,
    directory: Path,
) -> list[Path]:
    """Write DIRECTORY/ID.png for each picture; return the files."""
    html = directory / "payloads.html"
    html.write_text(draw_page(pictures, people=people, channels=channels))
    try:
        page = browser.open(html.as_uri(), width=WIDTH, height=HEIGHT, scale=SCALE)
        files = [directory / f"{picture.id}.png" for picture in pictures]
        for picture, file in zip(pictures, files, strict=True):
            page.evaluate(f"location.hash = {json.dumps(f'picture-{picture.id}')}")
            page.screenshot("document.querySelector('figure:target')", file)
    finally:
        html.unlink()
    return files
