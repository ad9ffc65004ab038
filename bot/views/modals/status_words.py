"""The modal about by which words and emoji a Slack status means away."""

from bot.views import ids
from bot.views.blocks import actions, button, header
from bot.views.inputs import View, modal, text_input
from bot.views.text import Block, plain_text
from services.availability.slack_status import StatusRules
from services.availability.status_rules import MAX_TEXT_LENGTH, format_entries

STATUS_WORDS_HELP = (
    "Words such as “out of office”, “sick” or “on leave”, in many languages, and emoji such as "
    ":palm_tree: in a Slack status mean away; “working from home” or “in a meeting” do not. Add "
    "your own here."
)


def status_words_section() -> list[Block]:
    """On the screen of settings."""
    return [
        header("Who is away"),
        {"type": "section", "text": plain_text(STATUS_WORDS_HELP)},
        actions(button("Change words", ids.OPEN_STATUS_WORDS, "all")),
    ]


def status_words_modal(rules: StatusRules) -> View:
    return modal(
        callback_id=ids.EDIT_STATUS_WORDS,
        title="Who is away",
        submit="Save",
        close="Cancel",
        blocks=[
            _words_input(
                "away",
                "Also away",
                rules.away,
                hint="Words and emoji with commas between. Whose status has one is away.",
                example="at the spa, :sailboat:",
            ),
            _words_input(
                "here",
                "Here all the same",
                rules.available,
                hint="Whose status has one of these is here, whatever else it says.",
                example="holiday season, :palm_tree:",
            ),
        ],
    )


def _words_input(
    field: str, label: str, words: tuple[str, ...], *, hint: str, example: str
) -> Block:
    return text_input(
        field,
        label,
        max_length=MAX_TEXT_LENGTH,
        multiline=True,
        optional=True,
        initial=format_entries(words),
        hint=hint,
        placeholder=example,
    )
