"""One call of the API, as its handler receives it."""

from dataclasses import dataclass, field
from functools import cached_property

from flask import Request

from bot.slack.bot_process import BotProcess
from bot.web.client_ip import address_for_rate_limit, bearer_token
from bot.web.cookies import Cookies, is_https
from services.core import security_events
from services.core.errors import InvalidValue, Unauthenticated
from services.core.security_events import SecurityEvent
from services.lists.api_pages import MAX_PAGE_SIZE
from services.models.permissions import Actor
from services.models.ticket import Ticket
from services.models.user import User
from services.registry.services import Services
from services.search.search_query import QUERY_FIELD
from services.tickets.access import Sight, visible_to

SIGN_IN_REQUIRED = "Send the token of a sign-in in the Authorization header, as Bearer TOKEN."
_BAD_LIMIT = f"Give a whole number from 1 to {MAX_PAGE_SIZE}."


@dataclass
class ApiRequest:
    http_request: Request
    bot: BotProcess
    changed_tickets: list[Ticket] = field(default_factory=list)
    """Tickets to publish to the workers."""
    has_queued_email: bool = False
    """Whether to publish the email that was queued, too."""
    signed_in: User | None = None
    """The account that has signed in: the answer sets its device cookie."""

    @property
    def services(self) -> Services:
        return self.bot.services

    @cached_property
    def user(self) -> User:
        """The account of the session, as it is stored now. Raises `Unauthenticated`."""
        token = bearer_token(self.http_request)
        if not token:
            raise Unauthenticated(SIGN_IN_REQUIRED)
        try:
            return self.services.sign_in.authenticate(token)
        except Unauthenticated:
            security_events.record(SecurityEvent.TOKEN_REFUSED, reason="session")
            raise

    @cached_property
    def actor(self) -> Actor:
        return Actor.from_user(self.user)

    def is_staff_of(self, ticket: Ticket) -> bool:
        """Return whether the caller reads what the ticket has for the staff."""
        return self._sight.covers_as_staff(ticket)

    @cached_property
    def _sight(self) -> Sight:
        return visible_to(self.actor)

    @property
    def rate_limit_address(self) -> str | None:
        return address_for_rate_limit(self.http_request, self.bot.config.trusted_proxies)

    @property
    def cookies(self) -> Cookies:
        return Cookies(secure=is_https(self.bot.config.app_url))

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

    @property
    def search_text(self) -> str | None:
        return self._parameter(QUERY_FIELD)

    def _parameter(self, name: str) -> str | None:
        values = self.http_request.args.getlist(name)
        if len(values) > 1:
            raise InvalidValue(name, "Give this once.")
        return values[0] if values else None
