"""Slack's markup as readable text."""

import pytest

from bot.views.slack_markup import mentioned_user_ids, to_readable_text

NAMES = {"U1": "ann", "U2": "ben"}


def test_it_reads_well() -> None:
    cases: list[tuple[str, str]] = [
        ("nothing special", "nothing special"),
        ("<@U1> asks <@U2|old>", "@ann asks @ben"),
        ("<@U3|cleo> and <@W4>", "@cleo and @someone"),
        ("see <#C1|general> or <#C2|> or <#C3>", "see #general or #a channel or #a channel"),
        ("<!channel> <!here> <!everyone>", "@channel @here @everyone"),
        ("<!here|here>", "@here"),
        ("<!subteam^S1|@network> <!subteam^S1>", "@network @a group"),
        ("<!date^1392734382^{date}|18 February>", "18 February"),
        ("<!date^1392734382^{date}>", "date"),
        ("<https://x.example/a?b=1&amp;c=2>", "https://x.example/a?b=1&c=2"),
        ("<https://x.example|the page>", "the page (https://x.example)"),
        ("<https://x.example|x.example>", "https://x.example"),
        ("<https://x.example|https://x.example>", "https://x.example"),
        (
            "<https://evil.example|https://bank.example>",
            "https://bank.example (https://evil.example)",
        ),
        ("<mailto:a@x.example|a@x.example>", "a@x.example"),
        ("<mailto:a@x.example|write us>", "write us (a@x.example)"),
        ("<tel:+4930123|+4930123>", "+4930123"),
        ("a &lt; b &amp;&amp; c &gt; d", "a < b && c > d"),
        ("&lt;!channel&gt; &lt;@U1&gt;", "<!channel> <@U1>"),
        ("&amp;lt;!channel&amp;gt;", "&lt;!channel&gt;"),
        ("<https://x.example|a &lt;@U1&gt; b>", "a <@U1> b (https://x.example)"),
        ("a < b, <> and <|x>", "a < b, <> and <|x>"),
        ("*bold* :tada: `code`", "*bold* :tada: `code`"),
        ("line one\n> quoted\nline three", "line one\n> quoted\nline three"),
    ]
    assert [
        (text, expected) for text, expected in cases if to_readable_text(text, NAMES) != expected
    ] == []


def test_it_names_everybody_mentioned_once() -> None:
    assert mentioned_user_ids("<@U2> <@U1|ann> <@U2> <@B3> &lt;@U4&gt; <#C1|U5>") == ["U2", "U1"]


@pytest.mark.parametrize("text", ["<" * 40_000, "<a" * 20_000, "<@U1|" * 10_000, "<a|" * 15_000])
def test_hostile_text_takes_no_time(text: str) -> None:
    """Slack's limit is 40,000 characters; a quadratic match would exceed the timeout."""
    assert to_readable_text(text, {}) == text
    assert mentioned_user_ids(text) == []
