import pytest

from services.routing.aliases import ALIASES, aliases_of
from services.routing.router import match_skills
from services.routing.typos import FALSE_FRIENDS, correct_typos

SKILLS = [
    "Printer", "Kubernetes", "Salesforce", "Windows", "Active Directory", "Splunk", "React",
    "VPN", "Server", "Teams", "Frontend", "SharePoint",
]  # fmt: skip


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
