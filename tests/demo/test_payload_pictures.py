"""What is drawn of a payload: the texts that Slack shows, as they are written."""

import html
import re

import pytest

from demo.payload_pictures import PayloadPicture, draw_page

Json = dict[str, object]


def mrkdwn(text: str, **fields: object) -> Json:
    return {"type": "mrkdwn", "text": text, **fields}


def plain(text: str) -> Json:
    return {"type": "plain_text", "text": text, "emoji": False}


def option(text: str) -> Json:
    return {"text": plain(text), "value": text}


BLOCKS: list[Json] = [
    {"type": "header", "text": plain("#12 *VPN* & <printer>")},
    {"type": "section", "text": plain("1. `a` _b_ ~c~ @here :tada:\n# d &amp; https://x.example")},
    {"type": "section", "text": mrkdwn("*From* <@U1> &lt;!channel&gt; @here", verbatim=True)},
    {"type": "context", "elements": [mrkdwn("due <!date^0^{date_pretty} {time}|never> :ticket:")]},
    {
        "type": "actions",
        "elements": [
            {"type": "button", "action_id": "a", "text": plain("Accept")},
            {"type": "overflow", "action_id": "m", "options": [option("Decline")]},
            {
                "type": "static_select",
                "action_id": "s",
                "placeholder": plain("Any"),
                "initial_option": option("Low"),
                "options": [option("Low")],
            },
        ],
    },
]
FORM = [
    {
        "type": "input",
        "block_id": "title",
        "label": plain("Title"),
        "element": {"type": "plain_text_input", "action_id": "t", "initial_value": "VPN & DNS"},
    }
]


@pytest.fixture(scope="module")
def page() -> str:
    message = PayloadPicture("card", BLOCKS, "message", author="Help desk", time=0.0, now=9.0)
    form = PayloadPicture(
        "form", FORM, "modal", title="File it", submit="File", errors={"title": "Too <long>."}
    )
    return draw_page([message, form], people={"U1": "Emma"})


def test_each_text_is_drawn_as_slack_shows_it(page: str) -> None:
    tagless = re.sub(r"<[^>]*>", "", page.partition("</style>")[2])
    lines = [html.unescape(part).strip() for part in tagless.split("\n")]
    assert lines == [
        "Help deskAPP01:00#12 *VPN* & <printer>1. `a` _b_ ~c~ @here :tada:",
        "# d &amp; https://x.exampleFrom @Emma <!channel> @heredue today 1:00 AM 🎫AcceptLow",
        "File itTitle⚠ Too <long>.CloseFile",
    ]
    assert 'value="VPN &amp; DNS"' in page


def test_no_picture_has_the_id_of_a_button(page: str) -> None:
    assert re.findall(r'<figure id="([^"]+)"', page) == ["picture-card", "picture-form"]


def test_only_markup_becomes_markup(page: str) -> None:
    assert "<strong><span><span>From</span></span></strong>" in page
    assert page.count('class="slack_user"') == 1
    assert not re.search(r"slack_(broadcast|at_|channel)", page.partition("</style>")[2])
