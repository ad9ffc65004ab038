"""Between the bot and local-slack: everything the product does not know about the demo's Slack.

`wrap_client` goes around every WebClient (bot, worker, jobs), `MIDDLEWARE` in front of Bolt.
"""

import contextvars
import json
from collections.abc import Callable, Sequence
from typing import Any

from slack_bolt import Ack, App, BoltContext, BoltRequest, BoltResponse
from slack_sdk import WebClient
from slack_sdk.web import SlackResponse

from demo.block_translation import (
    Json,
    restore_view,
    translate_message,
    translate_view,
    with_options,
)
from demo.slack_escaping import escape_message

# Whoever the payload being handled comes from, as Slack would say it in a question of theirs.
_current_user: contextvars.ContextVar[Json] = contextvars.ContextVar("asker", default={})  # noqa: B039
_apps: list[App] = []


def register_app(app: App) -> None:
    """The bot whose menus are asked for their options."""
    _apps[:] = [app]


class LocalSlackClient(WebClient):
    """Rewrites what goes out, and completes what comes back."""

    def api_call(self, api_method: str, **options: Any) -> SlackResponse:
        for place in ("json", "params", "data"):
            if isinstance(options.get(place), dict):
                options[place] = _translate(options[place])
        response = super().api_call(api_method, **options)
        if isinstance(response.data, dict):
            _confirm_addresses(response.data)
            _complete_channel(response.data)
        return response


def wrap_client(client: WebClient) -> WebClient:
    """The same connection with the rewriting around it."""
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
    """An answer may carry a view or a message too, and does not pass the client."""

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
    """Bolt middleware: the submission as Slack would send it; client and ack that rewrite."""
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


def _translate(arguments: Json) -> Json:
    view = arguments.get("view")
    drawn = translate_message(arguments)
    if not isinstance(view, dict):
        return drawn
    return {
        **drawn,
        "view": translate_view(with_options(view, lambda block: _offered(view, block))),
    }


def _offered(view: Json, block: Json) -> list[Json]:
    """What the bot answers Slack when somebody opens a menu of its own making."""
    action_id = block["element"]["action_id"]
    asked = {"type": "block_suggestion", "action_id": action_id, "block_id": block["block_id"]}
    about = {"value": "", "view": {"private_metadata": view.get("private_metadata") or ""}}
    question = BoltRequest(body={**asked, **about, **_current_user.get()}, mode="socket_mode")
    answers = [app.dispatch(question).body for app in _apps]
    return list(json.loads(answers[0] or "{}").get("options") or []) if answers else []


def _place_in_home(body: Json) -> None:
    """local-slack says of a press in Home that it was on a message, in a channel without name."""
    for key in ("channel", "message", "response_url"):
        body.pop(key, None)
    body["view"] = {"type": "home", "blocks": []}
    body["container"] = {"type": "view"}


def _team(body: Json) -> Json:
    return dict(body.get("team") or {"id": body.get("team_id")})


def _answer(answer: Json) -> Json:
    drawn = _translate(answer)
    if "text" in drawn:  # local-slack shows an answer to everybody unless told otherwise
        drawn.setdefault("response_type", "ephemeral")
    return drawn


def _complete_channel(answer: Json) -> None:
    """Slack says of a channel with whom it is shared; local-slack knows of nobody it could be."""
    channel = answer.get("channel")
    if isinstance(channel, dict) and "is_private" in channel:
        for flag in ("is_mpim", "is_shared", "is_ext_shared", "is_org_shared"):
            channel.setdefault(flag, False)


def _confirm_addresses(answer: Json) -> None:
    """Slack says of its members whether their address is confirmed; local-slack has no such field.

    Without it nobody who was invited could link. Its members are made up, so all are confirmed.
    """
    members = [answer.get("user"), *(answer.get("members") or [])]
    for member in members:
        if isinstance(member, dict) and (member.get("profile") or {}).get("email"):
            member.setdefault("is_email_confirmed", True)
