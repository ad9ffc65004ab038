"""One payload that Slack (or a rule of this project) refuses for every rule, and good ones."""

from copy import deepcopy
from typing import Any

import pytest

from tests.support import payloads
from tests.support.blockkit import check_answer, check_message, check_view

Json = dict[str, Any]


def plain(text: str = "Text", **more: Any) -> Json:
    return {"type": "plain_text", "text": text, "emoji": True, **more}


def mrkdwn(text: str = "Text", **more: Any) -> Json:
    return {"type": "mrkdwn", "text": text, "verbatim": True, **more}


def option(value: str = "high", text: str = "High", **more: Any) -> Json:
    return {"text": plain(text), "value": value, **more}


def section(**more: Any) -> Json:
    return {"type": "section", "text": mrkdwn(), **more}


def button(action_id: str = "resolve", **more: Any) -> Json:
    return {"type": "button", "action_id": action_id, "text": plain("Resolve"), **more}


def actions(*elements: Json, **more: Any) -> Json:
    return {"type": "actions", "elements": list(elements), **more}


def select(*options: Json, **more: Any) -> Json:
    return {"type": "static_select", "action_id": "priority", "options": list(options), **more}


def radio(*options: Json, **more: Any) -> Json:
    return {"type": "radio_buttons", "action_id": "urgency", "options": list(options), **more}


def typed(**more: Any) -> Json:
    return {"type": "plain_text_input", "action_id": "title", **more}


def field(element: Json | None = None, **more: Any) -> Json:
    return {"type": "input", "label": plain("Title"), "element": element or typed(), **more}


def context(*elements: Json) -> Json:
    return {"type": "context", "elements": list(elements)}


def header(text: Json) -> Json:
    return {"type": "header", "text": text}


def confirm(**more: Any) -> Json:
    texts = {"title": plain(), "text": plain(), "confirm": plain("Yes"), "deny": plain("No")}
    return {**texts, **more}


def modal(*blocks: Json, **more: Any) -> Json:
    return {
        "type": "modal",
        "callback_id": "file_ticket",
        "title": plain("File a ticket"),
        "submit": plain("File"),
        "close": plain("Cancel"),
        "blocks": list(blocks) or [section()],
        **more,
    }


def message(*blocks: Json, **more: Any) -> Json:
    return {"text": "Ticket 12", "blocks": list(blocks), **more}


MENU = {"type": "overflow", "action_id": "more"}
LOW, HIGH = option("low", "Low"), option()

BAD_BLOCKS: dict[str, tuple[Json, str]] = {
    "unknown block": ({"type": "poster"}, "unsupported type: poster"),
    "block without a type": ({"text": plain()}, "unsupported type: None"),
    "long block_id": (section(block_id="x" * 256), "at most 255 characters"),
    "null": (section(block_id=None), "must not be null"),
    "unknown property": (section(colour="red"), "invalid additional property: colour"),
    "unknown property deeper": (actions(button(icon="x")), "additional property: icon"),
    "section without text": ({"type": "section"}, "missing required field: text or fields"),
    "section with a string": (section(text="Text"), "must provide a text object of type"),
    "long section": (section(text=mrkdwn("x" * 3001)), "at most 3000 characters"),
    "empty section": (section(text=mrkdwn("")), "at least 1 characters"),
    "blank section": (section(text=mrkdwn(" \n")), "at least 1 characters"),
    "eleven fields": (section(fields=[plain()] * 11), "at most 10 items"),
    "long field": (section(fields=[plain("x" * 2001)]), "at most 2000 characters"),
    "field that is no text": (section(fields=[{"value": "x"}]), "missing required field: text"),
    "mrkdwn header": (header(mrkdwn()), "must provide a text object of type plain_text"),
    "long header": (header(plain("x" * 151)), "at most 150 characters"),
    "input as accessory": (section(accessory=typed()), "unsupported type: plain_text_input"),
    "unknown element": (actions({"type": "slider"}), "unsupported type: slider"),
    "element that is no object": (actions("Resolve"), "must provide an object"),  # type: ignore[arg-type]
    "text input among actions": (actions(typed()), "unsupported type: plain_text_input"),
    "button as input": (field(button()), "unsupported type: button"),
    "button in a context": (context(button()), "unsupported type: button"),
    "no actions": (actions(), "at least 1 items"),
    "26 actions": (actions(*(button(f"a{n}") for n in range(26))), "at most 25 items"),
    "duplicate action_id": (actions(button(), button()), "duplicate action_id: resolve"),
    "empty context": (context(), "at least 1 items"),
    "11 in a context": (context(*[plain()] * 11), "at most 10 items"),
    "input without element": ({"type": "input", "label": plain()}, "required field: element"),
    "input without label": ({"type": "input", "element": typed()}, "required field: label"),
    "mrkdwn label": (field(label=mrkdwn()), "must provide a text object of type plain_text"),
    "long label": (field(label=plain("x" * 2001)), "at most 2000 characters"),
    "long hint": (field(hint=plain("x" * 2001)), "at most 2000 characters"),
    "long action_id": (actions(button("x" * 256)), "at most 255 characters"),
    "long placeholder": (field(typed(placeholder=plain("x" * 151))), "at most 150 characters"),
    "long initial_value": (field(typed(initial_value="x" * 3001)), "at most 3000 characters"),
    "high max_length": (field(typed(max_length=3001)), "must be at most 3000"),
    "min over max": (field(typed(min_length=9, max_length=3)), "min_length is more than max_"),
    "value over max": (field(typed(initial_value="long", max_length=3)), "longer than max_length"),
    "button without text": (actions({"type": "button"}), "missing required field: text"),
    "long button": (actions(button(text=plain("x" * 76))), "at most 75 characters"),
    "mrkdwn button": (actions(button(text=mrkdwn())), "text object of type plain_text"),
    "long button value": (actions(button(value="x" * 2001)), "at most 2000 characters"),
    "long button url": (actions(button(url="x" * 3001)), "at most 3000 characters"),
    "button of an unknown style": (actions(button(style="loud")), "style attribute must be"),
    "no options": (field(select()), "at least 1 items"),
    "select without options": (
        field({"type": "static_select"}),
        "missing required field: options or option_groups",
    ),
    "101 options": (field(select(*[option(str(n)) for n in range(101)])), "at most 100 items"),
    "long option": (field(select(option(text="x" * 76))), "at most 75 characters"),
    "mrkdwn in a menu": (field(select({**LOW, "text": mrkdwn()})), "object of type plain_text"),
    "long option value": (field(select(option("x" * 151))), "at most 150 characters"),
    "long description": (field(select(option(description=plain("x" * 76)))), "at most 75 char"),
    "option without value": (field(select({"text": plain()})), "missing required field: value"),
    "foreign initial_option": (field(select(LOW, initial_option=HIGH)), "not among the options"),
    "foreign initial_options": (
        field({"type": "checkboxes", "options": [LOW], "initial_options": [HIGH]}),
        "not among the options",
    ),
    "long group label": (
        field(
            {
                "type": "static_select",
                "option_groups": [{"label": plain("x" * 76), "options": [LOW]}],
            }
        ),
        "at most 75 characters",
    ),
    "empty overflow": (section(accessory={**MENU, "options": []}), "at least 1 items"),
    "six in an overflow": (section(accessory={**MENU, "options": [LOW] * 6}), "at most 5 items"),
    "eleven radio buttons": (field(radio(*[LOW] * 11)), "at most 10 items"),
    "image without alt_text": (
        {"type": "image", "image_url": "https://example.com/a.png"},
        "missing required field: alt_text",
    ),
    "image without an address": ({"type": "image", "alt_text": "A"}, "image_url or slack_file"),
    "long confirm button": (
        actions(button(confirm=confirm(confirm=plain("x" * 31)))),
        "at most 30 characters",
    ),
    "bare URLs get linked": (
        section(text={"type": "mrkdwn", "text": "https://example.com"}),
        "mrkdwn needs verbatim: true",
    ),
    "everyone gets pinged": (section(text=mrkdwn("<!channel> help")), "unescaped: <!channel>"),
    "ampersand": (section(text=mrkdwn("R&D")), "unescaped: &D"),
    "emoji as a code": (
        header(plain("a :smile: b", emoji=False)),
        "would show the code of an emoji",
    ),
}

BAD_MESSAGES: dict[str, tuple[Json, str]] = {
    "no text": ({"blocks": [section()]}, "missing required field: text"),
    "empty text": (message(section(), text=""), "at least 1 characters"),
    "long text": (message(text="x" * 4001), "at most 4000 characters"),
    "51 blocks": (message(*[section()] * 51), "at most 50 items"),
    "long message": (message(*[section(text=mrkdwn("x" * 2800))] * 5), "13000 characters in all"),
    "duplicate block_id": (message(*[section(block_id="a")] * 2), "duplicate block_id: a"),
    "block that is no object": (message("Hello"), "must provide an object"),  # type: ignore[arg-type]
    "pings everyone": (message(text="<!here> Ticket 12"), "unescaped: <!here> Ticket"),
    "in an attachment": (message(attachments=[{"blocks": [header(mrkdwn())]}]), "/attachments/0"),
}

BAD_VIEWS: dict[str, tuple[Json, str]] = {
    "not a modal": (modal(type="home"), "must be modal"),
    "no title": ({"type": "modal", "blocks": [section()]}, "missing required field: title"),
    "long title": (modal(title=plain("x" * 25)), "at most 24 characters"),
    "long submit": (modal(submit=plain("x" * 25)), "at most 24 characters"),
    "long close": (modal(close=plain("x" * 25)), "at most 24 characters"),
    "mrkdwn title": (modal(title=mrkdwn()), "must provide a text object of type plain_text"),
    "no blocks": (modal(blocks=[]), "at least 1 items"),
    "101 blocks": (modal(*[section()] * 101), "at most 100 items"),
    "large view": (modal(*[section(text=mrkdwn("x" * 2990))] * 90), "more than 250000 bytes"),
    "long private_metadata": (modal(private_metadata="x" * 3001), "at most 3000 characters"),
    "long callback_id": (modal(callback_id="x" * 256), "at most 255 characters"),
    "duplicate block_id": (modal(*[field(block_id="a")] * 2), "duplicate block_id: a"),
    "message's block": (modal({"type": "markdown", "text": "x"}), "unsupported type: markdown"),
    "unknown property": (modal(width="wide"), "invalid additional property: width"),
}


@pytest.mark.parametrize("name", BAD_BLOCKS)
def test_it_refuses_a_block(name: str) -> None:
    block, said = BAD_BLOCKS[name]
    for found in (check_message(message(block)), check_view(modal(block))):
        assert any(said in violation and "/blocks/0" in violation for violation in found), found


@pytest.mark.parametrize("name", BAD_MESSAGES)
def test_it_refuses_a_message(name: str) -> None:
    args, said = BAD_MESSAGES[name]
    found = check_message(args)
    assert any(said in violation for violation in found), found


@pytest.mark.parametrize("name", BAD_VIEWS)
def test_it_refuses_a_view(name: str) -> None:
    view, said = BAD_VIEWS[name]
    found = check_view(view)
    assert any(said in violation for violation in found), found


def test_it_refuses_an_input_without_submit() -> None:
    view = modal(field())
    del view["submit"]
    assert check_view(view) == [
        "missing required field: submit (the view has an input) [json-pointer:/view]"
    ]


def test_it_refuses_a_submit_button_on_home() -> None:
    home = {"type": "home", "blocks": [section()], "submit": plain("Go")}
    assert check_view(home, home=True) == [
        "home view cannot have submit and close [json-pointer:/view]"
    ]


def test_a_violation_says_what_and_where() -> None:
    assert check_message(message(section(), actions(button(text=plain("x" * 76))))) == [
        "must be at most 75 characters [json-pointer:/blocks/1/elements/0/text/text]"
    ]


GOOD: tuple[Json, ...] = (
    section(block_id="intro", fields=[plain(), mrkdwn("*Status*\n:wrench: Open")]),
    section(text=mrkdwn("<@U0EMP> &lt;!channel&gt; R&amp;D <https://example.com/a?b=1&amp;c|a>")),
    section(text=mrkdwn("<!date^1700000000^{date_short_pretty} {time}|then>\n&gt; quoted")),
    section(text=plain("a :smile: <!channel> & b"), accessory={**MENU, "options": [LOW, HIGH]}),
    {"type": "divider"},
    {"type": "image", "image_url": "https://example.com/a.png", "alt_text": "A", "title": plain()},
    header(plain("Ticket 12")),
    context(mrkdwn(), plain(), {"type": "image", "image_url": "https://x.test", "alt_text": "A"}),
    actions(
        button(style="primary", value="12", confirm=confirm()),
        button("open", url="https://example.com"),
        select(LOW, HIGH, initial_option=LOW),
        {"type": "users_select", "action_id": "assignee", "placeholder": plain()},
        {"type": "datetimepicker", "action_id": "deadline", "initial_date_time": 1700000000},
        block_id="buttons",
    ),
    field(typed(multiline=True, min_length=3, max_length=150, initial_value="VPN"), optional=True),
    field(radio({**LOW, "text": mrkdwn()}, HIGH, initial_option=HIGH), hint=plain()),
    field({"type": "checkboxes", "options": [LOW, HIGH], "initial_options": [HIGH]}),
    field({"type": "external_select", "min_query_length": 2, "initial_option": HIGH}),
    field({"type": "multi_static_select", "max_selected_items": 3, "options": [LOW, HIGH]}),
    field({"type": "email_text_input", "placeholder": plain(), "focus_on_load": True}),
    field({"type": "static_select", "option_groups": [{"label": plain(), "options": [LOW]}]}),
    {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": []}]},
)


def test_good_payloads_pass() -> None:
    before = deepcopy(GOOD)
    assert check_message(message(*GOOD)) == []
    assert check_view(modal(*GOOD, private_metadata="12", notify_on_close=True)) == []
    assert check_view({"type": "home", "blocks": [*GOOD]}, home=True) == []
    assert check_message({"text": "Only text"}) == []
    assert before == GOOD, "checking must not change a payload"


def test_a_sentence_that_names_a_button_stands_with_it() -> None:
    sentence = section(text=plain("If it is not solved, press Reopen: it goes on."))
    reopen = button(text=plain("Reopen"))
    assert check_message(message(sentence, actions(reopen))) == []
    (refusal,) = check_message(message(sentence, actions(button())))
    assert "names a button that is not there: Reopen" in refusal
    assert check_message(message(section(text=plain("Press Details on the card to read.")))) == []


@pytest.mark.parametrize(
    ("sentence", "missing"),
    [
        ("Press Resolve, or Cancel to keep it.", "Cancel to keep it"),
        ("Press Resolve or Decline.", "Decline"),
        ("Press Resolved if it is.", "Resolved if it is"),
        ("Choose “Reopen” here.", "Reopen"),
        ("Click Reopen.", "Reopen"),
    ],
)
def test_each_button_that_a_sentence_names_is_there(sentence: str, missing: str) -> None:
    (refusal,) = check_message(message(section(text=plain(sentence)), actions(button())))
    assert f"names a button that is not there: {missing}" in refusal


@pytest.mark.parametrize("word", ["on", "at", "by", "of", "since *", "before "])
def test_no_preposition_stands_before_a_date_that_slack_may_write_as_today(word: str) -> None:
    due = "<!date^1700000000^{date_short_pretty} at {time}|14 Nov 2023, 22:13 UTC>"
    gap = "" if word.endswith((" ", "*")) else " "
    (refusal,) = check_message(message(section(text=mrkdwn(f"It was filed {word}{gap}{due}"))))
    assert "reads badly if the date is today" in refusal
    assert check_message(message(section(text=mrkdwn(f"It is due {due}, until {due}")))) == []
    assert check_message(message(section(text=mrkdwn(f"Ann moved on, {due}")))) == []


def test_one_action_id_may_stand_in_several_blocks() -> None:
    assert check_message(message(actions(button()), actions(button()))) == []


def test_a_full_message_passes() -> None:
    assert check_message(message(*[section(text=mrkdwn("x" * 3000))] * 4, text="x" * 4000)) == []


# Acknowledgements

FORM = {**modal(field(block_id="title")), "id": "V1"}


def submission_answer(**answer: Any) -> list[str]:
    return check_answer(payloads.view_submission(FORM, user="U0EMP"), answer)


def test_a_command_is_answered_by_a_message() -> None:
    command = payloads.slash_command("help", user="U0EMP")
    assert check_answer(command, {}) == []
    assert check_answer(command, {"response_type": "ephemeral", "text": "Hello"}) == []
    assert check_answer(command, {"text": "<!here>"}) == ["unescaped: <!here> [json-pointer:/text]"]


def test_a_submission_is_answered_by_an_action() -> None:
    assert submission_answer(response_action="clear") == []
    assert submission_answer(response_action="update", view=modal(section())) == []
    assert submission_answer(response_action="push", view={}) == [
        "must be modal [json-pointer:/view/type]"
    ]
    assert submission_answer(response_action="close") == [
        "unknown: close [json-pointer:/response_action]"
    ]


def test_an_error_stands_beside_an_input() -> None:
    assert submission_answer(response_action="errors", errors={"title": "Too short"}) == []
    assert submission_answer(response_action="errors") == [
        "missing required field: errors [json-pointer:/]"
    ]
    assert submission_answer(response_action="errors", errors={"gone": "No", "title": ""}) == [
        "no input of the view [json-pointer:/errors/gone]",
        "must say something [json-pointer:/errors/title]",
    ]


def test_a_menu_is_answered_by_its_options() -> None:
    form = modal(field({"type": "external_select", "action_id": "team"}, block_id="team"), id="V1")
    asked = payloads.block_suggestion(form, "team", user="U0EMP")
    assert check_answer(asked, {"options": []}) == []
    assert check_answer(asked, {"options": [HIGH] * 100}) == []
    assert check_answer(asked, {"options": [HIGH] * 101}) == [
        "must be at most 100 items [json-pointer:/options]"
    ]
    assert check_answer(asked, {"options": [option("x" * 151)]}) == [
        "must be at most 150 characters [json-pointer:/options/0/value]"
    ]
    assert check_answer(asked, {"text": "No"}) == [
        "missing required field: options [json-pointer:/]"
    ]


def test_nothing_else_is_answered() -> None:
    event = payloads.event({"type": "app_home_opened", "user": "U0EMP", "tab": "home"})
    assert check_answer(event, {}) == []
    assert check_answer(event, {"text": "Hello"}) == [
        "Slack takes no answer to: event_callback [json-pointer:/]"
    ]
