"""A payload from Slack, as a handler receives it, with the services and the caller."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from slack_sdk.errors import SlackApiError

from bot.slack.bot_process import BotProcess
from bot.slack.client import UNKNOWN_MEMBER_ERRORS, Respond, fetch_member
from bot.slack.form_origin import FormOrigin
from bot.slack.form_state import FormState
from bot.views.inputs import own_metadata
from bot.views.messages import address_claim
from bot.views.text import Message, unescape
from services.core.errors import MemberRefused
from services.core.text import strip_invisible
from services.models.permissions import Actor, Permission, require_permission
from services.models.slack_member import SlackMember
from services.models.user import User
from services.outbox.replies import ReplyKind
from services.registry.services import Services

UNKNOWN_MEMBER = (
    "Slack does not list you as a member of this workspace. Ask a member to file the ticket."
)


class UnknownMember(MemberRefused):
    """Slack does not know the sender: asking again would not help."""


@dataclass(slots=True)
class Request:
    """`permission` is the one that the route requires, None if it requires none.

    `follow_up` runs after the handler, which has acknowledged, and without its deadline.
    """

    body: dict[str, Any]
    bot: BotProcess
    permission: Permission | None
    _ack: Callable[..., Any]
    _respond: Respond | None = None
    is_acked: bool = False
    opened_view: dict[str, Any] | None = None
    follow_up: Callable[[], None] | None = None
    _actor: Actor | None = None

    @property
    def services(self) -> Services:
        return self.bot.services

    @property
    def slack_user_id(self) -> str:
        """The member who sent the command, interaction or event."""
        if "event" in self.body:
            event = self.body["event"]  # of a changed or deleted message: its author
            sources = (event, event.get("message"), event.get("previous_message"))
            user = next(source["user"] for source in sources if source and "user" in source)
            return str(user["id"] if isinstance(user, dict) else user)
        return str(self.body.get("user_id") or self.body["user"]["id"])

    @property
    def bot_user_id(self) -> str:
        """The member that the bot is, of an event."""
        return str(self.body["authorizations"][0]["user_id"])

    @property
    def actor(self) -> Actor:
        """The caller, with the present role of the account and the route's permission.

        Raises `MemberRefused` if the member gets no account, `PermissionDenied` if the role lacks
        the permission.
        """
        if self._actor is None:
            self._actor = Actor.from_user(self._find_or_create_account())
        if self.permission is not None:  # checked each time: one route may hand over to another
            require_permission(self._actor, self.permission)
        return self._actor

    @property
    def has_account(self) -> bool:
        """Whether `actor` was read, and not refused."""
        return self._actor is not None

    def ack(self, **answer: Any) -> None:
        """Acknowledge. A later error no longer fails the user's action."""
        self._ack(**answer)
        self.is_acked = True

    def open_modal(self, view: dict[str, Any]) -> None:
        """Open a modal. Call it first: a trigger lasts three seconds and opens one modal."""
        answer = self.bot.client.views_open(trigger_id=self.body["trigger_id"], view=view)
        self.opened_view = dict(answer["view"])

    def open_form(self, view: dict[str, Any]) -> None:
        """As `open_modal`, and remember in the modal where its button was (`origin`)."""
        self.open_modal(FormOrigin.of_press(self.body).attached_to(view))

    def push_modal(self, view: dict[str, Any]) -> None:
        """Show a modal above the one whose button was pressed."""
        answer = self.bot.client.views_push(trigger_id=self.body["trigger_id"], view=view)
        self.opened_view = dict(answer["view"])

    def push_form(self, view: dict[str, Any]) -> None:
        """As `push_modal`, and remember that there is another form below it (`origin`)."""
        self.push_modal(FormOrigin.of_press(self.body).attached_to(view))

    def update_modal(self, view: dict[str, Any]) -> None:
        """Update the modal that `open_modal` opened. Slack refuses if the user changed it first."""
        opened_view = self.opened_view or {}
        self.bot.client.views_update(view_id=opened_view["id"], hash=opened_view["hash"], view=view)

    def replace_message(self, message: Message) -> bool:
        """Replace the message with the button, or from which the submitted modal was opened by
        `open_form`. Return False if Slack no longer accepts it."""
        return self._send_response(message, replace_original=True)

    def post_below(self, message: Message) -> bool:
        """Post a message that only the user sees, in the thread if the message with the button is a
        reply. Return False as `replace_message` does."""
        pressed = self.body.get("message") or {}
        thread_ts = pressed.get("thread_ts")  # that of a first message with replies is its own
        is_reply = thread_ts and thread_ts != pressed.get("ts")
        in_thread = {"thread_ts": thread_ts} if is_reply else {}
        return self._send_response(
            message, response_type="ephemeral", replace_original=False, **in_thread
        )

    def _send_response(self, message: Message, **options: Any) -> bool:
        return self._respond is not None and self._respond({**message.as_args(), **options})

    @property
    def form(self) -> FormState:
        """The inputs of the submitted modal."""
        return FormState(self.body["view"])

    def field_value(self, field: str) -> str:
        """A submitted text or the value of the chosen option; "" if it is empty."""
        return str(self.form.submitted(field) or "")

    @property
    def metadata(self) -> str:
        """The private metadata of the submitted modal, without its origin."""
        return own_metadata(self.body["view"])

    @property
    def origin(self) -> FormOrigin:
        """Where the submitted modal was opened from, if `open_form` has opened it."""
        return FormOrigin.of_view(self.body.get("view") or {})

    @property
    def query(self) -> str:
        """The text typed into a menu that searches its options."""
        return str(self.body.get("value") or "")

    @property
    def arguments(self) -> list[str]:
        """The words after a command."""
        return strip_invisible(unescape(str(self.body.get("text") or ""))).split()

    @property
    def button_value(self) -> str:
        return str(self.body["actions"][0]["value"])

    @property
    def selected_value(self) -> str:
        """The value of the option chosen in a menu."""
        return str((self.body["actions"][0].get("selected_option") or {}).get("value") or "")

    @property
    def typed_value(self) -> str:
        """What was typed into the input that sent the action."""
        return strip_invisible(str(self.body["actions"][0].get("value") or "")).strip()

    def find_user(self) -> User | None:
        """The account linked to the member, None if there is none. Raises `MemberRefused`."""
        return self.services.links.find_user(
            team_id=self.bot.team_id, slack_user_id=self.slack_user_id
        )

    def find_actor(self) -> Actor | None:
        """As `actor`, but None for a member without an account: Slack is not asked. Raises
        `MemberRefused` for a deactivated account."""
        if self._actor is None and (user := self.find_user()):
            self._actor = Actor.from_user(user)
        return self._actor

    def fetch_member(self) -> SlackMember:
        """Raises `UnknownMember`."""
        try:
            return fetch_member(
                self.bot.client, team_id=self.bot.team_id, slack_user_id=self.slack_user_id
            )
        except SlackApiError as error:
            if error.response.get("error") in UNKNOWN_MEMBER_ERRORS:
                raise UnknownMember(UNKNOWN_MEMBER) from error
            raise

    def _find_or_create_account(self) -> User:
        user = self.find_user()
        if user is None:
            user = self.services.links.get_or_create_user(self.fetch_member())
            self.ask_about_claim(user)
        return user

    def ask_about_claim(self, user: User, *, slack_user_id: str = "") -> None:
        """Ask the member, once, about the unconfirmed account that holds the user's address."""
        member_id = slack_user_id or self.slack_user_id
        claim = self.services.address_claims.find(user)
        if claim is None:
            return
        reply_id = self.services.replies.queue(
            ReplyKind.ADDRESS_CLAIM,
            event=address_claim.claim_event(claim, slack_user_id=member_id),
            recipient=member_id,
            slack_user_id=member_id,
            message=address_claim.claim_message(claim).as_args(),
        )
        self.bot.publisher.publish_reply(reply_id)
