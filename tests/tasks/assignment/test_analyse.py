"""Analysis by a model over real HTTP, and in code if the model's answer is not enough."""

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest

from services.analysis.model_exchange import INSTRUCTION, Analysis, SkillMatch
from services.analysis.urgency import UrgencySignal
from services.core.database import Mongo
from services.models.ticket import AnalysisSource, Priority, Ticket
from services.models.user import Role, User
from services.tickets.filing import TicketService
from tasks.assignment.analyse import analyse
from tasks.gemini import GeminiAnalyst
from tasks.runtime import Runtime, gemini_analyst
from tests.conftest import People, file_ticket, make_config
from tests.support.aimock import BareGemini, Reply, answer_text, gemini_body


@pytest.fixture
def gemini() -> Iterator[BareGemini]:
    with BareGemini() as server:
        yield server


@pytest.fixture
def ai_runtime(runtime: Runtime, gemini: BareGemini) -> Runtime:
    analyst = GeminiAnalyst(api_key="k", model="m", api_url=gemini.url, mark=lambda: "0f0f")
    return dataclasses.replace(runtime, analyst=analyst)


@pytest.fixture
def team(people: People) -> None:
    for skill in ("VPN", "Printer", "SAP"):
        people.add(Role.MODERATOR, skill)


def set_answer(gemini: BareGemini, **answer: Any) -> None:
    gemini.reply = Reply(gemini_body(answer_text(**answer)))


def prompt(gemini: BareGemini) -> str:
    text: str = gemini.received[-1].body["contents"][0]["parts"][0]["text"]
    return text


def test_without_a_key_there_is_no_model() -> None:
    assert gemini_analyst(make_config()) is None


@pytest.mark.usefixtures("team")
def test_the_request_has_the_ticket_and_the_skills_and_names_no_one(
    ai_runtime: Runtime, gemini: BareGemini, tickets: TicketService, requester: User
) -> None:
    set_answer(gemini, skills=["VPN"])
    analyse(ai_runtime, file_ticket(tickets, requester, "VPN drops", "Password: hunter2\nHelp."))
    body = gemini.received[-1].body
    assert body.keys() == {"contents", "systemInstruction", "generationConfig"}
    assert prompt(gemini) == (
        "The ticket stands between the two lines TICKET-0f0f.\nTICKET-0f0f\n"
        "Title: VPN drops\n\nPassword: [password removed]\nHelp.\nTICKET-0f0f"
    )
    assert str(body["systemInstruction"]["parts"][0]["text"]) == INSTRUCTION
    schema = body["generationConfig"]["responseSchema"]
    assert schema["properties"]["relatedSkills"]["items"]["enum"] == ["Printer", "SAP", "VPN"]
    sent = json.dumps(body)
    ids = (str(requester.id), People.slack_id(requester), requester.email, str(requester.name))
    assert [each for each in ids if each in sent] == []


@pytest.mark.usefixtures("team")
class TestPrecedents:
    def test_summaries_of_similar_resolved_tickets_are_told_and_nothing_else_of_them(
        self,
        ai_runtime: Runtime,
        gemini: BareGemini,
        db: Mongo,
        tickets: TicketService,
        requester: User,
        people: People,
    ) -> None:
        past = file_ticket(tickets, people.add(), "VPN canary-a", "The canary-b tunnel drops.")
        done = {
            "status": "COMPLETED",
            "summary": "The VPN tunnel drops; password: hunter2",
            "helpfulNotes": "canary-c",
            "resolution": "canary-d",
            "relatedSkills": ["VPN", "Left"],
            "comments": [{"text": "canary-e"}],
        }
        db.tickets.update_one({"_id": past.id}, {"$set": done})
        set_answer(gemini, skills=["VPN"])
        analyse(ai_runtime, file_ticket(tickets, requester, "VPN tunnel drops", "Every hour."))
        assert (
            "RESOLVED-0f0f\n- VPN: The VPN tunnel drops; password: [password removed]\n"
            "RESOLVED-0f0f\n"
        ) in prompt(gemini)
        sent = json.dumps(gemini.received[-1].body)
        assert "canary" not in sent
        assert "User" not in sent  # no user's name either

    def test_without_any_the_ticket_stands_alone(
        self, ai_runtime: Runtime, gemini: BareGemini, tickets: TicketService, requester: User
    ) -> None:
        set_answer(gemini, skills=["VPN"])
        analyse(ai_runtime, file_ticket(tickets, requester, "VPN tunnel drops", "Every hour."))
        assert prompt(gemini).startswith("The ticket stands between the two lines TICKET-0f0f.")


@pytest.mark.usefixtures("team")
class TestConfidence:
    @pytest.mark.parametrize(
        ("title", "confidence", "skills", "basis"),
        [
            ("The printer prints VPN errors", 0.4, ("SAP", "Printer", "VPN"), None),
            ("The printer prints VPN errors", 0.39, ("Printer", "VPN"), SkillMatch.KEYWORD),
            ("Nothing works", 0.4, ("SAP",), None),
            ("Nothing works", 0.39, ("SAP",), None),
            ("Nothing works", 0, ("SAP",), None),
        ],
    )
    def test_the_named_skills_are_added_and_replace_those_it_is_not_sure_of(
        self,
        ai_runtime: Runtime,
        gemini: BareGemini,
        tickets: TicketService,
        requester: User,
        title: str,
        confidence: float,
        skills: tuple[str, ...],
        basis: SkillMatch | None,
    ) -> None:
        set_answer(gemini, skills=["SAP"], summary="By the model.", confidence=confidence)
        found = analyse(ai_runtime, file_ticket(tickets, requester, title, "Please help."))
        assert (found.related_skills, found.basis) == (skills, basis)
        assert (found.source, found.summary) == (AnalysisSource.GEMINI, "By the model.")
        assert found.confidence == confidence


class TestUrgent:
    @pytest.mark.parametrize(
        ("description", "signal"),
        [
            ("Please hurry.", None),
            ("All of us are waiting.", UrgencySignal.PEOPLE),
            ("The server is down.", UrgencySignal.OUTAGE),
            ("We were hacked.", UrgencySignal.BREACH),
        ],
    )
    def test_the_words_are_weighed(
        self,
        ai_runtime: Runtime,
        gemini: BareGemini,
        tickets: TicketService,
        requester: User,
        description: str,
        signal: UrgencySignal | None,
    ) -> None:
        set_answer(gemini, skills=None, priority="urgent")
        found = analyse(ai_runtime, file_ticket(tickets, requester, "Nothing works", description))
        assert (found.priority, found.signal) == (Priority.URGENT, signal)

    def test_a_requesters_claim_is_weighed_without_a_model_too(
        self, runtime: Runtime, tickets: TicketService, requester: User
    ) -> None:
        filed = file_ticket(tickets, requester, "Outage", "It is one.", priority="urgent")
        assert analyse(runtime, filed).signal is UrgencySignal.OUTAGE

    def test_nothing_is_weighed_where_nobody_claims_it(
        self, ai_runtime: Runtime, gemini: BareGemini, tickets: TicketService, requester: User
    ) -> None:
        set_answer(gemini, skills=None, priority="high")
        filed = file_ticket(tickets, requester, "Outage", "All of us.", priority="low")
        assert analyse(ai_runtime, filed).signal is None

    def test_others_who_report_the_same_within_the_hour_are_a_signal(
        self,
        ai_runtime: Runtime,
        gemini: BareGemini,
        tickets: TicketService,
        people: People,
        requester: User,
    ) -> None:
        set_answer(gemini, skills=None, priority="urgent")

        def report(by: User) -> Ticket:
            return file_ticket(tickets, by, "Payroll page does not open", "It says 502.")

        other = people.add()
        signals = [analyse(ai_runtime, report(by)).signal for by in (requester, requester, other)]
        assert signals == [None, None, None]
        report(people.add())
        assert analyse(ai_runtime, report(requester)).signal is UrgencySignal.REPORTS


class Broken:
    """A model library that raises an unexpected error."""

    def analyse(self, **_: Any) -> Analysis:
        raise AttributeError("my password is hunter2")


@pytest.mark.usefixtures("team")
def test_whatever_the_library_stumbles_over_the_ticket_is_read_offline(
    runtime: Runtime,
    tickets: TicketService,
    requester: User,
    caplog: pytest.LogCaptureFixture,
) -> None:
    ticket = file_ticket(tickets, requester, "The VPN drops")
    found = analyse(dataclasses.replace(runtime, analyst=Broken()), ticket)
    assert (found.related_skills, found.failure) == (("VPN",), "unreadable")
    assert "gemini's library: AttributeError" in caplog.text
    assert "hunter2" not in caplog.text
