"""The Bolt app: middleware, routes, and the one error handler."""

import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, Self

from slack_bolt import Ack, App, BoltRequest, BoltResponse
from slack_bolt.listener_matcher import ListenerMatcher, builtins
from slack_bolt.middleware import Middleware

from bot.middleware import (
    BodyMiddleware,
    drop_repeated_events,
    reject_other_workspaces,
    sender_check,
)
from bot.routes import ACKED_IMMEDIATELY, ROUTES, Route, RouteKind, run_route, top_level_routes
from bot.slack.bot_process import BotProcess
from bot.slack.client import Respond, respond_middleware
from bot.slack.error_responses import error_response, show_error
from bot.slack.form_origin import FormOrigin
from bot.slack.instrumentation import InstrumentedApp, ListenerExecutor, count_outcome
from bot.slack.request import Request

logger = logging.getLogger(__name__)

_ACKS_LAST = frozenset(route.id for route in ROUTES if route.acks_last)
MAX_KNOWN_MEMBERS = 10_000


def create_app(
    bot: BotProcess, *, executor: Executor, middleware: Sequence[Callable[..., Any]] = ()
) -> App:
    """Build the app for Socket Mode or HTTP. It calls Slack (`auth.test`).

    `executor` runs the listeners; `middleware` runs before the routes.
    """
    # Set, the first two would turn on Bolt's OAuth and drop the client's token; about the third,
    # Bolt would log a warning at every start.
    for variable in ("SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET", "SLACK_BOT_TOKEN"):
        os.environ.pop(variable, None)
    members = _KnownMembers()
    app = InstrumentedApp(
        meter=bot.meter,
        process=bot.name,
        runs_inline=members.runs_inline,
        name=bot.name,  # without a name Bolt reads the source of every caller to find one
        client=bot.client,
        signing_secret=bot.config.slack_signing_secret,
        request_verification_enabled=False,  # bot/web/slack_events.py has verified it
        logger=logging.getLogger("slack_bolt"),
        listener_executor=ListenerExecutor(executor),
    )
    give_respond = respond_middleware(meter=bot.meter, process=bot.name)
    app.use(_Step(lambda req, go_on: give_respond(req.context, go_on, _form_url(req.body))))
    for middleware_function in middleware:
        app.use(middleware_function)

    app.use(_Step.on_body(reject_other_workspaces(bot)))
    app.use(_Step.on_body(drop_repeated_events(bot)))

    app.error(error_response)
    _register(app, bot, members)
    return app


class _KnownMembers:
    """The members whose account was found at their last command. About others, Slack may be called
    after the acknowledgement, so their commands do not run inline (`Route.acks_last`)."""

    def __init__(self) -> None:
        self._ids: set[str] = set()

    def runs_inline(self, body: dict[str, Any]) -> bool:
        if body.get("type") == "view_submission":
            return body["view"]["callback_id"] in _ACKS_LAST
        return body.get("command") in _ACKS_LAST and body.get("user_id") in self._ids

    def record(self, req: Request) -> None:
        if not req.has_account:
            self._ids.discard(req.slack_user_id)
        elif len(self._ids) < MAX_KNOWN_MEMBERS:
            self._ids.add(req.slack_user_id)


def _form_url(body: dict[str, Any]) -> str:
    return FormOrigin.of_view(body.get("view") or {}).response_url


class _Step(Middleware):
    """A middleware that is called with the request. Of a function Bolt reads the names of its
    arguments, and makes all thirty that there could be, at each request."""

    def __init__(self, run: Callable[[BoltRequest, Callable[[], Any]], Any]) -> None:
        self._run = run

    @classmethod
    def on_body(cls, check: BodyMiddleware) -> Self:
        return cls(lambda req, go_on: check(req.body, go_on))

    def process(
        self,
        *,
        req: BoltRequest,
        resp: BoltResponse,  # noqa: ARG002  Bolt's signature
        next: Callable[[], Any],  # noqa: A002  Bolt's name
    ) -> BoltResponse | None:
        response: BoltResponse | None = self._run(req, next)
        return response


class _Matcher(ListenerMatcher):
    """One of Bolt's matchers, asked with the body alone, which is all that it reads. Bolt makes all
    arguments that a matcher could have for each one that it asks, as for a middleware."""

    def __init__(self, builtin: Any) -> None:
        self._accepts = builtin.func

    def matches(self, req: BoltRequest, resp: BoltResponse) -> bool:  # noqa: ARG002  Bolt's signature
        return bool(self._accepts(req.body))


_MATCHERS: Mapping[RouteKind, Callable[[re.Pattern[str]], Any]] = {
    RouteKind.VIEW: builtins.view_submission,
    RouteKind.COMMAND: builtins.command,
    RouteKind.ACTION: builtins.block_action,
    RouteKind.OPTIONS: builtins.block_suggestion,
    RouteKind.SHORTCUT: builtins.global_shortcut,
    RouteKind.MESSAGE_SHORTCUT: builtins.message_shortcut,
    RouteKind.EVENT: builtins.event,
}


def _register(app: App, bot: BotProcess, members: _KnownMembers) -> None:
    """Register one listener for each kind of payload: Bolt asks them one after the other."""
    routes = list(top_level_routes())
    check_sender = sender_check(bot)
    for kind, matcher in _MATCHERS.items():
        listener = _listener(kind, routes, bot, check_sender, members)
        for has_own_ack in (False, True):
            known = [r for r in routes if r.kind is kind and r.has_own_ack is has_own_ack]
            if known:
                app._register_listener(
                    [listener],
                    _Matcher(matcher(_any_of(known))),
                    [],
                    [],
                    auto_acknowledgement=kind is RouteKind.EVENT and not has_own_ack,
                )


def _any_of(routes: Iterable[Route]) -> re.Pattern[str]:
    accepted = [re.escape(payload_id) for route in routes for payload_id in route.payload_ids]
    return re.compile(rf"\A(?:{'|'.join(accepted)})\Z")


def _listener(
    kind: RouteKind,
    routes: Sequence[Route],
    bot: BotProcess,
    check_sender: Callable[[Request], None],
    members: _KnownMembers,
) -> Callable[..., None]:
    by_id = {one: route for route in routes if route.kind is kind for one in route.payload_ids}

    def listener(ack: Ack, body: dict[str, Any], respond: Respond) -> None:
        route = by_id[_ROUTE_IDS[kind](body)]
        req = Request(body=body, bot=bot, permission=route.permission, _ack=ack, _respond=respond)
        _receive(route, req)
        try:
            with count_outcome():
                with bot.handler_deadline():
                    check_sender(req)
                    run_route(route, req)
                if req.follow_up:
                    req.follow_up()
        except Exception as error:  # shown to the user or, if it is too late for that, logged
            if not req.is_acked:
                raise  # the error handler answers
            # An exception that reached Bolt now would replace the response already sent.
            if kind in ACKED_IMMEDIATELY:
                show_error(error, req)
            else:
                logger.exception("%s failed after its acknowledgement", route.id)
        finally:
            if kind is RouteKind.COMMAND:
                members.record(req)

    return listener


def _receive(route: Route, req: Request) -> None:
    if route.kind in ACKED_IMMEDIATELY and not route.has_own_ack:
        req.ack()
    if route.kind is RouteKind.EVENT:
        req.bot.event_arrivals.record(req.body["event"])


# How a payload names its route.
_ROUTE_IDS: Mapping[RouteKind, Callable[[dict[str, Any]], str]] = {
    RouteKind.VIEW: lambda body: body["view"]["callback_id"],
    RouteKind.COMMAND: lambda body: body["command"],
    RouteKind.ACTION: lambda body: body["actions"][0]["action_id"],
    RouteKind.OPTIONS: lambda body: body["action_id"],
    RouteKind.SHORTCUT: lambda body: body["callback_id"],
    RouteKind.MESSAGE_SHORTCUT: lambda body: body["callback_id"],
    RouteKind.EVENT: lambda body: body["event"]["type"],
}
