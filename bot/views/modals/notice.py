"""A modal with one sentence, such as an error."""

from bot.views.blocks import text_section
from bot.views.inputs import View, modal


def notice_modal(sentence: str) -> View:
    return modal(
        title="Help desk",
        close="Close",
        blocks=[text_section(sentence)],
    )
