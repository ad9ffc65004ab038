"""A ticket's history in words."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId

from bot.views.history import MAX_ACTS, MAX_TEXT_LENGTH, history_blocks
from services.linking.links import Directory
from services.models.events import Event, EventType
from services.models.user import Role, User
from tests.support.blockkit import check_view

AT = datetime(2026, 12, 31, 23, 59, tzinfo=UTC)
WHEN = f"<!date^{int(AT.timestamp())}^{{date_short_pretty}} at {{time}}|31 Dec 2026, 23:59 UTC>"
VERA, BEN = ObjectId(), ObjectId()
PEOPLE = Directory(
    users={
        VERA: User(VERA, "v@example.com", Role.MODERATOR, name="VPN Moderator"),
        BEN: User(BEN, "b@example.com", Role.USER, name="ben <b>"),
    },
    slack_ids={VERA: "U0VERA"},
)


def lines(*events: Event) -> list[str]:
    blocks = history_blocks(events, PEOPLE)
    assert check_view({"type": "home", "blocks": blocks}, home=True) == []
    return [line for block in blocks for line in block["elements"][0]["text"].split("\n")]


def an_event(kind: str, by: ObjectId | str = VERA, **fields: Any) -> Event:
    return Event(1, AT, by, kind, **fields)


def edit(field: str | None, to: Any = None) -> Event:
    return an_event("edited", field=field, to=to)


SENTENCES = [
    (an_event("filed", BEN), "Ben &lt;b&gt; filed the ticket"),
    (an_event("filed", ObjectId()), "Someone who has left filed the ticket"),
    (edit("title", "New"), "VPN Moderator changed the title"),
    (edit("description", "New"), "VPN Moderator changed the description"),
    (edit("priority", "high"), "VPN Moderator set the priority to High"),
    (edit("priority"), "VPN Moderator removed the priority"),
    (edit("priority", "asap"), "VPN Moderator set the priority to another one"),
    (edit("deadline", AT), f"VPN Moderator set the deadline to {WHEN}"),
    (edit("deadline"), "VPN Moderator removed the deadline"),
    (edit("helpfulNotes", "New"), "VPN Moderator changed the notes"),
    (edit("relatedSkills", ["New"]), "VPN Moderator changed the skills"),
    (edit("summary", "New"), "VPN Moderator changed the summary"),
    (edit(None), "VPN Moderator changed the ticket"),
    (edit("fancy", "New"), "VPN Moderator changed the ticket"),
    (an_event("analysed", "ai"), "Gemini analysed the ticket"),
    (an_event("analysed", "system"), "Help desk analysed the ticket"),
    (
        an_event("assigned", "system", field="assignedTo", to=VERA, note="knows VPN"),
        "Help desk assigned it to VPN Moderator",
    ),
    (an_event("assigned", to=BEN), "VPN Moderator assigned it to ben &lt;b&gt;"),
    (
        an_event("assigned", to=BEN, note="knows\n<VPN>"),
        "VPN Moderator assigned it to ben &lt;b&gt;: knows &lt;VPN&gt;",
    ),
    (an_event("assigned", to=VERA, note="took it"), "VPN Moderator took it"),
    (an_event("assigned", to=None), "VPN Moderator assigned it to no one"),
    (an_event("nobody_available", "system"), "Help desk found no one available"),
    (
        an_event("status_changed", "system", field="status", to="IN_PROGRESS"),
        "Help desk set the status to In progress",
    ),
    (
        an_event("status_changed", field="status", to="BANANA"),
        "VPN Moderator set the status to another one",
    ),
    (
        an_event("resolved", field="status", to="COMPLETED", note="Done"),
        "VPN Moderator resolved it",
    ),
    (an_event("accepted"), "VPN Moderator accepted it"),
    (an_event("handed_back"), "VPN Moderator returned it to the queue"),
    (
        an_event("handed_back", note="No <time>"),
        "VPN Moderator returned it to the queue: No &lt;time&gt;",
    ),
    (
        an_event("handed_back", note="x" * 500),
        "VPN Moderator returned it to the queue: " + "x" * 119 + "…",
    ),
    (
        an_event("handed_back", from_=VERA, note="No time"),
        "VPN Moderator declined it: No time",
    ),
    (an_event("waiting"), "VPN Moderator asked the requester"),
    (
        an_event("waiting", note="Which floor?"),
        "VPN Moderator asked the requester: Which floor?",
    ),
    (an_event("answered", BEN), "Ben &lt;b&gt; answered"),
    (an_event("cancelled", BEN), "Ben &lt;b&gt; cancelled it"),
    (an_event("withdrawn", BEN), "Ben &lt;b&gt; closed it as not a request"),
    (an_event("reopened", BEN), "Ben &lt;b&gt; reopened it"),
    (
        an_event("unanswered", "system", field="status", to="COMPLETED", note="no answer"),
        "Help desk closed it: no answer",
    ),
    (
        an_event("requester_merged", BEN, field="createdBy", to=BEN),
        "Ben &lt;b&gt; moved it to their older account",
    ),
    (
        an_event("requester_disowned", BEN),
        "Ben &lt;b&gt; said that someone else filed it with their address",
    ),
    (
        an_event("participant_added", field="participants", to=BEN),
        "VPN Moderator added ben &lt;b&gt;",
    ),
    (
        an_event("participant_removed", field="participants", from_=BEN),
        "VPN Moderator removed ben &lt;b&gt;",
    ),
    (an_event("participant_removed", BEN, field="participants", from_=BEN), "Ben &lt;b&gt; left"),
    (
        an_event("participant_added", BEN, field="participants", from_=VERA, to=BEN),
        "Ben &lt;b&gt; moved to their older account",
    ),
    (an_event("commented"), "VPN Moderator commented"),
    (an_event("noted", note="secret"), "VPN Moderator wrote an internal note"),
    (an_event("comment_edited"), "VPN Moderator edited a comment"),
    (an_event("comment_deleted"), "VPN Moderator deleted a comment"),
    *(
        (an_event(kind, "system", field="alarm", to=step), f"Help desk {deed}")
        for kind, step, deed in (
            ("reminded", "accept_reminder", "reminded its assignee to accept it"),
            ("passed_on", "accept_next", "reassigned it, because it was not accepted in time"),
            (
                "escalated",
                "accept_triage",
                "notified the triage channel that it is not accepted yet",
            ),
            ("escalated", "accept_admins", "notified the admins that it is not accepted yet"),
            ("reminded", "due_soon", "reminded its assignee that it is due soon"),
            ("reminded", "due_missed", "reminded its assignee that it is overdue"),
            ("escalated", "due_triage", "notified the triage channel that it is overdue"),
            ("escalated", "due_admins", "notified the admins that it is overdue"),
            ("reminded", "waiting_ask", "asked its requester once more"),
            ("escalated", "of_tomorrow", "looked at it"),
        )
    ),
    (an_event("of_tomorrow"), "VPN Moderator changed the ticket"),
]


@pytest.mark.parametrize(("event", "sentence"), SENTENCES, ids=[said for _, said in SENTENCES])
def test_it_says_who_did_what_and_when(event: Event, sentence: str) -> None:
    assert lines(event) == [f"{sentence} · {WHEN}"]


def test_every_kind_of_event_has_a_sentence() -> None:
    assert {event.type for event, _ in SENTENCES} >= set(EventType)


def test_the_newest_come_last_and_older_ones_are_counted() -> None:
    events = [an_event("edited", field="title") for _ in range(499)]
    shown = lines(*events, an_event("resolved"))
    assert len(shown) == MAX_ACTS + 1
    assert shown[0] == "_470 older entries are not shown_"
    assert shown[-1] == f"VPN Moderator resolved it · {WHEN}"


@pytest.mark.parametrize(
    ("count", "first"),
    [
        (MAX_ACTS, f"VPN Moderator resolved it · {WHEN}"),
        (MAX_ACTS + 1, "_1 older entry is not shown_"),
        (MAX_ACTS + 2, "_2 older entries are not shown_"),
    ],
)
def test_none_is_left_out_silently(count: int, first: str) -> None:
    assert lines(*[an_event("resolved")] * count)[0] == first


def test_long_names_take_several_blocks() -> None:
    users = {VERA: User(VERA, "v@example.com", Role.ADMIN, name="&" * 500)}
    blocks = history_blocks([an_event("assigned", to=VERA)] * 500, Directory(users, {}))
    assert 1 < len(blocks) < 30
    assert max(len(block["elements"][0]["text"]) for block in blocks) <= MAX_TEXT_LENGTH


def test_the_app_is_named_as_in_the_settings() -> None:
    people = replace(PEOPLE, app_name="IT & <!here>")
    (block,) = history_blocks([an_event("analysed", "system")], people)
    assert block["elements"][0]["text"].startswith("IT &amp; &lt;!here&gt; analysed the ticket · ")


def test_a_reassignment_by_escalation_is_one_line() -> None:
    passed_on = an_event("passed_on", "system", field="alarm", from_=VERA, to="accept_next")
    assigned = replace(an_event("assigned", "system", from_=VERA, to=BEN), seq=2)
    moved = replace(an_event("status_changed", "system", field="status"), seq=3)
    assert lines(passed_on, assigned, moved) == [
        f"Help desk reassigned it to ben &lt;b&gt;, because it was not accepted in time · {WHEN}"
    ]
