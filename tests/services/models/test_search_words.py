"""Splitting texts into folded words."""

import pytest

from services.models.search_words import MAX_WORDS, fold, iter_words, normalized, unique_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The VPN drops, the VPN!", ("the", "vpn", "drops")),
        ("Crème brûlée STRASSE straße", ("creme", "brulee", "strasse")),
        ("e\u0301te\u0301", ("ete",)),
        ("0x80070005 wi-fi error_code", ("0x80070005", "wi", "fi", "error", "code")),
        ("VPN接続できない", ("vpn", "接続", "続で", "でき", "きな", "ない")),
        ("한국어", ("한국", "국어")),
        ("がか", ("がか",)),
        ("नमस्ते", ("नमसत",)),
        ("ﬁle ＶＰＮ", ("file", "vpn")),
        ("a b :fire: 🔥 <!channel>", ("fire", "channel")),
        ("x" * 50, ("x" * 30,)),
        ("", ()),
    ],
)
def test_a_text_has_these_words(text: str, words: tuple[str, ...]) -> None:
    assert unique_words([text]) == words


@pytest.mark.parametrize(
    "text", ["The VPN_drops, 0x8007 at a-b!", "x" * 70, "It's 5 o'clock\n\tNOW"]
)
def test_ascii_is_split_as_any_text(text: str) -> None:
    placed = tuple(word.text for word in iter_words(text) if len(word.text) > 1)

    assert unique_words([text]) == tuple(dict.fromkeys(placed))


def test_a_word_keeps_its_place() -> None:
    text = normalized("Café, 接続")
    placed = [(word.text, text[word.start : word.end]) for word in iter_words(text)]

    assert placed == [("cafe", "Café"), ("接続", "接続")]


def test_words_are_kept_once_and_up_to_a_limit() -> None:
    texts = [" ".join(f"word{number}" for number in range(MAX_WORDS + 50)), "later"]

    found = unique_words(texts, ["known", "word1"])

    assert found[:3] == ("known", "word1", "word0")
    assert len(found) == MAX_WORDS == 400


def test_folding_changes_a_folded_word_no_more() -> None:
    for word in ("İstanbul", "ΌΣΟΣ", "ǅ", "ﬃ", "が", "Ⅻ"):
        assert fold(fold(word)) == fold(word)
