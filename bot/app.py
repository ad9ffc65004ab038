"""The Bolt app: the routes, the workspace's door, and the one error handler."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

import pymongo
from slack_bolt import Ack, App, BoltResponse

from bot.answers import answer
from bot.request import Desk, Request
from bot.routes import Kind, Route, run, top_level
from services.errors import Refused

logger = logging.getLogger(__name__)

# One deadline for all of a handler's queries together, so that the answer is within Slack's 3 s.
HANDLER_SECONDS = 2.0
THREADS = 20

FOREIGN = Refused(
    "This help desk serves another workspace. Ask your contact there to file the ticket."
)


def build(
    desk: Desk,
    *,
    executor: Executor | None = None,
    middleware: Sequence[Callable[..., Any]] = (),
) -> App:
    """The app, ready for Socket Mode or HTTP. Asks Slack who the bot is (`auth.test`)."""
    app = App(
        client=desk.client,
        logger=logging.getLogger("slack_bolt"),
        listener_executor=executor or ThreadPoolExecutor(THREADS, thread_name_prefix="listener"),
    )
    for layer in middleware:
        app.use(layer)

    @app.middleware
    def only_this_workspace(body: dict[str, Any], next: Callable[[], Any]) -> BoltResponse | None:  # noqa: A002 - Bolt's name
        """Bolt serves payloads of any team under a single token: the door is ours to keep."""
        if _teams(body) <= {desk.team_id}:
            next()
            return None
        return answer(FOREIGN, body, desk.client)

    @app.error
    def answered(error: Exception, body: dict[str, Any]) -> BoltResponse:
        return answer(error, body, desk.client)

    register = {Kind.COMMAND: app.command, Kind.VIEW: app.view, Kind.ACTION: app.action}
    for route in top_level():
        register[route.kind](route.id)(_listener(route, desk))
    return app


def _listener(route: Route, desk: Desk) -> Callable[..., None]:
    def listener(ack: Ack, body: dict[str, Any]) -> None:
        req = Request(body=body, desk=desk, permission=route.permission, _ack=ack)
        try:
            with pymongo.timeout(HANDLER_SECONDS):
                run(route, req)
        except Exception:
            if not req.acked:
                raise  # for the error handler, which answers in a sentence
            # An exception that reaches Bolt now would erase the answer already given.
            logger.exception("after the answer to %s", route.id)

    return listener


def _teams(body: dict[str, Any]) -> set[str]:
    """Every workspace a payload names: where it happened and where its sender belongs."""
    user = body.get("user")
    named = {
        body.get("team_id"),
        (body.get("team") or {}).get("id"),
        user.get("team_id") if isinstance(user, dict) else None,
    }
    return {team for team in named if team}
