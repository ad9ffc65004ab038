"""A WebClient that counts every call by its method and outcome."""

import time
from http.client import HTTPException
from typing import Any
from urllib.error import URLError

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse

from services.core.metrics import SLACK_CALLS, SLACK_SECONDS, Meter

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
