"""Send emails: one task at a time, so that a slow mail server does not hold up other work."""

import logging
import time
from datetime import timedelta

from billiard.exceptions import SoftTimeLimitExceeded

from services.core.leases import BackoffLock
from services.core.metrics import EMAIL_ATTEMPTS
from services.outbox.emails import Email, Emails
from tasks.email.email_config import EmailConfig
from tasks.email.smtp import EmailDeferred, EmailRejected, ServerUnavailable, SmtpConnection
from tasks.notifications.email_compose import EmailNotNeeded, EmailSettingMissing, compose
from tasks.queue.celery_app import EMAIL_LIMIT_SECONDS, EMAIL_TASK, celery
from tasks.runtime import Runtime, current_runtime

logger = logging.getLogger(__name__)

EMAIL_OFF_REASON = "mail is off, because MAILTRAP_SMTP_HOST is not set"
HARD_LIMIT_SECONDS = EMAIL_LIMIT_SECONDS + 5
# Longer than a task may run: until then no other task uses the mail server.
LOCK_DURATION = timedelta(seconds=HARD_LIMIT_SECONDS + 5)
# After so long a task sends no further email; another task does.
MAX_ROUND_SECONDS = 10.0


@celery.task(name=EMAIL_TASK, soft_time_limit=EMAIL_LIMIT_SECONDS, time_limit=HARD_LIMIT_SECONDS)
def send_emails(letter_id: str) -> None:
    """Send that email, and then the others that are due. A fault leaves it to the sweep."""
    run(current_runtime(), letter_id)


def run(runtime: Runtime, email_id: str) -> None:
    emails = runtime.services.emails
    if runtime.email is None:
        emails.discard_all(why=EMAIL_OFF_REASON)
        return
    lock = BackoffLock(runtime.db, "mail", lock_timeout=LOCK_DURATION, clock=runtime.clock)
    # The task that has the lock sends this one, too; after a failure it stays locked for a while.
    if emails.next_due_id() is None or not lock.acquire():
        return
    try:
        _EmailSender(runtime, runtime.email, emails).send_due(email_id)
    except ServerUnavailable as fault:
        pause = lock.back_off()
        logger.warning("no mail for %s s: %s", f"{pause.total_seconds():g}", fault.error)
        return
    except BaseException:  # also the task's time limit: the next one is not let in at once
        lock.back_off()
        raise
    lock.release()
    # Also what was queued since this task's last query, and found the lock taken.
    if more := emails.next_due_id():
        runtime.publisher.publish_email(more)


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
            email = self._emails.claim(email_id) or self._emails.claim_next()
            while email:
                outcome = self._send(email, connection)
                self._count(email, outcome)
                if time.monotonic() >= until:
                    return
                email = self._emails.claim_next()

    def _send(self, email: Email, connection: SmtpConnection) -> str:
        """Send one email; return the outcome."""
        if email.is_expired(self._runtime.clock()):
            self._emails.mark_failed(email, error="too late")
            return "given_up"
        try:
            connection.open()  # before a code is made for whom nothing can be sent
            mail, recipient = compose(self._runtime, self._config, email)
            connection.send(
                mail, sender=self._config.sender.addr_spec, recipient=recipient.addr_spec
            )
        except EmailNotNeeded as reason:
            self._emails.discard(email, why=str(reason))
            return "dropped"
        except (EmailRejected, EmailSettingMissing) as fault:
            logger.warning("letter %s is given up: %s", email.id, fault)
            self._emails.mark_failed(email, error=str(fault))
            return "refused"
        except EmailDeferred as fault:
            logger.warning("letter %s is tried again: %s", email.id, fault)
            self._emails.retry_later(email, error=str(fault))
            return "delayed"
        except (ServerUnavailable, SoftTimeLimitExceeded) as fault:
            # This one, too, waits longer each time: should the trouble be with it alone, the
            # others go before it.
            error = str(fault) if isinstance(fault, ServerUnavailable) else "time limit"
            self._emails.retry_later(email, error=error)
            self._count(email, "delayed")
            raise ServerUnavailable(error) from fault
        self._emails.mark_sent(email)
        return "sent"

    def _count(self, email: Email, outcome: str) -> None:
        self._config.meter.count(EMAIL_ATTEMPTS, email.kind.value, outcome)
