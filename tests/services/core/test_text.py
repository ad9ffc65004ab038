import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.text import EMAIL_PATTERN, join_words, replace_once, strip_invisible, truncate


@pytest.mark.parametrize(
    "text",
    [
        "Plain text, with\ttabs\nand lines.",
        "Größe, naïve, 日本語, שלום",
        "C++ <!channel> *bold* :tada: &amp; $teamId",
        "👩‍💻 and ❤️ stay whole",
        "نمی‌خواهم",  # Persian: misspelt without its joiner
    ],
)
def test_what_can_be_seen_stays(text: str) -> None:
    assert strip_invisible(text) == text


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a\u200bb\ufeff", "ab"),
        ("evil\u202egnp.exe", "evilgnp.exe"),
        ("\u061cx\u2066y\u2069", "xy"),
        ("\x00nul\x1b[31m\x7f\x9b", "nul[31m"),
        ("half an emoji \ud83d", "half an emoji "),
        ("tagged\U000e0068\U000e0069", "tagged"),  # tags, which only the AI reads
        ("\u200d\u200c\u200d", ""),
        ("\ufe0f \u200d", " "),
        ("\u3164\u115f\u2800\xad", ""),
        ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
    ],
)
def test_what_cannot_be_seen_goes(text: str, seen: str) -> None:
    assert strip_invisible(text) == seen


@given(st.text(st.characters(exclude_categories=[]), max_size=60))
def test_whatever_is_typed_can_be_stored_and_holds_no_control_character(text: str) -> None:
    seen = strip_invisible(text)
    seen.encode()
    assert not [c for c in seen if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t"]
    assert strip_invisible(seen) == seen


@pytest.mark.parametrize("address", ["a@b.co", "first.o'last+tag@mail.example.com", "ü@exämple.de"])
def test_it_knows_an_address(address: str) -> None:
    assert EMAIL_PATTERN.fullmatch(address)


@pytest.mark.parametrize(
    "text", ["", "a", "@b.co", "a@b", "a@b.", "a@@b.co", "a b@c.de", "<a@b.co>", "a@b.co,c@d.ee"]
)
def test_it_knows_what_is_no_address(text: str) -> None:
    assert not EMAIL_PATTERN.fullmatch(text)


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [("abcd", 4, "abcd"), ("abcde", 4, "abc…"), ("ab  cd", 4, "ab…"), ("🔥🔥🔥", 2, "🔥…")],
)
def test_it_cuts_with_an_ellipsis(text: str, limit: int, shown: str) -> None:
    assert truncate(text, limit) == shown


def test_a_list_in_words() -> None:
    assert [join_words(list("abc")[:count]) for count in range(4)] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]
    assert join_words("ab", "or") == "a or b"


@pytest.mark.parametrize(
    ("text", "old", "new", "replaced"),
    [
        ("VPN, VPN", "VPN", "LAN", "LAN, VPN"),
        ("the VPN drops", "VPN", "VPN client", "the VPN client drops"),
        ("the VPN client drops", "VPN", "VPN client", "the VPN client drops"),
        ("VPN client", "VPN client", "VPN", "VPN"),
        ("VPN", "VPN", "", ""),
    ],
)
def test_words_are_replaced_once(text: str, old: str, new: str, replaced: str) -> None:
    assert replace_once(text, old, new) == replaced
