"""The quote of a message with which the form begins."""

import pytest

from bot.views.modals import file_ticket
from bot.views.modals.file_ticket import FILLED_IN, WITHOUT_TEXT, full_quote
from tests.support.blockkit import check_view

LINK = "https://example.slack.com/archives/C0GENERAL/p1700000000000001"


def test_the_words_stand_between_who_said_them_and_the_link() -> None:
    quote = full_quote("VPN drops\n\nEvery hour.", author="@ann", channel="general", permalink=LINK)
    assert quote.title == "VPN drops"
    assert quote.description == (
        f"From a message of @ann in #general:\n\nVPN drops\n\nEvery hour.\n\n{LINK}"
    )
    assert quote.note == FILLED_IN


@pytest.mark.parametrize("text", ["", " \n\t", "\u200b\ufeff"])
def test_without_text_there_is_the_link(text: str) -> None:
    quote = full_quote(text, author="@ann", channel="general", permalink=LINK)
    assert (quote.title, quote.description, quote.note) == ("", LINK, WITHOUT_TEXT)


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("\n\n  The   VPN\tdrops \nmore", "The VPN drops"),
        ("x" * 151, "x" * 149 + "…"),
        ("x" * 150, "x" * 150),
        ("word " * 100, ("word " * 30)[:149] + "…"),
        ("😀" * 100, "😀" * 74 + "…"),
    ],
)
def test_the_first_line_becomes_the_title(text: str, title: str) -> None:
    assert full_quote(text, author="@ann", channel="general", permalink=LINK).title == title


@pytest.mark.parametrize("letter", ["x", "ü", "😀", "👩‍👩‍👧‍👦", "<&>", "a\n"])
@pytest.mark.parametrize("name", ["ann", "n" * 500, "name\nof two lines"])
def test_the_longest_text_is_cut_and_the_link_is_kept(letter: str, name: str) -> None:
    quote = full_quote(letter * 40_000, author=f"@{name}", channel=name, permalink=LINK)
    assert quote.description.endswith(f"…\n\n{LINK}")
    assert quote.description.startswith(f"From a message of @{name[:4]}")
    # However a client counts: in code points, or in UTF-16.
    assert len(quote.description) <= 3_000
    assert 2_990 <= len(quote.description.encode("utf-16-le")) // 2 <= 3_000
    view = file_ticket.file_ticket_modal(is_ai_enabled=True, quote=quote, metadata="{}")
    assert check_view(view) == []
    assert view["blocks"][2]["element"]["initial_value"] == quote.description
