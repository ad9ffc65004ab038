"""A modal of one sentence, such as a refusal."""

from bot.views.inputs import View, modal
from bot.views.text import plain_text


def notice_modal(sentence: str) -> View:
    """One sentence, where a modal is the only place to say it."""
    return modal(
        title="Help desk",
        close="Close",
        blocks=[{"type": "section", "text": plain_text(sentence)}],
    )
