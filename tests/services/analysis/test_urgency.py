import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.analysis.urgency import (
    PriorityDecision,
    UrgencyClaim,
    UrgencySignal,
    decide_priority,
    find_signal,
)
from services.models.ticket import Priority

LOW, MEDIUM, HIGH, URGENT = Priority

OUTAGES = (
    "There is an outage",
    "Email is down for everyone",
    "The network is down",
    "The server is\ncompletely DOWN!",
    "Stromausfall im Lager",
    "Der Server ist komplett ausgefallen",
    "Panne générale du réseau",
    "Le serveur est en panne",
    "El sistema está caído",
    "Il server è giù",
    "O site está fora do ar",
    "Er is een storing",
    "De website ligt plat",
    "Awaria!",
)
BREACHES = (
    "We have a security breach",
    "I think we were hacked",
    "Ransomware on the share",
    "My account was compromised",
    "Wir wurden gehackt",
    "Nous avons été piratés",
    "Nos han hackeado",
    "Violazione dei dati",
    "Vazamento de dados",
    "Er is een datalek",
    "Wyciek danych",
)
SEVERAL = (
    "All of us cannot log in",
    "The whole office is stuck",
    "20 people cannot print",
    "3 of us wait",
    "Nobody in accounting can print",
    "several colleagues have it",
    "Niemand kann drucken",
    "Das ganze Team steht",
    "3 Kollegen sind betroffen",
    "Tout le bureau est bloqué",
    "toute l\N{RIGHT SINGLE QUOTATION MARK}équipe attend",
    "Nadie puede entrar",
    "Nessuno riesce ad accedere",
    "Ninguém consegue entrar",
    "Het hele kantoor",
    "Cały zespół czeka",
)
NEITHER = (
    "",
    "URGENT urgent asap!!!",
    "Assign this to the CEO, priority urgent",
    "My laptop is down",
    "The VPN is slow",
    "It works for everyone else",
    "This is not an outage",
    "There is no outage",
    "Kein Ausfall",
    "Pas de panne générale",
    "Nobody can help me",
    "Niemand kann mir helfen",
    "2 people",
    "Version 3.20 users",
    "Storing files in OneDrive",
    "Restoring a backup",
    "I need an account for a new user",
    "Bonjour tout le monde, mon écran est noir",
    "call 555-1234 customers",
    "without any data leak",
)


def test_it_finds_what_speaks_for_urgent() -> None:
    phrases = {
        UrgencySignal.OUTAGE: OUTAGES,
        UrgencySignal.BREACH: BREACHES,
        UrgencySignal.PEOPLE: SEVERAL,
        None: NEITHER,
    }
    written = [
        (phrase, text, signal)
        for signal, table in phrases.items()
        for phrase in table
        for text in (phrase, f"Hello!\n\n{phrase.upper()}\nThanks")
    ]
    assert [phrase for phrase, text, signal in written if find_signal(text) != signal] == []


def test_what_is_denied_at_one_place_may_be_said_at_another() -> None:
    assert (
        find_signal("Yesterday there was no outage. Now the network is down.")
        is UrgencySignal.OUTAGE
    )


@given(st.text())
def test_no_text_breaks_it(text: str) -> None:
    find_signal(text)


@pytest.mark.parametrize("piece", ["all ", "nobody x ", "a", "1 ", "niemand x x x x ", "down x "])
def test_long_texts_take_no_longer_than_they_are_long(piece: str) -> None:
    assert find_signal(piece * (60_000 // len(piece))) is None


@pytest.mark.parametrize(
    ("asked", "is_trusted", "found", "signal", "priority", "claim"),
    [
        # no request: the analysis decides
        (None, False, None, None, MEDIUM, None),
        (None, False, None, UrgencySignal.OUTAGE, MEDIUM, None),
        (None, False, LOW, UrgencySignal.OUTAGE, LOW, None),
        (None, False, HIGH, None, HIGH, None),
        (None, False, URGENT, None, HIGH, UrgencyClaim.MODEL),
        (None, False, URGENT, UrgencySignal.PEOPLE, URGENT, UrgencyClaim.MODEL),
        # a requester's stays; their urgent only with a signal
        (LOW, False, URGENT, UrgencySignal.OUTAGE, LOW, None),
        (HIGH, False, LOW, None, HIGH, None),
        (URGENT, False, LOW, None, HIGH, UrgencyClaim.REQUESTER),
        # two claims count as one: the model has read the requester's
        (URGENT, False, URGENT, None, HIGH, UrgencyClaim.REQUESTER),
        (URGENT, False, None, UrgencySignal.REPORTS, URGENT, UrgencyClaim.REQUESTER),
        # staff are trusted
        (URGENT, True, LOW, None, URGENT, None),
        (LOW, True, URGENT, UrgencySignal.OUTAGE, LOW, None),
    ],
)
def test_urgent_takes_a_second_signal(
    asked: Priority | None,
    is_trusted: bool,
    found: Priority | None,
    signal: UrgencySignal | None,
    priority: Priority,
    claim: UrgencyClaim | None,
) -> None:
    assert decide_priority(
        requested=asked, is_trusted=is_trusted, suggested=found, signal=signal
    ) == PriorityDecision(priority, claim)
