"""What is typed into local-slack arrives as Slack would send it."""

import pytest

from bot.views.slack_markup import to_readable_text
from demo.slack_escaping import escape_message


@pytest.mark.parametrize(
    "text",
    ["<5 or >5", "a & b", "&lt;b&gt;", "<b>bold</b>", "a <- b", "<nobody> knows"],
)
def test_it_reads_as_it_was_typed(text: str) -> None:
    event = escape_message({"type": "message", "text": text})
    assert to_readable_text(event["text"], {}) == text


@pytest.mark.parametrize(
    "text", ["<@U0NILS> look", "<#C0GENERAL>", "<!here>", "<https://example.com|this>"]
)
def test_markup_stays_what_it_is(text: str) -> None:
    assert escape_message({"text": text})["text"] == text


def test_changed_and_deleted_messages_as_well() -> None:
    event = {
        "subtype": "message_changed",
        "message": {"text": "<"},
        "previous_message": {"ts": "1"},
    }
    assert escape_message(event) == {
        "subtype": "message_changed",
        "message": {"text": "&lt;"},
        "previous_message": {"ts": "1"},
    }
    assert event["message"] == {"text": "<"}
