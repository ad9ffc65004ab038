"""What a handler is given: the payload, the services, and who asks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from slack_sdk import WebClient

from bot.members import fetch_member
from services.links import LinkService
from services.models import User
from services.outbox import Publisher
from services.permissions import Actor, Permission, require
from services.tickets import TicketService


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything behind the handlers, made once in app.py."""

    tickets: TicketService
    links: LinkService
    publisher: Publisher
    client: WebClient
    team_id: str
    reads_with_ai: bool


@dataclass(slots=True)
class Request:
    """One payload from Slack. `permission` is what its route asks for."""

    body: dict[str, Any]
    desk: Desk
    permission: Permission | None
    _ack: Callable[..., Any]
    acked: bool = False
    _actor: Actor | None = None

    @property
    def slack_user_id(self) -> str:
        return str(self.body.get("user_id") or self.body["user"]["id"])

    @property
    def actor(self) -> Actor:
        """The caller with the role their account has now, allowed to do what the route does.

        Raises `Refused` for whoever gets no account, `Denied` where the role is not enough.
        """
        if self._actor is None:
            actor = Actor.of(self._account())
            if self.permission is not None:
                require(actor, self.permission)
            self._actor = actor
        return self._actor

    def ack(self, **answer: Any) -> None:
        """Answer Slack. What comes after can no longer fail the user's action."""
        self._ack(**answer)
        self.acked = True

    def value(self, name: str) -> str:
        """A submitted field: the text or the chosen option's value, "" where it was left empty."""
        state = self.body["view"]["state"]["values"][name][name]
        option = state.get("selected_option") or {}
        return str(state.get("value") or option.get("value") or "")

    @property
    def pressed(self) -> str:
        """The value of the button that was pressed."""
        return str(self.body["actions"][0]["value"])

    def _account(self) -> User:
        links, team = self.desk.links, self.desk.team_id
        known = links.find(team_id=team, slack_user_id=self.slack_user_id)
        if known:
            return known
        return links.admit(
            fetch_member(self.desk.client, team_id=team, slack_user_id=self.slack_user_id)
        )
