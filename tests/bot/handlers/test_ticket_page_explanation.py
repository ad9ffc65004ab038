"""The button "Why?" on a ticket's page, and its modal."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from bot.views import ids
from bot.views.explain import wording
from bot.views.explain.modal import explanation_modal
from bot.views.explain.wording import MAX_PARTS
from services.analysis.analysis_store import store_analysis
from services.assignment.candidate import Candidate, Obstacle
from services.assignment.explanation import CandidateScore, DryRun, Explanation, LastAssignment
from services.assignment.feedback import Correction, CorrectionKind
from services.availability.slack_status import NO_END
from services.core.database import Mongo
from services.linking.links import Directory
from services.models.permissions import Permission
from services.models.ticket import Status, Ticket
from services.models.user import Role, User
from services.tickets.filing import TicketService
from tests.conftest import Bot, FixedClock, People, file_ticket, reload, sample_ticket
from tests.services.assignment.test_explanation import READ
from tests.support import payloads
from tests.support.block_text import read as read_blocks
from tests.support.blockkit import check_view
from tests.support.home_visitor import Visitor
from tests.support.recording_slack import RecordingSlack

AT = datetime(2026, 3, 5, 14, 7, tzinfo=UTC)
WHEN = f"<!date^{int(AT.timestamp())}^{{date_short_pretty}} at {{time}}|5 Mar 2026, 14:07 UTC>"
EVIL = "<!channel> *& friends*"
PARTS = {
    "skills": 0.4,
    "history": 0.0,
    "load": 0.2,
    "hours": 0.1,
    "fairness": 0.05,
    "corrections": -0.0,
}


def read(view: dict[str, Any]) -> list[str]:
    """With the title of a modal."""
    title = [view["title"]["text"]] if "title" in view else []
    return title + read_blocks(view)


def who(number: int, **fields: Any) -> Candidate:
    made = {"role": Role.MODERATOR, "skills": (), "open_tickets": 1, "capacity": 8, **fields}
    return Candidate(user_id=ObjectId(f"65f0c0ffee65f0c0ffee{number:04}"), **made)


def standing(number: int, left_out: Obstacle | None = None, **fields: Any) -> CandidateScore:
    reason = f"knows {EVIL} · 2 of 8 tickets with this one"
    return CandidateScore(who(number, **fields), 0.75, PARTS, reason, exclusion=left_out)


NILS, OLGA = who(1).user_id, who(2).user_id
PEOPLE = Directory(
    users={
        NILS: User(NILS, "nils@example.com", Role.MODERATOR, name="Nils"),
        OLGA: User(OLGA, "olga@example.com", Role.MODERATOR, name=EVIL),
    },
    slack_ids={NILS: "U0NILS"},
)


def run(**fields: Any) -> DryRun:
    analysis = {"source": "gemini", "model": EVIL, "confidence": 0.9, "at": AT}
    ticket = sample_ticket(
        related_skills=(EVIL,),
        assigned_to=NILS,
        status=Status.IN_PROGRESS,
        assignment={"analysis": analysis},
    )
    return DryRun(
        **{
            "ticket": ticket,
            "is_analysed": True,
            "was_analysed": True,
            "has_secrets": True,
            "explanation": Explanation((standing(1),), (standing(2, Obstacle.FULL),)),
            "last_assignment": LastAssignment(NILS, "system", AT, f"knows {EVIL}", 0.75, PARTS),
            "corrections": (),
            "people": PEOPLE,
            "now": AT,
            **fields,
        }
    )


def shown(of: DryRun) -> list[str]:
    view = explanation_modal(of)
    assert check_view(view) == []
    return read(view)


def test_what_an_admin_reads() -> None:
    escaped = "&lt;!channel&gt; *&amp; friends*"
    assert shown(run()) == [
        "Ticket 12: why?",
        "<@U0NILS> has it. Below is who would get it if it were unassigned.",
        "Analysis",
        f"*Done by:* Gemini ({escaped})\n"
        f"*Done:* {WHEN}\n"
        f"*Skills:* {escaped}\n"
        "*Confidence:* 90%\n"
        "*Priority:* Not set yet\n"
        "*Secrets:* Seen in its text; masked before anything leaves this machine",
        "Then",
        f"Assignment chose <@U0NILS> · {WHEN}",
        f"Knows {EVIL}",
        "Now",
        "<@U0NILS>, as then.",
        "First come moderators who know a skill it needs, then those who have solved similar "
        "tickets, then admins. Within each, skills count most, then room for more tickets, "
        "similar tickets, working hours and what colleagues corrected.",
        "Who could have it, the best first",
        "*1.* <@U0NILS>",
        f"Knows {EVIL} · 2 of 8 tickets with this one",
        "Who is left out",
        f"{escaped}: has 1 of 8 open tickets",
        "Corrections",
        "No one has corrected an assignment of it.",
    ]


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"skills": 0.3}, "knows more of the skills it needs"),
        ({"load": 0.1}, "has more room"),
        ({"hours": 0.0}, "is at work, or sooner than the other"),
        ({}, None),
    ],
)
def test_what_puts_the_first_ahead_is_a_sentence(parts: dict[str, float], why: str | None) -> None:
    second = replace(standing(2), parts={**PARTS, **parts})
    now = shown(run(explanation=Explanation((standing(1), second), ())))
    olga = "&lt;!channel&gt; *&amp; friends*"
    said = f" <@U0NILS> comes before {olga}, above all because <@U0NILS> {why}." if why else ""
    assert now[now.index("Now") + 1] == f"<@U0NILS>, as then.{said}"


def test_an_admin_reads_no_arithmetic() -> None:
    out = (standing(2, Obstacle.FULL), standing(3, Obstacle.DECLINED))
    view = explanation_modal(run(explanation=Explanation((standing(1), standing(4)), out)))
    assert not re.search(r"\d\.\d|±| = ", str(read_blocks(view)))


def test_who_is_away_until_when() -> None:
    out = (
        standing(1, Obstacle.AWAY, away_until=AT),
        standing(2, Obstacle.AWAY, away_until=NO_END),
    )
    said = shown(run(explanation=Explanation((), out)))
    assert f"<@U0NILS>: away until {WHEN}" in said
    assert "&lt;!channel&gt; *&amp; friends*: away" in said
    assert said[said.index("Now") + 1] == "No one is available for it."
    assert said[said.index("Who could have it, the best first") + 1] == "No one."


def test_the_longest_it_can_be() -> None:
    able = tuple(standing(number) for number in range(20))
    out = tuple(standing(number, Obstacle.DECLINED) for number in range(100, 120))
    made = Correction(AT, NILS, OLGA, frozenset(), by=OLGA, kind=CorrectionKind.REASSIGNED)
    view = explanation_modal(
        run(
            explanation=Explanation(able, out),
            corrections=(made,) * 12,
            more_eligible=980,
            more_excluded=1,
            ticket=sample_ticket(number=2**31, related_skills=("x" * 50,) * 100),
        )
    )
    assert check_view(view) == []
    said = read(view)
    assert said[0] == "Ticket 2147483648: why?"
    assert {"and 980 more", "and 1 more", "2 older ones"} <= set(said)
    assert said[-1] == (
        f"&lt;!channel&gt; *&amp; friends* moved it from <@U0NILS> to &lt;!channel&gt; *&amp; "
        f"friends* · {WHEN}"
    )


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (
            {"from_": NILS, "to": None, "kind": CorrectionKind.NOT_MINE, "by": NILS},
            "<@U0NILS> declined it",
        ),
        (
            {"from_": NILS, "to": None, "kind": CorrectionKind.REASSIGNED, "by": None},
            "No one took it from <@U0NILS>",
        ),
        (
            {"from_": None, "to": NILS, "kind": CorrectionKind.REASSIGNED, "by": ObjectId()},
            "Someone who has left gave it to <@U0NILS>",
        ),
    ],
)
def test_corrections(made: dict[str, Any], said: str) -> None:
    one = Correction(at=AT, skills=frozenset(), **made)
    assert shown(run(corrections=(one,)))[-1] == f"{said} · {WHEN}"


def test_a_sentence_that_begins_with_no_name_has_a_capital() -> None:
    gone = LastAssignment(ObjectId(), "", None, "", None, {})
    had = shown(run(last_assignment=gone, ticket=sample_ticket(assigned_to=ObjectId())))
    assert had[1] == (
        "Someone who has left has it. Below is who would get it if it were unassigned."
    )
    assert had[had.index("Then") + 1] == "Someone who has left got it elsewhere."


SHARE = st.integers(0, 400_000).map(lambda millionths: millionths / 1_000_000)


@given(st.lists(SHARE, min_size=5, max_size=5), st.integers(-100_000, 100_000))
def test_the_parts_add_up_as_they_are_read(shares: list[float], corrected: int) -> None:
    parts = dict(zip(MAX_PARTS, [*shares, corrected / 1_000_000], strict=True))
    score = round(sum(parts.values()), 6)
    told, _, summands = wording.score_sum(score, parts).partition(" = ")
    read_as = [part.split() for part in summands.split(" + ")]
    assert Decimal(told) == sum(Decimal(number) for _, number in read_as)
    assert [name for name, _ in read_as] == list(parts)
    for name, number in read_as:
        assert float(number) == pytest.approx(parts[name], abs=0.001)


def test_parts_of_another_version_are_read_as_they_are() -> None:
    assert wording.score_sum(0.5, {"skills": 0.1, "luck": 0.20049}) == (
        "0.500 = skills 0.100 + luck 0.200"
    )
    assert wording.score_sum(None, {"skills": 0.4}) == "skills 0.400"
    assert wording.score_sum(0.5, {}) == "0.500"


@pytest.fixture
def ticket(
    tickets: TicketService,
    people: People,
    db: Mongo,
    clock: FixedClock,
) -> Ticket:
    filed = file_ticket(tickets, people.add(), title="VPN drops")
    assert store_analysis(db, filed, READ, now=clock())
    return reload(db, filed)


def test_an_admin_asks_why_in_home(
    ticket_bot: Bot, slack: RecordingSlack, people: People, ticket: Ticket, db: Mongo
) -> None:
    boss, nils = people.add(Role.ADMIN), people.add(Role.MODERATOR, "VPN")
    home = Visitor(ticket_bot, slack, boss)
    home.open()
    home.press("The queue")
    assert "Why?" in home.press("Open")
    before = db.tickets.find_one({"_id": ticket.id})
    slack.clear()
    home.press("Why?")
    (opened,), (updated,) = slack.calls_to("views.open"), slack.calls_to("views.update")
    assert read(opened.args["view"]) == [
        "Why?",
        "Looking at everyone who could have it…",
    ]
    said = read(updated.args["view"])
    assert said[0] == "Ticket 1: why?"
    assert said[1] == "No one has it yet. It is about to be assigned as below."
    assert said[said.index("Now") + 1].startswith(f"<@{People.slack_id(nils)}>. ")
    first = said[said.index("Who could have it, the best first") + 1]
    assert first == f"*1.* <@{People.slack_id(nils)}>"
    assert db.tickets.find_one({"_id": ticket.id}) == before
    # Home is unchanged.
    assert slack.calls_to("views.publish") == []


def test_and_on_the_page_that_a_command_shows(
    ticket_bot: Bot, slack: RecordingSlack, people: People, ticket: Ticket
) -> None:
    boss = People.slack_id(people.add(Role.ADMIN))
    page = ticket_bot.answer(payloads.slash_command("view 1", user=boss))
    message = {"channel": "D0BOSS", "ts": "1700000000.000001", "blocks": page["blocks"]}
    ticket_bot.answer(payloads.block_actions(message, ids.EXPLAIN_ASSIGNMENT, user=boss))
    assert read(slack.calls_to("views.update")[0].args["view"])[0] == "Ticket 1: why?"


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
def test_others_have_no_such_button_and_a_forged_one_is_refused(
    ticket_bot: Bot, slack: RecordingSlack, people: People, ticket: Ticket, db: Mongo, role: Role
) -> None:
    user = people.add(role, "VPN")
    db.tickets.update_one({"_id": ticket.id}, {"$set": {"createdBy": user.id}})
    slack_id = People.slack_id(user)
    page = ticket_bot.answer(payloads.slash_command("view 1", user=slack_id))
    assert "Why?" not in read(page)
    button = {
        "type": "button",
        "action_id": ids.EXPLAIN_ASSIGNMENT,
        "value": str(ticket.id),
        "text": {"type": "plain_text", "text": "Why?"},
    }
    blocks = [{"type": "actions", "elements": [button]}]
    forged = {"channel": f"D{slack_id[1:]}", "ts": "1700000000.000001", "blocks": blocks}
    ticket_bot.answer(payloads.block_actions(forged, ids.EXPLAIN_ASSIGNMENT, user=slack_id))
    (told,) = slack.calls_to("chat.postEphemeral")
    assert told.args["text"] == (
        f"Your role does not allow you to {Permission.MANAGE_USERS}. Ask an admin if it should."
    )
    assert slack.calls_to("views.open") == []


def test_a_ticket_that_is_gone_is_said_in_the_modal(
    ticket_bot: Bot, slack: RecordingSlack, people: People, ticket: Ticket, db: Mongo
) -> None:
    boss = People.slack_id(people.add(Role.ADMIN))
    page = ticket_bot.answer(payloads.slash_command("view 1", user=boss))
    db.tickets.delete_one({"_id": ticket.id})
    message = {"channel": "D0BOSS", "ts": "1700000000.000001", "blocks": page["blocks"]}
    ticket_bot.answer(payloads.block_actions(message, ids.EXPLAIN_ASSIGNMENT, user=boss))
    assert read(slack.calls_to("views.update")[0].args["view"])[-1] == "There is no such ticket."


def test_the_offline_routers_analysis_is_not_stored(
    ticket_bot: Bot, slack: RecordingSlack, people: People, tickets: TicketService, db: Mongo,
    clock: FixedClock,
) -> None:  # fmt: skip
    boss = People.slack_id(people.add(Role.ADMIN, "Printer"))
    filed = file_ticket(tickets, people.add())
    clock.advance(minutes=1)
    page = ticket_bot.answer(payloads.slash_command("view 1", user=boss))
    message = {"channel": "D0BOSS", "ts": "1700000000.000001", "blocks": page["blocks"]}
    ticket_bot.answer(payloads.block_actions(message, ids.EXPLAIN_ASSIGNMENT, user=boss))
    said = read(slack.calls_to("views.update")[0].args["view"])
    assert said[3].splitlines() == [
        "*Done by:* The offline router, just now and without storing it, because it is not "
        "analysed yet",
        "*Skills:* Printer (named in the text)",
        "*Confidence:* Only Gemini gives one",
        "*Priority:* Not set yet",
        "*Secrets:* None seen in its text",
    ]
    assert reload(db, filed).assignment == {}
