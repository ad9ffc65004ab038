"""Send letters: one task at a time, so that a slow mail server holds up nobody else's work."""

import logging
import time
from datetime import timedelta

from billiard.exceptions import SoftTimeLimitExceeded

from services.core.leases import BackoffLock
from services.core.metrics import EMAIL_ATTEMPTS
from services.outbox.emails import Email, Emails
from tasks.celery_app import MAIL, MAIL_SECONDS, celery
from tasks.email.email_config import MailOffice
from tasks.email.smtp import Delayed, Line, Refused, ServerAway
from tasks.notifications.email_compose import Unneeded, Unwritable, write
from tasks.runtime import Runtime, current

logger = logging.getLogger(__name__)

OFF = "mail is off, because MAILTRAP_SMTP_HOST is not set"
KILLED_AFTER = MAIL_SECONDS + 5
# Longer than a task may run: until then nobody else is at the mail server.
HOLD = timedelta(seconds=KILLED_AFTER + 5)
# After so long a task begins no further letter; another goes on.
ROUND_SECONDS = 10.0


@celery.task(name=MAIL, soft_time_limit=MAIL_SECONDS, time_limit=KILLED_AFTER)
def mail(letter_id: str) -> None:
    """Send that letter, and then whatever else is due. A fault leaves it to the sweep."""
    run(current(), letter_id)


def run(runtime: Runtime, letter_id: str) -> None:
    letters = Emails(runtime.db, clock=runtime.clock)
    if runtime.mail is None:
        letters.discard_all(why=OFF)
        return
    gate = BackoffLock(runtime.db, "mail", lock_timeout=HOLD, clock=runtime.clock)
    # Whoever is in sends this one, too; and a server in trouble is left alone for a while.
    if letters.next_due_id() is None or not gate.acquire():
        return
    try:
        _Clerk(runtime, runtime.mail, letters).work(letter_id)
    except ServerAway as away:
        pause = gate.back_off()
        logger.warning("no mail for %s s: %s", f"{pause.total_seconds():g}", away.error)
        return
    except BaseException:  # also the task's time limit: the next one is not let in at once
        gate.back_off()
        raise
    gate.release()
    # Also what was posted, and found us in, after our last look.
    if more := letters.next_due_id():
        runtime.publisher.publish_email(more)


class _Clerk:
    """Sends letters over one connection."""

    def __init__(self, runtime: Runtime, office: MailOffice, letters: Emails) -> None:
        self._runtime = runtime
        self._office = office
        self._letters = letters

    def work(self, letter_id: str) -> None:
        """Send that letter and those due. Raises `ServerAway`: then the others are not tried."""
        until = time.monotonic() + ROUND_SECONDS
        with Line(self._office.server.connect) as line:
            letter = self._letters.claim(letter_id) or self._letters.claim_next()
            while letter:
                outcome = self._send(letter, line)
                self._count(letter, outcome)
                if time.monotonic() >= until:
                    return
                letter = self._letters.claim_next()

    def _send(self, letter: Email, line: Line) -> str:
        """One letter; what came of it."""
        if letter.is_expired(self._runtime.clock()):
            self._letters.mark_failed(letter, error="too late")
            return "given_up"
        try:
            line.open()  # before a code is made for whom nothing can be sent
            mail, recipient = write(self._runtime, self._office, letter)
            line.send(mail, sender=self._office.sender.addr_spec, recipient=recipient.addr_spec)
        except Unneeded as reason:
            self._letters.discard(letter, why=str(reason))
            return "dropped"
        except (Refused, Unwritable) as fault:
            logger.warning("letter %s is given up: %s", letter.id, fault)
            self._letters.mark_failed(letter, error=str(fault))
            return "refused"
        except Delayed as fault:
            logger.warning("letter %s is tried again: %s", letter.id, fault)
            self._letters.retry_later(letter, error=str(fault))
            return "delayed"
        except (ServerAway, SoftTimeLimitExceeded) as fault:
            # This one, too, waits longer each time: should the trouble be with it alone, the
            # others go before it.
            error = str(fault) if isinstance(fault, ServerAway) else "time limit"
            self._letters.retry_later(letter, error=error)
            self._count(letter, "delayed")
            raise ServerAway(error) from fault
        self._letters.mark_sent(letter)
        return "sent"

    def _count(self, letter: Email, outcome: str) -> None:
        self._office.meter.count(EMAIL_ATTEMPTS, letter.kind.value, outcome)
