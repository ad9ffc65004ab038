"""What is read on a ticket's page, by its requester and by the staff."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId

from bot.views.ticket_page import ticket_page
from services.changes import EventType
from services.directory import Directory
from services.home import Sheet, without_internals
from services.listing import Position
from services.models import Event, Priority, Role, Status, Ticket, User
from services.sources import Source
from services.visits import Screen
from tests.blockkit import check_view
from tests.conftest import sample_ticket
from tests.test_views_home import pressed, read

AT = datetime(2026, 3, 5, 14, 7, tzinfo=UTC)
WHEN = f"<!date^{int(AT.timestamp())}^{{date_short_pretty}} at {{time}}|5 Mar 2026, 14:07 UTC>"
ANN, BEN = ObjectId(), ObjectId()
PEOPLE = Directory(
    users={
        ANN: User(ANN, "ann@example.com", Role.USER, name="Ann"),
        BEN: User(BEN, "ben@example.com", Role.MODERATOR, name="Ben"),
    },
    slack_ids={ANN: "U0ANN", BEN: "U0BEN"},
)
FILED = Event(1, AT, ANN, EventType.FILED)
SCREEN = Screen(own=Position(is_newer=False, at=AT, ticket_id=ANN), ticket_id=ObjectId())
KNOWN: dict[str, Any] = {
    "created_by": ANN,
    "assigned_to": BEN,
    "created_at": AT,
    "status": Status.IN_PROGRESS,
    "priority": Priority.HIGH,
    "summary": "The tunnel closes.",
    "helpful_notes": "Look at the gateway's log.",
    "related_skills": ("VPN", "C++"),
    "events": (FILED,),
    "assignment": {
        "reason": "knows VPN · 1 of 8 open",
        "analysis": {"source": "gemini", "model": "gemini-x"},
    },
}
RESOLVED = {**KNOWN, "status": Status.COMPLETED, "resolution": "Renewed the certificate."}


def page(ticket: Ticket, *, staff: bool = False, people: Directory = PEOPLE) -> dict[str, Any]:
    view = ticket_page(
        Sheet(
            screen=SCREEN,
            ticket=ticket if staff else without_internals(ticket),
            is_staff=staff,
            may_resolve=staff and ticket.status is not Status.COMPLETED,
            people=people,
            now=AT,
        )
    )
    assert check_view(view, home=True) == []
    return view


def test_the_requester_reads_where_it_stands() -> None:
    assert read(page(sample_ticket(**RESOLVED))) == [
        "Ticket 12",
        "VPN drops",
        "Back",
        "*Status*\nResolved",
        "*Priority*\nHigh",
        "*Requester*\n<@U0ANN>",
        "*Assignee*\n<@U0BEN>",
        f"Filed {WHEN}",
        "*Description*",
        "Every hour since Monday.",
        "*What was done*",
        "Renewed the certificate.",
        "---",
        "History",
        f"Ann filed the ticket · {WHEN}",
    ]


def test_the_staff_reads_the_rest_and_may_resolve_it() -> None:
    shown = read(page(sample_ticket(**KNOWN), staff=True))
    assert shown[2:4] == ["Back", "Resolve"]
    assert shown[10:-3] == [
        "Every hour since Monday.",
        "---",
        "For the help desk only",
        "*Summary*",
        "The tunnel closes.",
        "*Notes*",
        "Look at the gateway's log.",
        "*Skills*",
        "VPN, C++",
        "*Why this assignee*",
        "knows VPN · 1 of 8 open",
        "Summary, skills and notes by Gemini (gemini-x); check before use.",
    ]


def test_the_staff_reads_less_of_a_fresh_ticket() -> None:
    shown = read(page(sample_ticket(created_by=ANN), staff=True))
    assert shown == [
        "Ticket 12",
        "VPN drops",
        "Back",
        "Resolve",
        "*Status*\nTo do",
        "*Priority*\nNot set",
        "*Requester*\n<@U0ANN>",
        "*Assignee*\nnobody",
        "*Description*",
        "Every hour since Monday.",
        "---",
        "For the help desk only",
        "*Skills*",
        "None recognised",
    ]


@pytest.mark.parametrize("status", list(Status))
def test_the_requester_never_reads_what_is_internal(status: Status) -> None:
    edited = Event(2, AT, BEN, EventType.EDITED, "helpfulNotes", None, "x", note="knows VPN")
    ticket = sample_ticket(**{**RESOLVED, "status": status, "events": (FILED, edited)})
    shown = json.dumps(page(ticket))
    internal = ("The tunnel closes.", "gateway", "C++", "knows", "emini", "notes", "help desk only")
    assert [words for words in internal if words in shown] == []
    assert "Resolve" not in read(page(ticket))


def test_it_links_to_the_message_it_was_made_of() -> None:
    url = "https://example.slack.com/archives/C0GENERAL/p1700000000000001"
    source = Source(channel="C0GENERAL", ts="1700000000.000001", permalink=url)
    shown = read(page(sample_ticket(**KNOWN, source=source)))
    assert f"Filed from <{url}|the message>" in shown


def test_back_leads_to_the_lists_as_they_were() -> None:
    assert pressed(page(sample_ticket(**KNOWN)), "Back") == [SCREEN.lists]


HOSTILE = "<!channel> <https://evil.example|Sign in> https://bare.example *b* :tada: &amp;"


def test_what_people_wrote_is_no_markup() -> None:
    written = dict.fromkeys(
        ("title", "description", "summary", "helpful_notes", "resolution"), HOSTILE
    )
    people = Directory({ANN: User(ANN, "a@example.com", Role.USER, name=HOSTILE)}, {})
    fields = {
        **RESOLVED,
        **written,
        "related_skills": (HOSTILE,),
        "assignment": {"reason": HOSTILE},
    }
    view = page(sample_ticket(**{**fields, "assigned_to": ANN}), staff=True, people=people)
    assert read(view).count(HOSTILE) == 7
    mrkdwn = [part for part in json.dumps(view["blocks"]).split("{") if '"mrkdwn"' in part]
    assert [part for part in mrkdwn if "<!channel>" in part or "<https" in part] == []


@pytest.mark.parametrize("sign", ["x", "é", "本", "🔥", '"', "\\", "<", "&", "a\n"])
def test_the_longest_page_fits(sign: str) -> None:
    def filled(length: int) -> str:
        return (sign * length)[: length - 1] + "."

    people = Directory({ANN: User(ANN, "a@example.com", Role.USER, name=filled(1_000))}, {})
    handed = Event(2, AT, ANN, EventType.ASSIGNED, "assignedTo", None, ANN)
    ticket = sample_ticket(
        **{
            **RESOLVED,
            "assigned_to": ANN,
            "title": filled(9_000),
            "description": filled(9_000),
            "summary": filled(3_001),
            "helpful_notes": filled(9_000),
            "related_skills": tuple(filled(50) for _ in range(100)),
            "resolution": filled(9_000),
            "assignment": {**KNOWN["assignment"], "reason": filled(9_000)},
            "events": (handed,) * 500,
        }
    )
    view = page(ticket, staff=True, people=people)
    assert len(view["blocks"]) <= 100
    assert len(json.dumps(view).encode()) < 250_000
