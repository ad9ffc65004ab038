import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.routing.skill_matching import (
    ALIASES,
    FALSE_FRIENDS,
    aliases_of,
    correct_typos,
    match_skills,
)

LANGUAGES = ("C", "C++", "C#", "R", "Go", "Java", "JavaScript", "Node.js", ".NET")

SKILLS = [
    "Printer", "Kubernetes", "Salesforce", "Windows", "Active Directory", "Splunk", "React",
    "VPN", "Server", "Teams", "Frontend", "SharePoint",
]  # fmt: skip


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


def test_slips_of_the_fingers_are_understood() -> None:
    cases: list[tuple[str, tuple[str, ...]]] = [
        ("the pritner is out of paper", ("Printer",)),
        ("printr, prinnter", ("Printer",)),
        ("PRITNER!", ("Printer",)),
        ("kuberntes and kubernetis", ("Kubernetes",)),
        ("Salesfroce login", ("Salesforce",)),
        ("windwos update", ("Windows",)),
        ("Active Direcotry sync", ("Active Directory",)),
        ("sharepiont", ("SharePoint",)),
    ]
    assert [(text, named) for text, named in cases if match_skills(text, SKILLS) != named] == []


def test_real_words_are_no_slips() -> None:
    cases: list[str] = [
        "I cannot reach anybody",  # no React
        "the pointer jumps",
        "a printed page",
        "a broken window",
        "widows and orphans",
        "spunk",
        "it severs the line and serves nobody",
        "he fronted the money",
        "the vpm and the vnp",  # short words count as they are spelled
        "my steam account",
        "wrinter rinter",
        "",
    ]
    assert [text for text in cases if match_skills(text, SKILLS) != ()] == []


def test_what_could_be_a_slip_of_two_is_none() -> None:
    assert match_skills("casting", ["Tasting", "Testing"]) == ()
    assert correct_typos("prinnter", ["printer", "prinner", "pinnter"]) == "prinnter"


def test_a_skill_that_is_a_false_friend_is_found_by_its_own_name() -> None:
    assert match_skills("contact the supplier", ["Contract", "Contact"]) == ("Contact",)
    assert all(word.islower() and len(word) >= 6 for word in FALSE_FRIENDS)


def test_a_text_is_otherwise_left_as_it_stands() -> None:
    text = "The  Pritner\n-- ünïcode \U0001f525 --"
    assert correct_typos(text, ["printer"]) == text.replace("Pritner", "printer")
    assert correct_typos(text, []) == text


@pytest.mark.timeout(20)  # only bounds a test that fails
def test_a_hostile_text_costs_little() -> None:
    text = " ".join(
        f"print{'abcdefghij'[n % 10]}{'klmnopqrst'[n // 10 % 10]}er" for n in range(15_000)
    )
    assert len(text) > 100_000
    match_skills(text, [f"printing{letter * 3}" for letter in "abcdefghijklmnop"])


def test_other_words_for_a_skill_are_understood() -> None:
    cases: list[tuple[str, list[str], tuple[str, ...]]] = [
        ("the wireless is gone", ["Wi-Fi"], ("Wi-Fi",)),
        ("wifi", ["Wireless network"], ("Wireless network",)),
        ("Outlook crashes", ["Email"], ("Email",)),
        ("Outlook crashes", ["Email", "Outlook"], ("Outlook",)),
        ("Outlook crashes", ["Printer"], ()),
        ("outlok", ["Email"], ("Email",)),
        ("my macbook", ["Laptop"], ("Laptop",)),
        ("k8s pods", ["Kubernetes"], ("Kubernetes",)),
        ("Mein Drucker", ["printer"], ("printer",)),
        ("a JS error; js", ["JavaScript"], ("JavaScript",)),
        ("please mail me", ["Email"], ()),
        ("Windows 11 and Linux", ["Linux", "Windows"], ("Windows", "Linux")),
        ("my payslip", ["Payroll", "Human Resources"], ("Payroll",)),
    ]
    assert [
        (text, skills, named)
        for text, skills, named in cases
        if match_skills(text, skills) != named
    ] == []


def test_an_alias_stands_for_what_the_team_has() -> None:
    assert aliases_of(["Wi-Fi"])["wlan"] == ("Wi-Fi",)
    assert "wlan" not in aliases_of(["Wi-Fi", "WLAN"])
    assert aliases_of(["Cooking"]) == aliases_of([]) == {}
    assert all(len(group) > 1 and "" not in group for group in ALIASES)
