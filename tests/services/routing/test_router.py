from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.analysis.model_answer import Analysis, FailureReason, SkillMatch
from services.models.assignee_choice import AnalysisSource
from services.routing.learned_model import Example, LearnedModel
from services.routing.router import match_skills, rank_skills, route
from services.routing.trainer import Trainer

LANGUAGES = ("C", "C++", "C#", "R", "Go", "Java", "JavaScript", "Node.js", ".NET")


def test_it_finds_whole_words_in_order_of_first_mention() -> None:
    cases: list[tuple[str, tuple[str, ...]]] = [
        ("The vpn is down", ("VPN",)),
        ("VPN-Zugang geht nicht", ("VPN",)),
        ("(VPN)", ("VPN",)),
        ("check portal.vpn.example.com", ("VPN",)),
        ("vpn_client.log", ("VPN",)),
        ("VPN+DNS", ("VPN", "DNS")),
        ("dns, then vpn, then DNS again", ("DNS", "VPN")),
        ("vpns are slow", ("VPN",)),
        ("vpnx and xvpn", ()),
        ("überVPN", ()),
        ("VPN2 is a host", ()),
        ("", ()),
    ]
    assert [
        (text, named) for text, named in cases if match_skills(text, ["VPN", "DNS"]) != named
    ] == []


def test_it_tells_languages_apart() -> None:
    cases: list[tuple[str, tuple[str, ...]]] = [
        ("a C compiler", ("C",)),
        ("C++ build", ("C++",)),
        ("C# service", ("C#",)),
        ("c++ and c# in one project", ("C++", "C#")),
        ("C/C++ toolchain", ("C", "C++")),
        ("C, C++, C#.", ("C", "C++", "C#")),
        ("C++17 and C++-Entwickler", ("C++",)),
        ("C:\\Users is full", ()),
        ("drive C: is full", ()),
        ("a C-level manager, vitamin c, U.S.C.", ()),
        ("the A/C is broken", ()),
        ("R&D needs paper", ()),
        ("The script is in R.", ("R",)),
        ("javascript error", ("JavaScript",)),
        ("Java error", ("Java",)),
        ("node.js crashes", ("Node.js",)),
        ("nodexxjs crashes", ()),
        (".net runtime", (".NET",)),
        ("mail from example.net", ()),
        ("please go to the Go service", ("Go",)),
        ("let us go", ()),
    ]
    assert [(text, named) for text, named in cases if match_skills(text, LANGUAGES) != named] == []


def test_everyday_words_count_only_as_the_skill_is_spelled() -> None:
    cases: list[tuple[str, tuple[str, ...]]] = [
        ("it does not work", ()),
        ("IT does not answer", ("IT",)),
        ("I have no access to our teams' office", ()),
        ("Teams and Access fail", ("Teams", "Access")),
        ("ad-hoc question", ()),
        ("AD login", ("AD",)),
    ]
    assert [
        (text, named)
        for text, named in cases
        if match_skills(text, ["IT", "Access", "Teams", "Office", "AD"]) != named
    ] == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("active  directory is down", ("Active Directory",)),
        ("Active-Directory sync", ("Active Directory",)),
        ("active\ndirectory", ("Active Directory",)),
        ("activedirectory", ()),
        ("Windows Server reboot", ("Windows Server",)),
        ("Windows Server, not Windows", ("Windows Server", "Windows")),
        ("wifi, Wi-Fi or wi fi", ("Wi-Fi",)),
        ("two printers", ("Printer",)),
        ("Papier im Büro, Büro\u0308", ()),
        ("Gebaeude oder Buchungsstraße", ()),
        ("GEHÄLTER falsch", ("Gehälter",)),
        ("Geha\u0308lter falsch", ("Gehälter",)),
    ],
)
def test_it_finds_skills_of_several_words(text: str, named: tuple[str, ...]) -> None:
    skills = ["Active Directory", "Windows", "Windows Server", "Wi-Fi", "Printer", "Gehälter"]
    assert match_skills(text, skills) == named


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("VPNに接続できない", ("VPN",)),
        ("\uff36\uff30\uff2e\u3000接続不可", ("VPN",)),
        ("VPN이 안 돼요", ("VPN",)),
        ("VPNล่ม", ("VPN",)),
        ("新しいプリンターが壊れた", ("プリンター",)),
        ("社内C++のR言語", ("C++", "R")),
        ("中文输入法不能用", ("中文",)),
        ("프린터가 고장났어요", ("프린터",)),
        ("我的xVPNy", ()),
        ("VPN\u2122: no connection", ("VPN",)),
        ("Jira\u2122 is down", ("Jira\u2122",)),
    ],
)
def test_it_finds_skills_where_no_blanks_stand_between_words(
    text: str, named: tuple[str, ...]
) -> None:
    skills = ["VPN", "プリンター", "C++", "C", "R", "中文", "프린터", "Jira\u2122"]
    assert match_skills(text, skills) == named


def test_a_skill_spelled_twice_is_named_once() -> None:
    assert match_skills("vpn", ["VPN", "vpn", " VPN "]) == ("VPN",)


def test_skills_are_text_and_never_patterns() -> None:
    assert match_skills("anything at all", [".*", "(", "[a-z]+", "\\w", "", "  ", "-"]) == ()
    assert match_skills("use .* here", [".*"]) == (".*",)


@given(st.text(max_size=200), st.lists(st.text(max_size=20), max_size=5))
def test_it_never_breaks_and_names_only_what_it_was_given(text: str, skills: list[str]) -> None:
    named = match_skills(text, skills)
    assert set(named) <= {skill.strip() for skill in skills}
    assert len(set(named)) == len(named)


@pytest.mark.timeout(5)  # all of it would take minutes
def test_of_a_long_text_the_beginning_is_read() -> None:
    assert match_skills("VPN " + "down " * 4_000_000 + "Docker", ["VPN", "Docker"]) == ("VPN",)


@pytest.mark.timeout(5)  # a pattern that backtracks would take hours, not seconds
@pytest.mark.parametrize("text", ["C+" * 1_500, "- " * 1_500, "active " * 500, "\u2010" * 3_000])
def test_hostile_text_costs_little(text: str) -> None:
    match_skills(text, [*LANGUAGES, "Active Directory", "a-a-a-a-a-a-a-a", "- - - - -"])


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
