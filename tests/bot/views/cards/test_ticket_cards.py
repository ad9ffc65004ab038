"""What each person reads on a card, in every state, and that Slack accepts it."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId

from bot.views.cards import ticket_cards
from bot.views.messages import settled, ticket_updates
from bot.views.text import DisplayPerson, Message
from services.assignment.assignment_service import Unavailability
from services.assignment.candidate import Candidate, Obstacle
from services.core.clock import utcnow
from services.models.events import Event, EventType
from services.models.resolution import SOLVED_BY_REQUESTER
from services.models.ticket import Priority, Status, Ticket
from services.models.user import Role
from tests.conftest import sample_ticket
from tests.support.block_text import read as read_blocks
from tests.support.blockkit import check_message

ANN = DisplayPerson("Ann", "U0ANN")
BEN = DisplayPerson("Ben", "U0BEN")
LEFT = DisplayPerson("someone who has left")
HOSTILE = "<!channel> <https://e.example|Go> https://bare.example *b* :tada: &amp;"
ESCAPED = "&lt;!channel&gt; &lt;https://e.example|Go&gt; https://bare.example *b* :tada: &amp;amp;"
TEN = datetime(2026, 3, 1, 10, tzinfo=UTC)
TEN_TEXT = f"<!date^{int(TEN.timestamp())}^{{date_short_pretty}} at {{time}}|1 Mar 2026, 10:00 UTC>"
ASSIGNED = {
    "status": Status.IN_PROGRESS,
    "assigned_to": ObjectId("65f0c0ffee65f0c0ffee0002"),
    "priority": Priority.HIGH,
    "summary": "The tunnel closes.",
    "helpful_notes": "Look at the gateway's log.",
    "related_skills": ("VPN",),
    "assignment": {
        "reason": "knows VPN · 2 of 8 tickets with this one",
        "analysis": {"source": "gemini", "model": "gemini-x"},
    },
}
RESOLVED = {**ASSIGNED, "status": Status.COMPLETED, "resolution": "Renewed the certificate."}

DUE = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
NOBODY_AVAILABLE = Event(seq=2, at=DUE, by="system", type=EventType.NOBODY_AVAILABLE)


def read(message: Message) -> list[str]:
    assert check_message(message.as_args()) == []
    return read_blocks({"blocks": message.blocks})


def assignee_card(**fields: Any) -> Message:
    return ticket_cards.assignee_card(sample_ticket(**fields), requester=ANN)


HIGH = ":large_orange_circle: High"


@pytest.mark.parametrize(
    ("fields", "assignee", "line", "notification"),
    [
        ({}, None, "*Open* · Finding someone…", "finding someone…"),
        (
            {"events": (NOBODY_AVAILABLE,)},
            None,
            "*Open* · No one is available right now; it is assigned as soon as someone is",
            "no one is available for this",
        ),
        (ASSIGNED, BEN, f"{HIGH} · *Assigned* to <@U0BEN>", "assigned to Ben"),
        (
            {**ASSIGNED, "status": Status.REOPENED},
            LEFT,
            f"{HIGH} · *Reopened* · Assigned to someone who has left",
            "reopened (someone who has left)",
        ),
        ({"status": Status.COMPLETED}, None, "*Resolved*", "resolved"),
        ({"status": Status.COMPLETED, "resolution": "cancelled"}, None, "*Cancelled*", "cancelled"),
    ],
)
def test_the_requester_reads_where_it_stands(
    fields: dict[str, Any], assignee: DisplayPerson | None, line: str, notification: str
) -> None:
    card = ticket_cards.requester_card(sample_ticket(**fields), assignee=assignee)
    step = "Reopen" if fields.get("status") is Status.COMPLETED else "Comment"
    assert read(card)[:4] == ["#12 VPN drops", line, "Every hour since Monday.", step]
    assert card.text == f"Ticket 12 “VPN drops”: {notification}"


def test_a_requester_who_was_asked_can_answer_on_the_card() -> None:
    ticket = sample_ticket(**{**ASSIGNED, "status": Status.WAITING})
    card = ticket_cards.requester_card(ticket, assignee=BEN)
    assert read(card) == [
        "#12 VPN drops",
        f"{HIGH} · *Waiting for your answer* · Assigned to <@U0BEN>",
        "Every hour since Monday.",
        "Answer",
        "Details",
        "Cancel ticket",
    ]
    answer = card.blocks[-1]["elements"][0]
    assert (answer["action_id"], answer["style"]) == ("comment", "primary")
    assert card.text == "Ticket 12 “VPN drops”: waiting for your answer (Ben)"


@pytest.mark.parametrize(
    ("priority", "sign"),
    [
        (Priority.LOW, ":white_circle: Low"),
        (Priority.MEDIUM, ":large_blue_circle: Medium"),
        (Priority.HIGH, ":large_orange_circle: High"),
        (Priority.URGENT, ":red_circle: Urgent"),
    ],
)
def test_each_card_begins_with_the_priority_as_a_sign_and_a_word(
    priority: Priority, sign: str
) -> None:
    ticket = sample_ticket(**{**ASSIGNED, "priority": priority})
    for card in (
        ticket_cards.requester_card(ticket, assignee=BEN),
        ticket_cards.assignee_card(ticket, requester=ANN),
        ticket_cards.triage_card(ticket, requester=ANN, assignee=BEN),
    ):
        assert read(card)[1].startswith(f"{sign} · *Assigned*")


def test_once_it_is_accepted_everybody_reads_so() -> None:
    ticket = sample_ticket(**ASSIGNED, accepted_at=TEN)
    own = ticket_cards.requester_card(ticket, assignee=BEN)
    assert read(own)[1] == f"{HIGH} · *In progress* · Accepted by <@U0BEN>"
    assert own.text == "Ticket 12 “VPN drops”: in progress, accepted by Ben"
    held = ticket_cards.assignee_card(ticket, requester=ANN)
    assert read(held)[1] == f"{HIGH} · *In progress* · From <@U0ANN>"
    assert held.text == "Ticket 12 “VPN drops”: high priority, accepted by you"


def test_once_it_is_done_nobody_reads_when_it_was_accepted() -> None:
    ticket = sample_ticket(**RESOLVED, accepted_at=TEN)
    held = ticket_cards.assignee_card(ticket, requester=ANN, done_by=BEN)
    assert "ccepted" not in f"{held.text} {read(held)}"
    own = ticket_cards.requester_card(ticket, assignee=BEN, done_by=BEN)
    assert read(own)[1] == "*Resolved* by <@U0BEN>"


def test_the_requester_reads_what_was_done() -> None:
    card = ticket_cards.requester_card(sample_ticket(**RESOLVED), assignee=BEN, done_by=ANN)
    assert read(card) == [
        "#12 VPN drops",
        "*Resolved* by <@U0ANN>",
        "Every hour since Monday.",
        "*What was done*",
        "Renewed the certificate.",
        "Reopen",
        "Comment",
        "Details",
    ]
    assert card.text == "Ticket 12 “VPN drops”: resolved by Ann"


def test_the_requester_may_comment_look_and_cancel() -> None:
    shown = read(ticket_cards.requester_card(sample_ticket(**ASSIGNED), assignee=BEN))
    assert shown[3:] == ["Comment", "Details", "Cancel ticket"]


def test_the_requester_reads_the_beginning_of_their_words_without_secrets() -> None:
    words = "The *VPN* drops.\n\nSince Monday.\npassword: hunter2\nLast."
    ticket = sample_ticket(**{**ASSIGNED, "description": words})
    shown = read(ticket_cards.requester_card(ticket, assignee=BEN))
    held = read(ticket_cards.assignee_card(ticket, requester=ANN))
    assert shown[2:4] == held[2:4]
    assert shown[2].startswith("The *VPN* drops.\nSince Monday.\npassword: ")
    assert "hunter2" not in str(shown)
    assert shown[3] == "A secret is hidden here. The ticket's page shows it."


@pytest.mark.parametrize(
    ("description", "shown"),
    [
        ("The VPN  drops\n\nAt home only.", ["At home only."]),
        ("The VPN drops", []),
        ("The VPN drops again", ["The VPN drops again"]),
    ],
)
def test_a_card_does_not_repeat_the_title_of_a_ticket_that_was_a_message(
    description: str, shown: list[str]
) -> None:
    fields = {**ASSIGNED, "title": "The VPN drops", "description": description}
    card = read(ticket_cards.requester_card(sample_ticket(**fields), assignee=BEN))
    assert card[2:] == [*shown, "Comment", "Details", "Cancel ticket"]


def test_a_requester_who_said_that_it_is_solved_reads_no_note_about_it() -> None:
    ticket = sample_ticket(**{**RESOLVED, "resolution": SOLVED_BY_REQUESTER})
    card = read(ticket_cards.requester_card(ticket, assignee=BEN, done_by=ANN))
    assert SOLVED_BY_REQUESTER not in card


def test_a_cancelled_ticket_was_not_done() -> None:
    fields = {**RESOLVED, "resolution": "cancelled"}
    card = ticket_cards.requester_card(sample_ticket(**fields), assignee=BEN, done_by=ANN)
    assert read(card)[1:4] == ["*Cancelled* by <@U0ANN>", "Every hour since Monday.", "Reopen"]
    held = ticket_cards.assignee_card(sample_ticket(**fields), requester=ANN, done_by=ANN)
    assert "*What was done*" not in read(held)
    assert read(held)[1] == "*Cancelled* by <@U0ANN> · From <@U0ANN>"
    assert held.text == "Ticket 12 “VPN drops”: cancelled by Ann"


@pytest.mark.parametrize("status", list(Status))
def test_the_requester_never_reads_what_is_internal(status: Status) -> None:
    ticket = sample_ticket(**{**RESOLVED, "status": status})
    shown = json.dumps(
        [
            ticket_cards.requester_card(ticket, assignee=BEN).as_args(),
            ticket_cards.requester_card(ticket, assignee=None).as_args(),
            ticket_updates.question_message(ticket, by=BEN, question_text="Which one?").as_args(),
            ticket_updates.resolved_message(ticket, by=BEN).as_args(),
        ]
    )
    internal = ("The tunnel closes.", "gateway", 'VPN"', "knows", "gemini", "Edit")
    assert [words for words in internal if words in shown] == []


def test_the_assignee_reads_what_counts_in_seven_lines() -> None:
    card = assignee_card(**ASSIGNED, due_at=TEN, description="First.\n\nSecond.\nThird.\nLast.")
    assert read(card) == [
        "#12 VPN drops",
        f"{HIGH} · *Assigned* · From <@U0ANN> · due {TEN_TEXT}",
        "First.\nSecond.\nThird.…",
        "Why you: knows VPN · 2 of 8 tickets with this one",
        "Accept",
        "Reassign",
        "Decline",
        "Details",
        "Resolve",
        "Comment",
        "Ask the requester",
        "Internal note",
    ]
    lines = [line for text in read(card)[:4] for line in text.splitlines()]
    assert len(lines) + len(["the buttons"]) == 7
    assert card.text == f"Ticket 12 “VPN drops”: high priority, assigned to you, due {TEN_TEXT}"


def test_the_assignee_of_an_unread_ticket_reads_less() -> None:
    card = assignee_card(status=Status.IN_PROGRESS, assigned_to=ASSIGNED["assigned_to"])
    assert read(card)[:4] == [
        "#12 VPN drops",
        "*Assigned* · From <@U0ANN>",
        "Every hour since Monday.",
        "Why you: another program assigned it to you",
    ]
    assert card.text == "Ticket 12 “VPN drops”: assigned to you"


def test_of_a_ticket_one_gave_oneself_it_says_so() -> None:
    taken = sample_ticket(**{**ASSIGNED, "assignment": {"source": "manual", "reason": ""}})
    assert "Why you: you took it" in read(ticket_cards.assignee_card(taken, requester=ANN))


@pytest.mark.parametrize(
    ("reason", "given_by", "why"),
    [
        ("knows VPN", None, "knows VPN"),
        ("took it", None, "you took it"),
        ("It is <yours> & hers", ANN, "Ann gave it to you: It is <yours> & hers"),
        ("", ANN, "Ann gave it to you"),
        (None, None, "another program assigned it to you"),
    ],
)
def test_why_the_assignee_got_it(
    reason: str | None, given_by: DisplayPerson | None, why: str
) -> None:
    ticket = sample_ticket(**{**ASSIGNED, "assignment": {"reason": reason}})
    card = ticket_cards.assignee_card(ticket, requester=ANN, assigned_by=given_by)
    assert f"Why you: {why}" in read(card)


BEN_ID, CLEO_ID, ADA_ID = (ObjectId() for _ in range(3))
STAFF = {
    BEN_ID: DisplayPerson("Ben", "U0BEN", sees_all_tickets=True),
    CLEO_ID: DisplayPerson("Cleo", "U0CLEO", sees_all_tickets=True),
    ADA_ID: DisplayPerson("Ada <b>", "U0ADA", sees_all_tickets=True),
}
UNASSIGNED, GIVEN = EventType.UNASSIGNED, EventType.ASSIGNED


def lost(**loss: Any) -> tuple[Event, ...]:
    return (Event(seq=2, at=DUE, **{"type": UNASSIGNED, "from_": BEN_ID, "by": BEN_ID, **loss}),)


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"events": lost(), "assigned_to": CLEO_ID}, "You declined it. Cleo has it now."),
        ({"events": lost()}, "You declined it. No one has this yet."),
        ({"events": lost(by=ADA_ID)}, "Ada <b> returned it to the queue. No one has this yet."),
        (
            {"events": lost(by="system", assignee_was_absent=True), "assigned_to": CLEO_ID},
            "It was handed over. Cleo has it now.",
        ),
        (
            {"events": lost(type=GIVEN, by=CLEO_ID, to=CLEO_ID), "assigned_to": CLEO_ID},
            "Cleo took it over.",
        ),
        (
            {"events": lost(type=GIVEN, to=CLEO_ID), "assigned_to": CLEO_ID},
            "You reassigned it to Cleo.",
        ),
        (
            {"events": lost(type=GIVEN, by=CLEO_ID, to=ADA_ID), "assigned_to": CLEO_ID},
            "Cleo reassigned it to Ada <b>. Cleo has it now.",
        ),
        (
            {"events": lost(type=GIVEN, by="system", to=CLEO_ID), "assigned_to": CLEO_ID},
            "It was reassigned to Cleo, because it was not accepted in time.",
        ),
        (
            {
                "events": lost(type=GIVEN, by=CLEO_ID, to=CLEO_ID),
                "assigned_to": CLEO_ID,
                "status": Status.COMPLETED,
            },
            "Cleo took it over. It is resolved.",
        ),
        ({"assigned_to": CLEO_ID}, "You no longer have it. Cleo has it now."),
    ],
)
def test_who_lost_it_reads_how_in_one_line(fields: dict[str, Any], line: str) -> None:
    card = ticket_cards.former_assignee_card(
        sample_ticket(**fields), former=BEN_ID, lookup=STAFF.__getitem__
    )
    assert read(card) == [f"Ticket 12 “VPN drops”: {line}", "Details"]
    assert [block["type"] for block in card.blocks] == ["section"]
    escaped = line.replace("<", "&lt;").replace(">", "&gt;")
    assert card.text == f"Ticket 12 “VPN drops”: {escaped}"


def test_who_may_no_longer_see_it_cannot_open_it() -> None:
    ticket = sample_ticket(events=lost(), assigned_to=CLEO_ID)
    people = {**STAFF, BEN_ID: BEN}
    card = ticket_cards.former_assignee_card(ticket, former=BEN_ID, lookup=people.__getitem__)
    assert "Details" not in read(card)
    own = sample_ticket(events=lost(), assigned_to=CLEO_ID, created_by=BEN_ID)
    card = ticket_cards.former_assignee_card(own, former=BEN_ID, lookup=people.__getitem__)
    assert "Details" in read(card)


@pytest.mark.parametrize("status", [s for s in Status if s is not Status.COMPLETED])
def test_an_open_ticket_can_be_resolved(status: Status) -> None:
    shown = read(assignee_card(**{**ASSIGNED, "status": status}))
    assert "Resolve" in shown
    assert "*What was done*" not in shown


def test_a_resolved_ticket_can_be_reopened() -> None:
    ticket = sample_ticket(**RESOLVED)
    card = ticket_cards.assignee_card(ticket, requester=ANN, done_by=BEN)
    shown = read(card)
    assert "Resolve" not in shown
    assert "*Resolved* by <@U0BEN> · From <@U0ANN>" in shown
    assert shown[shown.index("*What was done*") + 1] == "Renewed the certificate."
    assert shown[-5:] == ["Reopen", "Comment", "Details", "Internal note", "Edit"]
    assert card.text == "Ticket 12 “VPN drops”: resolved by Ben"


def test_the_requester_is_told_who_resolved_it() -> None:
    notice = ticket_updates.resolved_message(sample_ticket(**RESOLVED), by=BEN)
    assert read(notice) == [
        "<@U0BEN> resolved *Ticket 12*",
        "VPN drops",
        "*What was done*",
        "Renewed the certificate.",
        "If that did not solve it, press Reopen.",
        "Reopen",
    ]
    assert notice.text == "Ticket 12 “VPN drops”: resolved by Ben"


@pytest.mark.parametrize(
    ("asked", "shown"), [("Which <one>?", ["*Question*", "Which <one>?"]), ("", [])]
)
def test_the_requester_is_asked(asked: str, shown: list[str]) -> None:
    notice = ticket_updates.question_message(sample_ticket(**ASSIGNED), by=BEN, question_text=asked)
    assert read(notice) == [
        "<@U0BEN> waits for your answer on *Ticket 12*",
        "VPN drops",
        *shown,
        "You can also write in this message's thread.",
        "Answer",
    ]
    assert notice.text == "Ticket 12 “VPN drops”: Ben waits for your answer"
    assert notice.blocks[-1]["elements"][0]["action_id"] == "comment"


def test_the_assignee_is_told_that_it_goes_on_or_is_over() -> None:
    ticket = sample_ticket(**ASSIGNED)
    again, over = (
        ticket_updates.reopened_message(ticket, by=ANN, reason=""),
        ticket_updates.cancelled_message(ticket, by=ANN),
    )
    assert read(again) == [
        "<@U0ANN> reopened *Ticket 12*",
        "VPN drops",
        "It is yours again.",
        "Accept",
        "Details",
    ]
    assert again.text == "Ticket 12 “VPN drops”: reopened by Ann"
    assert read(over) == [
        "<@U0ANN> cancelled *Ticket 12*",
        "VPN drops",
        "There is nothing left to do.",
    ]
    assert over.text == "Ticket 12 “VPN drops”: cancelled by Ann"


def unassigned_message(ticket: Ticket, *, requester: DisplayPerson) -> Message:
    candidate = Candidate(ObjectId(), Role.MODERATOR, (), open_tickets=0, capacity=8)
    why = Unavailability(candidate, Obstacle.DECLINED)
    return ticket_updates.unassigned_message(
        ticket, requester=requester, unavailable=[(BEN, why)], now=utcnow()
    )


@pytest.mark.parametrize(
    ("skills", "named"), [((), "none recognised"), (("VPN", "C++"), "VPN, C++")]
)
def test_admins_are_notified_that_nobody_is_available(skills: tuple[str, ...], named: str) -> None:
    notice = unassigned_message(sample_ticket(related_skills=skills), requester=ANN)
    assert read(notice) == [
        "#12 VPN drops",
        "Requested by <@U0ANN>",
        f"Skills: {named}",
        "No one is available: Ben had it before. We try again every few minutes and as soon as "
        "someone is available.",
        "Assign",
        "Details",
    ]
    assert notice.text == "Ticket 12 “VPN drops”: no one is available to take it"


@pytest.mark.parametrize(
    "card",
    [
        lambda ticket: ticket_cards.requester_card(ticket, assignee=DisplayPerson(HOSTILE)),
        lambda ticket: ticket_cards.assignee_card(
            ticket,
            requester=DisplayPerson(HOSTILE),
            assigned_by=DisplayPerson(HOSTILE),
        ),
        lambda ticket: ticket_cards.former_assignee_card(
            ticket, former=BEN_ID, lookup=lambda _: DisplayPerson(HOSTILE)
        ),
        lambda ticket: ticket_updates.question_message(
            ticket, by=DisplayPerson(HOSTILE), question_text=HOSTILE
        ),
        lambda ticket: ticket_updates.reopened_message(
            ticket, by=DisplayPerson(HOSTILE), reason=HOSTILE
        ),
        lambda ticket: settled.answered_message(ticket, question=HOSTILE, answer=HOSTILE),
        lambda ticket: ticket_updates.cancelled_message(ticket, by=DisplayPerson(HOSTILE)),
        lambda ticket: ticket_updates.resolved_message(ticket, by=DisplayPerson(HOSTILE)),
        lambda ticket: unassigned_message(ticket, requester=DisplayPerson(HOSTILE)),
    ],
    ids=[
        "requester",
        "assignee",
        "former",
        "question",
        "reopened",
        "answered",
        "cancelled",
        "resolved",
        "unassigned",
    ],
)
def test_what_people_wrote_is_no_markup(card: Any) -> None:
    written = dict.fromkeys(("title", "description", "summary", "helpful_notes"), HOSTILE)
    fields = {**RESOLVED, **written, "resolution": HOSTILE, "related_skills": (HOSTILE,)}
    message = card(sample_ticket(**fields))
    assert ESCAPED in message.text
    assert HOSTILE not in message.text
    assert HOSTILE in " ".join(read(message))
    mrkdwn = [t for t in json.dumps(message.blocks).split("{") if '"mrkdwn"' in t]
    assert [text for text in mrkdwn if HOSTILE in text] == []


@pytest.mark.parametrize("sign", ["x", "é", "本", "🔥", '"', "\\", "<", "&", "a\n"])
def test_the_longest_texts_fit(sign: str) -> None:
    def filled(length: int) -> str:
        return (sign * length)[: length - 1] + "."

    fields = {
        **RESOLVED,
        "title": filled(150),
        "description": filled(3_000),
        "summary": filled(500),
        "helpful_notes": filled(2_000),
        "resolution": filled(1_000),
    }
    ticket = sample_ticket(**fields)
    still_open = sample_ticket(**{**fields, "status": Status.IN_PROGRESS})
    for message in (
        ticket_cards.requester_card(ticket, assignee=BEN),
        ticket_cards.assignee_card(ticket, requester=ANN),
        ticket_cards.assignee_card(still_open, requester=ANN),
        ticket_cards.former_assignee_card(ticket, former=BEN_ID, lookup=lambda _: BEN),
        ticket_updates.resolved_message(ticket, by=BEN),
        ticket_updates.question_message(still_open, by=BEN, question_text=filled(1_000)),
        ticket_updates.reopened_message(still_open, by=ANN, reason=filled(3_000)),
        settled.answered_message(still_open, question=filled(1_000), answer=filled(3_000)),
        ticket_updates.cancelled_message(ticket, by=ANN),
        unassigned_message(ticket, requester=ANN),
    ):
        assert check_message(message.as_args()) == []


def test_a_long_description_is_cut() -> None:
    shown = read(assignee_card(**{**ASSIGNED, "description": "word " * 200}))
    assert shown[2] == ("word " * 200)[:299].strip() + "…"


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("x" * 9_000, "#12 " + "x" * 145 + "…"),
        ("\u200b\u202e", "#12 –"),
        ("", "#12 –"),
        ("bid\u202ei", "#12 bidi"),
        ("two\nlines", "#12 two lines"),
    ],
)
def test_titles_nobody_would_accept_now_are_shown(title: str, shown: str) -> None:
    assert read(assignee_card(title=title))[0] == shown


def test_a_ticket_without_number_has_a_name() -> None:
    card = assignee_card(number=None)
    assert card.text == "Ticket “VPN drops”: assigned to you"
    assert read(card)[0] == "VPN drops"


# In the triage channel

BOB = DisplayPerson("Ben <b>", "U0BEN")


def in_triage(ticket: Ticket, **people: Any) -> dict[str, Any]:
    shown = ticket_cards.triage_card(ticket, **{"requester": ANN, "assignee": None, **people})
    assert check_message({**shown.as_args(), "unfurl_links": False}) == []
    return {"text": shown.text, "blocks": shown.blocks}


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({}, "Finding someone…"),
        ({"status": Status.WAITING}, "No one has this yet"),
        ({"events": (NOBODY_AVAILABLE,)}, "No one is available for this"),
    ],
)
def test_a_ticket_that_nobody_has_stands_out_in_words(fields: dict[str, Any], state: str) -> None:
    shown = in_triage(sample_ticket(**fields))
    assert shown["text"] == f"Ticket 12 “VPN drops”: {state[0].lower()}{state[1:]}"
    assert read_blocks(shown) == [
        "#12 VPN drops",
        f"*{state}* · From Ann",
        "Take it",
        "Assign",
        "Details",
    ]
    assert shown["blocks"][-1]["elements"][0]["style"] == "primary"


def test_a_ticket_in_progress() -> None:
    ticket = sample_ticket(
        status=Status.IN_PROGRESS, priority=Priority.URGENT, due_at=DUE, assigned_to="x"
    )
    shown = in_triage(ticket, assignee=BOB)
    assert shown["text"] == "Ticket 12 “VPN drops”: urgent priority, assigned to Ben &lt;b&gt;"
    assert read_blocks(shown)[1:] == [
        ":red_circle: Urgent · *Assigned* to Ben &lt;b&gt; · From Ann · due "
        f"<!date^{int(DUE.timestamp())}^{{date_short_pretty}} at {{time}}|1 Mar 2026, 09:30 UTC>",
        "Take over",
        "Reassign",
        "Details",
    ]


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        (
            {"status": Status.IN_PROGRESS, "accepted_at": DUE},
            "*In progress* · Accepted by Ben &lt;b&gt;",
        ),
        ({"status": Status.REOPENED}, "*Reopened* · Assigned to Ben &lt;b&gt;"),
    ],
)
def test_the_channel_reads_whose_it_is(fields: dict[str, Any], state: str) -> None:
    shown = in_triage(sample_ticket(assigned_to="x", **fields), assignee=BOB)
    assert read_blocks(shown)[1] == f"{state} · From Ann"


def test_a_resolved_ticket_has_nothing_to_take() -> None:
    ticket = sample_ticket(status=Status.COMPLETED, assigned_to="x", resolution="Secret detail.")
    shown = read_blocks(in_triage(ticket, assignee=BOB, done_by=ANN))
    assert shown == ["#12 VPN drops", "*Resolved* by Ann · From Ann", "Details"]


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
    shown = in_triage(ticket, assignee=BOB)
    said = str(shown)
    assert "The " not in said
    assert "<@" not in str(shown["blocks"][1:])
    assert shown["blocks"][0]["text"]["type"] == "plain_text"
    assert shown["text"].startswith("Ticket 12 “&lt;!channel&gt; &amp; &lt;@U0ANN&gt;”")


def test_the_longest_texts_still_fit() -> None:
    name = DisplayPerson("&" * 80)
    in_triage(sample_ticket(title="&" * 150), requester=name, assignee=name, done_by=name)
