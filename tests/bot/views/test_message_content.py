"""What a message holds besides its text."""

from typing import Any

import pytest

from bot.views.message_content import ForwardedMessage, parse_content
from services.models.comment import FileLink

URL = "https://example.slack.com/archives/C0GENERAL/p1700000000000100"
FORWARDED = {"is_share": True, "text": "The VPN drops", "from_url": URL, "author_name": "Wilma"}


@pytest.mark.parametrize(
    ("block", "text"),
    [
        ({"type": "section", "text": {"type": "mrkdwn", "text": "*Disk* full"}}, "*Disk* full"),
        ({"type": "header", "text": {"type": "plain_text", "text": "a < b"}}, "a &lt; b"),
        ({"type": "markdown", "text": "**Disk** full"}, "**Disk** full"),
        (
            {"type": "context", "elements": [{"type": "mrkdwn", "text": "on web-1"}]},
            "on web-1",
        ),
        (
            {"type": "section", "fields": [{"type": "mrkdwn", "text": t} for t in ("a", "b")]},
            "a\nb",
        ),
        (
            {
                "type": "rich_text",
                "elements": [
                    {
                        "type": "rich_text_section",
                        "elements": [
                            {"type": "text", "text": "Ask "},
                            {"type": "user", "user_id": "U0ANN"},
                            {"type": "text", "text": " & see "},
                            {"type": "link", "url": "https://a.example", "text": "this"},
                        ],
                    },
                    {
                        "type": "rich_text_list",
                        "elements": [
                            {
                                "type": "rich_text_section",
                                "elements": [{"type": "text", "text": line}],
                            }
                            for line in ("one", "two")
                        ],
                    },
                ],
            },
            "Ask <@U0ANN> &amp; see <https://a.example|this>\none\ntwo",
        ),
        (
            {"type": "table", "rows": [[{"type": "raw_text", "text": t} for t in ("a", "b")]]},
            "a | b",
        ),
        ({"type": "image", "alt_text": "An error", "image_url": "https://a.example"}, "An error"),
        ({"type": "actions", "elements": [{"type": "button", "text": {"text": "Press"}}]}, ""),
        ({"type": "divider"}, ""),
        ("nonsense", ""),
    ],
    ids=str,
)
def test_blocks_say_what_the_text_does_not(block: Any, text: str) -> None:
    assert parse_content({"text": "", "blocks": [block]}).text == text
    assert parse_content({"text": "Words", "blocks": [block]}).text == "Words"


@pytest.mark.parametrize("channel", [{}, {"channel_id": "C0GENERAL"}])
def test_a_forwarded_message(channel: dict[str, str]) -> None:
    content = parse_content({"text": "", "attachments": [{**FORWARDED, **channel}]})
    assert content.forwarded == (
        ForwardedMessage("The VPN drops", url=URL, channel="C0GENERAL", author="Wilma"),
    )


@pytest.mark.parametrize(
    "attachment", [{"title": "VPN", "from_url": URL}, {"is_share": True, "text": "x"}]
)
def test_a_link_preview_is_no_forwarded_message(attachment: dict[str, Any]) -> None:
    assert parse_content({"text": URL, "attachments": [attachment]}).forwarded == ()


def test_a_file_without_a_link_is_named() -> None:
    files: list[dict[str, Any]] = [
        {"name": f"{n}.png", "permalink": f"https://a.example/{n}"} for n in range(11)
    ]
    content = parse_content({"files": [{"name": "log.txt"}, *files]})
    assert content.files[0] == FileLink("0.png", "https://a.example/0")
    assert len(content.files) == 10
    assert content.unlinked_files == ("log.txt", "10.png")
