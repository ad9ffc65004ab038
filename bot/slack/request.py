"""What a handler is given: the payload, the services, and who asks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bot.slack.bot_process import BotProcess
from bot.slack.form_state import FormState
from bot.slack.members import fetch_member
from bot.slack.response_url import Respond
from bot.views.text import Message, unescape
from services.core.text import strip_invisible
from services.models.permissions import Actor, Permission, require_permission
from services.models.slack_member import SlackMember
from services.models.user import User
from services.registry.services import Services


@dataclass(slots=True)
class Request:
    """One payload from Slack. `permission` is what its route asks for."""

    body: dict[str, Any]
    bot: BotProcess
    permission: Permission | None
    _ack: Callable[..., Any]
    _respond: Respond | None = None
    is_acked: bool = False
    opened_view: dict[str, Any] | None = None
    _actor: Actor | None = None

    @property
    def services(self) -> Services:
        return self.bot.services

    @property
    def slack_user_id(self) -> str:
        """Who typed, pressed or did it, in a command, an interaction or an event."""
        if "event" in self.body:
            event = self.body["event"]  # of a changed or a deleted message, who wrote it
            sources = (event, event.get("message"), event.get("previous_message"))
            user = next(source["user"] for source in sources if source and "user" in source)
            return str(user["id"] if isinstance(user, dict) else user)
        return str(self.body.get("user_id") or self.body["user"]["id"])

    @property
    def actor(self) -> Actor:
        """The caller with the role their account has now, allowed to do what the route does.

        Raises `MemberRefused` for whoever gets no account, `PermissionDenied` if the role is not
        enough.
        """
        if self._actor is None:
            self._actor = Actor.from_user(self._find_or_create_account())
        if self.permission is not None:  # perhaps another than before: one row may lead to another
            require_permission(self._actor, self.permission)
        return self._actor

    def ack(self, **answer: Any) -> None:
        """Answer Slack. What comes after can no longer fail the user's action."""
        self._ack(**answer)
        self.is_acked = True

    def open_modal(self, view: dict[str, Any]) -> None:
        """Open a modal. A trigger lives three seconds and opens one: do it first, do it once."""
        answer = self.bot.client.views_open(trigger_id=self.body["trigger_id"], view=view)
        self.opened_view = dict(answer["view"])

    def update_modal(self, view: dict[str, Any]) -> None:
        """Change the modal that `open_modal` opened; Slack refuses if the user was quicker."""
        opened_view = self.opened_view or {}
        self.bot.client.views_update(view_id=opened_view["id"], hash=opened_view["hash"], view=view)

    def replace_message(self, message: Message) -> bool:
        """Change the message that the button stands on; False where Slack no longer lets us."""
        return self._send_response(message, replace_original=True)

    def post_below(self, message: Message) -> bool:
        """A further message that only they see, below it; False as for `replace_message`."""
        return self._send_response(message, response_type="ephemeral", replace_original=False)

    def _send_response(self, message: Message, **options: Any) -> bool:
        return self._respond is not None and self._respond({**message.as_args(), **options})

    @property
    def form(self) -> FormState:
        """The inputs of the submitted modal."""
        return FormState(self.body["view"])

    def field_value(self, field: str) -> str:
        """A submitted text or the value of the chosen option; "" if it is empty or missing."""
        return str(self.form.submitted(field) or "") if field in self.form else ""

    @property
    def arguments(self) -> list[str]:
        """What follows a command."""
        return strip_invisible(unescape(str(self.body.get("text") or ""))).split()

    @property
    def button_value(self) -> str:
        """The value of the button that was pressed."""
        return str(self.body["actions"][0]["value"])

    @property
    def selected_value(self) -> str:
        """The value of the option that was chosen in a menu."""
        return str((self.body["actions"][0].get("selected_option") or {}).get("value") or "")

    def find_user(self) -> User | None:
        """The account linked to the member, None if there is none. Raises `MemberRefused`."""
        return self.services.links.find_user(
            team_id=self.bot.team_id, slack_user_id=self.slack_user_id
        )

    def fetch_member(self) -> SlackMember:
        return fetch_member(
            self.bot.client, team_id=self.bot.team_id, slack_user_id=self.slack_user_id
        )

    def _find_or_create_account(self) -> User:
        return self.find_user() or self.services.links.get_or_create_user(self.fetch_member())
