"""Send one ticket's messages to Slack and keep its cards up to date."""

import hashlib
import json
import logging
from datetime import timedelta
from typing import Any

from bson import ObjectId

from bot.views.text import DisplayPerson, Message, display_person
from services.linking.links import referenced_user_ids
from services.models.ticket import Card, Ticket
from services.outbox import deliveries
from tasks.notifications.comment_sync import CommentSync
from tasks.notifications.slack_delivery import SlackOutcome, post_message, update_message
from tasks.notifications.ticket_messages import (
    Notice,
    build_message,
    build_notices,
    triage_notice,
)
from tasks.recipients import TRIAGE, Recipient, SlackThread
from tasks.runtime import Runtime

logger = logging.getLogger(__name__)


class TicketSender:
    def __init__(self, runtime: Runtime, ticket: Ticket) -> None:
        self._runtime = runtime
        self._ticket = ticket
        self._cards = list(ticket.cards)  # and those sent by `deliver`
        self.has_concurrent_sender = False
        """Whether another process has claimed a message."""
        ids = referenced_user_ids(ticket)
        ids |= {card.recipient for card in ticket.cards if isinstance(card.recipient, ObjectId)}
        self._people = runtime.services.links.resolve_people(team_id=ticket.team_id, user_ids=ids)

    def deliver(self) -> bool:
        """Send and update what is due. False if something has to be tried again later.

        Raises `SlackRateLimited` if Slack asks to wait.
        """
        notices = build_notices(self._ticket, people=self._person)
        outcomes = [self._send(notice) for notice in notices]
        cards = self._ticket.cards
        outcomes += [self._update_card(card) for card in cards if card.kind != TRIAGE]
        comment_sync = CommentSync(self._runtime, self._ticket, self._people, send=self._send)
        outcomes.append(comment_sync.send_to_people(self._cards, has_all_cards=all(outcomes)))
        # The channel last: Slack accepts one message a second there, for which no user's card
        # should wait.
        outcomes += [self._send(notice) for notice in self._triage_notices()]
        outcomes += [self._update_card(card) for card in cards if card.kind == TRIAGE]
        outcomes.append(comment_sync.send_to_channel(self._cards))
        return all(outcomes)

    def _triage_notices(self) -> list[Notice]:
        channel = self._runtime.triage_channel
        return triage_notice(self._ticket, channel=channel, people=self._person)

    def _person(self, user_id: ObjectId | str | None) -> DisplayPerson:
        return display_person(self._people, user_id)

    def _send(self, notice: Notice) -> bool:
        address = self._address(notice.recipient)
        if address is None or deliveries.is_finished(self._ticket, notice.key):
            return True  # a user without a Slack account gets no message
        db, ticket_id, now = self._runtime.db, self._ticket.id, self._runtime.clock()
        if not deliveries.claim(db, ticket_id, notice.key, now=now):
            self.has_concurrent_sender = True
            return False
        outcome = post_message(self._runtime.slack, notice.message, **address)
        if outcome.answer:
            self._record_sent(notice, outcome.answer["channel"], outcome.answer["ts"])
        elif outcome.is_answered:
            return self._handle_error(notice, outcome)
        else:
            logger.warning("ticket %s: no answer from Slack: %s", ticket_id, outcome.error)
        return outcome.answer is not None

    def _record_sent(self, notice: Notice, channel: str, ts: str) -> None:
        db, ticket_id, card = self._runtime.db, self._ticket.id, self._card(notice, channel, ts)
        version_fields = self._version_fields(notice)
        deliveries.mark_sent(
            db,
            ticket_id,
            notice.key,
            channel=channel,
            ts=ts,
            card=card,
            extra_fields=version_fields,
        )
        if card:
            self._cards.append(card)

    def _address(self, recipient: Recipient) -> dict[str, str] | None:
        """Return the arguments for `chat.postMessage`; None if the user has no Slack account."""
        if isinstance(recipient, SlackThread):
            return {"channel": recipient.channel, "thread_ts": recipient.ts}
        if isinstance(recipient, str):
            return {"channel": recipient}
        slack_id = self._people.slack_ids.get(recipient)
        return {"channel": slack_id} if slack_id else None

    def _handle_error(self, notice: Notice, outcome: SlackOutcome) -> bool:
        db, ticket_id, now = self._runtime.db, self._ticket.id, self._runtime.clock()
        if outcome.is_permanent:
            # The bot may not write in many users' channels: no warning for those.
            level = logging.INFO if isinstance(notice.recipient, SlackThread) else logging.WARNING
            logger.log(level, "ticket %s: %s failed: %s", ticket_id, notice.key, outcome.error)
            deliveries.mark_failed(db, ticket_id, notice.key, error=outcome.error)
            return True
        until = now + (outcome.wait or timedelta())
        deliveries.release_claim(db, ticket_id, notice.key, until=until)
        if outcome.rate_limit:
            raise outcome.rate_limit
        logger.warning("ticket %s: retry %s later: %s", ticket_id, notice.key, outcome.error)
        return False

    def _version_fields(self, notice: Notice) -> dict[str, Any] | None:
        """Return the fields by which a later run sees that the message is outdated."""
        if not notice.version:
            return None
        is_outside_thread = not isinstance(notice.recipient, SlackThread)
        return {"version": notice.version, "seq": self._ticket.seq, "alone": is_outside_thread}

    def _card(self, notice: Notice, channel: str, ts: str) -> Card | None:
        """Return the card to keep up to date; None if the message is none."""
        if not notice.is_card or isinstance(notice.recipient, SlackThread):
            return None
        return Card(
            kind=notice.kind,
            recipient=notice.recipient,
            channel=channel,
            ts=ts,
            seq=self._ticket.seq,
            digest=content_hash(notice.message),
        )

    def _update_card(self, card: Card) -> bool:
        message = build_message(card.kind, self._ticket, self._person, recipient=card.recipient)
        if content_hash(message) == card.digest:
            return True
        about = f"ticket {self._ticket.id}: card"
        slack = self._runtime.slack
        if not update_message(slack, message, channel=card.channel, ts=card.ts, about=about):
            return False
        return deliveries.record_card_update(
            self._runtime.db,
            self._ticket.id,
            card,
            seq=self._ticket.seq,
            digest=content_hash(message),
            now=self._runtime.clock(),
        )


def content_hash(content: Message) -> str:
    """Return what differs between two contents of a card."""
    return hashlib.sha256(json.dumps([content.text, content.blocks]).encode()).hexdigest()
