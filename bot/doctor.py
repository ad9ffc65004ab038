"""The doctor's checks of Slack: tokens, scopes, events, workspace, triage and request channels."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from functools import partial

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse

from bot.slack.app_watch import JOIN_SCOPE
from bot.views.labels import SCOPE_EFFECTS
from services.channels.channel_settings import CHECK_INTERVAL
from services.channels.request_channels import ChannelState, RequestChannel
from services.channels.slack_channel import is_shared
from services.core.clock import utcnow
from services.core.slack_errors import error_name
from services.core.slack_scopes import GrantedScopes
from services.ops.check_runner import Check, CheckStatus, Finding, fail, ok, pluralize, skip, warn
from services.ops.database_checks import MONGODB
from services.ops.event_arrivals import describe_arrivals
from services.team_settings.slack_settings import SlackSettings

TOKEN_CHECK = "Slack token"  # noqa: S105  a check's name
# A malformed URL is a ValueError.
CALL_ERRORS = (SlackClientError, OSError, ValueError)
NO_TRIAGE_CHANNEL = "off, because TRIAGE_CHANNEL is not set, nor a channel in Settings"
MAX_CHECK_AGE = 3 * CHECK_INTERVAL
_CHANNEL_FAULTS = {
    ChannelState.ARCHIVED: "is archived",
    ChannelState.NOT_A_MEMBER: "is without the bot",
    ChannelState.SHARED: "is shared with other organisations",
    ChannelState.TRIAGE: "is the triage channel, too",
    ChannelState.MISSING: "is not found",
}
_CHANNEL_ADVICE = "Its messages become no tickets. Home says under Settings what to do."
REINSTALL_ADVICE = 'reinstall the app under "Install App"'
# Without them hardly anything works.
ESSENTIAL_SCOPES = frozenset({"commands", "chat:write", "users:read"})


class SlackChecks:
    """`client` has a timeout below the runner's, and does not retry."""

    def __init__(
        self,
        client: WebClient,
        *,
        app_token: str = "",
        scopes: Collection[str],
        optional_scopes: Collection[str] = (),
        events: Collection[str] = (),
        triage_channel: str = "",
        get_slack_settings: Callable[[], SlackSettings] = SlackSettings,
    ) -> None:
        """`triage_channel` is the value of TRIAGE_CHANNEL; `get_slack_settings` returns what is
        stored."""
        self._client = client
        self._triage_channel = triage_channel
        self._get_slack_settings = get_slack_settings
        self._app_token = app_token
        self._scopes = list(scopes)
        self._optional_scopes = optional_scopes
        self._events = events
        self._auth_response: SlackResponse | None = None

    def checks(
        self,
        *,
        get_database_team_id: Callable[[], str | None],
        get_event_arrivals: Callable[[], Mapping[str, datetime]],
        get_request_channels: Callable[[], Collection[RequestChannel]],
    ) -> list[Check]:
        check_workspace = partial(self.check_workspace, get_database_team_id)
        check_events = partial(self.check_events, get_event_arrivals)
        return [
            Check(TOKEN_CHECK, self.check_token),
            Check("scopes", self.check_scopes, depends_on=(TOKEN_CHECK,)),
            Check("events", check_events, depends_on=(MONGODB,)),
            Check("workspace", check_workspace, depends_on=(MONGODB, TOKEN_CHECK)),
            Check("app token", self.check_app_token),
            Check("triage", self.check_triage_channel),
            Check(
                "channels",
                lambda: check_request_channels(get_request_channels(), now=utcnow()),
                depends_on=(MONGODB,),
            ),
        ]

    def check_token(self) -> list[Finding]:
        if not self._client.token:
            return skip("SLACK_BOT_TOKEN")
        try:
            self._auth_response = self._client.auth_test()
        except CALL_ERRORS as error:
            return _failed_call(error, f"Copy SLACK_BOT_TOKEN again, or {REINSTALL_ADVICE}.")
        team, team_id = self._auth_response.get("team"), self._auth_response.get("team_id")
        return ok(f"{self._auth_response.get('user')} in the workspace {team} ({team_id})")

    def check_scopes(self) -> list[Finding]:
        """Compare the scopes that Slack granted with the manifest's, and say what is off."""
        granted = self._granted_scopes()
        if granted.names is None:
            return warn("Slack did not say which the token has", "Compare them with manifest.yml.")
        findings = [self._missing_scope(scope) for scope in granted.missing(self._scopes)]
        if unneeded := sorted(granted.names.difference(self._scopes)):
            advice = f"Nothing here needs them: remove them, then {REINSTALL_ADVICE}."
            findings += warn(f"more than needed: {', '.join(unneeded)}", advice)
        return findings or ok("those of manifest.yml, no more and no fewer")

    def _missing_scope(self, scope: str) -> Finding:
        effect = SCOPE_EFFECTS[scope]
        if scope in self._optional_scopes:
            return Finding(CheckStatus.OK, f"{scope} is not granted", effect)
        advice = f'Add it under "OAuth & Permissions", then {REINSTALL_ADVICE}.'
        status = CheckStatus.FAIL if scope in ESSENTIAL_SCOPES else CheckStatus.WARN
        return Finding(status, f"{scope} is missing", f"{effect} {advice}")

    def _granted_scopes(self) -> GrantedScopes:
        answer = self._auth_response
        return GrantedScopes.from_headers(answer.headers) if answer else GrantedScopes()

    def check_events(
        self, get_event_arrivals: Callable[[], Mapping[str, datetime]]
    ) -> list[Finding]:
        """Say when each kind of event last came: Slack does not tell what the app subscribes to."""
        return describe_arrivals(self._events, get_event_arrivals(), now=utcnow())

    def check_workspace(self, get_database_team_id: Callable[[], str | None]) -> list[Finding]:
        """Check that database and token belong to the same workspace."""
        token_team = self._auth_response.get("team_id") if self._auth_response else None
        database_team_id = get_database_team_id()
        if database_team_id is None:
            return ok(
                "the database belongs to no workspace yet; the bot's first start sets this one"
            )
        if database_team_id == token_team:
            return ok("database and token belong to the same workspace")
        return fail(
            f"the database belongs to {database_team_id}, the token to {token_team}",
            "Use that workspace's token, or another database.",
        )

    def check_app_token(self) -> list[Finding]:
        """Request a Socket Mode URL without connecting to it."""
        if not self._app_token:
            return ok("none, so Slack has to reach the bot over HTTP")
        try:
            self._client.apps_connections_open(app_token=self._app_token)
        except CALL_ERRORS as error:
            advice = (
                "Switch Socket Mode on, and make an app-level token with connections:write under "
                '"Basic Information".'
            )
            return _failed_call(error, advice)
        return ok("Socket Mode is open to it")

    def check_triage_channel(self) -> list[Finding]:
        """Check that the bot can post cards to the channel and receives the replies to them."""
        stored = self._get_slack_settings().triage_channel
        channel_id = self._triage_channel if stored is None else stored
        source = "TRIAGE_CHANNEL" if stored is None else "Settings"
        if not channel_id:
            return ok(NO_TRIAGE_CHANNEL if stored is None else "off, as chosen in Settings")
        if not self._client.token:
            return skip("SLACK_BOT_TOKEN")
        try:
            channel = self._client.conversations_info(channel=channel_id)["channel"]
        except CALL_ERRORS as error:
            if _error_code(error) == "channel_not_found":
                found = "the bot finds no such channel"
                return fail(found, f"Check {source}; if it is private, invite the bot to it.")
            advice = f"Compare the scopes with manifest.yml, then {REINSTALL_ADVICE}."
            return _failed_call(error, advice)
        name = f"#{channel.get('name') or channel_id}"
        if channel.get("is_archived"):
            return fail(f"{name} is archived", "Unarchive it, or use another channel.")
        findings = []
        if not channel.get("is_member"):
            joins = not channel.get("is_private") and JOIN_SCOPE in self._granted_scopes()
            invite = "A running bot joins it within ten minutes" if joins else "Invite it"
            advice = f"{invite}: until then it posts there, but does not receive the replies to "
            advice += "its cards."
            findings += warn(f"the bot is not in {name}", advice)
        if is_shared(channel):
            found = f"{name} is shared with other organisations, and they read the tickets' titles"
            findings += warn(found, "Use a channel of this workspace alone.")
        return findings or ok(f"the bot is in {name}, from {source}")


def check_request_channels(channels: Collection[RequestChannel], *, now: datetime) -> list[Finding]:
    """Say which request channels are off, as far as Slack was asked."""
    findings = []
    for channel in sorted(channels, key=lambda one: (one.name, one.id)):
        name = f"#{channel.name or channel.id}"
        if not channel.is_active:
            findings += warn(f"{name} {_CHANNEL_FAULTS[channel.state]}", _CHANNEL_ADVICE)
        if channel.checked_at is None or channel.checked_at < now - MAX_CHECK_AGE:
            advice = "Keep the jobs and a worker running: they ask once an hour."
            findings += warn(f"Slack was not asked about {name} for hours", advice)
    if findings:
        return findings
    return ok(f"{pluralize(len(channels), 'request channel')}, each active" if channels else "none")


def _failed_call(error: Exception, advice: str) -> list[Finding]:
    """The finding for one of `CALL_ERRORS`; `advice` is for an error that Slack answered."""
    code = _error_code(error)
    if code is None:
        advice = "Check the network, a proxy, and SLACK_API_URL if it is set."
        return fail(f"Slack cannot be reached ({error_name(error)})", advice)
    if code == "ratelimited":
        return warn("Slack asks to wait", "Try again in a minute.")
    return fail(f"Slack answered {code}", advice)


def _error_code(error: Exception) -> str | None:
    return str(error.response.get("error")) if isinstance(error, SlackApiError) else None
