"""Calls to Slack: the client that counts each by its outcome, members, and response_urls."""

import time
from collections.abc import Callable
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from urllib.error import URLError

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackRequestError
from slack_sdk.web import SlackResponse
from slack_sdk.webhook import WebhookClient

from services.core.metrics import SLACK_CALLS, SLACK_SECONDS, Meter
from services.models.slack_member import SlackMember

if TYPE_CHECKING:  # Bolt is not needed to call Slack
    from slack_bolt import BoltContext

# Slack has more than a hundred error codes. The metric has a few kinds, one for each reaction.
_TOKEN_ERRORS = frozenset(
    {
        "access_denied",
        "account_inactive",
        "ekm_access_denied",
        "invalid_auth",
        "missing_scope",
        "no_permission",
        "not_allowed_token_type",
        "not_authed",
        "team_access_not_granted",
        "token_expired",
        "token_revoked",
    }
)
_NOT_FOUND_ENDINGS = ("_not_found", "_disabled", "_archived", "_inactive", "not_in_channel")
_INVALID_PREFIXES = ("invalid_", "msg_", "no_text", "missing_argument", "too_long", "cannot_parse")
# Shorter than the three seconds that Slack waits for a handler.
RESPONSE_URL_TIMEOUT_SECONDS = 2
OUTCOME_BY_STATUS = {200: "ok", 404: "gone", 410: "gone"}  # used_url, expired_url

Respond = Callable[[dict[str, Any]], bool]


class MeasuredClient(WebClient):
    """Call `inner` and count. It wraps a client, so that the demo's adapter is counted, too."""

    def __init__(self, inner: WebClient, *, meter: Meter, process: str) -> None:
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

    def api_call(self, api_method: str, **options: Any) -> SlackResponse:
        outcome, began = "cancelled", time.monotonic()
        try:
            response = self._inner.api_call(api_method, **options)
            outcome = "ok"
        except Exception as error:  # counted by its kind, and raised again
            outcome = slack_outcome(error)
            raise
        finally:
            seconds = time.monotonic() - began
            self._meter.count(SLACK_CALLS, self._process, api_method, outcome)
            self._meter.observe(SLACK_SECONDS, seconds, self._process, api_method)
        return response


def slack_outcome(error: Exception) -> str:
    """Return why a call failed, as one of a fixed set of labels."""
    if isinstance(error, SlackApiError):
        return _api_error_outcome(error)
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, TimeoutError):
        return "timeout"
    # Anything else is not Slack's error: the task's time limit, for example.
    return "unreachable" if isinstance(error, (OSError, HTTPException)) else "cancelled"


def _api_error_outcome(error: SlackApiError) -> str:
    status, code = error.response.status_code, str(error.response.get("error") or "")
    if status == 429 or code in ("ratelimited", "rate_limited"):
        return "ratelimited"
    if status >= 500 or code in ("internal_error", "fatal_error", "service_unavailable"):
        return "slack_fault"
    if code in _TOKEN_ERRORS:
        return "token"
    if code.endswith(_NOT_FOUND_ENDINGS):
        return "gone"
    return "invalid" if code.startswith(_INVALID_PREFIXES) else "refused"


def fetch_member(client: WebClient, *, team_id: str, slack_user_id: str) -> SlackMember:
    """Call `users.info`. `email_confirmed` is None if Slack leaves it out."""
    user = client.users_info(user=slack_user_id)["user"]
    return slack_member_from_user({**user, "id": slack_user_id}, team_id=team_id)


def slack_member_from_user(user: dict[str, Any], *, team_id: str) -> SlackMember:
    """Convert Slack's user object, which `users.info` and events contain."""
    profile = user.get("profile") or {}
    return SlackMember(
        team_id=team_id,
        slack_user_id=str(user["id"]),
        home_team_id=user.get("team_id") or team_id,
        email=profile.get("email") or "",
        email_confirmed=user.get("is_email_confirmed"),
        name=profile.get("real_name") or user.get("real_name") or user.get("name"),
        is_bot=bool(user.get("is_bot") or user.get("is_workflow_bot")),
        is_deleted=bool(user.get("deleted")),
        is_guest=bool(user.get("is_restricted") or user.get("is_ultra_restricted")),
        is_stranger=bool(user.get("is_stranger")),
    )


def respond_middleware(*, meter: Meter, process: str) -> Callable[..., None]:
    """Return the middleware that sets `respond`. Bolt's own waits 30 s and ignores failures.

    `respond` replaces a button's message or posts below it; an ephemeral message can be changed in
    no other way. A response_url takes five calls in 30 minutes.
    """

    def give_respond(context: "BoltContext", next: Callable[[], Any]) -> None:  # noqa: A002  Bolt's name
        url = context.response_url

        def respond(message: dict[str, Any]) -> bool:
            """Return False if the response_url is used up, expired or missing."""
            if not url:
                return False
            outcome = "unreachable"
            try:
                # Without retries: the user is waiting.
                client = WebhookClient(url, timeout=RESPONSE_URL_TIMEOUT_SECONDS, retry_handlers=[])
                status = client.send_dict(message).status_code
                outcome = OUTCOME_BY_STATUS.get(status, "refused")
            finally:
                meter.count(SLACK_CALLS, process, "response_url", outcome)
            if outcome == "refused":
                raise SlackRequestError(f"Slack answered a response_url with status {status}")
            return outcome == "ok"

        context["respond"] = respond
        next()

    return give_respond
