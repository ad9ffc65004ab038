"""Assign a ticket if it needs that, deliver its changes since the last delivery to its recipients,
and keep its cards in Slack up to date.

All in one task, so that the first message about a ticket already says who has it.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from time import monotonic, sleep
from typing import Any

from bson import ObjectId
from celery import Task

from bot.views.cards.ticket_cards import private_card
from bot.views.modals.file_ticket import filed_offer
from bot.views.text import DisplayPerson, Message, display_person
from services.assignment import feedback
from services.assignment.assignment_service import needs_assignment
from services.core import request_context
from services.core.database import record
from services.core.metrics import FAILED_DELIVERIES
from services.core.slack_errors import MISSING_SCOPE
from services.linking.links import Directory, referenced_user_ids
from services.models import set_aside
from services.models.conversation import conversation_of, is_made_private
from services.models.ticket import Card, Ticket
from services.outbox import deliveries, pending
from services.outbox.deliveries import (
    COMMENT_KIND,
    COPY_KIND,
    Claim,
    DeliveryRef,
    DeliveryState,
    SentMessage,
)
from services.tickets.access import is_former_requester
from services.tickets.queries import load_several, load_ticket
from tasks.assignment import assign_ticket
from tasks.notifications import email_sender, reminders, unassigned_alert
from tasks.notifications.comment_sync import CommentSync, notes_threads
from tasks.notifications.home_refresh import request_refreshes
from tasks.notifications.message_updates import DeliveryResult, update_delivery
from tasks.notifications.reminder_updates import request_updates
from tasks.notifications.settled_messages import settled_message
from tasks.notifications.slack_delivery import (
    GIVE_UP_AFTER,
    MAX_COUNTDOWN_SECONDS,
    MESSAGE_DELETED,
    THREAD_DELETED,
    OutcomeKind,
    SlackOutcome,
    SlackRateLimited,
    call_slack,
    find_message,
    open_conversation,
    post_message,
    update_message,
)
from tasks.notifications.ticket_messages import (
    Notice,
    build_message,
    build_notices,
    takes_part,
    triage_notice,
)
from tasks.queue.celery_app import NOTIFY_LIMIT_SECONDS, NOTIFY_TASK, celery
from tasks.queue.task_instrumentation import tickets_of_message
from tasks.recipients import (
    IN_CONVERSATION,
    LINE,
    PARTICIPANT,
    REQUESTER,
    STAYS_IN_CHANNEL,
    THREAD,
    TRIAGE,
    Recipient,
    SlackThread,
)
from tasks.runtime import Runtime, current_runtime, moved_to_backlog

logger = logging.getLogger(__name__)

# Kinds of messages in the thread of a request channel, beside its line.
_IN_THREAD = (COPY_KIND, *IN_CONVERSATION)
# A ticket that changes faster is left to the next task or the sweep.
MAX_ROUNDS = 5
# Of a message with several tickets, after which the rest is left to other workers.
MAX_SECONDS_PER_MESSAGE = 1.0
# Of two tasks that deliver one ticket concurrently, one has to finish it.
CONTENTION_DELAY_SECONDS = 0.2


@celery.task(
    name=NOTIFY_TASK,
    bind=True,
    max_retries=None,
    soft_time_limit=NOTIFY_LIMIT_SECONDS,
    time_limit=NOTIFY_LIMIT_SECONDS + 30,
)
def notify(self: Task[Any, Any], ticket_id: str | list[str]) -> None:
    """Send what is due for the ticket, or for each of a list: under load a bot publishes several in
    one message. Wait for Slack's rate limit; leave any other failure to the sweep."""
    if isinstance(ticket_id, list):
        _notify_each(self, ticket_id)
        return
    try:
        run(current_runtime(), ticket_id, is_moved=partial(moved_to_backlog, self))
    except SlackRateLimited as limit:
        logger.info("ticket %s: Slack asks to wait for %s s", ticket_id, limit.seconds)
        limit.retry(self)


def _notify_each(task: Task[Any, Any], ticket_ids: list[str]) -> None:
    """Assign new tickets together, and send what is due for one after the other. Those that would
    wait for the model, or for one that takes long or fails, are published again, each by itself,
    for other workers."""
    runtime = current_runtime()
    waiting = list(tickets_of_message(task, ticket_ids).items())
    try:
        assigned = _assign_new(runtime, ticket_ids)
        deadline = monotonic() + (0 if runtime.analyst else MAX_SECONDS_PER_MESSAGE)
        while waiting and monotonic() < deadline:
            ticket_id, request_id = waiting.pop(0)
            with request_context.bound_ids(ticket_id=ticket_id, request_id=request_id):
                _notify_one_of_several(runtime, task, ticket_id, assigned.get(ticket_id))
    finally:
        for ticket_id, request_id in waiting:
            with request_context.bound_ids(request_id=request_id):
                runtime.publisher.publish_ticket(ticket_id)


def _assign_new(runtime: Runtime, ticket_ids: Sequence[str]) -> dict[str, tuple[Ticket, Directory]]:
    """Return the tickets that are assigned now, each with the people in all of them, whose Homes
    follow."""
    loaded = [] if runtime.analyst else load_several(runtime.db, ticket_ids)
    of_one_team = [ticket for ticket in loaded if ticket.team_id == loaded[0].team_id]
    assigned = assign_ticket.assign_new(runtime, of_one_team)
    if not assigned:
        return {}
    people = runtime.people(assigned, set().union(*map(_people_in, assigned)))
    request_refreshes(runtime, assigned, people)
    return {str(ticket.id): (ticket, people) for ticket in assigned}


def _notify_one_of_several(
    runtime: Runtime,
    task: Task[Any, Any],
    ticket_id: str,
    assigned: tuple[Ticket, Directory] | None,
) -> None:
    try:
        is_moved = partial(moved_to_backlog, task)
        run(runtime, ticket_id, is_moved=is_moved, assigned=assigned)
    except SlackRateLimited as limit:
        logger.info("ticket %s: Slack asks to wait for %s s", ticket_id, limit.seconds)
        if limit.seconds <= MAX_COUNTDOWN_SECONDS:  # a longer wait is left to the sweep
            runtime.publisher.publish_ticket(ticket_id, countdown=limit.seconds)


def run(
    runtime: Runtime,
    ticket_id: str,
    *,
    is_moved: Callable[[Ticket], bool] = lambda _: False,
    assigned: tuple[Ticket, Directory] | None = None,
) -> None:
    """Assign the ticket, unless it was just `assigned`, and send until its last change is
    delivered. Nothing is sent if that is so already, or if `is_moved`.

    A ticket whose data is malformed is set aside; what is well-formed is sent.
    """
    with set_aside.isolated(runtime.db, ticket_id, now=runtime.clock()):
        if assigned:
            _deliver(runtime, *assigned)
            return
        ticket = load_ticket(runtime.db, ticket_id)
        if ticket is None or is_moved(ticket):
            return
        if ready := assign_ticket.assign(runtime, ticket):
            _deliver(runtime, ready)


def _deliver(runtime: Runtime, loaded: Ticket, people: Directory | None = None) -> None:
    """`people` are those in the ticket, if their Homes are being refreshed already."""
    ticket: Ticket | None = loaded
    for attempt in range(MAX_ROUNDS):
        if attempt:
            ticket, people = load_ticket(runtime.db, str(loaded.id)), None
        if ticket is None or not ticket.is_in_outbox:
            return
        if ticket.defect and attempt == 0:
            set_aside.set_aside(runtime.db, ticket.id, reason=ticket.defect, now=runtime.clock())
        _queue_messages(runtime, ticket)
        sender = TicketSender(runtime, ticket, people)
        if people is None:
            request_refreshes(runtime, [ticket], sender.people)
        result = sender.deliver()
        if result is DeliveryResult.CONTENDED:
            sleep(CONTENTION_DELAY_SECONDS)
            continue
        if result is DeliveryResult.RETRY or sender.is_delivered or _finish(runtime, ticket):
            return


def _finish(runtime: Runtime, ticket: Ticket) -> bool:
    """Take the ticket from the outbox. False if it has changed, and has to be read again.

    A ticket that waits for assignment stays in the outbox. If it was assigned concurrently, that
    task may have found these messages claimed and left the rest to this one: repeat.
    """
    finish = pending.is_unchanged if needs_assignment(ticket) else pending.mark_delivered
    return finish(runtime.db, ticket.id, expected_seq=ticket.seq)


def _queue_messages(runtime: Runtime, ticket: Ticket) -> None:
    """Queue before sending anything: Slack may not answer."""
    feedback.record_corrections(runtime.db, ticket, now=runtime.clock())
    email_sender.queue_assignment_email(runtime, ticket)
    reminders.queue_reminders(runtime, ticket)
    request_updates(runtime, ticket)
    unassigned_alert.queue_alerts(runtime, ticket)
    _settle_offers(runtime, ticket)


def _settle_offers(runtime: Runtime, ticket: Ticket) -> None:
    """Show in the offers to file the ticket's message that it is filed."""
    if ticket.source is None:
        return
    settled = runtime.services.replies.settle_offers(
        channel=ticket.source.channel,
        ts=ticket.source.ts,
        message=filed_offer(ticket.number).as_args(),
    )
    for reply_id in settled:
        runtime.publisher.publish_reply(reply_id)


class TicketSender:
    def __init__(self, runtime: Runtime, ticket: Ticket, people: Directory | None = None) -> None:
        self._runtime = runtime
        self._ticket = ticket = runtime.reachable(ticket)
        self._cards = list(ticket.cards)  # and those sent by `deliver`
        self._is_contended = False
        source = conversation_of(ticket)
        self._conversation = SlackThread.below(source) if source else None
        # Of a ticket's first messages: those still to claim, each together with the record of the
        # one before; whether the next of them is claimed; and those that are not recorded.
        self._sequence: list[Notice] = []
        self._is_next_claimed = False
        self._unrecorded: set[str] = set()
        self.is_delivered = False  # recorded with the last of them
        self.people = people or runtime.people([ticket], _people_in(ticket))

    def deliver(self) -> DeliveryResult:
        """Send and update what is due.

        Raises `SlackRateLimited` if Slack asks to wait.
        """
        shown = [
            notice
            for notice in build_notices(
                self._ticket,
                people=self._person,
                are_replies_read=self._runtime.are_replies_read,
            )
            if self._may_show(notice)
        ]
        notices = [notice for notice in shown if not self._is_in_conversation(notice)]
        channel_notices = [notice for notice in shown if self._is_in_conversation(notice)]
        # A ticket's card stays in the channel where it was posted.
        posted = (card.channel for card in self._ticket.cards if card.kind == TRIAGE)
        channel = next(posted, "") or self._runtime.current_triage_channel()
        channel_notices += triage_notice(self._ticket, channel=channel, people=self._person)
        self._begin_sequence([*notices, *channel_notices])
        outcomes = [self._send(notice) for notice in notices]
        cards = self._ticket.cards
        channel_cards = [card for card in cards if card.kind in (LINE, TRIAGE)]
        outcomes += [self._update_card(card) for card in cards if card not in channel_cards]
        outcomes += [self._settle(delivery) for delivery in self._ticket.deliveries]
        comment_sync = CommentSync(self._runtime, self._ticket, self.people, send=self._send)
        outcomes.append(comment_sync.send_to_people(self._cards, has_all_cards=all(outcomes)))
        # The channel last: Slack accepts one message a second there, for which no user's card
        # should wait. https://docs.slack.dev/apis/web-api/rate-limits
        outcomes += [self._send(notice) for notice in channel_notices]
        outcomes += [self._update_channel_card(card) for card in channel_cards]
        outcomes.append(comment_sync.send_to_channel(self._cards))
        outcomes += [self._withdraw(delivery) for delivery in self._ticket.deliveries]
        if self._is_contended or comment_sync.is_contended:
            return DeliveryResult.CONTENDED
        return DeliveryResult.DONE if all(outcomes) else DeliveryResult.RETRY

    def _may_show(self, notice: Notice) -> bool:
        """Return whether the recipient may read the notice; of a private ticket, no channel may but
        the one it was written in."""
        to = notice.recipient
        if notice.kind == PARTICIPANT:
            return takes_part(self._ticket, to, self._person)
        if notice.kind == STAYS_IN_CHANNEL or self._is_in_conversation(notice):
            return True
        return self._runtime.may_show(self._ticket, to if isinstance(to, ObjectId) else "")

    def _is_in_conversation(self, notice: Notice) -> bool:
        """Return whether the notice is for the thread in a request channel, whose members read what
        is written there. `recipients` names that thread only while they may."""
        return isinstance(notice.recipient, SlackThread) and notice.kind != THREAD

    def _begin_sequence(self, notices: Sequence[Notice]) -> None:
        """Claim the first messages of a ticket in one update. They are sent one after the other,
        with nothing in between."""
        if self._ticket.deliveries or self._ticket.cards or self._ticket.comments:
            return
        sequence = [notice for notice in notices if self._address(notice.recipient)]
        keys = [notice.key for notice in sequence]
        if keys and deliveries.claim_first(
            self._runtime.db,
            self._ticket.id,
            keys,
            now=self._runtime.clock(),
            expected_seq=self._expected_seq(sequence[0]),
        ):
            self._sequence, self._unrecorded, self._is_next_claimed = sequence, set(keys), True

    def _expected_seq(self, notice: Notice) -> int | None:
        """Return at which `seq` of the ticket the notice may be claimed, None for any: a channel
        gets no words of a ticket that was made private after it was read."""
        is_for_channel = not isinstance(notice.recipient, ObjectId)
        is_at_risk = is_for_channel and not self._ticket.private and not self._ticket.defect
        return self._ticket.seq if is_at_risk else None

    def _person(self, user_id: ObjectId | str | None) -> DisplayPerson:
        return display_person(self.people, user_id)

    def _send(self, notice: Notice) -> bool:
        """Return whether no further attempt is needed."""
        address = self._address(notice.recipient)
        if address is None or deliveries.is_done(self._ticket, notice.key):
            return True  # a user without a Slack account gets no message
        claim = self._claim(notice)
        if claim is None:
            self._is_contended = True
            return False
        if claim.unanswered_since:
            is_done = self._adopt_copy(notice, address, since=claim.unanswered_since)
            if is_done is not None:
                return is_done
        return self._post(notice, address)

    def _claim(self, notice: Notice) -> Claim | None:
        key, is_next = notice.key, bool(self._sequence) and self._sequence[0].key == notice.key
        is_claimed = self._is_next_claimed and is_next
        if is_next:
            self._sequence.pop(0)
        self._is_next_claimed = False
        if is_claimed:
            return Claim()
        db, now, expected_seq = self._runtime.db, self._runtime.clock(), self._expected_seq(notice)
        return deliveries.claim(db, self._ticket.id, key, now=now, expected_seq=expected_seq)

    def _post(self, notice: Notice, address: Mapping[str, str]) -> bool:
        """Post a claimed message. Return as `_send`."""
        outcome = self._post_as_author(notice, address)
        if outcome is None or outcome.error == MISSING_SCOPE:
            notice = replace(notice, author=None)
            outcome = post_message(
                self._runtime.slack, notice.message, delivery=self._delivery(notice), **address
            )
        if not outcome.answer:
            return self._handle_error(notice, outcome)
        channel, ts = outcome.answer["channel"], outcome.answer["ts"]
        is_in_thread = "thread_ts" in (outcome.answer.get("message") or {})
        is_reply = notice.kind == THREAD or notice.recipient == self._conversation
        if is_reply and not is_in_thread:
            self._withdraw_reply(notice, channel, ts)
            return True
        self._record_sent(notice, channel, ts)
        if isinstance(notice.recipient, SlackThread) and not is_in_thread:
            self._replace_first_message(notice.recipient)
        return True

    def _post_as_author(self, notice: Notice, address: Mapping[str, str]) -> SlackOutcome | None:
        """Return None for a message in the bot's own name."""
        author, message = notice.author, notice.message_of_author
        if author is None or message is None:
            return None
        return post_message(
            self._runtime.slack,
            message,
            delivery=self._delivery(notice),
            name=author.name,
            icon_url=author.icon_url,
            **address,
        )

    def _adopt_copy(
        self, notice: Notice, address: Mapping[str, str], *, since: datetime
    ) -> bool | None:
        """Record the message if Slack accepted it in an earlier attempt, and leave it to the next
        round to show the present state in it.

        False if Slack has to be asked again. None if the message has to be posted: there is none,
        or the bot may not look.
        """
        db, slack, ticket = self._runtime.db, self._runtime.slack, self._ticket
        found, channel = None, address["channel"]
        outcome = SlackOutcome(OutcomeKind.SENT)
        if isinstance(notice.recipient, ObjectId):
            known = deliveries.find_direct_channel(db, ticket, notice.recipient)
            if known is None:
                known, outcome = open_conversation(slack, channel)
            channel = known or ""
        if channel:
            found, outcome = find_message(
                slack,
                self._delivery(notice),
                channel=channel,
                thread_ts=address.get("thread_ts"),
                since=since,
            )
        if found:
            logger.info("ticket %s: %s was sent before", ticket.id, notice.key)
            if not found.get("username"):
                notice = replace(notice, author=None)
            self._record_sent(notice, channel, str(found["ts"]), is_outdated=True)
            self._is_contended = True
            return True
        if outcome.kind in (OutcomeKind.SENT, OutcomeKind.PERMANENT, OutcomeKind.BLOCKED):
            return None
        logger.warning("ticket %s: no look at sent messages: %s", ticket.id, outcome.error)
        until = self._runtime.clock() + (outcome.wait or timedelta())
        deliveries.release_claim(db, ticket.id, notice.key, until=until, is_unsent=False)
        if outcome.rate_limit:
            raise outcome.rate_limit
        return False

    def _delivery(self, notice: Notice) -> DeliveryRef:
        return DeliveryRef(str(self._ticket.id), notice.key)

    def _withdraw_reply(self, notice: Notice, channel: str, ts: str) -> None:
        """Delete a reply that is in the channel itself, where its context is missing.

        If the thread's first message was deleted, Slack does not refuse a reply but posts it
        outside any thread (https://github.com/slack-go/slack/issues/1571).
        """
        slack = self._runtime.slack
        outcome = call_slack(lambda: slack.chat_delete(channel=channel, ts=ts))
        if not outcome.answer:
            logger.info("ticket %s: reply not deleted: %s", self._ticket.id, outcome.error)
        db, ticket_id = self._runtime.db, self._ticket.id
        record(lambda: deliveries.mark_failed(db, ticket_id, notice.key, error=THREAD_DELETED))
        self._leave_conversation(notice)

    def _leave_conversation(self, notice: Notice) -> None:
        """If its thread is gone, leave it to the next round to notify people elsewhere."""
        if notice.recipient == self._conversation:
            self._is_contended = True

    def _record_sent(
        self, notice: Notice, channel: str, ts: str, *, is_outdated: bool = False
    ) -> None:
        """`is_outdated`: the message may show an earlier state."""
        card, fields = self._card(notice, channel, ts), self._version_fields(notice)
        if is_outdated:
            card = card and replace(card, seq=0, digest="")
            fields = fields and {**fields, "seq": 0, "version": ""}
        message = SentMessage(notice.key, channel, ts, card, fields)
        record(lambda: self._record(message))
        if card:
            self._cards.append(card)

    def _record(self, message: SentMessage) -> None:
        db, ticket, now = self._runtime.db, self._ticket, self._runtime.clock()
        is_last = self._unrecorded == {message.key}
        self._unrecorded.discard(message.key)
        if self._sequence:
            following = self._sequence[0]
            self._is_next_claimed = deliveries.mark_sent_and_claim(
                db,
                ticket.id,
                message,
                following.key,
                now=now,
                expected_seq=self._expected_seq(following),
            )
        elif is_last and not self._is_contended and not needs_assignment(ticket):
            self.is_delivered = deliveries.mark_last_sent(
                db, ticket.id, message, expected_seq=ticket.seq
            )
        else:
            deliveries.mark_sent(db, ticket.id, message)

    def _address(self, recipient: Recipient) -> dict[str, str] | None:
        """Return the arguments for `chat.postMessage`; None if the user has no Slack account."""
        if isinstance(recipient, SlackThread):
            return {"channel": recipient.channel, "thread_ts": recipient.ts}
        if isinstance(recipient, str):
            return {"channel": recipient}
        slack_id = self.people.slack_ids.get(recipient)
        return {"channel": slack_id} if slack_id else None

    def _handle_error(self, notice: Notice, outcome: SlackOutcome) -> bool:
        db, ticket_id, now = self._runtime.db, self._ticket.id, self._runtime.clock()
        match outcome.kind:
            case OutcomeKind.UNANSWERED:
                # Slack may have posted it; sent again only after the claim expires.
                logger.warning("ticket %s: no answer from Slack: %s", ticket_id, outcome.error)
                return False
            case OutcomeKind.BLOCKED if not self._is_given_up(notice, outcome.error):
                deliveries.release_claim(db, ticket_id, notice.key, until=now, is_unsent=True)
                logger.warning("ticket %s: %s waits: %s", ticket_id, notice.key, outcome.error)
                return False
            case OutcomeKind.PERMANENT | OutcomeKind.BLOCKED:
                # The bot may not write in many users' channels: no warning for those.
                is_thread = isinstance(notice.recipient, SlackThread)
                if outcome.error == THREAD_DELETED and self._replace_first_message(
                    notice.recipient
                ):
                    deliveries.release_claim(db, ticket_id, notice.key, until=now, is_unsent=True)
                    return False
                level = logging.INFO if is_thread else logging.WARNING
                logger.log(level, "ticket %s: %s failed: %s", ticket_id, notice.key, outcome.error)
                deliveries.mark_failed(db, ticket_id, notice.key, error=outcome.error)
                self._leave_conversation(notice)
                is_given_up = outcome.kind is OutcomeKind.BLOCKED and notice.kind != THREAD
                reason = "given_up" if is_given_up else "refused"
                self._runtime.meter.count(FAILED_DELIVERIES, notice.kind, reason)
                return True
        until = now + (outcome.wait or timedelta())
        # A fault of Slack may come after the post.
        is_unsent = outcome.kind in (OutcomeKind.RATE_LIMITED, OutcomeKind.NOT_SENT)
        deliveries.release_claim(db, ticket_id, notice.key, until=until, is_unsent=is_unsent)
        if outcome.rate_limit:
            raise outcome.rate_limit
        logger.warning("ticket %s: retry %s later: %s", ticket_id, notice.key, outcome.error)
        return False

    def _is_given_up(self, notice: Notice, error: str) -> bool:
        """Return whether a message is not worth another attempt once an operator has acted. What
        cannot be said in a conversation is said elsewhere."""
        if notice.recipient == self._conversation and error in deliveries.THREAD_LOST:
            return True
        if notice.kind == THREAD:  # other people's conversation, where the bot may be no member
            return True
        seq, _, _ = deliveries.parse_delivery_key(notice.key)
        at = next((event.at for event in self._ticket.events if str(event.seq) == seq), None)
        return at is not None and self._runtime.clock() >= at + GIVE_UP_AFTER

    def _is_update_given_up(self, card: Card) -> bool:
        if card.kind == LINE and self._conversation is None:
            return True
        changed_at = self._ticket.events[-1].at if self._ticket.events else None
        return changed_at is not None and self._runtime.clock() >= changed_at + GIVE_UP_AFTER

    def _version_fields(self, notice: Notice) -> dict[str, Any] | None:
        """Return the fields by which a later run sees that the message is outdated."""
        if not notice.version:
            return None
        is_outside_thread = not isinstance(notice.recipient, SlackThread)
        fields = {"version": notice.version, "seq": self._ticket.seq, "alone": is_outside_thread}
        return {**fields, "authored": True} if notice.author else fields

    def _card(self, notice: Notice, channel: str, ts: str) -> Card | None:
        """Return the card to keep up to date; None if the message is none."""
        if not notice.is_card:
            return None
        to = notice.recipient
        return Card(
            kind=notice.kind,
            recipient=to.channel if isinstance(to, SlackThread) else to,
            channel=channel,
            ts=ts,
            seq=self._ticket.seq,
            digest=content_hash(notice.message),
        )

    def _card_message(self, card: Card) -> Message:
        is_former = is_former_requester(self._ticket, card.recipient) and card.kind == REQUESTER
        # Who takes part may see it, and the card of one who no longer does shows nothing of it.
        # So does the line of a ticket that was made private.
        is_safe = is_former or card.kind in (PARTICIPANT, LINE)
        if is_safe or self._runtime.may_show(self._ticket, card.recipient):
            return build_message(card.kind, self._ticket, self._person, recipient=card.recipient)
        return private_card(self._ticket)

    def _update_card(self, card: Card) -> bool:
        message = self._card_message(card)
        if content_hash(message) == card.digest:
            return True
        about = f"ticket {self._ticket.id}: card"
        db, ticket_id, now = self._runtime.db, self._ticket.id, self._runtime.clock()
        if not deliveries.claim_card_update(db, ticket_id, card, now=now):
            self._is_contended = True
            return False
        slack = self._runtime.slack
        outcome = update_message(slack, message, channel=card.channel, ts=card.ts, about=about)
        if outcome.error == MESSAGE_DELETED:
            self._replace(SlackThread(card.channel, card.ts))
            return False
        if outcome.kind is OutcomeKind.BLOCKED and self._is_update_given_up(card):
            logger.warning("%s is given up: %s", about, outcome.error)
        elif not outcome.is_final:
            until = now + (outcome.wait or timedelta())
            deliveries.release_card_update(db, ticket_id, card, until=until)
            if outcome.rate_limit:
                raise outcome.rate_limit
            return False
        digest = content_hash(message)
        return record(
            lambda: deliveries.record_card_update(
                db, ticket_id, card, seq=self._ticket.seq, digest=digest, now=now
            )
        )

    def _update_channel_card(self, card: Card) -> bool:
        """Delete a card in the triage channel if the ticket has become private since: the next
        round posts another, if the ticket is open."""
        is_new = content_hash(self._card_message(card)) == card.digest
        if card.kind == LINE or not self._ticket.private or is_new:
            return self._update_card(card)
        if self._delete(card.channel, card.ts):
            self._replace(SlackThread(card.channel, card.ts))
        return False

    def _withdraw(self, delivery: Mapping[str, Any]) -> bool:
        """Delete what was posted in a channel, if the ticket has become private since: about a note
        in the thread of the triage card, or in the conversation. So is what was posted under the
        name of a person who was erased."""
        _, kind, recipient = deliveries.parse_delivery_key(str(delivery["key"]))
        if delivery["state"] != DeliveryState.SENT or ObjectId.is_valid(recipient):
            return True
        is_about_note = kind == COMMENT_KIND and self._ticket.private
        is_in_conversation = kind in _IN_THREAD and is_made_private(self._ticket)
        if not (is_about_note or is_in_conversation or delivery.get("withdraw")):
            return True
        if not self._delete(str(delivery["channel"]), str(delivery["ts"])):
            return False
        db, key = self._runtime.db, str(delivery["key"])
        record(lambda: deliveries.mark_withdrawn(db, self._ticket.id, key))
        return True

    def _delete(self, channel: str, ts: str) -> bool:
        """Delete a message of the bot. False if that has to be tried again."""
        slack = self._runtime.slack
        outcome = call_slack(lambda: slack.chat_delete(channel=channel, ts=ts))
        if outcome.rate_limit:
            raise outcome.rate_limit
        if not outcome.answer:
            logger.warning("ticket %s: message not deleted: %s", self._ticket.id, outcome.error)
        return outcome.is_final

    def _settle(self, delivery: Mapping[str, Any]) -> bool:
        """Show in a sent message what became of it, if its buttons have been acted on."""
        seq, kind, recipient = deliveries.parse_delivery_key(str(delivery["key"]))
        is_ours = seq.isdecimal() and ObjectId.is_valid(recipient)
        if delivery["state"] != DeliveryState.SENT or not is_ours:
            return True
        reader = ObjectId(recipient)
        is_former = is_former_requester(self._ticket, reader)
        if not is_former and not self._runtime.may_show(self._ticket, reader):
            return True
        message = settled_message(
            kind, self._ticket, self._person, recipient=ObjectId(recipient), seq=int(seq)
        )
        if message is None or content_hash(message) == delivery.get("version"):
            return True
        result = update_delivery(
            self._runtime,
            self._ticket,
            delivery,
            message,
            version=content_hash(message),
            changed_at=self._ticket.events[-1].at,
        )
        self._is_contended = self._is_contended or result is DeliveryResult.CONTENDED
        return result is DeliveryResult.DONE

    def _replace_first_message(self, thread: Recipient) -> bool:
        """Replace the deleted card, or message with the notes, that the thread belongs to; False if
        there is none."""
        firsts = [SlackThread(card.channel, card.ts) for card in self._cards]
        firsts += notes_threads(self._ticket).values()
        if not isinstance(thread, SlackThread) or thread not in firsts:
            return False
        self._replace(thread)
        return True

    def _replace(self, message: SlackThread) -> None:
        """Leave it to the next round to post a message in place of a deleted one."""
        db, now, channel, ts = self._runtime.db, self._runtime.clock(), message.channel, message.ts
        deliveries.replace_deleted(db, self._ticket.id, channel=channel, ts=ts, now=now)
        self._cards = [card for card in self._cards if (card.channel, card.ts) != (channel, ts)]
        self._is_contended = True


def _people_in(ticket: Ticket) -> set[ObjectId]:
    recipients = {card.recipient for card in ticket.cards if isinstance(card.recipient, ObjectId)}
    return set(referenced_user_ids(ticket)) | recipients


def content_hash(content: Message) -> str:
    """Return what differs between two contents of a card."""
    return hashlib.sha256(json.dumps([content.text, content.blocks]).encode()).hexdigest()
