"""Messages about a comment or unassigned tickets, and that Slack accepts any text in them."""

from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId

from bot.views.messages import ticket_updates
from bot.views.messages.ticket_updates import MAX_UNASSIGNED_TICKETS, unassigned_summary
from bot.views.modals import ticket_actions
from bot.views.text import DisplayPerson, Message
from services.core.clock import utcnow
from services.lists.list_query import ListKind, ListQuery
from services.models.comment import Comment, FileLink
from services.models.ticket import Ticket
from tests.conftest import sample_ticket
from tests.support.block_text import read
from tests.support.blockkit import check_message, check_view

NILS = DisplayPerson("Nils <b>", "U0NILS")
URL = "https://example.slack.com/files/U1/F1/"


def comment(**fields: Any) -> Comment:
    fine = {"text": "Which <client>?", "at": datetime(2026, 3, 1, tzinfo=UTC), "position": 0}
    return Comment(**{"id": ObjectId(), "by": ObjectId(), **fine, **fields})


def shown(message: Message) -> list[str]:
    assert check_message({**message.as_args(), "unfurl_links": False}) == []
    return read({"blocks": message.blocks})


def reply(*, is_alone: bool = False, **fields: Any) -> Message:
    return ticket_updates.comment_message(
        sample_ticket(), comment(**fields), author=NILS, is_outside_thread=is_alone
    )


def test_who_wrote_what() -> None:
    message = reply()
    assert shown(message) == ["*Nils &lt;b&gt;* wrote:", "Which <client>?"]
    assert message.text == "Ticket 12: Nils &lt;b&gt; wrote: Which &lt;client&gt;?"


def test_nobody_is_mentioned() -> None:
    assert "U0NILS" not in str(reply())


def test_by_itself_it_says_which_ticket() -> None:
    assert shown(reply(is_alone=True))[:2] == ["*Ticket 12*", "VPN drops"]


def test_a_file_alone() -> None:
    message = reply(text="", files=(FileLink("a & b.png", f"{URL}a.png?x=1&y=2"),))
    assert shown(message) == [
        "*Nils &lt;b&gt;* wrote:",
        f"<{URL}a.png?x=1&amp;y=2|a &amp; b.png>",
    ]
    assert message.text == "Ticket 12: Nils &lt;b&gt; wrote: a &amp; b.png"


def test_an_internal_note_says_that_it_is_one() -> None:
    assert shown(reply(internal=True)) == [
        "*Nils &lt;b&gt;* wrote an internal note:",
        "Which <client>?",
    ]


@pytest.mark.parametrize(
    ("number", "heading"), [(12, "Internal notes on #12"), (None, "Internal notes")]
)
def test_the_thread_of_the_notes_says_who_reads_it(number: int | None, heading: str) -> None:
    message = ticket_updates.notes_message(sample_ticket(number=number, title="<VPN>"))
    assert message.text == f"{heading} “&lt;VPN&gt;”"
    assert shown(message) == [f"*{heading}*", "<VPN>", ticket_updates.NOTES_THREAD_HELP]


def test_a_deleted_one_says_no_more() -> None:
    message = reply(deleted=True, text="", internal=True)
    assert shown(message) == ["This comment was deleted."]
    assert message.text == "Ticket 12: This comment was deleted."


def test_what_a_channel_learns_of_a_note() -> None:
    said = comment(internal=True, text="Secret")
    message = ticket_updates.internal_note_notice(sample_ticket(), said, author=NILS)
    assert shown(message) == [
        "Nils <b> wrote an internal note. Press Details on the card to read it."
    ]
    assert "Secret" not in str(message)


@pytest.mark.parametrize(
    "text", ["&" * 3_000, "😀" * 3_000, "<!channel>" * 300, "\n" * 2_999 + "x"]
)
@pytest.mark.parametrize("internal", [True, False])
def test_the_longest_one_is_taken(text: str, internal: bool) -> None:
    files = tuple(FileLink("😀" * 100, URL + "x" * 450) for _ in range(10))
    shown(reply(text=text, internal=internal, files=files, is_alone=True))


@pytest.mark.parametrize("form", [ticket_actions.comment_modal, ticket_actions.note_modal])
def test_the_modals_are_taken(form: Any) -> None:
    view = form(sample_ticket(number=123_456, title="W" * 150))
    assert check_view(view) == []
    assert view["title"]["text"].endswith(" on ticket 123456")


# Unassigned tickets


def tickets(count: int, title: str = "Leak") -> list[Ticket]:
    return [
        sample_ticket(id=ObjectId(), number=number, title=f"{title} {number}")
        for number in range(1, count + 1)
    ]


def test_several_are_listed_with_a_way_to_assign_each() -> None:
    message = unassigned_summary(tickets(2), count=2, unavailable=(), now=utcnow())
    assert message.text == "No one is available for 2 tickets: Ticket 1, Ticket 2"
    heading, why, first, second, last = message.blocks
    assert heading["text"]["text"] == "No one is available for 2 tickets"
    assert why["text"]["text"] == (
        "No one is available. We try again every few minutes and as soon as someone is available."
    )
    assert (first["text"]["text"], first["accessory"]["text"]["text"]) == (
        "Ticket 1: Leak 1",
        "Assign",
    )
    assert second["accessory"]["accessibility_label"] == "Assign Ticket 2"
    (queue,) = last["elements"]
    assert (queue["text"]["text"], queue["action_id"]) == ("The queue", "show_list")
    assert ListQuery.decode(queue["value"]) == ListQuery(ListKind.QUEUE)


def test_of_many_the_first_ten_and_how_many_more() -> None:
    message = unassigned_summary(
        tickets(MAX_UNASSIGNED_TICKETS), count=1_030, unavailable=(), now=utcnow()
    )
    assert message.text.endswith("Ticket 9, Ticket 10 and 1,020 more")
    assert message.blocks[-2]["elements"][0]["text"] == "and 1,020 more"


@pytest.mark.parametrize("title", ["本" * 140, "<!channel> <https://evil|Sign in>", "*b* & _i_"])
def test_what_people_wrote_is_never_markup_and_always_fits(title: str) -> None:
    message = unassigned_summary(
        tickets(MAX_UNASSIGNED_TICKETS, title), count=5_000, unavailable=(), now=utcnow()
    )
    assert check_message(message.as_args()) == []
    assert title not in message.text
    quoting = [text for block in message.blocks if title in str(text := block.get("text"))]
    assert len(quoting) == MAX_UNASSIGNED_TICKETS
    assert {text["type"] for text in quoting if text} == {"plain_text"}
