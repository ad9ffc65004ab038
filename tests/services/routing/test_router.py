from dataclasses import replace

import pytest

from services.analysis.model_answer import Analysis, FailureReason, SkillMatch
from services.models.assignee_choice import AnalysisSource
from services.routing.learned_model import Example, LearnedModel
from services.routing.router import rank_skills, route
from services.routing.trainer import Trainer


def test_it_routes_by_title_and_description() -> None:
    assert route(title="Laptop", description="No vpn", skills=["VPN", "Laptop"]) == Analysis(
        summary=None,
        priority=None,
        related_skills=("Laptop", "VPN"),
        helpful_notes=None,
        confidence=None,
        source=AnalysisSource.ROUTER,
        basis=SkillMatch.KEYWORD,
    )


def test_it_says_why_it_stands_in() -> None:
    analysis = route(title="x", description="y", skills=[], failure=FailureReason.QUOTA)
    assert analysis.failure == "quota"


def learned(*taught: tuple[str, str]) -> LearnedModel:
    return Trainer().train([Example(text, (skill,)) for text, skill in taught] * 9)


def test_similar_resolved_tickets_speak_where_nothing_is_named() -> None:
    model = learned(("the tunnel drops", "VPN"), ("the paper jams", "Printer"))
    skills = ["Printer", "vpn", "DNS"]
    analysis = route(title="My tunnel", description="drops", skills=skills, learned=model)
    assert (analysis.related_skills, analysis.basis) == (("vpn",), SkillMatch.LEARNED)
    analysis = route(title="My tunnel", description="DNS?", skills=skills, learned=model)
    assert (analysis.related_skills, analysis.basis) == (("DNS",), SkillMatch.KEYWORD)
    assert rank_skills("My tunnel, DNS?", skills, model) == ["DNS", "vpn", "Printer"]


@pytest.mark.parametrize("text", ["the", "unheard of", "", "\U0001f525"])
def test_words_that_tell_nothing_are_no_guess(text: str) -> None:
    model = learned(("the tunnel drops", "VPN"), ("the paper jams", "Printer"))
    analysis = route(title=text, description="", skills=["VPN", "Printer"], learned=model)
    assert (analysis.related_skills, analysis.basis) == ((), None)


def test_what_nobody_knows_any_more_is_not_asked_for() -> None:
    model = learned(("the tunnel drops", "VPN"), ("the paper jams", "Printer"))
    analysis = route(title="tunnel", description="drops", skills=["Printer"], learned=model)
    assert analysis.related_skills == ()


def test_a_model_that_leads_speaks_first_and_names_are_kept() -> None:
    model = replace(
        learned(("the tunnel drops", "VPN"), ("the paper jams", "Printer")), is_preferred=True
    )
    skills = ["Printer", "VPN", "DNS"]
    analysis = route(title="tunnel drops", description="DNS", skills=skills, learned=model)
    assert analysis.related_skills == ("VPN", "DNS")
    assert rank_skills("tunnel drops DNS", skills, model) == ["VPN", "Printer", "DNS"]
