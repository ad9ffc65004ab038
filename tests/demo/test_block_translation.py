"""Blocks that local-slack cannot show are translated, and so is what it sends back."""

from typing import Any

import pytest

from demo.block_translation import (
    ZERO_WIDTH_SPACE,
    restore_view,
    translate_blocks,
    translate_message,
    translate_mrkdwn,
    translate_view,
)

Json = dict[str, Any]


def option(text: str) -> Json:
    return {"text": {"type": "plain_text", "text": text}, "value": text.lower()}


LOW, HIGH = option("Low"), option("High")


def view_of(element: Json) -> Json:
    element = {"action_id": "field", **element}
    block = {"type": "input", "block_id": "field", "element": element}
    return {"type": "modal", "blocks": [block]}


def submitted(view: Json, state: Json) -> Json:
    """The bot's view after a way through local-slack and back, with what was submitted."""
    sent_back = {**translate_view(view), "state": {"values": {"field": {"field": state}}}}
    return restore_view(sent_back)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Tom &amp; Ada", "Tom & Ada"),
        ("&lt;!channel&gt;", f"<{ZERO_WIDTH_SPACE}!channel>"),
        (
            "&lt;https://x.example|y&gt;",
            f"<{ZERO_WIDTH_SPACE}https:{ZERO_WIDTH_SPACE}//x.example|y>",
        ),
        ("see https://x.example", f"see https:{ZERO_WIDTH_SPACE}//x.example"),
        ("&amp;lt;", "&lt;"),
        ("<@U1> and <https://x.example|ours>", "<@U1> and <https://x.example|ours>"),
        ("due <!date^1700000000^{date} {time}|14 Nov>", "due 14 Nov"),
        (
            "due <!date^1700000000^{date}^https://x.example|a &lt; b>",
            f"due a <{ZERO_WIDTH_SPACE} b",
        ),
        ("*bold* `code`", "*bold* `code`"),
    ],
)
def test_mrkdwn_shows_what_slack_would_show(text: str, shown: str) -> None:
    assert translate_mrkdwn(text, links=False) == shown


def test_bare_addresses_stay_links_where_slack_makes_links_of_them() -> None:
    assert translate_mrkdwn("see https://x.example", links=True) == "see https://x.example"


def test_every_mrkdwn_text_in_a_message_is_translated_and_plain_text_is_left_alone() -> None:
    text = {"type": "mrkdwn", "text": "&amp;", "verbatim": True}
    plain = {"type": "plain_text", "text": "&amp;"}
    message = {
        "text": "&amp;",
        "parse": "none",
        "blocks": [
            {"type": "section", "text": text, "fields": [text, plain]},
            {"type": "context", "elements": [text, plain]},
            {"type": "header", "text": plain},
            {"type": "divider"},
        ],
    }
    drawn = {**text, "text": "&"}
    assert translate_message(message) == {
        "text": "&",
        "parse": "none",
        "blocks": [
            {"type": "section", "text": drawn, "fields": [drawn, plain]},
            {"type": "context", "elements": [drawn, plain]},
            {"type": "header", "text": plain},
            {"type": "divider"},
        ],
    }


def test_the_given_blocks_are_not_changed() -> None:
    block = {"type": "section", "text": {"type": "mrkdwn", "text": "&amp;"}}
    translate_blocks([block])
    assert block == {"type": "section", "text": {"type": "mrkdwn", "text": "&amp;"}}


def test_an_initial_option_is_shown_as_the_placeholder() -> None:
    view = view_of({"type": "static_select", "options": [LOW, HIGH], "initial_option": HIGH})
    element = translate_view(view)["blocks"][0]["element"]
    assert element["placeholder"] == HIGH["text"]


def test_a_select_without_initial_option_is_left_alone() -> None:
    view = view_of({"type": "static_select", "options": [LOW, HIGH]})
    assert translate_view(view) == view


def test_marked_radio_buttons_become_a_select_and_come_back_as_radio_buttons() -> None:
    view = view_of({"type": "radio_buttons", "options": [LOW, HIGH], "initial_option": HIGH})
    assert translate_view(view)["blocks"][0]["element"]["type"] == "static_select"
    untouched = submitted(view, {"type": "static_select", "selected_option": None})
    assert untouched["blocks"] == view["blocks"]
    assert untouched["state"]["values"]["field"]["field"] == {
        "type": "radio_buttons",
        "selected_option": HIGH,
    }


def test_an_overflow_menu_becomes_a_select() -> None:
    menu = {"type": "overflow", "action_id": "more", "options": [LOW, HIGH]}
    [block] = translate_blocks([{"type": "actions", "elements": [menu]}])
    [drawn] = block["elements"]
    assert (drawn["type"], drawn["options"]) == ("static_select", [LOW, HIGH])
    assert (drawn["action_id"], drawn["placeholder"]["text"]) == ("more", "More…")
    assert drawn["stands_for"] == menu


def test_what_stands_below_a_radio_button_is_drawn_behind_it() -> None:
    below = {"type": "plain_text", "text": "knows VPN"}
    view = view_of({"type": "radio_buttons", "options": [{**LOW, "description": below}, HIGH]})
    drawn = translate_view(view)["blocks"][0]["element"]
    shown = [option["text"]["text"] for option in drawn["options"]]
    assert shown == [f"{LOW['text']['text']} · knows VPN", HIGH["text"]["text"]]
    assert drawn["type"] == "radio_buttons"
    assert restore_view(translate_view(view))["blocks"] == view["blocks"]


@pytest.mark.parametrize("kind", ["static_select", "radio_buttons"])
@pytest.mark.parametrize("state", [{"selected_option": None}, {}])
def test_an_untouched_choice_is_its_initial_option(kind: str, state: Json) -> None:
    view = view_of({"type": kind, "options": [LOW, HIGH], "initial_option": LOW})
    back = submitted(view, {"type": kind, **state})
    assert back["state"]["values"]["field"]["field"]["selected_option"] == LOW


def test_a_chosen_option_wins_over_the_initial_one() -> None:
    view = view_of({"type": "static_select", "options": [LOW, HIGH], "initial_option": LOW})
    back = submitted(view, {"type": "static_select", "selected_option": HIGH})
    assert back["state"]["values"]["field"]["field"]["selected_option"] == HIGH


@pytest.mark.parametrize(
    ("sent", "meant"),
    [(None, "as it was"), ("", None), ("typed", "typed")],
    ids=["untouched", "cleared", "typed"],
)
def test_a_prefilled_text_comes_back_as_the_person_left_it(
    sent: str | None, meant: str | None
) -> None:
    view = view_of({"type": "plain_text_input", "initial_value": "as it was"})
    back = submitted(view, {"type": "plain_text_input", "value": sent})
    assert back["state"]["values"]["field"]["field"] == {"type": "plain_text_input", "value": meant}


def test_what_needs_no_help_comes_back_as_it_was_sent() -> None:
    view = view_of({"type": "datepicker"})
    state = {"type": "datepicker", "selected_date": None}
    assert submitted(view, state)["state"]["values"] == {"field": {"field": state}}
