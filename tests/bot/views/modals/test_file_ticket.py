"""The form that files a ticket, the quote of a message in it, and what it becomes."""

from typing import Any

import pytest

from bot.views.inputs import View, notice_modal
from bot.views.modals import file_ticket, ticket_actions
from bot.views.modals.file_ticket import FILLED_IN, WITHOUT_TEXT, full_quote
from tests.conftest import sample_ticket
from tests.support.blockkit import check_view
from tests.support.view_state import state_values

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
    # Clients count in code points or in UTF-16.
    assert len(quote.description) <= 3_000
    assert 2_990 <= len(quote.description.encode("utf-16-le")) // 2 <= 3_000
    view = file_ticket.file_ticket_modal(is_ai_enabled=True, quote=quote, metadata="{}")
    assert check_view(view) == []
    assert view["blocks"][2]["element"]["initial_value"] == quote.description


AI = "An AI service (Google Gemini) reads the title and this text to find the right person."
NO_SECRETS = "No passwords or keys here, please."
HOSTILE = "<!channel> <https://evil.example|Sign in> https://bare.example *b* :tada: &amp;"


def block(view: View, name: str) -> Any:
    return next(block for block in view["blocks"] if block.get("block_id") == name)


def texts(view: View) -> list[str]:
    return [block["text"]["text"] for block in view["blocks"] if "text" in block]


FIELDS = ["title", "description", "priority", "deadline", "notTo"]


def test_the_form_asks_for_a_title_a_description_and_perhaps_more() -> None:
    view = file_ticket.file_ticket_modal(is_ai_enabled=False)
    assert check_view(view) == []
    assert [b["block_id"] for b in view["blocks"]] == FIELDS
    assert [b["element"]["action_id"] for b in view["blocks"]] == FIELDS
    optional = [b.get("optional", False) for b in view["blocks"]]
    assert optional == [False, False, True, True, True]
    assert block(view, "deadline")["element"]["type"] == "datetimepicker"
    options = block(view, "priority")["element"]["options"]
    assert [option["text"]["text"] for option in options] == ["Low", "Medium", "High", "Urgent"]
    assert [view[name]["text"] for name in ("title", "submit", "close")] == [
        "File a ticket",
        "File",
        "Cancel",
    ]


@pytest.mark.parametrize(
    ("read_by_ai", "hint"), [(False, NO_SECRETS), (True, f"{NO_SECRETS} {AI}")]
)
def test_the_hint_says_who_reads_it(read_by_ai: bool, hint: str) -> None:
    view = file_ticket.file_ticket_modal(is_ai_enabled=read_by_ai)
    assert block(view, "description")["hint"]["text"] == hint


@pytest.mark.parametrize(
    ("title", "filled_in"),
    [
        ("", None),
        ("No VPN since Monday", "No VPN since Monday"),
        (HOSTILE, HOSTILE),
        ("x" * 150, "x" * 150),
        ("x" * 500, "x" * 149 + "…"),
        ("🔥" * 500, "🔥" * 74 + "…"),
        ("no\u202e VPN\x00", "no VPN"),
    ],
)
def test_the_title_is_filled_in(title: str, filled_in: str | None) -> None:
    view = file_ticket.file_ticket_modal(is_ai_enabled=True, title=title)
    assert check_view(view) == []
    assert block(view, "title")["element"].get("initial_value") == filled_in


def test_nothing_can_be_typed_that_is_too_long() -> None:
    view = file_ticket.file_ticket_modal(is_ai_enabled=True)
    limits = [block(view, name)["element"]["max_length"] for name in ("title", "description")]
    assert limits == [150, 3_000]


def test_it_says_that_the_ticket_is_filed() -> None:
    view = file_ticket.filed_modal(sample_ticket(title=HOSTILE))
    assert check_view(view) == []
    assert texts(view) == [
        "Ticket 12 is filed",
        HOSTILE,
        "You'll get a message when someone has it.",
    ]
    assert "submit" not in view


@pytest.mark.parametrize("title", ["x" * 150, "🔥" * 150, "x" * 9_000, "\u200b", ""])
def test_any_title_fits_the_modals(title: str) -> None:
    ticket = sample_ticket(title=title)
    assert check_view(file_ticket.filed_modal(ticket)) == []
    assert check_view(ticket_actions.resolve_ticket_modal(ticket)) == []


def test_a_notice_has_no_inputs() -> None:
    view = notice_modal("Guests cannot use this app.")
    assert check_view(view) == []
    assert texts(view) == ["Guests cannot use this app."]
    assert state_values(view, {}) == {}


def test_resolving_asks_what_was_done() -> None:
    ticket = sample_ticket(title=HOSTILE)
    view = ticket_actions.resolve_ticket_modal(ticket)
    assert check_view(view) == []
    assert view["title"]["text"] == "Resolve ticket 12"
    assert view["private_metadata"] == str(ticket.id)
    assert texts(view) == [HOSTILE]
    assert block(view, "resolution")["label"]["text"] == "What was done?"
    assert block(view, "resolution")["hint"]["text"] == "The requester reads this."
    assert block(view, "resolution")["element"]["max_length"] == 1_000


@pytest.mark.parametrize(
    ("number", "title"),
    [
        (None, "Resolve ticket"),
        (999_999_999, "Resolve ticket 999999999"),
    ],
)
def test_the_modals_title_stays_short(number: int | None, title: str) -> None:
    view = ticket_actions.resolve_ticket_modal(sample_ticket(number=number))
    assert check_view(view) == []
    assert view["title"]["text"] == title
