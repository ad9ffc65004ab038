"""Calls to Slack: the client that counts each by its outcome, members, and response_urls."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.error import URLError

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError, SlackRequestError
from slack_sdk.web import SlackResponse

from bot.slack.transport import ResponseUrl
from services.accounts.confirmation import MemberLookup
from services.core.errors import ScopeMissing
from services.core.metrics import SLACK_CALLS, SLACK_SECONDS, Meter
from services.core.slack_errors import MISSING_SCOPE, ErrorKind, error_kind
from services.core.slack_gate import RATE_LIMITED, Admission, Closed, SlackGate
from services.models.slack_member import SlackMember

if TYPE_CHECKING:  # Bolt is not needed to call Slack
    from slack_bolt import BoltContext

# Slack has more than a hundred error codes. The metric has a few kinds, one for each reaction.
_NOT_FOUND_ENDINGS = ("_not_found", "_disabled", "_archived", "_inactive", "not_in_channel")
_INVALID_PREFIXES = ("invalid_", "msg_", "no_text", "missing_argument", "too_long", "cannot_parse")
# Shorter than the three seconds that Slack waits for a handler.
RESPONSE_URL_TIMEOUT_SECONDS = 2
UNKNOWN_MEMBER_ERRORS = ("user_not_found", "user_not_visible")
OUTCOME_BY_STATUS = {200: "ok", 404: "gone", 410: "gone"}  # used_url, expired_url

Respond = Callable[[dict[str, Any]], bool]


class MeasuredClient(WebClient):
    """Call `inner` and count. It wraps a client, so that the demo's adapter is counted, too.

    With a `gate`, a call that Slack would refuse is not made: it fails with the error that closed
    the gate.
    """

    def __init__(
        self, inner: WebClient, *, meter: Meter, process: str, gate: SlackGate | None = None
    ) -> None:
        super().__init__(
            token=inner.token,
            base_url=inner.base_url,
            timeout=inner.timeout,
            ssl=inner.ssl,
            proxy=inner.proxy,
            headers=inner.headers,
            retry_handlers=list(inner.retry_handlers),
        )
        self._inner = inner
        self._meter = meter
        self._process = process
        self._gate = gate

    def api_call(self, api_method: str, **options: Any) -> SlackResponse:
        channel = _channel(options)
        admission = self._gate.admit(api_method, channel) if self._gate else Admission()
        if admission.closed:
            self._meter.count(SLACK_CALLS, self._process, api_method, "held_back")
            raise self._refusal(api_method, admission.closed)
        outcome, began = "cancelled", time.monotonic()
        try:
            response = self._inner.api_call(api_method, **options)
            outcome = "ok"
            if self._gate:
                self._gate.record_success(admission)
        except Exception as error:  # counted by its kind, and raised again
            outcome = slack_outcome(error)
            if self._gate and isinstance(error, SlackApiError):
                _record_refusal(self._gate, api_method, options, error)
            raise
        finally:
            seconds = time.monotonic() - began
            self._meter.count(SLACK_CALLS, self._process, api_method, outcome)
            self._meter.observe(SLACK_SECONDS, seconds, self._process, api_method)
        return response

    def _refusal(self, api_method: str, closed: Closed) -> SlackApiError:
        """Return the error that Slack would answer with."""
        is_limited = closed.error == RATE_LIMITED
        response = SlackResponse(
            client=self,
            http_verb="POST",
            api_url=api_method,
            req_args={},
            data={"ok": False, "error": closed.error},
            headers={"Retry-After": str(closed.seconds)} if is_limited else {},
            status_code=429 if is_limited else 200,
        )
        return SlackApiError(f"held back: {closed.error}", response)  # type: ignore[no-untyped-call]


def retry_after(error: SlackApiError) -> int | None:
    """The wait in seconds that a 429 asks for; None for any other error."""
    if error.response.status_code != 429:
        return None
    after = str(error.response.headers.get("Retry-After", ""))
    return max(int(after), 1) if after.isdigit() else 1


def missing_scope(error: Exception) -> ScopeMissing | None:
    """Return the error for the user, if Slack has refused a call for want of a scope."""
    if not isinstance(error, SlackApiError) or error.response.get("error") != MISSING_SCOPE:
        return None
    return ScopeMissing(str(error.response.get("needed") or "unknown"))


def _channel(options: dict[str, Any]) -> str:
    """The channel that a call writes to; "" if it writes to none."""
    return str(_arguments(options).get("channel") or "")


def _arguments(options: dict[str, Any]) -> dict[str, Any]:
    arguments = options.get("json") or options.get("params") or options.get("data") or {}
    return arguments if isinstance(arguments, dict) else {}


def _record_refusal(
    gate: SlackGate, method: str, options: dict[str, Any], error: SlackApiError
) -> None:
    """A scope that is missing for a message under another name closes no method: the app may write
    under its own."""
    if missing_scope(error) and _arguments(options).get("username"):
        return
    channel, seconds = _channel(options), retry_after(error)
    if seconds is not None:
        gate.record_rate_limit(method, channel, seconds=seconds)
    else:
        gate.record_error(method, channel, error=str(error.response.get("error") or ""))


def slack_outcome(error: Exception) -> str:
    """Return why a call failed, as one of a fixed set of labels."""
    if isinstance(error, SlackApiError):
        return _api_error_outcome(error)
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, TimeoutError):
        return "timeout"
    # Anything else is not Slack's error: the task's time limit, for example.
    return "unreachable" if isinstance(error, OSError) else "cancelled"


def _api_error_outcome(error: SlackApiError) -> str:
    status, code = error.response.status_code, str(error.response.get("error") or "")
    if status == 429 or code in ("ratelimited", "rate_limited"):
        return "ratelimited"
    if status >= 500 or code in ("internal_error", "fatal_error", "service_unavailable"):
        return "slack_fault"
    if error_kind(code) in (ErrorKind.INSTALLATION, ErrorKind.SCOPE):
        return "token"
    if code.endswith(_NOT_FOUND_ENDINGS):
        return "gone"
    return "invalid" if code.startswith(_INVALID_PREFIXES) else "refused"


def fetch_member(client: WebClient, *, team_id: str, slack_user_id: str) -> SlackMember:
    """Call `users.info`. `email_confirmed` is None if Slack leaves it out.

    Raises `ScopeMissing`.
    """
    try:
        user = client.users_info(user=slack_user_id)["user"]
    except SlackApiError as error:
        if missing := missing_scope(error):
            raise missing from error
        raise
    member = slack_member_from_user({**user, "id": slack_user_id}, team_id=team_id)
    # Slack may answer with the person's other id.
    aliases = member.aliases | {str(user["id"])}
    return replace(member, aliases=aliases - {slack_user_id})


def member_lookup(client: WebClient) -> MemberLookup:
    """Return how services ask Slack about a member."""

    def look_up(team_id: str, slack_user_id: str) -> SlackMember | None:
        try:
            return fetch_member(client, team_id=team_id, slack_user_id=slack_user_id)
        except SlackApiError as error:
            if error.response.get("error") != "user_not_found":
                return None
            gone = {"id": slack_user_id, "deleted": True}
            return slack_member_from_user(gone, team_id=team_id)
        except (ScopeMissing, SlackClientError, OSError):
            return None

    return look_up


def slack_member_from_user(user: dict[str, Any], *, team_id: str) -> SlackMember:
    """Convert Slack's user object, which `users.info` and events contain."""
    profile = user.get("profile") or {}
    return SlackMember(
        team_id=team_id,
        slack_user_id=str(user["id"]),
        home_team_id=_home_team_id(user, team_id),
        email=profile.get("email") or "",
        email_confirmed=user.get("is_email_confirmed"),
        name=profile.get("real_name") or user.get("real_name") or user.get("name"),
        is_bot=bool(user.get("is_bot") or user.get("is_workflow_bot")),
        is_deleted=bool(user.get("deleted")),
        is_guest=bool(user.get("is_restricted") or user.get("is_ultra_restricted")),
        is_stranger=bool(user.get("is_stranger")),
        aliases=_grid_ids(user) - {str(user["id"])},
    )


def _home_team_id(user: dict[str, Any], team_id: str) -> str:
    """Return `team_id` if the user belongs to that workspace, otherwise another or "".

    A user of an Enterprise Grid may belong to several workspaces. `team_id` names one of them or
    the organisation, or is missing; `teams` lists them all.
    https://docs.slack.dev/enterprise/developing-for-enterprise-orgs
    """
    teams = (user.get("enterprise_user") or {}).get("teams", user.get("teams"))
    if isinstance(teams, list):
        return team_id if team_id in teams else str(next(iter(teams), ""))
    return user.get("team_id") or (user.get("profile") or {}).get("team") or team_id


def _grid_ids(user: dict[str, Any]) -> frozenset[str]:
    """Return the id in the organisation: https://docs.slack.dev/reference/objects/user-object"""
    grid_id = (user.get("enterprise_user") or {}).get("id")
    return frozenset({str(grid_id)} if grid_id else ())


def respond_middleware(*, meter: Meter, process: str) -> Callable[..., None]:
    """Return the middleware that sets `respond`. Bolt's own waits 30 s and ignores failures.

    `respond` replaces a button's message or posts below it; an ephemeral message can be changed in
    no other way. A response_url takes five calls in 30 minutes. `form_url` is that of the message
    from which a submitted form was opened.
    """

    def give_respond(
        context: "BoltContext",
        next: Callable[[], Any],  # noqa: A002  Bolt's name
        form_url: str = "",
    ) -> None:
        url = context.response_url or form_url

        def respond(message: dict[str, Any]) -> bool:
            """Return False if the response_url is used up, expired or missing."""
            if not url:
                return False
            outcome = "unreachable"
            try:
                # Without retries: the user is waiting.
                address = ResponseUrl(url, timeout=RESPONSE_URL_TIMEOUT_SECONDS, retry_handlers=[])
                status = address.send_dict(message).status_code
                outcome = OUTCOME_BY_STATUS.get(status, "refused")
            finally:
                meter.count(SLACK_CALLS, process, "response_url", outcome)
            if outcome == "refused":
                raise SlackRequestError(f"Slack answered a response_url with status {status}")
            return outcome == "ok"

        context["respond"] = respond
        next()

    return give_respond
