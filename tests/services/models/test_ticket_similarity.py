"""Whether two tickets are about the same problem; `bench/alike.py` has labelled pairs."""

import pytest

from bench.alike import read
from services.models.search_words import SearchWords, unique_words
from services.models.ticket_similarity import TicketWords

Text = tuple[str, str]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("VPN drops", "Every hour since Monday."), ("VPN drops", "Every hour since Monday.")),
        (("VPN drops", "It disconnects."), ("The VPN disconnects", "It drops again.")),
        (("Printer", ""), ("printer!", "")),
        (("Crème brûlée machine", "leaks"), ("creme brulee machines", "It leaked")),
        (("Invoice 20418", "not paid"), ("Unpaid", "Invoice 20418 is not paid")),
        (("プリンター", "紙詰まり"), ("プリンター", "紙詰まり")),
    ],
)
def test_the_same_problem(one: Text, other: Text) -> None:
    assert TicketWords.of_texts(*one).is_alike(TicketWords.of_texts(*other))
    assert TicketWords.of_texts(*other).is_alike(TicketWords.of_texts(*one))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("", ""), ("", "")),
        (("Please help me", "again"), ("Please help me", "again")),  # says nothing
        (("VPN drops", "every hour"), ("VPN client for my new laptop", "Please install it.")),
        (("Access to the Finance share", "read"), ("Access to the Legal share", "read")),
        (("Account for our intern Mia", "May"), ("Account for our intern Jonas", "May")),
        (("Room for 3 June", "large, projector"), ("Room for 10 June", "large, projector")),
        (("Update fails", "0x80070005 in Word"), ("Update fails", "0x80240034 in Word")),
        (
            ("From the form", "hardware, floor, headset torn, contact me by phone"),
            ("From the form", "hardware, floor, webcam green, contact me by phone"),
        ),
    ],
)
def test_another_problem(one: Text, other: Text) -> None:
    assert not TicketWords.of_texts(*one).is_alike(TicketWords.of_texts(*other))
    assert not TicketWords.of_texts(*other).is_alike(TicketWords.of_texts(*one))


def test_stored_words_count_without_those_of_comments() -> None:
    title, text = "VPN drops", "At home the tunnel closes."
    own = unique_words([title])
    words = unique_words([text], own)
    search = SearchWords((*words, "router", "cable"), (), len(own), len(words)).to_doc()
    stored = TicketWords.of_doc({"title": title, "search": search})
    assert stored == TicketWords.of_texts(title, text)
    assert stored.max_similarity({"title": title, "search": search}) == 1.0
    for malformed in (
        {},
        {"title": 7},
        {"search": None},
        {"search": {"public": "vpn"}},
        {"search": {"public": [["vpn"], None, 3], "parts": [3, 3]}},
    ):
        assert not TicketWords.of_doc(malformed).is_alike(stored)
        assert stored.max_similarity(malformed) == 0.0


def test_no_ticket_is_more_similar_than_its_words_permit() -> None:
    texts = [text for pair in read() for text in (pair.one, pair.other)]
    vectors = [TicketWords.of_texts(*text) for text in texts]
    for title, text in texts[::7]:
        own = unique_words([title])
        words = unique_words([text], own)
        doc = {"title": title, "search": SearchWords(words, (), len(own), len(words)).to_doc()}
        stored = TicketWords.of_doc(doc)
        for vector in vectors:
            assert vector.similarity(stored) <= vector.max_similarity(doc) + 1e-9
