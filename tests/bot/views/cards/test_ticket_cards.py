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
from services.models.ticket import Priority, Status, Ticket
from services.models.user import Role
from tests.conftest import sample_ticket
from tests.support.block_text import read as read_blocks
from tests.support.blockkit import check_message

ANN = DisplayPerson("Ann", "U0ANN")
BEN = DisplayPerson("Ben", "U0BEN")
LEFT = DisplayPerson("someone who has left")
THREAD = "Write in this message's thread to add a comment."
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
        "reason": "knows VPN · 1 of 8 open",
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
    return ticket_cards.assignee_card(sample_ticket(**fields), requester=ANN, assignee=BEN)


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
        (ASSIGNED, BEN, "*Assigned* to <@U0BEN>", "assigned to Ben"),
        (
            {**ASSIGNED, "status": Status.WAITING},
            BEN,
            "*Waiting for your answer* · Assigned to <@U0BEN>",
            "waiting for your answer (Ben)",
        ),
        (
            {**ASSIGNED, "status": Status.REOPENED},
            LEFT,
            "*Reopened* · Assigned to someone who has left",
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
    assert read(card)[:5] == ["Ticket 12", "VPN drops", line, THREAD, step]
    assert card.text == f"Ticket 12 “VPN drops”: {notification}"


def test_once_it_is_accepted_everybody_reads_so() -> None:
    ticket = sample_ticket(**ASSIGNED, accepted_at=TEN)
    own = ticket_cards.requester_card(ticket, assignee=BEN)
    assert read(own)[2] == "*In progress* · <@U0BEN> has accepted it"
    assert own.text == "Ticket 12 “VPN drops”: in progress, accepted by Ben"
    held = ticket_cards.assignee_card(ticket, requester=ANN, assignee=BEN)
    assert read(held)[5:7] == ["*Assignee*\n<@U0BEN>", f"*Accepted*\n{TEN_TEXT}"]
    assert held.text == "Ticket 12 “VPN drops”: accepted by you · high priority"
    former = ticket_cards.former_assignee_card(ticket, assignee=BEN)
    assert read(former)[2] == "*In progress* · <@U0BEN> has accepted it"
    assert former.text == "Ticket 12 “VPN drops”: in progress, accepted by Ben"


def test_once_it_is_done_nobody_reads_when_it_was_accepted() -> None:
    ticket = sample_ticket(**RESOLVED, accepted_at=TEN)
    held = ticket_cards.assignee_card(ticket, requester=ANN, assignee=BEN, done_by=BEN)
    assert "ccepted" not in f"{held.text} {read(held)}"
    own = ticket_cards.requester_card(ticket, assignee=BEN, done_by=BEN)
    assert read(own)[2] == "*Resolved* by <@U0BEN>"


def test_the_requester_reads_what_was_done() -> None:
    card = ticket_cards.requester_card(sample_ticket(**RESOLVED), assignee=BEN, done_by=ANN)
    assert read(card) == [
        "Ticket 12",
        "VPN drops",
        "*Resolved* by <@U0ANN>",
        "*What was done*",
        "Renewed the certificate.",
        THREAD,
        "Reopen",
        "Comment",
        "Details",
    ]
    assert card.text == "Ticket 12 “VPN drops”: resolved by Ann"


def test_the_requester_may_comment_look_and_cancel() -> None:
    shown = read(ticket_cards.requester_card(sample_ticket(**ASSIGNED), assignee=BEN))
    assert shown[3:] == [THREAD, "Comment", "Details", "Cancel ticket"]


def test_a_cancelled_ticket_was_not_done() -> None:
    fields = {**RESOLVED, "resolution": "cancelled"}
    card = ticket_cards.requester_card(sample_ticket(**fields), assignee=BEN, done_by=ANN)
    assert read(card)[2:5] == ["*Cancelled* by <@U0ANN>", THREAD, "Reopen"]
    held = ticket_cards.assignee_card(
        sample_ticket(**fields), requester=ANN, assignee=BEN, done_by=ANN
    )
    assert "*What was done*" not in read(held)
    assert {"*Status*\nCancelled", "*Cancelled by*\n<@U0ANN>"} <= set(read(held))
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
    internal = ("The tunnel closes.", "gateway", "High", 'VPN"', "knows", "gemini", "Update")
    assert [words for words in internal if words in shown] == []


def test_the_assignee_reads_everything() -> None:
    card = assignee_card(**ASSIGNED)
    assert read(card) == [
        "Ticket 12",
        "VPN drops",
        "*Status*\nAssigned",
        "*Priority*\nHigh",
        "*Requester*\n<@U0ANN>",
        "*Assignee*\n<@U0BEN>",
        "*Summary*",
        "The tunnel closes.",
        "*In their words*",
        "Every hour since Monday.",
        "*Notes*",
        "Look at the gateway's log.",
        "Why you: knows VPN · 1 of 8 open",
        "Summary, skills and notes by Gemini (gemini-x); check before use.",
        "The requester reads what you write in this message's thread.",
        "Accept",
        "Reassign",
        "Decline",
        "Resolve",
        "Comment",
        "Ask the requester",
        "Details",
        "Update",
    ]
    assert card.text == "Ticket 12 “VPN drops”: assigned to you · high priority"


def test_the_assignee_of_an_unread_ticket_reads_less() -> None:
    assert read(assignee_card(status=Status.IN_PROGRESS, assigned_to=ASSIGNED["assigned_to"]))[
        :9
    ] == [
        "Ticket 12",
        "VPN drops",
        "*Status*\nAssigned",
        "*Priority*\nNot set",
        "*Requester*\n<@U0ANN>",
        "*Assignee*\n<@U0BEN>",
        "*In their words*",
        "Every hour since Monday.",
        "Why you: given to you elsewhere",
    ]


def test_of_a_ticket_one_gave_oneself_it_says_so() -> None:
    taken = sample_ticket(**{**ASSIGNED, "assignment": {"source": "manual", "reason": ""}})
    assert "Why you: you took it" in read(
        ticket_cards.assignee_card(taken, requester=ANN, assignee=BEN)
    )


@pytest.mark.parametrize(
    ("reason", "given_by", "why"),
    [
        ("knows VPN", None, "knows VPN"),
        ("took it", None, "you took it"),
        ("It is <yours> & hers", ANN, "Ann gave it to you: It is <yours> & hers"),
        ("", ANN, "Ann gave it to you"),
        (None, None, "given to you elsewhere"),
    ],
)
def test_why_the_assignee_got_it(
    reason: str | None, given_by: DisplayPerson | None, why: str
) -> None:
    ticket = sample_ticket(**{**ASSIGNED, "assignment": {"reason": reason}})
    card = ticket_cards.assignee_card(ticket, requester=ANN, assignee=BEN, assigned_by=given_by)
    assert f"Why you: {why}" in read(card)


@pytest.mark.parametrize(
    ("fields", "assignee", "line", "notification"),
    [
        (ASSIGNED, BEN, "*Assigned* to <@U0BEN>", "assigned to Ben"),
        ({}, None, "*Open* · Finding someone…", "finding someone…"),
        (RESOLVED, BEN, "*Resolved* by <@U0ANN>", "resolved by Ann"),
    ],
)
def test_who_had_it_reads_whose_it_is_now(
    fields: dict[str, Any], assignee: DisplayPerson | None, line: str, notification: str
) -> None:
    done_by = ANN if fields is RESOLVED else None
    card = ticket_cards.former_assignee_card(
        sample_ticket(**fields), assignee=assignee, done_by=done_by
    )
    assert read(card) == ["Ticket 12", "VPN drops", line, "Details"]
    assert card.text == f"Ticket 12 “VPN drops”: {notification}"


@pytest.mark.parametrize("status", [s for s in Status if s is not Status.COMPLETED])
def test_an_open_ticket_can_be_resolved(status: Status) -> None:
    shown = read(assignee_card(**{**ASSIGNED, "status": status}))
    assert "Resolve" in shown
    assert "*What was done*" not in shown


def test_a_resolved_ticket_can_be_reopened() -> None:
    ticket = sample_ticket(**RESOLVED)
    card = ticket_cards.assignee_card(ticket, requester=ANN, assignee=BEN, done_by=BEN)
    shown = read(card)
    assert "Resolve" not in shown
    assert "*Resolved by*\n<@U0BEN>" in shown
    assert shown[shown.index("*What was done*") + 1] == "Renewed the certificate."
    assert shown[-5:] == ["Reopen", "Comment", "Details", "Internal note", "Update"]
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
        "Ticket 12",
        "VPN drops",
        "Filed by <@U0ANN>",
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
            assignee=BEN,
            assigned_by=DisplayPerson(HOSTILE),
        ),
        lambda ticket: ticket_cards.former_assignee_card(
            ticket, assignee=DisplayPerson(HOSTILE), done_by=DisplayPerson(HOSTILE)
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
    assert HOSTILE in read(message)
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
        ticket_cards.assignee_card(ticket, requester=ANN, assignee=BEN),
        ticket_cards.assignee_card(still_open, requester=ANN, assignee=BEN),
        ticket_cards.former_assignee_card(ticket, assignee=BEN, done_by=BEN),
        ticket_updates.resolved_message(ticket, by=BEN),
        ticket_updates.question_message(still_open, by=BEN, question_text=filled(1_000)),
        ticket_updates.reopened_message(still_open, by=ANN, reason=filled(3_000)),
        settled.answered_message(still_open, question=filled(1_000), answer=filled(3_000)),
        ticket_updates.cancelled_message(ticket, by=ANN),
        unassigned_message(ticket, requester=ANN),
    ):
        assert check_message(message.as_args()) == []


@pytest.mark.parametrize("sign", ["x", "é", "\n."])
def test_ordinary_long_texts_stay_whole(sign: str) -> None:
    description, notes = (sign * 3_000)[:3_000].strip(), (sign * 2_000)[:2_000].strip()
    shown = read(assignee_card(**{**ASSIGNED, "description": description, "helpful_notes": notes}))
    assert description in shown
    assert notes in shown


@pytest.mark.parametrize(
    ("title", "shown"),
    [("x" * 9_000, "x" * 149 + "…"), ("\u200b\u202e", "–"), ("", "–"), ("bid\u202ei", "bidi")],
)
def test_titles_nobody_would_accept_now_are_shown(title: str, shown: str) -> None:
    assert read(assignee_card(title=title))[1] == shown


def test_a_ticket_without_number_has_a_name() -> None:
    text = assignee_card(number=None, priority=None).text
    assert text == "Ticket “VPN drops”: assigned to you"


# In the triage channel

BOB = DisplayPerson("Ben <b>", "U0BEN")
TRIAGE_THREAD = "Moderators: your replies in this message's thread are internal notes."


def in_triage(ticket: Ticket, **people: Any) -> dict[str, Any]:
    shown = ticket_cards.triage_card(ticket, **{"requester": ANN, "assignee": None, **people})
    assert check_message({**shown.as_args(), "unfurl_links": False}) == []
    return {"text": shown.text, "blocks": shown.blocks}


def test_a_ticket_that_nobody_has_stands_out_in_words() -> None:
    shown = in_triage(sample_ticket())
    assert shown["text"] == "Ticket 12 “VPN drops”: finding someone…"
    assert read_blocks(shown) == [
        "Ticket 12",
        "VPN drops",
        "*Finding someone…* Take it if you can help.",
        "*Status*\nOpen",
        "*Priority*\nNot set",
        "*Requester*\nAnn",
        "*Assignee*\nNo one",
        "*Due*\nNot set",
        TRIAGE_THREAD,
        "Take it",
        "Assign",
        "Details",
    ]
    assert shown["blocks"][-1]["elements"][0]["style"] == "primary"


def test_a_ticket_that_nobody_is_looked_for() -> None:
    shown = read_blocks(in_triage(sample_ticket(status=Status.WAITING)))
    assert "*No one has this yet.* Take it, or assign it." in shown


def test_a_ticket_that_nobody_is_available_for() -> None:
    shown = read_blocks(in_triage(sample_ticket(events=(NOBODY_AVAILABLE,))))
    assert "*No one is available for this.* Take it, or assign it." in shown


def test_a_ticket_in_progress() -> None:
    ticket = sample_ticket(
        status=Status.IN_PROGRESS, priority=Priority.URGENT, due_at=DUE, assigned_to="x"
    )
    shown = in_triage(ticket, assignee=BOB)
    assert shown["text"] == "Ticket 12 “VPN drops”: assigned to Ben &lt;b&gt;"
    assert read_blocks(shown)[2:] == [
        "*Status*\nAssigned",
        "*Priority*\nUrgent",
        "*Requester*\nAnn",
        "*Assignee*\nBen &lt;b&gt;",
        "*Accepted*\nNot yet",
        f"*Due*\n<!date^{int(DUE.timestamp())}^{{date_short_pretty}} at {{time}}|1 Mar 2026, 09:30 "
        "UTC>",
        TRIAGE_THREAD,
        "Take it",
        "Reassign",
        "Details",
    ]


def test_once_it_is_accepted_the_channel_reads_when() -> None:
    ticket = sample_ticket(status=Status.IN_PROGRESS, assigned_to="x", accepted_at=DUE)
    shown = in_triage(ticket, assignee=BOB)
    assert shown["text"] == "Ticket 12 “VPN drops”: in progress, accepted by Ben &lt;b&gt;"
    at = f"<!date^{int(DUE.timestamp())}^{{date_short_pretty}} at {{time}}|1 Mar 2026, 09:30 UTC>"
    assert read_blocks(shown)[5:7] == ["*Assignee*\nBen &lt;b&gt;", f"*Accepted*\n{at}"]


@pytest.mark.parametrize("status", [Status.TODO, Status.WAITING, Status.COMPLETED])
def test_of_what_nobody_is_to_accept_now_it_says_nothing(status: Status) -> None:
    has_it = {} if status is Status.TODO else {"assigned_to": "x"}
    assert "Accepted" not in str(in_triage(sample_ticket(status=status, **has_it)))


def test_a_resolved_ticket_has_nothing_to_take() -> None:
    ticket = sample_ticket(status=Status.COMPLETED, assigned_to="x", resolution="Secret detail.")
    shown = read_blocks(in_triage(ticket, assignee=BOB, done_by=ANN))
    assert "Resolved by Ann" in shown
    assert shown[-3:] == ["Resolved by Ann", TRIAGE_THREAD, "Details"]


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
    assert "<@" not in str([block for block in shown["blocks"] if block != shown["blocks"][1]])
    assert shown["blocks"][1]["text"]["type"] == "plain_text"
    assert shown["text"].startswith("Ticket 12 “&lt;!channel&gt; &amp; &lt;@U0ANN&gt;”")


def test_the_longest_texts_still_fit() -> None:
    name = DisplayPerson("&" * 80)
    in_triage(sample_ticket(title="&" * 150), requester=name, assignee=name, done_by=name)
