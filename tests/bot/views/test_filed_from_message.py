"""How a ticket filed from a message is shown."""

from typing import Any

import pytest

from bot.views.cards import ticket_cards
from bot.views.messages import ticket_updates
from bot.views.modals import file_ticket
from bot.views.modals.file_ticket import NOT_PUBLIC, link_only_quote
from bot.views.text import DisplayPerson, Message
from services.core.clock import utcnow
from services.models.message_source import checked_source
from services.models.ticket import Status, Ticket
from tests.conftest import sample_ticket
from tests.support.blockkit import check_message, check_view

ANN, BEN = DisplayPerson("Ann", "U0ANN"), DisplayPerson("Ben", "U0BEN")
LINK = "https://example.slack.com/archives/C0GENERAL/p1700000000000001"
LINKED = f"Filed from <{LINK}|the message>"


def ticket(thread_ts: str | None = None, **fields: Any) -> Ticket:
    source = checked_source(
        team_url="https://example.slack.com/",
        channel="C0GENERAL",
        ts="1700000000.000001",
        thread_ts=thread_ts,
    )
    return sample_ticket(source=source, **fields)


def links(message: Message) -> list[dict[str, Any]]:
    assert check_message(message.as_args()) == []
    elements = [e for block in message.blocks for e in block.get("elements", ())]
    return [element for element in elements if "Filed from" in str(element.get("text"))]


@pytest.mark.parametrize("status", list(Status))
def test_both_cards_link_the_message(status: Status) -> None:
    shown = [
        ticket_cards.requester_card(ticket(status=status), assignee=None),
        ticket_cards.requester_card(ticket(status=status), assignee=BEN),
        ticket_cards.assignee_card(ticket(status=status), requester=ANN),
    ]
    assert [links(card) for card in shown] == [
        [{"type": "mrkdwn", "text": LINKED, "verbatim": True}]
    ] * 3


def test_the_link_to_a_reply_is_escaped() -> None:
    card = ticket_cards.requester_card(ticket("1690000000.000009"), assignee=None)
    assert links(card)[0]["text"] == (
        f"Filed from <{LINK}?thread_ts=1690000000.000009&amp;cid=C0GENERAL|the message>"
    )


@pytest.mark.parametrize("statuses", [(), (Status.WAITING,), (Status.TODO,), (Status.WAITING,) * 2])
def test_the_longest_offer_is_taken(statuses: tuple[Status, ...]) -> None:
    tickets = [
        sample_ticket(number=123_456 + number, title="&" * 150, status=status)
        for number, status in enumerate(statuses)
    ]
    offer = file_ticket.direct_message_offer(
        "<" * 4_000, value="x" * 150, is_in_thread=True, tickets=tickets
    )
    assert check_message(offer.as_args()) == []
    added = file_ticket.added_message(sample_ticket(number=None), "&" * 4_000)
    assert check_message(added.as_args()) == []
    assert added.text.startswith("Added to your ticket: “&amp;")


def test_other_tickets_have_no_such_line() -> None:
    plain = sample_ticket()
    assert links(ticket_cards.requester_card(plain, assignee=BEN)) == []
    assert links(ticket_cards.assignee_card(plain, requester=ANN)) == []


def test_only_the_cards_tell_where_it_comes_from() -> None:
    told = [
        ticket_updates.resolved_message(ticket(), by=BEN),
        ticket_updates.unassigned_message(ticket(), requester=ANN, unavailable=(), now=utcnow()),
        ticket_updates.filed_message(ticket()),
    ]
    assert [links(message) for message in told] == [[], [], []]
    assert LINK not in str(told)


def test_the_thread_reads_the_number_only() -> None:
    line = ticket_updates.filed_message(ticket(title="<!channel>", description="secret"))
    assert line.as_args() == {
        "text": "Ticket 12 was filed from this message.",
        "blocks": [
            {
                "type": "section",
                "text": {
                    "type": "plain_text",
                    "text": "Ticket 12 was filed from this message.",
                    "emoji": True,
                },
            }
        ],
        "parse": "none",
        "link_names": False,
    }


@pytest.mark.parametrize("letter", ["x", "ü", "😀", "<&>"])
def test_the_longest_texts_fit(letter: str) -> None:
    typed = (letter * 3_000)[:3_000]
    longest = ticket(title=(letter * 150)[:150], description=typed, summary=typed)
    view = file_ticket.already_filed_modal(
        "S" * 200, ticket=longest, assignee=BEN, entered_text=typed
    )
    assert check_view(view) == []
    assert view["blocks"][-1]["text"]["text"] == typed
    assert links(ticket_cards.assignee_card(longest, requester=ANN))[0]["text"] == LINKED


def test_who_may_not_see_it_reads_a_sentence() -> None:
    view = file_ticket.already_filed_modal("Told.", ticket=None, assignee=None)
    assert check_view(view) == []
    assert [block["text"]["text"] for block in view["blocks"]] == ["Told."]


def test_the_form_says_why_it_is_empty() -> None:
    view = file_ticket.file_ticket_modal(
        is_ai_enabled=False, quote=link_only_quote(LINK, note=NOT_PUBLIC), metadata='{"ts": "1"}'
    )
    assert check_view(view) == []
    assert view["private_metadata"] == '{"ts": "1"}'
    assert view["blocks"][0]["elements"] == [
        {"type": "plain_text", "text": NOT_PUBLIC, "emoji": True}
    ]
    title, description, *_ = (block["element"] for block in view["blocks"][1:])
    assert "initial_value" not in title
    assert description["initial_value"] == LINK


def test_a_modal_opens_with_one_moment() -> None:
    view = file_ticket.file_ticket_loading_modal()
    assert check_view(view) == []
    assert view["blocks"][0]["text"]["text"] == "One moment…"
