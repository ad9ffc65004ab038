"""The Bolt app: the routes, the workspace's door, and the one error handler."""

import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

import pymongo
from pymongo.errors import PyMongoError
from slack_bolt import Ack, App, BoltResponse

from bot.answers import answer, tell
from bot.request import Desk, Request
from bot.routes import ANSWERED_AT_ONCE, Kind, Route, run, top_level
from bot.watching import InContext, WatchedApp, outcome
from services.errors import Refused
from services.metrics import UNMETERED, Meter

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
    signing_secret: str = "",
    middleware: Sequence[Callable[..., Any]] = (),
    meter: Meter = UNMETERED,
    process: str = "bot",
) -> App:
    """The app, ready for Socket Mode or HTTP. Asks Slack who the bot is (`auth.test`).

    `process` is what `meter` knows this process by.
    """
    # In the environment these two would turn on Bolt's OAuth and drop the token.
    for trap in ("SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET"):
        os.environ.pop(trap, None)
    pool = executor or ThreadPoolExecutor(THREADS, thread_name_prefix="listener")
    app = WatchedApp(
        meter=meter,
        process=process,
        client=desk.client,
        signing_secret=signing_secret,
        logger=logging.getLogger("slack_bolt"),
        listener_executor=InContext(pool),
    )
    for layer in middleware:
        app.use(layer)

    @app.middleware
    def only_this_workspace(body: dict[str, Any], next: Callable[[], Any]) -> BoltResponse | None:  # noqa: A002 - Bolt's name
        """Bolt serves payloads of any team under a single token: the door is ours to keep."""
        if _teams(body) <= {desk.team_id}:
            next()
            return None
        return _foreign(body, desk)

    @app.middleware
    def once(body: dict[str, Any], next: Callable[[], Any]) -> BoltResponse | None:  # noqa: A002 - Bolt's name
        """Slack repeats an event it had no answer to, and another process may have taken it up."""
        refusal = _already_taken(body["event_id"], desk) if "event_id" in body else None
        if refusal is None:
            next()
        return refusal

    @app.error
    def answered(error: Exception, body: dict[str, Any]) -> BoltResponse:
        return answer(error, body)

    register: dict[Kind, Callable[..., Any]] = {
        Kind.COMMAND: app.command,
        Kind.VIEW: app.view,
        Kind.ACTION: app.action,
        Kind.SHORTCUT: app.global_shortcut,
        Kind.MESSAGE_SHORTCUT: app.message_shortcut,
        Kind.EVENT: app.event,
    }
    for route in top_level():
        register[route.kind](route.id)(_listener(route, desk))
    return app


def _listener(route: Route, desk: Desk) -> Callable[..., None]:
    def listener(ack: Ack, body: dict[str, Any]) -> None:
        req = Request(body=body, desk=desk, permission=route.permission, _ack=ack)
        if route.kind in ANSWERED_AT_ONCE:
            req.ack()
        try:
            with outcome(), pymongo.timeout(HANDLER_SECONDS):
                run(route, req)
        except Exception as error:
            if not req.acked:
                raise  # for the error handler, which answers in a sentence
            # An exception that reaches Bolt now would erase the answer already given.
            if route.kind in ANSWERED_AT_ONCE:
                tell(error, req)
            else:
                logger.exception("after the answer to %s", route.id)

    return listener


def _already_taken(event_id: str, desk: Desk) -> BoltResponse | None:
    """What ends the matter here; None where the event is this process's to handle."""
    try:
        with pymongo.timeout(HANDLER_SECONDS):
            first = desk.inbox.take(event_id)
    except PyMongoError as error:
        logger.error("an event is left to Slack's next try: %s", type(error).__name__)
        return BoltResponse(status=503, body="")
    return None if first else BoltResponse(status=200, body="")


def _foreign(body: dict[str, Any], desk: Desk) -> BoltResponse:
    """Refuse a payload of another workspace's, in words where it comes from a person."""
    if body.get("type") in ("block_actions", "shortcut", "message_action"):
        tell(FOREIGN, Request(body=body, desk=desk, permission=None, _ack=_unused, acked=True))
    return answer(FOREIGN, body)


def _unused() -> None:
    """The acknowledgement is the response that stops the middleware."""


def _teams(body: dict[str, Any]) -> set[str]:
    """Every workspace a payload names: where it happened and where its sender belongs."""
    user = body.get("user")
    named = {
        body.get("team_id"),
        (body.get("team") or {}).get("id"),
        user.get("team_id") if isinstance(user, dict) else None,
    }
    return {team for team in named if team}
