import pytest

from bot.views.text import (
    MAX_BLOCKS_LENGTH,
    DisplayPerson,
    Message,
    escape,
    fit_to_limit,
    mrkdwn,
    plain_text,
    unescape,
)
from tests.support.blockkit import check_message


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("<!channel>", "&lt;!channel&gt;"),
        ("<https://evil.example|Sign in>", "&lt;https://evil.example|Sign in&gt;"),
        ("R&D", "R&amp;D"),
        ("&amp;", "&amp;amp;"),
        ("*bold* :tada:", "*bold* :tada:"),
        ("safe\u202egnp.exe", "safegnp.exe"),
    ],
)
def test_it_escapes(typed: str, shown: str) -> None:
    assert escape(typed) == shown


@pytest.mark.parametrize("typed", ["R&D", "<!channel>", "&amp;", "&lt;b&gt;", "plain"])
def test_it_unescapes_what_slack_escaped(typed: str) -> None:
    assert unescape(escape(typed)) == typed


@pytest.mark.parametrize(
    "typed",
    [
        "<!channel>",
        "<@U123> <#C123>",
        "<https://evil.example|Sign in>",
        "https://bare.example",
        "&amp; &lt;",
        "*bold* _italic_ `code` :tada: :+1:",
        "two\nlines\tand a tab",
        "Ünïcödé 日本語 🔥",
    ],
)
def test_plain_text_is_as_typed_with_its_emoji(typed: str) -> None:
    assert plain_text(typed) == {"type": "plain_text", "text": typed, "emoji": True}


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("a\u200bb\x00c\x1bd", "abcd"),
        ("\u202etxt.exe", "txt.exe"),
        ("one\r\ntwo", "one\ntwo"),
        ("  spaced  ", "spaced"),
    ],
)
def test_plain_text_hides_nothing(typed: str, shown: str) -> None:
    assert plain_text(typed)["text"] == shown


@pytest.mark.parametrize("empty", ["", "   ", "\n", "\u200b\u2060\ufeff", "\x00"])
def test_plain_text_is_never_empty(empty: str) -> None:
    assert plain_text(empty)["text"] == "–"


def test_mrkdwn_links_nothing_by_itself() -> None:
    assert mrkdwn("*Ours*") == {"type": "mrkdwn", "text": "*Ours*", "verbatim": True}


def test_a_person_is_mentioned_where_slack_knows_them() -> None:
    assert DisplayPerson("Ann", "U1").mention == "<@U1>"
    assert DisplayPerson("<!here> & co").mention == "&lt;!here&gt; &amp; co"


def test_a_message_tells_slack_to_add_nothing() -> None:
    args = Message(text="Hello", blocks=[]).as_args()
    assert args == {"text": "Hello", "blocks": [], "parse": "none", "link_names": False}


def section(text: str) -> dict[str, object]:
    return {"type": "section", "text": plain_text(text)}


@pytest.mark.parametrize("sign", ["x", '"', "\\", "<", "&", "🔥", "\n."])
def test_blocks_are_cut_until_slack_takes_them(sign: str) -> None:
    blocks = [section(sign * 3_000 + "x") for _ in range(5)]
    message = Message(text="Long", blocks=fit_to_limit(blocks))
    assert check_message(message.as_args()) == []
    assert all(block["text"]["text"].endswith("…") for block in message.blocks)


def test_blocks_that_fit_stay_whole() -> None:
    blocks = [section("x" * 3_000) for _ in range(4)]
    assert fit_to_limit(blocks) == [section("x" * 3_000) for _ in range(4)]


def test_the_longest_text_is_cut_first() -> None:
    short, long = "x" * 1_000, "<" * 3_000
    fit = fit_to_limit([section(short), section(long)])
    assert fit[0] == section(short)
    assert len(fit[1]["text"]["text"]) < len(long)
    assert MAX_BLOCKS_LENGTH == 13_000
