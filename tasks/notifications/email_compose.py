"""Finds the words of a letter as it is sent: by what is true then."""

from collections.abc import Callable, Mapping
from email.headerregistry import Address
from email.message import EmailMessage

from bson import ObjectId

from bot.views.cards.ticket_cards import why
from bot.views.text import person
from services.auth.one_time_codes import CodeKind
from services.linking.directory import resolve_people
from services.models.events import EventType
from services.models.ticket import OPEN_STATUSES
from services.models.user import Role, User
from services.outbox.emails import Email, EmailKind
from services.tickets.queries import load_ticket
from tasks.email import templates
from tasks.email.email_config import MailOffice
from tasks.email.mime import BadAddressError, address, mail_of
from tasks.email.templates import Words
from tasks.recipients import last_of
from tasks.runtime import Runtime

# What somebody who may no longer sign in is told all the same: it is about who else could.
FOR_ANYBODY = frozenset({EmailKind.PASSWORD_CHANGED, EmailKind.LINKED, EmailKind.UNLINKED})


class Unneeded(Exception):
    """Nobody is to get this letter any more; the text says why, for operators."""


class Unwritable(Exception):
    """What it needs is not set; the text says what."""


def write(runtime: Runtime, office: MailOffice, letter: Email) -> tuple[EmailMessage, Address]:
    """The mail, and whom it is for. Raises `Unneeded` and `Unwritable`."""
    user = runtime.users.get(letter.user_id)
    if user is None:
        raise Unneeded("the account is gone")
    if not user.active and letter.kind not in FOR_ANYBODY:
        raise Unneeded("the account is deactivated")
    try:
        recipient = address(user.email)
    except BadAddressError as error:
        raise Unneeded("the account has no address") from error
    mail = mail_of(
        WRITERS[letter.kind](runtime, office, letter, user),
        sender=office.sender,
        recipient=recipient,
        message_id=letter.id,
        now=runtime.clock(),
    )
    return mail, recipient


def _welcome(_: Runtime, office: MailOffice, __: Email, user: User) -> Words:
    return templates.welcome(user, app_url=office.app_url)


def _reset(_: Runtime, office: MailOffice, __: Email, user: User) -> Words:
    if not office.app_url:
        raise Unwritable("APP_URL is not set")
    code = office.codes.issue(kind=CodeKind.RESET, user_id=user.id)
    return templates.reset(user, app_url=office.app_url, code=code)


def _password_changed(_: Runtime, office: MailOffice, __: Email, user: User) -> Words:
    return templates.password_changed(user, app_url=office.app_url)


def _linked(_: Runtime, office: MailOffice, letter: Email, user: User) -> Words:
    return templates.linked(user, slack_name=_slack_name(letter), app_url=office.app_url)


def _unlinked(_: Runtime, office: MailOffice, letter: Email, user: User) -> Words:
    return templates.unlinked(user, slack_name=_slack_name(letter), app_url=office.app_url)


def _slack_name(letter: Email) -> str:
    return str(letter.facts.get("slack_name") or "")


def _assigned(runtime: Runtime, _: MailOffice, letter: Email, user: User) -> Words:
    """Only while it is so: since it was posted the ticket may have gone to somebody else."""
    ticket = load_ticket(runtime.db, str(letter.facts["ticket"]))
    event = last_of(ticket, EventType.ASSIGNED) if ticket else None
    if ticket is None or event is None or event.seq != letter.facts["seq"]:
        raise Unneeded("the ticket has moved on")
    if ticket.assigned_to != user.id or ticket.status not in OPEN_STATUSES:
        raise Unneeded("the ticket has moved on")
    if user.role is Role.USER:
        raise Unneeded("the account may not see the ticket")
    giver = event.by if isinstance(event.by, ObjectId) else None
    ids = {named for named in (ticket.created_by, giver) if named}
    people = resolve_people(
        runtime.users, runtime.links, team_id=ticket.team_id or "", user_ids=ids
    )
    return templates.assigned(
        user,
        ticket,
        requester=person(people, ticket.created_by).name,
        why=why(ticket, person(people, giver) if giver else None),
    )


Writer = Callable[[Runtime, MailOffice, Email, User], Words]
WRITERS: Mapping[EmailKind, Writer] = {
    EmailKind.WELCOME: _welcome,
    EmailKind.RESET: _reset,
    EmailKind.PASSWORD_CHANGED: _password_changed,
    EmailKind.LINKED: _linked,
    EmailKind.UNLINKED: _unlinked,
    EmailKind.ASSIGNED: _assigned,
}
