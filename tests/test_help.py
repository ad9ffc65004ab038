import pytest

from bot.views.help import help_text
from tests.blockkit import check_message

COMMANDS = (
    "`/ticket`  file a ticket\n"
    "`/ticket your words here`  file a ticket with that title\n"
    "`/ticket help`  this list"
)


def test_it_lists_the_commands() -> None:
    answer = help_text()
    assert check_message(answer.as_args()) == []
    assert answer.text == f"What you can do:\n{COMMANDS}"
    assert answer.blocks[0]["text"]["text"] == f"*What you can do*\n{COMMANDS}"


@pytest.mark.parametrize(
    ("unknown", "named"),
    [
        ("lsit", "lsit"),
        ("<!channel>", "&lt;!channel&gt;"),
        ("`*bold*`", "'*bold*'"),
        ("x" * 500, "x" * 39 + "…"),
        ("&" * 500, "&amp;" * 39 + "…"),
        ("li\u202est", "list"),
    ],
)
def test_it_names_the_word_it_does_not_know(unknown: str, named: str) -> None:
    answer = help_text(unknown=unknown)
    assert check_message(answer.as_args()) == []
    assert answer.text.startswith(f"There is no `/ticket {named}`. What you can do:\n")
    assert answer.blocks[0]["text"]["text"].startswith(f"There is no `/ticket {named}`. *What")


@pytest.mark.parametrize("unseen", ["", "\u200b\ufeff"])
def test_it_names_no_word_that_cannot_be_seen(unseen: str) -> None:
    assert help_text(unknown=unseen) == help_text()
