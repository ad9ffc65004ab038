"""Translation of blocks for local-slack, and of its submissions."""

from datetime import datetime
from typing import Any

import pytest

from bot.views.home.search_results import search_box
from bot.views.labels import PRIORITY_SIGN
from bot.views.text import Message
from demo.block_translation import (
    EMOJI,
    NONE_OPTION,
    ORIGINAL_KEY,
    ZERO_WIDTH_SPACE,
    original_blocks,
    restore_view,
    translate_blocks,
    translate_message,
    translate_mrkdwn,
    translate_view,
    with_options,
)
from tests.messages.catalogue import catalogue

Json = dict[str, Any]


def option(text: str) -> Json:
    return {"text": {"type": "plain_text", "text": text}, "value": text.lower()}


LOW, HIGH = option("Low"), option("High")


def view_of(element: Json) -> Json:
    element = {"action_id": "field", **element}
    block = {"type": "input", "block_id": "field", "element": element}
    return {"type": "modal", "blocks": [block]}


def submitted(view: Json, state: Json) -> Json:
    """The bot's view after a round trip through local-slack, with the submitted state."""
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
    drawn = {**text, "text": "&", ORIGINAL_KEY: text}
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


def test_what_the_product_sent_is_found_in_translated_blocks() -> None:
    contents = [entry.content for entry in catalogue()]
    sent = [content.blocks for content in contents if isinstance(content, Message)]
    sent += [content["blocks"] for content in contents if isinstance(content, dict)]
    assert [original_blocks(translate_blocks(blocks)) for blocks in sent] == sent


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


# Inputs that are typed as text

VPN, DNS, SAP = option("VPN"), option("DNS"), option("SAP")
# In this machine's time zone.
AT = int(datetime(2026, 3, 5, 14, 7).astimezone().timestamp())


def optional_view(element: Json, *, optional: bool = True) -> Json:
    view = view_of(element)
    view["blocks"][0]["optional"] = optional
    return view


def drawn(element: Json) -> Json:
    shown: Json = translate_view(optional_view(element))["blocks"][0]["element"]
    return shown


def submitted_state(element: Json, state: Json) -> Json:
    """Return the field's state after a round trip through local-slack; the element is restored."""
    sent_back = {
        **translate_view(optional_view(element)),
        "state": {"values": {"field": {"field": state}}},
    }
    back = restore_view(sent_back)
    assert back["blocks"] == optional_view(element)["blocks"]
    held: Json = back["state"]["values"]["field"]["field"]
    return held


def typed(text: str | None) -> Json:
    return {"type": "plain_text_input", "value": text}


def test_a_date_is_typed_in_the_reader_s_zone() -> None:
    shown = drawn({"type": "datetimepicker", "initial_date_time": AT + 31})
    assert (shown["type"], shown["initial_value"]) == ("plain_text_input", "2026-03-05 14:07")
    assert shown["placeholder"]["text"] == "YYYY-MM-DD HH:MM"
    assert "initial_value" not in drawn({"type": "datetimepicker"})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, AT + 31),
        ("2026-03-05 14:07", AT),
        (" 2026-03-05 15:07 ", AT + 3_600),
        ("", None),
        ("tomorrow", 0),
    ],
    ids=["untouched", "the same", "later", "cleared", "no date"],
)
def test_a_typed_date_comes_back_as_a_picker_s(text: str | None, seconds: int | None) -> None:
    element = {"type": "datetimepicker", "initial_date_time": AT + 31}
    assert submitted_state(element, typed(text)) == {
        "type": "datetimepicker",
        "selected_date_time": seconds,
    }


SKILLS = {
    "type": "multi_static_select",
    "options": [DNS, SAP, VPN],
    "initial_options": [VPN, SAP],
}


def test_several_choices_are_typed_one_after_the_other() -> None:
    assert drawn(SKILLS)["initial_value"] == "VPN, SAP"
    assert "initial_value" not in drawn({**SKILLS, "initial_options": []})


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        (None, [VPN, SAP]),
        ("dns,  VPN,", [DNS, VPN]),
        ("", []),
        ("Juggling", [{**option("Juggling"), "value": "Juggling"}]),
    ],
)
@pytest.mark.parametrize("kind", ["multi_static_select", "multi_external_select"])
def test_typed_choices_come_back_as_a_menu_s(
    kind: str, text: str | None, chosen: list[Json]
) -> None:
    held = submitted_state({**SKILLS, "type": kind}, typed(text))
    assert held == {"type": kind, "selected_options": chosen}


def test_a_search_is_a_menu_of_what_the_app_offers() -> None:
    view = optional_view({"type": "external_select", "initial_option": VPN})
    asked: list[Json] = []

    def offered(block: Json, menu: Json) -> list[Json]:
        assert menu == block["element"]
        asked.append(block)
        return [DNS, VPN]

    shown = translate_view(with_options(view, offered))["blocks"][0]["element"]
    assert asked == view["blocks"]
    assert (shown["type"], shown["options"]) == ("static_select", [NONE_OPTION, DNS, VPN])
    assert shown["placeholder"] == VPN["text"]


@pytest.mark.parametrize(("chosen", "users"), [(VPN, [VPN["value"]]), (None, [])])
def test_a_menu_of_several_members_is_one_of_a_single_one(
    chosen: Json | None, users: list[str]
) -> None:
    menu = {"type": "multi_users_select", "max_selected_items": 20}
    offered = with_options(optional_view(menu), lambda *_: [DNS, VPN])
    shown = translate_view(offered)["blocks"][0]["element"]
    assert (shown["type"], shown["options"]) == ("static_select", [DNS, VPN])
    held = submitted_state(menu, {"type": "static_select", "selected_option": chosen})
    assert held == {"type": "multi_users_select", "selected_users": users}


def test_signs_of_priorities_are_drawn() -> None:
    urgent = {"text": {"type": "plain_text", "text": ":red_circle: Urgent", "emoji": True}}
    menu = {"type": "static_select", "options": [urgent], "initial_option": urgent}
    (block,) = translate_blocks([{"type": "actions", "elements": [menu]}])
    (shown,) = block["elements"]
    assert [shown["options"][0]["text"]["text"], shown["placeholder"]["text"]] == ["🔴 Urgent"] * 2
    assert set(EMOJI) == set(PRIORITY_SIGN.values())


@pytest.mark.parametrize(("options", "shown"), [([DNS, VPN], [DNS, VPN]), ([], [VPN])])
def test_a_search_on_a_page_is_a_menu_too(options: list[Json], shown: list[Json]) -> None:
    menu = {"type": "external_select", "action_id": "field", "initial_option": VPN}
    page = {"blocks": [{"type": "actions", "elements": [menu]}]}
    drawn = translate_message(with_options(page, lambda *_: options))
    (element,) = drawn["blocks"][0]["elements"]
    assert (element["type"], element["options"]) == ("static_select", shown)
    assert element["placeholder"] == VPN["text"]


@pytest.mark.parametrize(
    ("chosen", "meant"),
    [(None, VPN), (DNS, DNS), (NONE_OPTION, None)],
    ids=["untouched", "DNS", "none"],
)
@pytest.mark.parametrize("kind", ["external_select", "static_select"])
def test_a_menu_that_may_be_emptied_can_be(kind: str, chosen: Json | None, meant: Json) -> None:
    element = {"type": kind, "options": [DNS, VPN], "initial_option": VPN}
    held = submitted_state(element, {"type": "static_select", "selected_option": chosen})
    assert held == {"type": kind, "selected_option": meant}


def test_a_menu_that_must_be_filled_in_has_no_such_choice() -> None:
    view = optional_view(
        {"type": "static_select", "options": [DNS], "initial_option": DNS}, optional=False
    )
    assert translate_view(view)["blocks"][0]["element"]["options"] == [DNS]


def test_boxes_that_are_ticked_at_first_are_typed() -> None:
    element = {"type": "checkboxes", "options": [DNS, VPN], "initial_options": [VPN]}
    drawn = translate_view(optional_view(element))["blocks"][0]["element"]
    assert (drawn["type"], drawn["initial_value"]) == ("plain_text_input", "VPN")
    for typed, ticked in ((None, [VPN]), ("dns, vpn", [DNS, VPN]), ("", [])):
        state = {"type": "plain_text_input", "value": typed}
        assert submitted_state(element, state)["selected_options"] == ticked


def test_boxes_that_are_not_are_translated() -> None:
    element = {"type": "checkboxes", "options": [DNS, VPN]}
    assert translate_view(optional_view(element))["blocks"][0]["element"]["type"] == "checkboxes"
    held = submitted_state(element, {"type": "checkboxes", "selected_options": [DNS]})
    assert held["selected_options"] == [DNS]


def test_a_box_that_was_ticked_and_left_alone_stays_ticked() -> None:
    element = {"type": "checkboxes", "options": [VPN], "initial_options": [VPN]}
    assert submitted_state(element, {"type": "checkboxes"})["selected_options"] == [VPN]


def test_the_search_box_says_which_command_to_type() -> None:
    box = search_box("printer")

    (shown,) = translate_blocks([box])

    assert shown["text"]["text"].startswith("Search tickets: type /ticket search and the words")
    assert original_blocks([shown]) == [box]


def test_a_chosen_member_is_shown_and_stays_chosen() -> None:
    options = [_choice("Emma", "U0EMMA"), _choice("Nils", "U0NILS")]
    element = {"type": "users_select", "action_id": "createdBy", "initial_user": "U0NILS"}
    block = {"type": "input", "block_id": "createdBy", "element": element}
    view = with_options({"type": "modal", "blocks": [block]}, lambda *_: options)
    shown = translate_view(view)["blocks"][0]["element"]
    assert "Nils" in str(shown["placeholder"])
    for state, member in (({}, "U0NILS"), ({"selected_option": options[0]}, "U0EMMA")):
        sent_back = {
            **translate_view(view),
            "state": {"values": {"createdBy": {"createdBy": state}}},
        }
        restored = restore_view(sent_back)["state"]["values"]["createdBy"]["createdBy"]
        assert restored == {"type": "users_select", "selected_user": member}


def _choice(name: str, member: str) -> Json:
    return {"text": {"type": "plain_text", "text": name}, "value": member}
