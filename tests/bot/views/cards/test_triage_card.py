"""The triage channel's card: what it says, what it keeps to itself, and that Slack takes it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from bot.views.cards.ticket_cards import triage_card
from bot.views.text import DisplayPerson
from services.models.events import Event, EventType
from services.models.ticket import Priority, Status, Ticket
from tests.conftest import sample_ticket
from tests.support.block_text import read
from tests.support.blockkit import check_message

ANN, BEN = DisplayPerson("Ann", "U0ANN"), DisplayPerson("Ben <b>", "U0BEN")
DUE = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
THREAD = "What moderators write in this message's thread is kept as an internal note."


def card(ticket: Ticket, **people: Any) -> dict[str, Any]:
    shown = triage_card(ticket, **{"requester": ANN, "assignee": None, **people})
    assert check_message({**shown.as_args(), "unfurl_links": False}) == []
    return {"text": shown.text, "blocks": shown.blocks}


def test_a_ticket_that_nobody_has_stands_out_in_words() -> None:
    shown = card(sample_ticket())
    assert shown["text"] == "Ticket 12 “VPN drops”: nobody has this yet"
    assert read(shown) == [
        "Ticket 12",
        "VPN drops",
        "*Nobody has this yet.* The right person is being looked for; take it if that is you.",
        "*Status*\nTo do",
        "*Priority*\nNot set",
        "*Requester*\nAnn",
        "*Assignee*\nNobody",
        "*Due*\nNot set",
        THREAD,
        "Take it",
        "Assign",
        "Details",
    ]
    assert shown["blocks"][-1]["elements"][0]["style"] == "primary"


def test_a_ticket_that_nobody_is_looked_for() -> None:
    shown = read(card(sample_ticket(status=Status.REOPENED)))
    assert "*Nobody has this yet.* Take it, or assign it to somebody." in shown


def test_a_ticket_that_nobody_is_available_for() -> None:
    unassigned_event = Event(seq=2, at=DUE, by="system", type=EventType.NOBODY_AVAILABLE)
    shown = read(card(sample_ticket(events=(unassigned_event,))))
    assert "*Nobody is available for this.* Take it, or assign it to somebody." in shown


def test_a_ticket_in_progress() -> None:
    ticket = sample_ticket(
        status=Status.IN_PROGRESS, priority=Priority.URGENT, due_at=DUE, assigned_to="x"
    )
    shown = card(ticket, assignee=BEN)
    assert shown["text"] == "Ticket 12 “VPN drops”: in progress (Ben &lt;b&gt;)"
    assert read(shown)[2:] == [
        "*Status*\nIn progress",
        "*Priority*\nUrgent",
        "*Requester*\nAnn",
        "*Assignee*\nBen &lt;b&gt;",
        "*Accepted*\nNot yet",
        f"*Due*\n<!date^{int(DUE.timestamp())}^{{date_short_pretty}} at {{time}}|1 Mar 2026, 09:30 "
        "UTC>",
        THREAD,
        "Take it",
        "Reassign",
        "Details",
    ]


def test_once_it_is_accepted_the_channel_reads_when() -> None:
    ticket = sample_ticket(status=Status.IN_PROGRESS, assigned_to="x", accepted_at=DUE)
    shown = card(ticket, assignee=BEN)
    assert shown["text"] == "Ticket 12 “VPN drops”: in progress, accepted by Ben &lt;b&gt;"
    at = f"<!date^{int(DUE.timestamp())}^{{date_short_pretty}} at {{time}}|1 Mar 2026, 09:30 UTC>"
    assert read(shown)[5:7] == ["*Assignee*\nBen &lt;b&gt;", f"*Accepted*\n{at}"]


@pytest.mark.parametrize("status", [Status.TODO, Status.WAITING, Status.COMPLETED])
def test_of_what_nobody_is_to_accept_now_it_says_nothing(status: Status) -> None:
    has_it = {} if status is Status.TODO else {"assigned_to": "x"}
    assert "Accepted" not in str(card(sample_ticket(status=status, **has_it)))


def test_a_resolved_ticket_has_nothing_to_take() -> None:
    ticket = sample_ticket(status=Status.COMPLETED, assigned_to="x", resolution="Secret detail.")
    shown = read(card(ticket, assignee=BEN, done_by=ANN))
    assert "Resolved by Ann" in shown
    assert shown[-3:] == ["Resolved by Ann", THREAD, "Details"]


def test_nobody_is_pinged_and_nothing_internal_is_told() -> None:
    ticket = sample_ticket(
        title="<!channel> & <@U0ANN>",
        description="The description",
        summary="The summary",
        helpful_notes="The notes",
        related_skills=("The skill",),
        resolution="The resolution",
        assignment={"reason": "The reason"},
        assigned_to="x",
        status=Status.IN_PROGRESS,
    )
    shown = card(ticket, assignee=BEN)
    said = str(shown)
    assert "The " not in said
    assert "<@" not in str([block for block in shown["blocks"] if block != shown["blocks"][1]])
    assert shown["blocks"][1]["text"]["type"] == "plain_text"
    assert shown["text"].startswith("Ticket 12 “&lt;!channel&gt; &amp; &lt;@U0ANN&gt;”")


def test_the_longest_texts_still_fit() -> None:
    name = DisplayPerson("&" * 80)
    card(sample_ticket(title="&" * 150), requester=name, assignee=name, done_by=name)
