"""Adapt the product to local-slack, the demo's Slack.

`wrap_client` wraps each WebClient (bot, worker, jobs), `MIDDLEWARE` runs before Bolt's listeners.
"""

import contextvars
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from slack_bolt import Ack, App, BoltContext, BoltRequest, BoltResponse
from slack_sdk import WebClient
from slack_sdk.web import SlackResponse

from bot.slack.transport import SlackClient
from demo.block_translation import (
    MEMBER_MENUS,
    Json,
    restore_view,
    translate_message,
    translate_view,
    with_options,
)

# The user and team of the current payload, for the `block_suggestion` that Slack would send.
_current_user: contextvars.ContextVar[Json] = contextvars.ContextVar("user", default={})  # noqa: B039
_apps: list[App] = []
_TOKEN = re.compile(r"(<(?:[@#!]|https?://|mailto:)[^<>]*>)")


def register_app(app: App) -> None:
    """Register the bot that is asked for the options of menus."""
    _apps[:] = [app]


class LocalSlackClient(SlackClient):
    """Translate requests for local-slack, and complete its responses."""

    def api_call(self, api_method: str, **options: Any) -> SlackResponse:
        for place in ("json", "params", "data"):
            if isinstance(options.get(place), dict):
                options[place] = _translate(options[place], self._member_options)
        response = super().api_call(api_method, **options)
        if isinstance(response.data, dict):
            _confirm_addresses(response.data)
            _complete_channel(response.data)
        return response

    def _member_options(self) -> list[Json]:
        """Return the members of the workspace as options of a menu."""
        return [
            {
                "text": {"type": "plain_text", "text": member["real_name"] or member["name"]},
                "value": member["id"],
            }
            for member in self.users_list()["members"]
        ]


def wrap_client(client: WebClient) -> WebClient:
    """Return a client for the same connection that translates."""
    if isinstance(client, LocalSlackClient):
        return client
    return LocalSlackClient(
        token=client.token,
        base_url=client.base_url,
        timeout=client.timeout,
        ssl=client.ssl,
        proxy=client.proxy,
        headers=client.headers,
        logger=client.logger,
        retry_handlers=list(client.retry_handlers),
    )


class TranslatingAck(Ack):
    """Translate the view or message in an acknowledgement, which does not pass the client."""

    def __call__(self, *args: Any, **options: Any) -> BoltResponse:
        # Not super().__call__(): Bolt polls `response`, and could send it before it is translated.
        response: BoltResponse = Ack()(*args, **options)  # type: ignore[no-untyped-call]
        if response.body:
            is_json = response.body.startswith("{")
            answer = json.loads(response.body) if is_json else {"text": response.body}
            response = BoltResponse(status=response.status, body=_answer(answer))
        self.response = response
        return response


def adapt(
    context: BoltContext,
    body: Json,
    next: Callable[[], None],  # noqa: A002  Bolt's name for it
) -> None:
    """Bolt middleware: restore a submission to Slack's form; install translating client and ack."""
    if (body.get("event") or {}).get("type") == "message":
        body["event"].update(escape_message(body["event"]))
    if body.get("type") == "view_submission":
        body["view"] = restore_view(body["view"])
    if body.get("type") == "block_actions" and body.get("channel", {}).get("id") == "":
        _place_in_home(body)
    _current_user.set(
        {"user": body.get("user") or {"id": body.get("user_id")}, "team": _team(body)}
    )
    context["client"] = wrap_client(context.client)
    if respond := context.respond:
        context["respond"] = lambda message: respond(_translate(message))
    context["ack"] = TranslatingAck()  # type: ignore[no-untyped-call]  # Bolt's constructor
    next()


MIDDLEWARE: Sequence[Callable[..., Any]] = (adapt,)


def _translate(arguments: Json, member_options: Callable[[], list[Json]] = list) -> Json:
    view = arguments.get("view")

    def offered(block: Json, menu: Json) -> list[Json]:
        if menu["type"] in MEMBER_MENUS:
            return member_options()
        return _offered(view if isinstance(view, dict) else {}, block, menu)

    if isinstance(arguments.get("blocks"), list):
        arguments = with_options(arguments, offered)
    drawn = translate_message(arguments)
    if not isinstance(view, dict):
        return drawn
    return {**drawn, "view": translate_view(with_options(view, offered))}


def _offered(view: Json, block: Json, menu: Json) -> list[Json]:
    """Return the options that the bot answers for an external menu; none in a worker, which has no
    bot to ask."""
    action_id, block_id = menu["action_id"], block.get("block_id", "")
    asked = {"type": "block_suggestion", "action_id": action_id, "block_id": block_id}
    about = {"value": "", "view": {"private_metadata": view.get("private_metadata") or ""}}
    question = BoltRequest(body={**asked, **about, **_current_user.get()}, mode="socket_mode")
    answers = [app.dispatch(question).body for app in _apps]
    return list(json.loads(answers[0] or "{}").get("options") or []) if answers else []


def _place_in_home(body: Json) -> None:
    """local-slack sends a click in Home like one on a message, in a channel without a name."""
    for key in ("channel", "message", "response_url"):
        body.pop(key, None)
    body["view"] = {"type": "home", "blocks": []}
    body["container"] = {"type": "view"}


def _team(body: Json) -> Json:
    return dict(body.get("team") or {"id": body.get("team_id")})


def _answer(answer: Json) -> Json:
    drawn = _translate(answer)
    if "text" in drawn:  # local-slack's default is visible to all
        drawn.setdefault("response_type", "ephemeral")
    return drawn


def _complete_channel(answer: Json) -> None:
    """Add the flags of shared channels, which local-slack lacks."""
    channel = answer.get("channel")
    if isinstance(channel, dict) and "is_private" in channel:
        for flag in ("is_mpim", "is_shared", "is_ext_shared", "is_org_shared"):
            channel.setdefault(flag, False)


def _confirm_addresses(answer: Json) -> None:
    """Add `is_email_confirmed`, which local-slack lacks: no invitation could be accepted."""
    members = [answer.get("user"), *(answer.get("members") or [])]
    for member in members:
        if isinstance(member, dict) and (member.get("profile") or {}).get("email"):
            member.setdefault("is_email_confirmed", True)


def escape_message(event: Json) -> Json:
    """Escape the texts of a message event as Slack does, but not mentions and links."""
    escaped = dict(event)
    if isinstance(event.get("text"), str):
        parts = _TOKEN.split(event["text"])
        escaped["text"] = "".join(p if _TOKEN.fullmatch(p) else _escape(p) for p in parts)
    for inner in ("message", "previous_message"):
        if isinstance(event.get(inner), dict):
            escaped[inner] = escape_message(event[inner])
    return escaped


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
