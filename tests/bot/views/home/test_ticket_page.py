"""A ticket's page for its requester and for the staff, in Home and as a message."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId

from bot.views import ids
from bot.views.home.ticket_page import (
    conversation_modal,
    ticket_from_block_id,
    ticket_message,
    ticket_page,
)
from services.home.home_service import TicketPage
from services.home.sessions import Screen
from services.linking.links import Directory
from services.lists.list_query import ListKind, ListQuery
from services.models.comment import Comment, FileLink
from services.models.events import Event, EventType
from services.models.message_source import MessageSource
from services.models.permissions import Actor
from services.models.ticket import Priority, Status, Ticket
from services.models.user import Role, User
from services.tickets.access import for_requester
from services.tickets.lifecycle import allowed_actions
from tests.conftest import sample_ticket
from tests.support.block_text import read
from tests.support.blockkit import check_message, check_view

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
SCREEN = Screen(list_query=ListQuery(ListKind.QUEUE), ticket_id=ObjectId())
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
        "reason": "knows VPN · 2 of 8 tickets with this one",
        "analysis": {"source": "gemini", "model": "gemini-x"},
    },
}
RESOLVED = {**KNOWN, "status": Status.COMPLETED, "resolution": "Renewed the certificate."}


def page_of(ticket: Ticket, *, staff: bool = False, people: Directory = PEOPLE) -> TicketPage:
    reader = Actor(BEN, Role.MODERATOR) if staff else Actor(ANN, Role.USER)
    return TicketPage(
        screen=SCREEN,
        ticket=ticket if staff else for_requester(ticket),
        is_staff=staff,
        actions=allowed_actions(reader, ticket),
        people=people,
        now=AT,
        is_own=not staff,
    )


def test_long_names_of_participants_fit() -> None:
    people = [User(ObjectId(), "x@example.com", Role.USER, name="&" * 80) for _ in range(20)]
    directory = replace(PEOPLE, users={**PEOPLE.users, **{user.id: user for user in people}})
    ticket = sample_ticket(**KNOWN, participants=tuple(user.id for user in people))
    shown = replace(page_of(ticket, people=directory), may_change_participants=True)
    view = ticket_page(shown)
    assert check_view(view, home=True) == []
    assert "and 13 more" in str(view)


def test_people_are_added_below_the_description_if_no_one_takes_part() -> None:
    shown = page_of(sample_ticket(description="Every hour since Monday."))
    view = ticket_page(replace(shown, may_change_participants=True))
    assert check_view(view, home=True) == []
    seen = read(view)
    assert "Participants" not in str(seen)
    assert seen.index("Every hour since Monday.") < next(
        i for i, text in enumerate(seen) if "Add people" in text
    )


def page(ticket: Ticket, *, staff: bool = False, people: Directory = PEOPLE) -> dict[str, Any]:
    view = ticket_page(page_of(ticket, staff=staff, people=people))
    assert check_view(view, home=True) == []
    return view


def message(ticket: Ticket, *, staff: bool = False, people: Directory = PEOPLE) -> dict[str, Any]:
    shown = ticket_message(page_of(ticket, staff=staff, people=people)).as_args()
    assert check_message(shown) == []
    return shown


def test_the_requester_reads_where_it_stands() -> None:
    assert read(page(sample_ticket(**RESOLVED))) == [
        "#12 VPN drops",
        "Back",
        "Reopen",
        "Comment",
        "*Status*\nResolved",
        "*Requester*\n<@U0ANN>",
        "*Priority*\n:large_orange_circle: High",
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


def test_the_staff_reads_the_rest_and_may_do_more() -> None:
    shown = read(page(sample_ticket(**KNOWN), staff=True))
    assert shown[1:10] == [
        "Back",
        "Accept",
        "Reassign",
        "Decline",
        "Resolve",
        "Comment",
        "Ask the requester",
        "Internal note",
        "Edit",
    ]
    assert shown[shown.index("*Description*") + 1 : -3] == [
        "Every hour since Monday.",
        "---",
        "For moderators only",
        "*Summary*",
        "The tunnel closes.",
        "*Notes*",
        "Look at the gateway's log.",
        "*Skills*",
        "VPN, C++",
        "*Why this assignee*",
        "Knows VPN · 2 of 8 tickets with this one",
        "Summary, skills and notes by Gemini (gemini-x); check before use.",
    ]


def test_the_staff_reads_less_of_a_fresh_ticket() -> None:
    shown = read(page(sample_ticket(created_by=ANN), staff=True))
    assert shown[:5] == ["#12 VPN drops", "Back", "Take it", "Assign", "Comment"]
    assert shown[shown.index("*Status*\nOpen") :] == [
        "*Status*\nOpen",
        "*Requester*\n<@U0ANN>",
        "*Description*",
        "Every hour since Monday.",
        "---",
        "For moderators only",
        "*Skills*",
        "None recognised",
    ]


def menus(view: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = [element for block in view["blocks"] for element in block.get("elements", ())]
    return {e["action_id"]: e for e in found if str(e.get("type")).endswith("_select")}


def test_the_staff_changes_priority_and_assignee_in_menus() -> None:
    for view in (
        page(sample_ticket(**KNOWN, seq=7), staff=True),
        message(sample_ticket(**KNOWN, seq=7), staff=True),
    ):
        priority, assignee = menus(view).values()
        assert [one["text"]["text"] for one in priority["options"]] == [
            ":red_circle: Urgent",
            ":large_orange_circle: High",
            ":large_blue_circle: Medium",
            ":white_circle: Low",
        ]
        assert priority["initial_option"] == priority["options"][1]
        assert assignee["initial_option"] == {
            "text": {"type": "plain_text", "text": "Ben", "emoji": True},
            "value": str(BEN),
        }
        assert "*Priority*" not in str(read(view))
    (block,) = (block for block in view["blocks"] if "block_id" in block)
    assert ticket_from_block_id(block["block_id"]) == (str(sample_ticket().id), 7)


def test_an_empty_menu_says_what_it_is_for() -> None:
    priority, assignee = menus(page(sample_ticket(created_by=ANN), staff=True)).values()
    assert priority["placeholder"]["text"] == "Priority"
    assert assignee["placeholder"]["text"] == "Not assigned yet"
    assert "initial_option" not in {**priority, **assignee}


@pytest.mark.parametrize(("ticket", "staff"), [(KNOWN, False), (RESOLVED, True)])
def test_who_may_not_change_it_has_no_menus(ticket: dict[str, Any], staff: bool) -> None:
    view = page(sample_ticket(**ticket), staff=staff)
    assert menus(view) == {}
    assert "*Priority*\n:large_orange_circle: High" in read(view)


@pytest.mark.parametrize("forged", ["", "menus", "menus|x|y", "menus|x|-1"])
def test_a_forged_block_names_no_state(forged: str) -> None:
    assert ticket_from_block_id(forged)[1] == 0


def test_a_notice_stands_at_the_top() -> None:
    content = page_of(sample_ticket(**KNOWN), staff=True)
    shown = ticket_message(content, notice="It is &lt;late&gt;.")
    assert check_message(shown.as_args()) == []
    assert read({"blocks": shown.blocks})[1] == ":warning: It is &lt;late&gt;."


def test_a_title_too_long_for_a_header_stands_whole_below_the_number() -> None:
    title = "x" * 150
    assert read(page(sample_ticket(title=title)))[:2] == ["Ticket 12", title]
    assert read(page(sample_ticket(title="x" * 140)))[0] == f"#12 {'x' * 140}"


def test_a_message_shows_the_same_but_the_way_back() -> None:
    for staff in (True, False):
        ticket = sample_ticket(**RESOLVED)
        in_home = read(page(ticket, staff=staff))
        assert "Back" in in_home
        shown = message(ticket, staff=staff)
        assert read(shown) == [text for text in in_home if text != "Back"]
        assert shown["text"] == "Ticket 12 “VPN drops”: resolved"


@pytest.mark.parametrize(
    ("staff", "state"), [(True, "Waiting for the requester"), (False, "Waiting for your answer")]
)
def test_when_it_was_accepted_is_told_and_whom_it_waits_for(staff: bool, state: str) -> None:
    ticket = sample_ticket(**{**KNOWN, "status": Status.WAITING, "accepted_at": AT})
    shown = message(ticket, staff=staff)
    assert {f"*Accepted*\n{WHEN}", f"*Status*\n{state}"} <= set(read(shown))
    assert shown["text"] == f"Ticket 12 “VPN drops”: w{state[1:]}"
    held = {**KNOWN, "accepted_at": None}
    assert "*Accepted*" not in str(page(sample_ticket(**held), staff=staff))


def test_who_resolved_it_is_told() -> None:
    done = Event(2, AT, BEN, EventType.RESOLVED, "status", "TODO", "COMPLETED", note="Renewed.")
    shown = read(page(sample_ticket(**{**RESOLVED, "events": (FILED, done)})))
    assert "*Resolved by*\n<@U0BEN>" in shown
    assert shown[-1] == f"Ann filed the ticket · {WHEN}\nBen resolved it · {WHEN}"


def test_a_deadline_stands_beside_the_day_it_was_filed() -> None:
    shown = read(page(sample_ticket(**KNOWN, deadline=AT)))
    assert f"Filed {WHEN} · Deadline {WHEN}" in shown
    assert f"Deadline {WHEN}" in read(page(sample_ticket(created_by=ANN, deadline=AT)))


# The conversation


def a_comment(text: str = "Which floor?", **fields: Any) -> Comment:
    return Comment(**{"id": ObjectId(), "at": AT, "by": BEN, "text": text, "position": 0, **fields})


def said(*comments: Comment, staff: bool = False) -> list[str]:
    shown = read(page(sample_ticket(**KNOWN, comments=comments), staff=staff))
    return shown[shown.index("Conversation") + 1 : shown.index("History") - 1]


def test_comments_are_read_with_name_and_time_and_files_as_links() -> None:
    files = tuple(FileLink(f"a|&{n}.png", f"https://x.example/{n}?a&b") for n in range(4))
    comments = (a_comment("<Which> floor?", files=files), a_comment("The 2nd.", by=ANN))
    links = [f"<https://x.example/{n}?a&amp;b|a|&amp;{n}.png>" for n in range(3)]
    assert said(*comments) == [
        f"*Ben* · {WHEN}",
        *links,
        "1 more file",
        "<Which> floor?",
        f"*Ann* · {WHEN}",
        "The 2nd.",
    ]


def test_edited_and_deleted_ones_say_so() -> None:
    comments = (a_comment(edited_at=AT), a_comment(deleted=True), a_comment(by=ObjectId()))
    assert said(*comments) == [
        f"*Ben* · {WHEN} · edited",
        "Which floor?",
        f"*Ben* · {WHEN} · deleted",
        f"*Someone who has left* · {WHEN}",
        "Which floor?",
    ]


def test_internal_notes_are_marked_and_the_staff_s_alone() -> None:
    comments = (a_comment("Her laptop is old.", internal=True), a_comment("Which floor?"))
    assert said(*comments, staff=True)[:2] == [
        f"Internal note · *Ben* · {WHEN}",
        "Her laptop is old.",
    ]
    assert said(*comments) == [f"*Ben* · {WHEN}", "Which floor?"]


def test_the_newest_ten_are_read_and_the_others_counted() -> None:
    comments = [a_comment(f"No. {n}") for n in range(1, 13)]
    shown = said(*comments)
    assert shown[0] == "2 older comments are not shown"
    assert shown[2::2] == [f"No. {n}" for n in range(3, 13)]
    assert said(*comments[:11])[0] == "1 older comment is not shown"
    assert said(*comments[:10])[1] == "No. 1"


@pytest.mark.parametrize("status", list(Status))
def test_the_requester_never_reads_what_is_internal(status: Status) -> None:
    edited = Event(2, AT, BEN, EventType.EDITED, "helpfulNotes", None, "x", note="knows VPN")
    ticket = sample_ticket(**{**RESOLVED, "status": status, "events": (FILED, edited)})
    note = a_comment("Her laptop is old.", internal=True)
    ticket = replace(ticket, comments=(note,))
    shown = json.dumps([page(ticket), message(ticket)])
    internal = (
        "The tunnel closes.",
        "laptop",
        "gateway",
        "C++",
        "knows",
        "emini",
        "notes",
        "help desk only",
    )
    assert [words for words in internal if words in shown] == []
    assert {"Resolve", "Edit", "Internal note"}.isdisjoint(read(page(ticket)))


def test_it_links_to_the_message_it_was_made_of() -> None:
    url = "https://example.slack.com/archives/C0GENERAL/p1700000000000001"
    source = MessageSource(channel="C0GENERAL", ts="1700000000.000001", permalink=url)
    shown = read(page(sample_ticket(**KNOWN, source=source)))
    assert f"Filed from <{url}|the message>" in shown


def test_back_leads_to_where_they_came_from() -> None:
    (back,) = [
        button
        for block in page(sample_ticket(**KNOWN))["blocks"]
        for button in block.get("elements", ())
        if button.get("action_id") == ids.HOME_BACK
    ]
    assert Screen.decode(back["value"]) == SCREEN.parent


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
    comment = a_comment(HOSTILE, by=ANN)
    handed = Event(2, AT, ANN, EventType.UNASSIGNED, note=HOSTILE)
    fields |= {"assigned_to": ANN, "comments": (comment,), "events": (handed,)}
    view = page(sample_ticket(**fields), staff=True, people=people)
    assert read(view)[0] == f"#12 {HOSTILE}"
    assert read(view).count(HOSTILE) == 7
    mrkdwn = [part for part in json.dumps(view["blocks"]).split("{") if '"mrkdwn"' in part]
    assert [part for part in mrkdwn if "<!channel>" in part or "<https" in part] == []


@pytest.mark.parametrize("sign", ["x", "é", "本", "🔥", '"', "\\", "<", "&", "a\n"])
def test_the_longest_page_fits_in_home_and_in_a_message(sign: str) -> None:
    def filled(length: int) -> str:
        return (sign * length)[: length - 1] + "."

    people = Directory({ANN: User(ANN, "a@example.com", Role.USER, name=filled(1_000))}, {})
    handed = Event(2, AT, ANN, EventType.ASSIGNED, "assignedTo", None, BEN, note=filled(900))
    files = tuple(FileLink(filled(100), f"https://x.example/{n}" + "&" * 400) for n in range(10))
    comment = a_comment(filled(3_000), by=ANN, internal=True, files=files, edited_at=AT)
    url = "https://example.slack.com/archives/C0GENERAL/p1700000000000001"
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
            "deadline": AT,
            "assignment": {**KNOWN["assignment"], "reason": filled(9_000)},
            "events": tuple(replace(handed, seq=2 * number) for number in range(1_000)),
            "comments": (comment,) * 500,
            "source": MessageSource(channel="C0GENERAL", ts="1700000000.000001", permalink=url),
        }
    )
    view = page(ticket, staff=True, people=people)
    assert len(view["blocks"]) <= 100
    assert len(json.dumps(view).encode()) < 250_000
    assert "490 older comments are not shown" in read(view)
    shown = message(ticket, staff=True, people=people)
    assert len(shown["blocks"]) <= 50
    assert "History" in read(shown)
    whole = conversation_modal(page_of(ticket, staff=True, people=people))
    assert check_view(whole) == []
    assert len(whole["blocks"]) <= 100
    assert len(json.dumps(whole).encode()) < 250_000


def test_an_ordinary_page_is_not_cut_for_a_message() -> None:
    comments = tuple(a_comment("Word. " * 20) for _ in range(10))
    shown = message(sample_ticket(**KNOWN, comments=comments), staff=True)
    assert read(shown).count(("Word. " * 20).strip()) == 10
