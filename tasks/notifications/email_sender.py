"""Send emails: one task at a time, so that a slow mail server does not hold up other work.

An email is composed when it is sent, from the current state. The assignee of a ticket gets one in
addition to the card in Slack.
"""

import logging
import time
from datetime import datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage

from billiard.exceptions import SoftTimeLimitExceeded
from bson import ObjectId

from bot.views.cards.ticket_cards import assignment_reason
from bot.views.text import display_person
from services.auth.address_confirmation import confirmation_path
from services.auth.one_time_codes import CodeKind
from services.auth.password_reset import reset_path
from services.core.database import record
from services.core.leases import BackoffLock
from services.core.metrics import EMAIL_ATTEMPTS
from services.models.events import Event, EventType
from services.models.permissions import Actor
from services.models.ticket import OPEN_STATUSES, Ticket
from services.models.user import User
from services.outbox import deliveries
from services.outbox.deliveries import delivery_key
from services.outbox.emails import MAX_AGE_BY_KIND, Email, EmailKind, Emails
from services.tickets.access import visible_to
from services.tickets.queries import load_ticket
from tasks.email.compose import (
    BadAddressError,
    assignment_values,
    build_email,
    link_values,
    parse_address,
    render,
)
from tasks.email.smtp import (
    EmailConfig,
    EmailDeferred,
    EmailRejected,
    ServerUnavailable,
    SmtpConnection,
)
from tasks.queue.celery_app import EMAIL_LIMIT_SECONDS, EMAIL_TASK, celery
from tasks.recipients import last_event
from tasks.runtime import Runtime, current_runtime

logger = logging.getLogger(__name__)

DELIVERY_KIND = "mail"
EMAIL_OFF_REASON = "mail is off, because MAILTRAP_SMTP_HOST is not set"
HARD_LIMIT_SECONDS = EMAIL_LIMIT_SECONDS + 5
# Longer than a task may run, so that no other task uses the mail server.
LOCK_DURATION = timedelta(seconds=HARD_LIMIT_SECONDS + 5)
# After that a task sends no further email; another task does.
MAX_ROUND_SECONDS = 10.0
# Sent to deactivated accounts, too: these say who else could act as the account.
KINDS_FOR_INACTIVE = frozenset({EmailKind.PASSWORD_CHANGED, EmailKind.LINKED, EmailKind.UNLINKED})


class EmailNotNeeded(Exception):
    """The email no longer applies; the text says why, for operators."""


class EmailSettingMissing(Exception):
    """A setting that the email needs is missing; the text says which."""


@celery.task(name=EMAIL_TASK, soft_time_limit=EMAIL_LIMIT_SECONDS, time_limit=HARD_LIMIT_SECONDS)
def send_emails(letter_id: str) -> None:  # the email's id; queued messages call it so
    """Send that email, and then the others that are due. After a failure, the sweep tries again."""
    run(current_runtime(), letter_id)


def run(runtime: Runtime, email_id: str) -> None:
    """Send nothing if email is off, none is due, or another task or a back-off has the lock."""
    emails = runtime.services.emails
    if runtime.email is None:
        emails.discard_all(why=EMAIL_OFF_REASON)
        return
    lock = BackoffLock(runtime.db, "mail", lock_timeout=LOCK_DURATION, clock=runtime.clock)
    # A task that has the lock sends this email, too; after a failure the lock stays closed.
    if emails.next_due_id() is None or not lock.acquire():
        return
    try:
        _EmailSender(runtime, runtime.email, emails).send_due(email_id)
    except ServerUnavailable as fault:
        pause = lock.back_off()
        logger.warning("emails paused for %s s: %s", f"{pause.total_seconds():g}", fault.error)
        return
    except BaseException:  # also the task's time limit
        lock.back_off()
        raise
    lock.release()
    # Emails may have been queued since this task's last query, while the lock was taken.
    if more := emails.next_due_id():
        runtime.publisher.publish_email(more)


def queue_assignment_email(runtime: Runtime, ticket: Ticket) -> None:
    """Queue one email per assignment. It has a separate outbox, so that neither the ticket nor
    its Slack messages wait for the mail server."""
    event = assignment_to_announce(ticket, now=runtime.clock()) if runtime.email else None
    if event is None:
        return
    key = delivery_key(seq=event.seq, kind=DELIVERY_KIND, recipient=event.to)
    if deliveries.is_finished(ticket, key):
        return
    email_id = runtime.services.emails.queue(
        EmailKind.ASSIGNED,
        user_id=event.to,
        key=f"{ticket.id}:{key}",
        facts={"ticket": ticket.id, "seq": event.seq},
    )
    deliveries.mark_delegated(runtime.db, ticket.id, key)
    runtime.publisher.publish_email(email_id)


def assignment_to_announce(ticket: Ticket, *, now: datetime) -> Event | None:
    """The assignment to announce: by another user, current, and recent."""
    event = last_event(ticket, EventType.ASSIGNED)
    if event is None or not isinstance(event.to, ObjectId) or event.by == event.to:
        return None
    # An older assignment is from a time when email was off.
    is_recent = now < event.at + MAX_AGE_BY_KIND[EmailKind.ASSIGNED]
    is_current = ticket.assigned_to == event.to and ticket.status in OPEN_STATUSES
    return event if is_current and is_recent else None


class _EmailSender:
    """Sends emails over one connection."""

    def __init__(self, runtime: Runtime, config: EmailConfig, emails: Emails) -> None:
        self._runtime = runtime
        self._config = config
        self._emails = emails

    def send_due(self, email_id: str) -> None:
        """Send that email, then those due. Raises `ServerUnavailable`, and sends no more."""
        until = time.monotonic() + MAX_ROUND_SECONDS
        with SmtpConnection(self._config.server.connect) as connection:
            email = self._emails.claim(email_id) or self._emails.claim()
            while email:
                outcome = self._send(email, connection)
                self._count(email, outcome)
                if time.monotonic() >= until:
                    return
                email = self._emails.claim()

    def _send(self, email: Email, connection: SmtpConnection) -> str:
        """Send one email; return the outcome."""
        if email.is_expired(self._runtime.clock()):
            self._emails.mark_failed(email, error="too late")
            return "given_up"
        try:
            connection.open()  # before a code is made that could not be sent
            mail, recipient = compose(self._runtime, self._config, email)
            connection.send(
                mail, sender=self._config.sender.addr_spec, recipient=recipient.addr_spec
            )
        except EmailNotNeeded as reason:
            self._emails.discard(email, why=str(reason))
            return "dropped"
        except (EmailRejected, EmailSettingMissing) as fault:
            logger.warning("email %s failed: %s", email.id, fault)
            self._emails.mark_failed(email, error=str(fault))
            return "refused"
        except EmailDeferred as fault:
            logger.warning("email %s deferred: %s", email.id, fault)
            self._emails.retry_later(email, error=str(fault))
            return "delayed"
        except (ServerUnavailable, SoftTimeLimitExceeded) as fault:
            # Back off this email as well: if it causes the failure, the others go first.
            error = str(fault) if isinstance(fault, ServerUnavailable) else "time limit"
            self._emails.retry_later(email, error=error)
            self._count(email, "delayed")
            raise ServerUnavailable(error) from fault
        record(lambda: self._emails.mark_sent(email))
        return "sent"

    def _count(self, email: Email, outcome: str) -> None:
        self._config.meter.count(EMAIL_ATTEMPTS, email.kind.value, outcome)


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
    content = render(
        email.kind,
        user,
        app_name=runtime.services.app_name,
        app_url=config.app_url,
        **_values(runtime, config, email, user),
    )
    mail = build_email(
        content, sender=config.sender, recipient=recipient, message_id=email.id, now=runtime.clock()
    )
    return mail, recipient


def _values(runtime: Runtime, config: EmailConfig, email: Email, user: User) -> dict[str, str]:
    if email.kind in (EmailKind.RESET, EmailKind.CONFIRM) and not config.app_url:
        raise EmailSettingMissing("APP_URL is not set")
    if email.kind is EmailKind.RESET:
        code = config.codes.issue(kind=CodeKind.RESET, user_id=user.id)
        return {"reset_path": reset_path(code)}
    if email.kind in (EmailKind.WELCOME, EmailKind.CONFIRM):
        if email.kind is EmailKind.CONFIRM and user.email_confirmed_at:
            raise EmailNotNeeded("the address is confirmed")
        if not config.app_url:
            return {}  # no links, so no code
        code = config.codes.issue(kind=CodeKind.CONFIRM, user_id=user.id)
        return {"confirmation_path": confirmation_path(code)}
    if email.kind in (EmailKind.LINKED, EmailKind.UNLINKED):
        return link_values(str(email.facts.get("slack_name") or ""))
    if email.kind is EmailKind.ASSIGNED:
        return _assignment_values(runtime, email, user)
    return {}


def _assignment_values(runtime: Runtime, email: Email, user: User) -> dict[str, str]:
    """Only while it applies: the ticket may have been reassigned after the email was queued."""
    ticket = load_ticket(runtime.db, str(email.facts["ticket"]))
    event = last_event(ticket, EventType.ASSIGNED) if ticket else None
    if ticket is None or event is None or event.seq != email.facts["seq"]:
        raise EmailNotNeeded("the ticket has moved on")
    if ticket.assigned_to != user.id or ticket.status not in OPEN_STATUSES:
        raise EmailNotNeeded("the ticket has moved on")
    if not visible_to(Actor.from_user(user)).covers_as_staff(ticket):
        raise EmailNotNeeded("the account may not see the ticket")
    assigner = event.by if isinstance(event.by, ObjectId) else None
    ids = {named for named in (ticket.created_by, ticket.filed_by, assigner) if named}
    people = runtime.people([ticket], ids)
    return assignment_values(
        ticket,
        requester=display_person(people, ticket.created_by).noted_name,
        filed_by=display_person(people, ticket.filed_by).name if ticket.filed_by else "",
        reason=assignment_reason(ticket, display_person(people, assigner) if assigner else None),
    )
