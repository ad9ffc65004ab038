"""Between the bot and local-slack: everything the product does not know about the demo's Slack.

`wrap_client` goes around every WebClient (bot, worker, jobs), `MIDDLEWARE` in front of Bolt.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

from slack_bolt import Ack, BoltContext, BoltResponse
from slack_sdk import WebClient
from slack_sdk.web import SlackResponse

from demo.drawing import Json, drawn_message, drawn_view, restored_view


class LocalSlackClient(WebClient):
    """Rewrites what goes out, and completes what comes back."""

    def api_call(self, api_method: str, **options: Any) -> SlackResponse:
        for place in ("json", "params", "data"):
            if isinstance(options.get(place), dict):
                options[place] = _drawn(options[place])
        response = super().api_call(api_method, **options)
        if isinstance(response.data, dict):
            _confirm_addresses(response.data)
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


class DrawnAck(Ack):
    """An answer may carry a view or a message too, and does not pass the client."""

    def __call__(self, *args: Any, **options: Any) -> BoltResponse:
        response = super().__call__(*args, **options)
        if response.body:
            is_json = response.body.startswith("{")
            answer = json.loads(response.body) if is_json else {"text": response.body}
            self.response = response = BoltResponse(status=response.status, body=_answer(answer))
        return response


def adapt(
    context: BoltContext,
    body: Json,
    next: Callable[[], None],  # noqa: A002  Bolt's name for it
) -> None:
    """Bolt middleware: the submission as Slack would send it; client and ack that rewrite."""
    if body.get("type") == "view_submission":
        body["view"] = restored_view(body["view"])
    context["client"] = wrap_client(context.client)
    context["ack"] = DrawnAck()  # type: ignore[no-untyped-call]  # Bolt's constructor
    next()


MIDDLEWARE: Sequence[Callable[..., Any]] = (adapt,)


def _drawn(arguments: Json) -> Json:
    view = arguments.get("view")
    drawn = drawn_message(arguments)
    return {**drawn, "view": drawn_view(view)} if isinstance(view, dict) else drawn


def _answer(answer: Json) -> Json:
    drawn = _drawn(answer)
    if "text" in drawn:  # local-slack shows an answer to everybody unless told otherwise
        drawn.setdefault("response_type", "ephemeral")
    return drawn


def _confirm_addresses(answer: Json) -> None:
    """Slack says of its members whether their address is confirmed; local-slack has no such field.

    Without it nobody who was invited could link. Its members are made up, so all are confirmed.
    """
    members = [answer.get("user"), *(answer.get("members") or [])]
    for member in members:
        if isinstance(member, dict) and (member.get("profile") or {}).get("email"):
            member.setdefault("is_email_confirmed", True)
