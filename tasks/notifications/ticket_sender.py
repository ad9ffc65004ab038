"""Brings one ticket's messages to Slack and keeps its cards up to date."""

import hashlib
import json
import logging
from datetime import timedelta
from typing import Any

from bson import ObjectId
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.views.text import DisplayPerson, Message, display_person
from services.linking.directory import referenced_user_ids, resolve_people
from services.models.ticket import Card, Ticket
from services.outbox import deliveries
from tasks.notifications.comment_sync import CommentSync
from tasks.notifications.slack_delivery import (
    error_code,
    is_permanent,
    post_message,
    rate_limit_error,
    update_message,
)
from tasks.notifications.ticket_messages import (
    Notice,
    build_message,
    build_notices,
    triage_notice,
)
from tasks.recipients import THREAD, TRIAGE, Recipient, SlackThread
from tasks.runtime import Runtime

logger = logging.getLogger(__name__)


class TicketSender:
    def __init__(self, runtime: Runtime, ticket: Ticket) -> None:
        self._runtime = runtime
        self._ticket = ticket
        self._cards = list(ticket.cards)  # and those that are sent on the way
        self.has_concurrent_sender = False
        """Whether something is being sent by another process just now."""
        ids = referenced_user_ids(ticket)
        ids |= {card.recipient for card in ticket.cards if isinstance(card.recipient, ObjectId)}
        self._people = resolve_people(
            runtime.services.users,
            runtime.services.links,
            team_id=ticket.team_id or "",
            user_ids=ids,
        )

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
        # The channel last: it takes a message a second, and nobody's own card is to wait for that.
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
        try:
            answer = post_message(self._runtime.slack, notice.message, **address)
        except SlackApiError as error:
            return self._handle_error(notice, error)
        except (SlackClientError, OSError) as error:
            # Slack may have taken it: only when the claim has expired is it sent again.
            logger.warning("ticket %s: slack did not answer: %s", ticket_id, type(error).__name__)
            return False
        if notice.kind == THREAD and "thread_ts" not in (answer.get("message") or {}):
            self._withdraw(notice, answer["channel"], answer["ts"])
        else:
            self._record_sent(notice, answer["channel"], answer["ts"])
        return True

    def _withdraw(self, notice: Notice, channel: str, ts: str) -> None:
        """Delete a reply that stands in the channel itself, where nothing says what it is about.

        If the thread's first message was deleted, Slack does not refuse a reply but posts it
        outside of any thread (https://github.com/slack-go/slack/issues/1571).
        """
        try:
            self._runtime.slack.chat_delete(channel=channel, ts=ts)
        except (SlackApiError, SlackClientError, OSError) as error:
            logger.info("ticket %s: not withdrawn: %s", self._ticket.id, type(error).__name__)
        deliveries.mark_failed(
            self._runtime.db, self._ticket.id, notice.key, error="thread_not_found"
        )

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
        """Where `chat.postMessage` finds them; None for who has no Slack account."""
        if isinstance(recipient, SlackThread):
            return {"channel": recipient.channel, "thread_ts": recipient.ts}
        if isinstance(recipient, str):
            return {"channel": recipient}
        slack_id = self._people.slack_ids.get(recipient)
        return {"channel": slack_id} if slack_id else None

    def _handle_error(self, notice: Notice, error: SlackApiError) -> bool:
        db, ticket_id, now = self._runtime.db, self._ticket.id, self._runtime.clock()
        code = error_code(error)
        if is_permanent(error):
            # Many messages are in channels where the bot may not write: no warning for those.
            level = logging.INFO if isinstance(notice.recipient, SlackThread) else logging.WARNING
            logger.log(level, "ticket %s: %s is given up: %s", ticket_id, notice.key, code)
            deliveries.mark_failed(db, ticket_id, notice.key, error=code)
            return True
        wait = rate_limit_error(error)
        pause = timedelta(seconds=wait.seconds if wait else 0)
        deliveries.release_claim(db, ticket_id, notice.key, until=now + pause)
        if wait:
            raise wait from error
        logger.warning("ticket %s: %s is tried again: %s", ticket_id, notice.key, code)
        return False

    def _version_fields(self, notice: Notice) -> dict[str, Any] | None:
        """Lets a later run see whether a message that is kept up to date is outdated."""
        if not notice.version:
            return None
        is_outside_thread = not isinstance(notice.recipient, SlackThread)
        return {"version": notice.version, "seq": self._ticket.seq, "alone": is_outside_thread}

    def _card(self, notice: Notice, channel: str, ts: str) -> Card | None:
        """What to keep up to date of a message just sent; None where that is nothing."""
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
    """What tells two contents of a card apart."""
    return hashlib.sha256(json.dumps([content.text, content.blocks]).encode()).hexdigest()
