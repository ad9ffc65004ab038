"""Similar tickets: by their words, and found in a real database."""

from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from services.analysis.model_exchange import Precedent
from services.core.database import Mongo
from services.models.ticket import Ticket
from services.routing import similar_tickets
from services.routing.similar_tickets import similarities
from tests.conftest import Commands, FixedClock, sample_ticket

TEAM = ("VPN", "Printer", "SAP")
TEXT = "VPN drops\nThe tunnel drops every hour since Monday."


class Past:
    """Files and resolves tickets, one per minute."""

    def __init__(self, db: Mongo, clock: FixedClock) -> None:
        self._db = db
        self._clock = clock

    def add(self, summary: str | None = None, *skills: str, **fields: Any) -> ObjectId:
        self._clock.advance(minutes=1)
        doc = {
            "title": "canary-title",
            "description": "canary-description",
            "comments": [{"text": "canary-comment"}],
            "status": "COMPLETED",
            "summary": summary,
            "relatedSkills": list(skills),
            "createdBy": ObjectId(),
            "createdAt": self._clock(),
            "completedAt": self._clock(),
            **fields,
        }
        stored: ObjectId = self._db.tickets.insert_one(doc).inserted_id
        return stored


@pytest.fixture
def past(db: Mongo, clock: FixedClock) -> Past:
    return Past(db, clock)


def found(db: Mongo, text: str = TEXT, *likely: str) -> list[str]:
    told = similar_tickets.find_precedents(db, text=text, likely=likely, team_skills=TEAM)
    return [precedent.summary for precedent in told]


@pytest.mark.parametrize("likely", [(), ("VPN",), ("VPN", "Printer")])
def test_private_tickets_are_none(db: Mongo, past: Past, likely: tuple[str, ...]) -> None:
    past.add("The tunnel drops every hour since Monday.", "VPN", private=True)
    assert found(db, TEXT, *likely) == []
    past.add("The tunnel drops every hour since Tuesday.", "VPN")
    assert found(db, TEXT, *likely) == ["The tunnel drops every hour since Tuesday."]


def test_the_likest_come_first_and_at_most_four(db: Mongo, past: Past) -> None:
    for number in range(6):
        past.add(f"The tunnel drops now and then, case {number}.", "VPN")
    past.add("The VPN tunnel drops every hour since Monday.", "VPN")
    past.add("The VPN costs too much for the salary account.", "VPN")
    told = found(db, TEXT, "VPN")
    assert told[0] == "The VPN tunnel drops every hour since Monday."
    assert len(told) == 4
    assert all(summary.startswith("The tunnel drops now and then") for summary in told[1:])


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "REOPENED"},
        {"status": "IN_PROGRESS"},
        {"resolution": "cancelled"},
        {"resolution": "not_a_request"},
        {"summary": None},
        {"summary": "  "},
        {"summary": "The monitor flickers on the third floor."},
        {"relatedSkills": ["Printer"]},
    ],
    ids=str,
)
def test_only_resolved_ones_that_are_alike_and_summarised_count(
    db: Mongo, past: Past, fields: dict[str, Any]
) -> None:
    past.add(**{"summary": "The VPN tunnel drops.", "relatedSkills": ["VPN"], **fields})
    assert found(db, TEXT, "VPN") == []


def test_nothing_but_summary_and_the_teams_skills_is_given(db: Mongo, past: Past) -> None:
    past.add("The VPN tunnel drops.", "vpn", "VPN", "Payroll")
    told = similar_tickets.find_precedents(db, text=TEXT, likely=["VPN"], team_skills=TEAM)
    assert told == (Precedent("The VPN tunnel drops.", ("VPN",)),)


def test_where_no_skill_is_likely_the_newest_are_looked_at(
    db: Mongo, past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(similar_tickets, "MAX_COMPARED_TICKETS", 3)
    past.add("The VPN tunnel drops: too old.", "VPN")
    past.add("The VPN tunnel drops.", "VPN")
    past.add("The printer has no paper.", "Printer")
    past.add("No access to SAP.", "SAP")
    assert found(db) == ["The VPN tunnel drops."]


def test_the_same_summary_is_told_once(db: Mongo, past: Past) -> None:
    for _ in range(3):
        past.add("The VPN tunnel drops.", "VPN", "Printer")
    assert found(db, TEXT, "VPN", "Printer", "SAP") == ["The VPN tunnel drops."]


def test_odd_legacy_values_do_not_stop_it(db: Mongo, past: Past) -> None:
    past.add("The VPN tunnel drops.", title=None, relatedSkills="VPN", completedAt=None)
    past.add("The VPN tunnel drops, too.", relatedSkills=["VPN", 7, None], completedAt="yesterday")
    assert len(found(db, TEXT, "VPN")) == 2


@pytest.mark.parametrize(("likely", "finds"), [((), 1), (("VPN",), 1), (TEAM * 9, 3)])
def test_the_queries_are_few_however_many_tickets_and_skills_there_are(
    watched_db: Mongo, commands: Commands, past: Past, likely: tuple[str, ...], finds: int
) -> None:
    for _ in range(20):
        past.add("The VPN tunnel drops.", *TEAM)
    similar_tickets.find_precedents(watched_db, text=TEXT, likely=likely, team_skills=TEAM)
    assert [name for name, _ in commands.sent] == ["find"] * finds
    limits = [command["limit"] for _, command in commands.sent]
    assert sum(limits) <= similar_tickets.MAX_COMPARED_TICKETS


class TestReporters:
    @pytest.fixture
    def ticket(self) -> Ticket:
        return sample_ticket(title="Cannot open the payroll page", description="It says 502.")

    def test_each_other_person_counts_once(
        self, db: Mongo, past: Past, clock: FixedClock, ticket: Ticket
    ) -> None:
        same = {"title": "Payroll page does not open", "description": "502 again", "status": "TODO"}
        one = ObjectId()
        past.add(None, **same, createdBy=one)
        past.add(None, **same, createdBy=one)
        past.add(None, **same, createdBy=str(one))
        past.add(None, **same, createdBy=ticket.created_by)
        past.add(None, **same, createdBy=None)
        past.add(None, **same | {"status": "COMPLETED"}, resolution="not_a_request")
        past.add(None, title="Printer is out of paper", description="On floor three.")
        assert similar_tickets.count_reporters(db, ticket, now=clock()) == 1
        past.add(None, **same)
        assert similar_tickets.count_reporters(db, ticket, now=clock()) == 2

    def test_only_the_last_hour_counts(
        self, db: Mongo, past: Past, clock: FixedClock, ticket: Ticket
    ) -> None:
        past.add(None, title=ticket.title, description=ticket.description)
        filed = clock()
        assert similar_tickets.count_reporters(db, ticket, now=filed + timedelta(minutes=59)) == 1
        assert similar_tickets.count_reporters(db, ticket, now=filed + timedelta(hours=1)) == 0


TEXTS = st.text(alphabet="abcé 1\n.", max_size=40)


def test_what_shares_rare_words_is_liker() -> None:
    same, near, far, empty = similarities(
        "The printer on floor three is out of paper",
        [
            "The printer on floor three is out of paper",
            "A printer is out of toner",
            "The salary is not on the account",
            "",
        ],
    )
    assert same == pytest.approx(1)
    assert same > near > far > empty == 0


def test_nothing_is_like_nothing() -> None:
    assert similarities("", ["", "printer"]) == [0, 0]
    assert similarities("printer", []) == []


@given(TEXTS, st.lists(TEXTS, max_size=5))
def test_it_is_a_share_and_the_order_changes_nothing(text: str, others: list[str]) -> None:
    shares = similarities(text, others)
    assert all(0 <= share <= 1 + 1e-9 for share in shares)
    assert similarities(text, others[::-1]) == shares[::-1]
