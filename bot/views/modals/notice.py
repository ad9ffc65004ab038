"""A modal of one sentence, such as a refusal."""

from bot.views.blocks import text_section
from bot.views.inputs import View, modal


def notice_modal(sentence: str) -> View:
    """One sentence, where a modal is the only place to say it."""
    return modal(
        title="Help desk",
        close="Close",
        blocks=[text_section(sentence)],
    )
