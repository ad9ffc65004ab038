"""Compose an email at the moment it is sent, from the current state."""

from collections.abc import Callable, Mapping
from email.headerregistry import Address
from email.message import EmailMessage

from bson import ObjectId

from bot.views.cards.ticket_cards import assignment_reason
from bot.views.text import display_person
from services.auth.one_time_codes import CodeKind
from services.linking.directory import resolve_people
from services.models.events import EventType
from services.models.ticket import OPEN_STATUSES
from services.models.user import Role, User
from services.outbox.emails import Email, EmailKind
from services.tickets.queries import load_ticket
from tasks.email import templates
from tasks.email.email_config import EmailConfig
from tasks.email.mime import BadAddressError, build_email, parse_address
from tasks.email.templates import EmailContent
from tasks.recipients import last_event
from tasks.runtime import Runtime

# Sent to deactivated accounts, too: these say who else could act as the account.
KINDS_FOR_INACTIVE = frozenset({EmailKind.PASSWORD_CHANGED, EmailKind.LINKED, EmailKind.UNLINKED})


class EmailNotNeeded(Exception):
    """The email no longer applies; the text says why, for operators."""


class EmailSettingMissing(Exception):
    """A setting that the email needs is missing; the text says which."""


def compose(runtime: Runtime, config: EmailConfig, email: Email) -> tuple[EmailMessage, Address]:
    """The message and its recipient. Raises `EmailNotNeeded` and `EmailSettingMissing`."""
    user = runtime.services.users.get(email.user_id)
    if user is None:
        raise EmailNotNeeded("the account is gone")
    if not user.active and email.kind not in KINDS_FOR_INACTIVE:
        raise EmailNotNeeded("the account is deactivated")
    try:
        recipient = parse_address(user.email)
    except BadAddressError as error:
        raise EmailNotNeeded("the account has no address") from error
    mail = build_email(
        COMPOSERS[email.kind](runtime, config, email, user),
        sender=config.sender,
        recipient=recipient,
        message_id=email.id,
        now=runtime.clock(),
    )
    return mail, recipient


def _welcome(_: Runtime, config: EmailConfig, __: Email, user: User) -> EmailContent:
    return templates.welcome(user, app_url=config.app_url)


def _reset(_: Runtime, config: EmailConfig, __: Email, user: User) -> EmailContent:
    if not config.app_url:
        raise EmailSettingMissing("APP_URL is not set")
    code = config.codes.issue(kind=CodeKind.RESET, user_id=user.id)
    return templates.reset(user, app_url=config.app_url, code=code)


def _password_changed(_: Runtime, config: EmailConfig, __: Email, user: User) -> EmailContent:
    return templates.password_changed(user, app_url=config.app_url)


def _linked(_: Runtime, config: EmailConfig, email: Email, user: User) -> EmailContent:
    return templates.linked(user, slack_name=_slack_name(email), app_url=config.app_url)


def _unlinked(_: Runtime, config: EmailConfig, email: Email, user: User) -> EmailContent:
    return templates.unlinked(user, slack_name=_slack_name(email), app_url=config.app_url)


def _slack_name(email: Email) -> str:
    return str(email.facts.get("slack_name") or "")


def _assigned(runtime: Runtime, _: EmailConfig, email: Email, user: User) -> EmailContent:
    """Only while it applies: the ticket may have been reassigned after the email was queued."""
    ticket = load_ticket(runtime.db, str(email.facts["ticket"]))
    event = last_event(ticket, EventType.ASSIGNED) if ticket else None
    if ticket is None or event is None or event.seq != email.facts["seq"]:
        raise EmailNotNeeded("the ticket has moved on")
    if ticket.assigned_to != user.id or ticket.status not in OPEN_STATUSES:
        raise EmailNotNeeded("the ticket has moved on")
    if user.role is Role.USER:
        raise EmailNotNeeded("the account may not see the ticket")
    assigner = event.by if isinstance(event.by, ObjectId) else None
    ids = {named for named in (ticket.created_by, assigner) if named}
    people = resolve_people(
        runtime.services.users, runtime.services.links, team_id=ticket.team_id or "", user_ids=ids
    )
    return templates.assigned(
        user,
        ticket,
        requester=display_person(people, ticket.created_by).name,
        reason=assignment_reason(ticket, display_person(people, assigner) if assigner else None),
    )


Composer = Callable[[Runtime, EmailConfig, Email, User], EmailContent]
COMPOSERS: Mapping[EmailKind, Composer] = {
    EmailKind.WELCOME: _welcome,
    EmailKind.RESET: _reset,
    EmailKind.PASSWORD_CHANGED: _password_changed,
    EmailKind.LINKED: _linked,
    EmailKind.UNLINKED: _unlinked,
    EmailKind.ASSIGNED: _assigned,
}
