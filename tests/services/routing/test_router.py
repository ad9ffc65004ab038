from dataclasses import replace
from functools import cache

import pytest

from services.analysis.model_exchange import Analysis, FailureReason, SkillMatch
from services.models.ticket import AnalysisSource
from services.routing.learned_model import (
    STOP_FEATURES,
    Example,
    LearnedModel,
    extract_features,
)
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


# Learned matches from the first few resolved tickets: for similar texts, and for no others

# Five resolved tickets, all of one kind.
TUNNEL = (
    "The tunnel drops\nSince Monday it drops again and again.",
    "Cannot reach the company network from home\nThe tunnel does not come up: timeout.",
    "Remote work is slow\nEverything over the tunnel takes minutes since yesterday.",
    "Tunnel asks for a password\nI have to log in to the gateway three times a day.",
    "No connection from the hotel\nThe gateway says timeout and the tunnel drops.",
)
ALIKE = (
    "My tunnel drops\nSince this morning, please help.",
    "Hello,\nthe tunnel drops all the time. Thank you!",
    "The tunnel drops in the train\nCan you help me?",
)
OTHERS = (
    "The printer is out of paper\nPlease help, since this morning nobody can print.",
    "I need a new chair\nMine has been broken since Monday.",
    "My laptop is slow\nIt takes minutes to start since yesterday.",
    "Password forgotten\nI cannot log in to the payroll page.",
    "New colleague\nAnna starts on Monday and needs a desk and a phone.",
    "The coffee machine drops milk\nIt does so again and again, every day.",
    "The invoice has not been paid\nThe supplier asks again and again.",
    "Cannot open the door\nThe card does not work at the gate since yesterday.",
    "Hello\nPlease help me, it does not work again.",
    "",
)


@cache
def after(count: int) -> LearnedModel:
    return Trainer().train([Example(text, ("VPN",)) for text in TUNNEL[:count]])


def guessed(text: str, model: LearnedModel) -> tuple[str, ...]:
    skills = ["VPN", "Stationery"]
    return route(title=text, description="", skills=skills, learned=model).related_skills


@pytest.mark.parametrize("text", ALIKE)
@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_text_like_them_needs_what_they_needed(count: int, text: str) -> None:
    assert guessed(text, after(count)) == ("VPN",)


@pytest.mark.parametrize("text", OTHERS)
@pytest.mark.parametrize("count", [1, 2, 5])
def test_of_any_other_text_nothing_is_guessed(count: int, text: str) -> None:
    assert guessed(text, after(count)) == ()


def test_the_more_there_are_the_more_is_known() -> None:
    text = "Timeout\nI cannot reach the gateway from home."
    assert [guessed(text, after(count)) for count in (1, 2, 5)] == [(), ("VPN",), ("VPN",)]


def test_many_of_one_kind_say_nothing_of_another() -> None:
    model = Trainer().train([Example(text, ("VPN",)) for text in TUNNEL * 20])
    assert [text for text in OTHERS if guessed(text, model)] == []


def test_one_ticket_of_a_second_kind_does_not_make_the_first_one_everything() -> None:
    second = Example("Paper jam\nThe tray is stuck.", ("Stationery",))
    model = Trainer().train([*(Example(text, ("VPN",)) for text in TUNNEL), second])
    assert [text for text in OTHERS if guessed(text, model)] == []
    assert guessed(ALIKE[0], model) == ("VPN",)


@pytest.mark.parametrize(
    ("taught", "alike", "other"),
    [
        (
            "Der Tunnel bricht ab\nSeit Montag immer wieder.",
            "Mein Tunnel bricht ab\nBitte um Hilfe, seit heute.",
            "Der Drucker zieht kein Papier ein\nSeit Montag immer wieder.",
        ),
        (
            "Le tunnel se coupe\nDepuis lundi, toujours.",
            "Bonjour\nMon tunnel se coupe depuis hier.",
            "Le badge ne marche pas\nDepuis lundi, toujours.",
        ),
        (
            "Tunel rozłącza się\nOd poniedziałku.",
            "Dzień dobry\nMój tunel znowu rozłącza się.",
            "Brak papieru w drukarce\nOd poniedziałku.",
        ),
    ],
)
def test_in_other_languages_too(taught: str, alike: str, other: str) -> None:
    model = Trainer().train([Example(taught, ("VPN",))] * 3)
    assert (guessed(alike, model), guessed(other, model)) == (("VPN",), ())


def test_what_tells_nothing_is_found_as_it_is_written() -> None:
    text = "HELLO, since Monday können wir nicht: s'il vous plaît, można? ÊTRE"
    strange = extract_features(text).keys() - STOP_FEATURES
    assert strange == extract_features("można").keys()


def test_a_long_history_has_met_most_subjects() -> None:
    long = replace(after(5), example_count=500)
    assert long.is_familiar_with(OTHERS[0])
    assert not replace(long, example_count=499).is_familiar_with(OTHERS[0])
