"""What Slack refuses in a message or a view, and what this project's rules on text refuse.

Every violation is a sentence with a JSON pointer, worded like Slack's `response_metadata.messages`.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from typing import Any

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.basic_objects import JsonObject
from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View

from tests.support.blockkit_limits import CHILDREN, CLASSIC_BLOCKS, MESSAGE_CHARACTERS, VIEW_BYTES
from tests.support.blockkit_rules import RULES, Node, items, said


def check_message(args: Mapping[str, Any]) -> list[str]:
    """Violations in the arguments of a chat.* call or a response_url body; empty when fine."""
    found = _broken_rules(Node(frozenset({"message"}), "", args))
    blocks = json.dumps(args.get("blocks") or [], ensure_ascii=False, separators=(",", ":"))
    if len(blocks) > MESSAGE_CHARACTERS:
        found.append(said(f"more than {MESSAGE_CHARACTERS} characters in all", "/blocks"))
    if found:
        return found
    holders = [("", args), *items("", "attachments", args.get("attachments") or [])]
    return [violation for at, holder in holders for violation in _bad_blocks(holder, at)]


def check_view(view: Mapping[str, Any], *, home: bool = False) -> list[str]:
    """Violations in the view of a views.* call or a `response_action`; empty when fine."""
    kind = "home" if home else "modal"
    if view.get("type") != kind:
        return [said(f"must be {kind}", "/view/type")]
    found = _broken_rules(Node(frozenset({"view", kind}), "/view", view))
    if len(json.dumps(view)) > VIEW_BYTES:
        found.append(said(f"more than {VIEW_BYTES} bytes", "/view"))
    found = found or _bad_blocks(view, "/view")
    return found or _refused_by_sdk(lambda sent: View(**sent), view, "/view")


def check_answer(payload: Mapping[str, Any], answer: Mapping[str, Any]) -> list[str]:
    """Violations in what the acknowledgement of `payload` carries; empty when fine."""
    if not answer:
        return []
    if "command" in payload:
        return check_message(answer)
    if payload["type"] == "view_submission":
        return _check_submission_answer(payload["view"], answer)
    if payload["type"] == "block_suggestion":
        return _check_options(answer)
    return [said(f"Slack takes no answer to: {payload['type']}", "")]


def _check_submission_answer(view: Mapping[str, Any], answer: Mapping[str, Any]) -> list[str]:
    action = answer.get("response_action")
    if action == "errors":
        inputs = {b.get("block_id") for b in view["blocks"] if b["type"] == "input"}
        errors = answer.get("errors") or {}
        found = [said("no input of the view", f"/errors/{key}") for key in errors.keys() - inputs]
        found += [said("must say something", f"/errors/{key}") for key in errors if not errors[key]]
        return found if errors else [said("missing required field: errors", "")]
    if action in ("update", "push"):
        return check_view(answer.get("view") or {})
    return [] if action == "clear" else [said(f"unknown: {action}", "/response_action")]


def _check_options(answer: Mapping[str, Any]) -> list[str]:
    """Options are those of a menu; unlike there, there may be none."""
    given = {key: answer[key] for key in ("options", "option_groups") if answer.get(key)}
    if not given:
        return [] if "options" in answer else [said("missing required field: options", "")]
    menu = {"type": "static_select", "action_id": "menu", **given}
    return _broken_rules(Node(frozenset({"element", "static_select"}), "", menu))


def _broken_rules(root: Node) -> list[str]:
    found = (violation for node in _nodes(root) for rule in RULES for violation in rule(node))
    return list(dict.fromkeys(found))


def _nodes(node: Node) -> Iterator[Node]:
    """The node and all it holds, in reading order."""
    yield node
    if "block" in node.kinds and node.data.get("type") not in CLASSIC_BLOCKS:
        return
    for field, held in node.data.items():
        for at, item in items(node.at, field, held):
            if kinds := _kinds(node, field, item):
                yield from _nodes(Node(kinds, at, item))


def _kinds(parent: Node, field: str, item: Any) -> frozenset[str]:
    kind = CHILDREN.get(field)
    if not isinstance(item, Mapping):
        return frozenset()
    if (own := str(item.get("type", ""))) in ("plain_text", "mrkdwn"):
        return frozenset({"text", own, "field"} if kind == "field" else {"text", own})
    if kind is None:
        return frozenset()
    # Radio buttons and checkboxes may style an option's text, menus may not.
    menu = kind == "option" and not parent.kinds & {"checkboxes", "radio_buttons"}
    return frozenset({kind, own, "menu_option"} if menu else {kind, own})


def _bad_blocks(holder: Mapping[str, Any], at: str) -> list[str]:
    blocks = items(at, "blocks", holder.get("blocks") or [])
    return [v for place, block in blocks for v in _refused_by_sdk(Block.parse, block, place)]


def _refused_by_sdk(
    parse: Callable[[Any], JsonObject | None], sent: Mapping[str, Any], at: str
) -> list[str]:
    try:
        parsed = parse(deepcopy(sent))
        kept = parsed.to_dict() if parsed else {}
    except (SlackObjectFormationError, TypeError, AttributeError, KeyError) as error:
        return [said(str(error), at)]
    return list(_dropped(sent, kept, at))


def _dropped(sent: Any, kept: Any, at: str) -> Iterator[str]:
    """Properties that slack_sdk's models do not know: Slack refuses them."""
    if isinstance(sent, list) and isinstance(kept, list):
        for index, pair in enumerate(zip(sent, kept, strict=False)):
            yield from _dropped(*pair, f"{at}/{index}")
    elif isinstance(sent, Mapping) and isinstance(kept, Mapping):
        for field, value in sent.items():
            if field in kept:
                yield from _dropped(value, kept[field], f"{at}/{field}")
            elif value not in ("", [], {}):
                yield said(f"invalid additional property: {field}", at)
