"""The catalogue as a page: docs/messages.md."""

from demo.binaries import ROOT
from tests.messages.catalogue import KINDS, READERS, Entry, catalogue
from tests.messages.plain_text import as_lines

DOCUMENT = ROOT / "docs" / "messages.md"
INTRODUCTION = """\
# Messages

All that people read in Slack, in emails and in the answers of `python app.py explain`, with sample
data. Buttons are in [brackets], inputs in <angle brackets>; every date is today. `make messages`
writes this page.
"""


def document() -> str:
    entries = catalogue()
    parts = [INTRODUCTION]
    for kind in KINDS:
        parts.append(f"## {kind}\n")
        for reader in READERS:
            listed = [entry for entry in entries if (entry.kind, entry.reader) == (kind, reader)]
            if listed:
                parts += [f"### {kind}: {reader}\n", *map(_entry, listed)]
    return "\n".join(parts)


def _entry(entry: Entry) -> str:
    lines = "\n".join(line.rstrip() for line in as_lines(entry.content))
    return f"{entry.title[:1].upper()}{entry.title[1:]}\n\n```text\n{lines}\n```\n"
