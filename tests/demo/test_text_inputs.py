"""Fields that are typed in the demo, because local-slack has no input for them."""

from datetime import datetime
from typing import Any

import pytest

from demo.block_translation import NONE_OPTION, restore_view, translate_view, with_options

Json = dict[str, Any]


def option(text: str) -> Json:
    return {"text": {"type": "plain_text", "text": text}, "value": text.lower()}


VPN, DNS, SAP = option("VPN"), option("DNS"), option("SAP")
# In this machine's time zone.
AT = int(datetime(2026, 3, 5, 14, 7).astimezone().timestamp())


def view_of(element: Json, *, optional: bool = True) -> Json:
    element = {"action_id": "field", **element}
    block = {"type": "input", "block_id": "field", "optional": optional, "element": element}
    return {"type": "modal", "blocks": [block]}


def drawn(element: Json) -> Json:
    shown: Json = translate_view(view_of(element))["blocks"][0]["element"]
    return shown


def submitted(element: Json, state: Json) -> Json:
    """The field's state, and the element, after a way through local-slack and back."""
    sent_back = {
        **translate_view(view_of(element)),
        "state": {"values": {"field": {"field": state}}},
    }
    back = restore_view(sent_back)
    assert back["blocks"] == view_of(element)["blocks"]
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
    assert submitted(element, typed(text)) == {
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
    held = submitted({**SKILLS, "type": kind}, typed(text))
    assert held == {"type": kind, "selected_options": chosen}


def test_a_search_is_a_menu_of_what_the_app_offers() -> None:
    view = view_of({"type": "external_select", "initial_option": VPN})
    asked: list[Json] = []

    def offered(block: Json) -> list[Json]:
        asked.append(block)
        return [DNS, VPN]

    shown = translate_view(with_options(view, offered))["blocks"][0]["element"]
    assert asked == view["blocks"]
    assert (shown["type"], shown["options"]) == ("static_select", [NONE_OPTION, DNS, VPN])
    assert shown["placeholder"] == VPN["text"]


@pytest.mark.parametrize(
    ("chosen", "meant"),
    [(None, VPN), (DNS, DNS), (NONE_OPTION, None)],
    ids=["untouched", "DNS", "none"],
)
@pytest.mark.parametrize("kind", ["external_select", "static_select"])
def test_a_menu_that_may_be_emptied_can_be(kind: str, chosen: Json | None, meant: Json) -> None:
    element = {"type": kind, "options": [DNS, VPN], "initial_option": VPN}
    held = submitted(element, {"type": "static_select", "selected_option": chosen})
    assert held == {"type": kind, "selected_option": meant}


def test_a_menu_that_must_be_filled_in_has_no_such_choice() -> None:
    view = view_of(
        {"type": "static_select", "options": [DNS], "initial_option": DNS}, optional=False
    )
    assert translate_view(view)["blocks"][0]["element"]["options"] == [DNS]


def test_boxes_that_are_ticked_at_first_are_typed() -> None:
    element = {"type": "checkboxes", "options": [DNS, VPN], "initial_options": [VPN]}
    drawn = translate_view(view_of(element))["blocks"][0]["element"]
    assert (drawn["type"], drawn["initial_value"]) == ("plain_text_input", "VPN")
    for typed, ticked in ((None, [VPN]), ("dns, vpn", [DNS, VPN]), ("", [])):
        state = {"type": "plain_text_input", "value": typed}
        assert submitted(element, state)["selected_options"] == ticked


def test_boxes_that_are_not_are_translated() -> None:
    element = {"type": "checkboxes", "options": [DNS, VPN]}
    assert translate_view(view_of(element))["blocks"][0]["element"]["type"] == "checkboxes"
    held = submitted(element, {"type": "checkboxes", "selected_options": [DNS]})
    assert held["selected_options"] == [DNS]


def test_a_box_that_was_ticked_and_left_alone_stays_ticked() -> None:
    element = {"type": "checkboxes", "options": [VPN], "initial_options": [VPN]}
    assert submitted(element, {"type": "checkboxes"})["selected_options"] == [VPN]
