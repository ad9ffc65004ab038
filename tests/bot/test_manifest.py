"""The manifest compared with the routes, the Web API methods called, and Slack's limits."""

import ast
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml
from slack_sdk import WebClient

from bot.manifest import (
    PLACEHOLDER_HOST,
    SCOPES,
    app_url_advice,
    build_manifest,
    manifest_yaml,
)
from bot.routes import RouteKind, top_level_routes
from bot.views.labels import SCOPE_EFFECTS
from demo.binaries import ROOT
from tests.support.processes import run
from tests.support.slack_methods import METHODS
from tests.support.slack_scopes import BY_CONVERSATION, KINDS, NEEDED

# Web API methods that need no scope. apps.connections.open takes the app-level token.
METHODS_WITHOUT_SCOPE = frozenset(
    {
        "apps.connections.open",
        "auth.test",
        "chat.getPermalink",
        "views.open",
        "views.publish",
        "views.push",
        "views.update",
    }
)
# Events that need no scope.
EVENTS_WITHOUT_SCOPE = frozenset({"app_home_opened"})
SOURCES = [ROOT / "app.py", *(ROOT / "bot").rglob("*.py"), *(ROOT / "tasks").rglob("*.py")]
# Calls the Web API method that it is given.
PASSES_ON = ROOT / "bot" / "slack" / "client.py"


def routed(*kinds: RouteKind) -> set[str]:
    return {route.id for route in top_level_routes() if route.kind in kinds}


def subscribed() -> set[str]:
    return set(build_manifest(http_url=None)["settings"]["event_subscriptions"]["bot_events"])


def api_methods() -> dict[str, str]:
    """WebClient's methods by name, each with the Web API method it calls."""
    (cls,) = ast.parse(inspect.getsource(WebClient)).body
    assert isinstance(cls, ast.ClassDef)
    return {
        function.name: called
        for function in cls.body
        if isinstance(function, ast.FunctionDef)
        for called in literal_api_calls(function)
    }


def literal_api_calls(tree: ast.AST) -> Iterator[str]:
    for node in calls(tree, "api_call"):
        if node.args and isinstance(node.args[0], ast.Constant):
            yield str(node.args[0].value)


def calls(tree: ast.AST, *names: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", None) in names:
            yield node


def methods_used() -> set[str]:
    known = api_methods()
    used: set[str] = set()
    for source in SOURCES:
        tree = ast.parse(source.read_text())
        used.update(literal_api_calls(tree))
        for call in calls(tree, *known):
            assert isinstance(call.func, ast.Attribute)
            used.add(known[call.func.attr])
    return used


def test_the_way_methods_are_found_finds_them() -> None:
    assert api_methods()["chat_postMessage"] == "chat.postMessage"
    assert len(api_methods()) > 200
    assert {"auth.test", "chat.update", "views.open", "users.info"} <= methods_used()


def test_no_call_hides_its_method_from_this_test() -> None:
    for source in SOURCES:
        for call in calls(ast.parse(source.read_text()), "api_call"):
            is_named = isinstance(call.args[0], ast.Constant)
            assert is_named or source == PASSES_ON, f"{source} calls a method it does not name"


def test_every_method_called_is_in_the_table_and_the_other_way_round() -> None:
    listed = {
        method for scope in SCOPES.values() for method in scope.methods
    } | METHODS_WITHOUT_SCOPE
    assert methods_used() == listed


def test_the_manifest_names_each_method_under_the_scope_that_slack_asks_for() -> None:
    """Some scopes only widen what a method does."""
    widening = ("chat:write.public", "chat:write.customize", "users:read.email")
    listed = {
        (method, scope)
        for scope, why in SCOPES.items()
        for method in why.methods
        if scope not in widening
    }
    assert {method for method, _ in listed} <= NEEDED.keys() | BY_CONVERSATION.keys()
    for method, scope in listed:
        assert scope in {NEEDED.get(method), *_by_kind(method)}, method
    assert METHODS_WITHOUT_SCOPE.isdisjoint(NEEDED.keys() | BY_CONVERSATION.keys())
    assert methods_used() <= METHODS.keys()


def _by_kind(method: str) -> set[str]:
    what = BY_CONVERSATION.get(method)
    return {f"{kind}:{what}" for kind in KINDS} if what else set()


def test_every_scope_is_needed_by_something_that_is_there() -> None:
    used, events = methods_used(), subscribed()
    for name, scope in SCOPES.items():
        entries = routed(*scope.route_kinds)
        needed = used.intersection(scope.methods) or events.intersection(scope.events) or entries
        assert needed, f"nothing needs the scope {name}"
        assert scope.reason


def test_every_event_is_in_the_table_and_the_other_way_round() -> None:
    listed = {event for scope in SCOPES.values() for event in scope.events} | EVENTS_WITHOUT_SCOPE
    assert subscribed() == listed


def test_commands_and_shortcuts_are_those_of_the_routes() -> None:
    features = build_manifest(http_url=None)["features"]
    commands = {command["command"] for command in features["slash_commands"]}
    assert commands == routed(RouteKind.COMMAND) == {"/ticket", "/account"}
    types = {shortcut["callback_id"]: shortcut["type"] for shortcut in features["shortcuts"]}
    assert types == {
        **dict.fromkeys(routed(RouteKind.SHORTCUT), "global"),
        **dict.fromkeys(routed(RouteKind.MESSAGE_SHORTCUT), "message"),
    }


def test_it_asks_for_the_scopes_of_the_table() -> None:
    assert build_manifest(http_url=None)["oauth_config"] == {
        "scopes": {"bot": list(SCOPES), "bot_optional": ["channels:join", "chat:write.customize"]}
    }


def test_it_is_said_what_is_off_without_each_scope() -> None:
    assert SCOPE_EFFECTS.keys() == SCOPES.keys()


# Path of a text in the manifest: its minimum and maximum length, from
# github.com/slackapi/manifest-schema.
LENGTHS = {
    "display_information.name": (1, 35),
    "display_information.description": (1, 140),
    "display_information.long_description": (175, 4_000),
    "display_information.background_color": (4, 7),
    "features.bot_user.display_name": (1, 80),
    "features.shortcuts.name": (1, 24),
    "features.shortcuts.type": (6, 7),
    "features.shortcuts.callback_id": (1, 255),
    "features.shortcuts.description": (1, 150),
    "features.slash_commands.command": (2, 32),
    "features.slash_commands.url": (8, 3_000),
    "features.slash_commands.description": (1, 2_000),
    "features.slash_commands.usage_hint": (1, 1_000),
    "oauth_config.scopes.bot": (1, 50),
    "oauth_config.scopes.bot_optional": (1, 50),
    "settings.event_subscriptions.bot_events": (1, 50),
    "settings.event_subscriptions.request_url": (8, 3_500),
    "settings.interactivity.request_url": (8, 3_500),
}


def texts(node: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(node, Mapping):
        for name, value in node.items():
            yield from texts(value, f"{path}.{name}".strip("."))
    elif isinstance(node, list):
        for value in node:
            yield from texts(value, path)
    elif isinstance(node, str):
        yield path, node


@pytest.mark.parametrize("http_url", [None, "https://desk.example.com"])
def test_it_stays_within_slacks_limits(http_url: str | None) -> None:
    made = build_manifest(http_url=http_url)
    for path, text in texts(made):
        least, most = LENGTHS[path]
        assert least <= len(text) <= most, path
    assert 1 <= len(made["features"]["shortcuts"]) <= 10
    assert 1 <= len(made["features"]["slash_commands"]) <= 50


def test_socket_mode_names_no_address() -> None:
    made = build_manifest(http_url=None)
    assert made["settings"]["socket_mode_enabled"] is True
    assert made["settings"]["interactivity"] == {"is_enabled": True}
    assert "url" not in str(made)
    assert made["settings"]["token_rotation_enabled"] is False
    assert made["settings"]["org_deploy_enabled"] is False
    assert made["features"]["app_home"] == {
        "home_tab_enabled": True,
        "messages_tab_enabled": True,
        "messages_tab_read_only_enabled": False,
    }


def test_http_sends_everything_to_one_address() -> None:
    made = build_manifest(http_url="https://desk.example.com/base/")
    address = "https://desk.example.com/base/slack/events"
    assert made["settings"]["socket_mode_enabled"] is False
    assert made["settings"]["interactivity"]["request_url"] == address
    assert made["settings"]["event_subscriptions"]["request_url"] == address
    assert {command["url"] for command in made["features"]["slash_commands"]} == {address}


def test_both_variants_are_the_same_but_for_the_way_in() -> None:
    def bare(node: Any) -> Any:
        if isinstance(node, dict):
            ways = ("url", "request_url", "socket_mode_enabled")
            return {name: bare(value) for name, value in node.items() if name not in ways}
        return [bare(value) for value in node] if isinstance(node, list) else node

    assert bare(build_manifest(http_url=None)) == bare(build_manifest(http_url=PLACEHOLDER_HOST))


def test_manifest_yml_is_what_the_command_prints(elsewhere: None) -> None:
    result = run("manifest", SLACK_BOT_TOKEN="not even a token yet")
    assert (result.returncode, result.stderr) == (0, "")
    stored = (ROOT / "manifest.yml").read_text()
    assert result.stdout == stored, "run: python app.py manifest > manifest.yml"
    assert yaml.safe_load(stored) == build_manifest(http_url=None)
    assert stored.startswith("# The Slack app, made by `python app.py manifest`:")
    assert 'choose "From a manifest" and paste this.' in stored


def test_http_takes_the_address_from_app_url(elsewhere: None) -> None:
    result = run("manifest", "--http", APP_URL="https://desk.example.com/")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == manifest_yaml(http_url="https://desk.example.com")
    assert yaml.safe_load(result.stdout) == build_manifest(http_url="https://desk.example.com")


def test_http_without_app_url_says_what_to_replace(elsewhere: None) -> None:
    result = run("manifest", "--http")
    assert result.returncode == 0
    assert "request_url: https://your-host.example/slack/events\n" in result.stdout
    assert result.stderr == (
        "APP_URL is not set: replace https://your-host.example by the address Slack reaches the "
        "bot at.\n"
    )


def test_an_address_slack_cannot_call_is_named() -> None:
    assert app_url_advice("http://localhost:5173") == (
        "Slack calls https addresses only; APP_URL is none."
    )
    assert app_url_advice("https://desk.example.com") == ""
