"""One call of the API: what its handler is given."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from flask import Request

from bot.slack.bot_services import BotServices
from bot.web.client_ip import address_for_rate_limit, bearer_token
from services.accounts.users import UserService
from services.auth.profile import ProfileService
from services.auth.services import AccountServices
from services.auth.sign_in import SignInService
from services.core.database import Mongo
from services.core.errors import InvalidValue, Unauthenticated
from services.core.settings import Network
from services.editing.ticket_edits import TicketEdits
from services.lists.api_pages import MAX_PAGE_SIZE, TicketPager
from services.models.permissions import Actor, Permission
from services.models.ticket import Ticket
from services.models.user import User
from services.outbox.emails import Emails
from services.outbox.pending import Publisher
from services.tickets.filing import TicketService

SIGN_IN_REQUIRED = "Send the token of a sign-in in the Authorization header, as Bearer TOKEN."
_BAD_LIMIT = f"Give a whole number from 1 to {MAX_PAGE_SIZE}."


@dataclass(frozen=True, slots=True)
class ApiServices:
    """Everything behind the API, made once a process."""

    tickets: TicketService
    ticket_pager: TicketPager
    ticket_edits: TicketEdits
    users: UserService
    sign_in: SignInService
    profiles: ProfileService
    emails: Emails
    publisher: Publisher
    team_id: str
    trusted_proxies: Sequence[Network] = ()

    @classmethod
    def build(
        cls,
        db: Mongo,
        bot_services: BotServices,
        accounts: AccountServices,
        users: UserService,
        *,
        trusted_proxies: Sequence[Network] = (),
    ) -> "ApiServices":
        return cls(
            tickets=bot_services.tickets,
            ticket_pager=TicketPager(db),
            ticket_edits=bot_services.ticket_edits,
            users=users,
            sign_in=accounts.sign_in,
            profiles=accounts.profiles,
            emails=accounts.emails,
            publisher=bot_services.publisher,
            team_id=bot_services.team_id,
            trusted_proxies=trusted_proxies,
        )


@dataclass
class ApiRequest:
    http_request: Request
    services: ApiServices
    changed_tickets: list[Ticket] = field(default_factory=list)
    """The workers are told of these."""
    has_queued_email: bool = False
    """A letter was posted: the workers are told of that as well."""

    @cached_property
    def user(self) -> User:
        """The account whose session it is, as it is now. Raises `Unauthenticated`."""
        token = bearer_token(self.http_request)
        if not token:
            raise Unauthenticated(SIGN_IN_REQUIRED)
        return self.services.sign_in.authenticate(token)

    @property
    def actor(self) -> Actor:
        return Actor.from_user(self.user)

    @property
    def is_staff(self) -> bool:
        return self.actor.has_permission(Permission.SEE_ANY_TICKET)

    @property
    def rate_limit_address(self) -> str | None:
        return address_for_rate_limit(self.http_request, self.services.trusted_proxies)

    @property
    def limit(self) -> int:
        text = self._parameter("limit")
        if text is None:
            return MAX_PAGE_SIZE
        is_short = text.isascii() and text.isdecimal() and len(text) <= 3
        if not (is_short and 1 <= int(text) <= MAX_PAGE_SIZE):
            raise InvalidValue("limit", _BAD_LIMIT)
        return int(text)

    @property
    def cursor(self) -> str | None:
        return self._parameter("cursor")

    def _parameter(self, name: str) -> str | None:
        values = self.http_request.args.getlist(name)
        if len(values) > 1:
            raise InvalidValue(name, "Give this once.")
        return values[0] if values else None
