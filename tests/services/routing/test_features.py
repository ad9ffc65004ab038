import math
import zlib

import pytest

from services.routing.features import MAX_TEXT_LENGTH, extract_features


def hashes(*words: str) -> set[int]:
    return {zlib.crc32(word.encode()) for word in words}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ()),
        ("🔥🔥 !!! …", ()),
        ("The printer, THE PRINTER!", ("the", "printer")),
        ("Büro und Bu\u0308ro", ("büro", "und")),
        ("a b c", ()),
        ("\uff36\uff30\uff2e vpn", ("vpn",)),
        ("error 0x80070005", ("error", "0x80070005")),
        ("x" * 31, ()),
        ("VPNに接続 壊", ("vpn", "に接", "接続", "壊")),
        ("お願いします", ("お願", "願い")),
        ("프린터가", ("프린", "린터", "터가")),
        ("प्रिंटर काम।", ("प्रिंटर", "काम")),
        ("null\0byte \ud800 lone", ("null", "byte", "lone")),
    ],
)
def test_a_text_is_its_words(text: str, words: tuple[str, ...]) -> None:
    assert extract_features(text).keys() == hashes(*words)


def test_a_repeated_word_counts_a_little_more() -> None:
    assert list(extract_features("vpn").values()) == [math.log(2)]
    assert list(extract_features("vpn " * 9).values()) == [math.log(10)]


def test_secrets_are_no_words() -> None:
    assert not extract_features("my password is: Tr0ub4dor").keys() & hashes("tr0ub4dor")


def test_only_the_beginning_of_an_endless_text_counts() -> None:
    text = "disk " * (MAX_TEXT_LENGTH // 5)
    assert extract_features(text + "printer " * 20_000) == extract_features(text)
