"""File a message, or a thread, that a member has asked for by an emoji or a mention: a worker reads
it, because Slack allows few such calls, and an event has to be answered within three seconds."""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum, auto
from itertools import islice
from typing import Any
from urllib.parse import parse_qs, urlsplit

from slack_sdk.web import SlackResponse

from bot.views.message_content import (
    PERSON_SUBTYPES,
    MessageContent,
    parse_content,
    readable_text,
)
from bot.views.messages import address_claim
from bot.views.modals import file_ticket as views
from bot.views.slack_markup import mentioned_user_ids
from bot.views.text import Message, escape
from services.accounts.confirmation import MemberLookup
from services.channels.request_channels import RequestChannel, find_request_channel
from services.channels.slack_channel import is_public
from services.core.errors import DomainError, MemberRefused
from services.linking.requesters import MessageClaim, MessageOwner
from services.models.comment import MessageRef
from services.models.message_source import RECENT_SECONDS, MessageSource
from services.models.permissions import Actor
from services.models.user import User
from services.outbox.replies import Reply, ReplyKind
from services.tickets.comments import MAX_COMMENT_LENGTH
from services.tickets.filing import AlreadyFiled, ThreadMessage
from tasks.notifications.slack_delivery import OutcomeKind, SlackOutcome, call_slack
from tasks.runtime import Runtime

logger = logging.getLogger(__name__)

MAX_THREAD_MESSAGES = 30
PAGE_SIZE, MAX_PAGES = 200, 10
# Of members whom the messages mention.
MAX_NAMES = 20
_DONE = SlackOutcome(OutcomeKind.SENT)
_FINAL = (OutcomeKind.PERMANENT, OutcomeKind.BLOCKED)

Json = Mapping[str, Any]


class _NotRead(Exception):
    """Slack does not return what is needed now; the outcome says whether it may later."""

    def __init__(self, outcome: SlackOutcome) -> None:
        super().__init__(outcome.error)
        self.outcome = outcome


class _Omitted(Enum):
    """Why a reply becomes no comment."""

    SAYS_NOTHING = auto()
    BY_OTHERS = auto()  # its author gets no account


@dataclass(frozen=True, slots=True)
class _Thread:
    """`root` is the message that becomes a ticket, `replies` are the last ones below it, and
    `earlier` is the number of those before."""

    root: Json
    replies: Sequence[Json] = ()
    earlier: int = 0


def file_messages(runtime: Runtime, request: Reply) -> SlackOutcome:
    """Make a ticket of the message and the thread below it.
    If the member may not, or Slack does not return the message, they get a private offer."""
    return _Filing(runtime, request).run()


class _Filing:
    def __init__(self, runtime: Runtime, request: Reply) -> None:
        wanted = request.message
        self._runtime, self._request = runtime, request
        self._team_id, self._value = str(wanted["teamId"]), str(wanted["value"])
        self._bot_user_id, self._emoji = str(wanted["bot"]), str(wanted["emoji"])
        source = MessageSource.from_doc(wanted["source"])
        assert source is not None  # noqa: S101  stored by the handler
        self._source = source
        self._names: dict[str, str] = {}

    def run(self) -> SlackOutcome:
        user = self._asker()
        message = MessageRef(self._source.channel, self._source.ts)
        services = self._runtime.services
        if user is None or services.channel_messages.find(team_id=self._team_id, message=message):
            return _DONE
        channel = find_request_channel(
            self._runtime.db, team_id=self._team_id, channel=self._source.channel
        )
        actor, author = Actor.from_user(user), self._source.slack_user_id
        try:
            if not channel and not self._is_public():
                self._offer(views.NOT_READ)
            elif author and self._claim(actor, author).owner is MessageOwner.AUTHOR:
                self._offer_to_author(author)  # without reading it
            else:
                self._file(actor, self._read(), channel)
        except _NotRead as failure:
            if failure.outcome.kind not in _FINAL:
                return failure.outcome
            logger.info("a message to file cannot be read: %s", failure.outcome.error)
            self._offer(views.NOT_READABLE)
        return _DONE

    def _asker(self) -> User | None:
        try:
            return self._runtime.services.links.find_user(
                team_id=self._team_id, slack_user_id=self._request.slack_user_id
            )
        except MemberRefused:
            return None

    def _file(self, actor: Actor, thread: _Thread, channel: RequestChannel | None) -> None:
        author = None if thread.root.get("bot_id") else thread.root.get("user")
        source = replace(
            self._source,
            slack_user_id=thread.root.get("user"),
            is_conversation=channel is not None,
        )
        claim = self._claim(actor, author)
        text = self._readable(parse_content(thread.root))
        if claim.owner is MessageOwner.AUTHOR:
            self._offer_to_author(str(author))
        elif claim.without_account:
            self._offer(claim.without_account, is_own=True)
        elif not text:
            self._offer(views.NOTHING_TO_READ)
        else:
            is_for_author = claim.owner is MessageOwner.AUTHOR_BY_STAFF
            try:
                requester = self._account(actor, str(author)) if is_for_author else None
                if is_for_author and requester is None:
                    self._offer(views.NOT_READABLE)
                    return
                self._create(actor, requester, source, text, thread, channel)
            except AlreadyFiled:  # the event came twice, or another member was first
                return
            except DomainError as refusal:
                self._tell(f"{refusal} The message was not filed.")

    def _claim(self, actor: Actor, author: str | None) -> MessageClaim:
        return self._runtime.services.requesters.of_message(
            actor=actor, team_id=self._team_id, author=author, look_up=self._look_up
        )

    def _create(
        self,
        actor: Actor,
        requester: User | None,
        source: MessageSource,
        text: str,
        thread: _Thread,
        channel: RequestChannel | None,
    ) -> None:
        said = [self._comment(actor, reply) for reply in thread.replies]
        comments = [comment for comment in said if isinstance(comment, ThreadMessage)]
        note = views.not_included_note(
            others=said.count(_Omitted.BY_OTHERS),
            earlier=thread.earlier,
            permalink=source.permalink,
        )
        quote = views.channel_message_quote(text, permalink=source.permalink, note=note)
        filed = self._runtime.services.tickets.create(
            actor=actor,
            team_id=self._team_id,
            request_id=None,
            title=quote.title,
            description=quote.description,
            source=source,
            private=channel is not None and channel.is_private,
            requester=requester.id if requester else None,
            thread=comments,
        )
        self._runtime.publisher.publish_ticket(str(filed.ticket.id))

    def _comment(self, actor: Actor, reply: Json) -> ThreadMessage | _Omitted:
        if reply.get("user") == self._bot_user_id or reply.get("subtype") == "tombstone":
            return _Omitted.SAYS_NOTHING  # our own, or deleted
        is_by_person = reply.get("subtype") in PERSON_SUBTYPES and not reply.get("bot_id")
        author = self._account(actor, str(reply.get("user") or "")) if is_by_person else None
        if author is None:
            return _Omitted.BY_OTHERS
        content = parse_content(reply)
        text = self._readable(replace(content, files=()))
        if not text and not content.files:
            return _Omitted.SAYS_NOTHING
        ts = str(reply["ts"])
        return ThreadMessage(
            by=author.id,
            at=_time_of(ts),
            text=views.with_link_to_rest(
                text, limit=MAX_COMMENT_LENGTH, permalink=self._source.permalink
            ),
            message=MessageRef(self._source.channel, ts),
            files=content.files,
        )

    def _account(self, actor: Actor, slack_user_id: str) -> User | None:
        """Return the account of the author, created if they would get one by writing to the app."""
        if not slack_user_id:
            return None
        user, is_new = self._runtime.services.requesters.of_writer(
            actor=actor,
            team_id=self._team_id,
            slack_user_id=slack_user_id,
            look_up=self._look_up,
        )
        if user and is_new:
            self._ask_about_claim(user, slack_user_id)
        return user

    def _ask_about_claim(self, user: User, slack_user_id: str) -> None:
        claim = self._runtime.services.address_claims.find(user)
        if claim:
            self._queue(
                ReplyKind.ADDRESS_CLAIM,
                address_claim.claim_message(claim),
                event=address_claim.claim_event(claim, slack_user_id=slack_user_id),
                recipient=slack_user_id,
            )

    # What Slack returns

    @property
    def _look_up(self) -> MemberLookup:
        return self._runtime.services.look_up_member or (lambda _, __: None)

    def _read(self) -> _Thread:
        """Raises `_NotRead`."""
        if self._emoji:
            message = self._read_message()
            if not message.get("reply_count") or self._is_talked_about():
                return _Thread(message)
        replies: deque[Json] = deque(maxlen=MAX_THREAD_MESSAGES)
        root, count = None, 0
        for message in self._pages():
            if message.get("ts") == self._source.ts:
                root = message
            else:
                replies.append(message)
                count += 1
        if root is None or root.get("subtype") == "tombstone":
            raise _NotRead(SlackOutcome(OutcomeKind.PERMANENT, error="message_not_found"))
        return _Thread(root, tuple(replies), count - len(replies))

    def _pages(self) -> Iterable[Json]:
        found: dict[str, Json] = {}  # each page begins with the first message

        def read() -> SlackResponse:
            answer = self._runtime.slack.conversations_replies(
                channel=self._source.channel, ts=self._source.ts, limit=PAGE_SIZE
            )
            for page in islice(answer, MAX_PAGES):
                found.update((str(one["ts"]), one) for one in page.get("messages") or ())
            return answer

        self._call(read)
        return [found[ts] for ts in sorted(found)]

    def _read_message(self) -> Json:
        """Return the message with the emoji. If it is a reply, the event does not say so."""
        channel, ts = self._source.channel, self._source.ts
        only: dict[str, Any] = {"channel": channel, "latest": ts, "oldest": ts, "inclusive": True}
        slack = self._runtime.slack
        answer = self._call(lambda: slack.conversations_history(**only, limit=1))
        found = _message_in(answer, ts)
        if found is None:
            answer = self._call(lambda: slack.chat_getPermalink(channel=channel, message_ts=ts))
            thread_ts = parse_qs(urlsplit(str(answer.get("permalink"))).query).get("thread_ts")
            if thread_ts:
                self._source = replace(self._source, thread_ts=thread_ts[0])
                answer = self._call(
                    lambda: slack.conversations_replies(**only, ts=thread_ts[0], limit=2)
                )
                found = _message_in(answer, ts)
        if found is None:
            raise _NotRead(SlackOutcome(OutcomeKind.PERMANENT, error="message_not_found"))
        return found

    def _is_talked_about(self) -> bool:
        """Return whether the replies are comments on another ticket already."""
        threads, first = self._runtime.services.ticket_threads, self._source
        message = MessageRef(first.channel, first.ts)
        return threads.find_ticket(team_id=self._team_id, message=message) is not None

    def _is_public(self) -> bool:
        """Return whether it is a public channel of this workspace alone."""
        channel = self._source.channel
        answer = self._call(lambda: self._runtime.slack.conversations_info(channel=channel))
        return is_public(answer["channel"])

    def _call(self, call: Callable[[], SlackResponse]) -> SlackResponse:
        outcome = call_slack(call, channel=self._source.channel)
        if outcome.answer is None:
            raise _NotRead(outcome)
        return outcome.answer

    def _readable(self, content: MessageContent) -> str:
        text = content.text.replace(f"<@{self._bot_user_id}>", "").strip()
        for user_id in mentioned_user_ids(text):
            if user_id not in self._names and len(self._names) < MAX_NAMES:
                outcome = call_slack(
                    lambda user_id=user_id: self._runtime.slack.users_info(user=user_id)  # type: ignore[misc]
                )
                if outcome.answer:
                    user = outcome.answer["user"]
                    profile = user.get("profile") or {}
                    name = profile.get("display_name") or profile.get("real_name")
                    self._names[user_id] = str(name or user.get("name") or user_id)
        return readable_text(replace(content, text=text), self._names, channels={})

    # What people are told

    def _offer(self, reason: str, *, is_own: bool = False) -> None:
        self._queue(
            ReplyKind.REACTION_OFFER,
            views.requested_offer(
                self._source.permalink, value=self._value, reason=reason, is_own=is_own
            ),
            event=f"{self._source.channel}:{self._source.ts}:{self._request.slack_user_id}:asked",
            recipient=self._request.slack_user_id,
        )

    def _offer_to_author(self, author: str) -> None:
        source = self._source
        age = self._runtime.clock().timestamp() - float(source.ts)
        is_here = age <= RECENT_SECONDS
        self._queue(
            ReplyKind.REACTION_OFFER,
            views.author_offer(source.permalink, emoji=self._emoji, value=self._value),
            event=f"{source.channel}:{source.ts}:{author}:author",
            recipient=source.channel if is_here else author,
            reader=author,
            is_ephemeral=is_here,
        )

    def _tell(self, sentence: str) -> None:
        self._queue(
            ReplyKind.NOTICE,
            Message(text=escape(sentence), blocks=[]),
            event=f"{self._source.channel}:{self._source.ts}:{self._request.slack_user_id}:asked",
            recipient=self._request.slack_user_id,
        )

    def _queue(
        self,
        kind: ReplyKind,
        message: Message,
        *,
        event: str,
        recipient: str,
        reader: str = "",
        is_ephemeral: bool = False,
    ) -> None:
        reply_id = self._runtime.services.replies.queue(
            kind,
            event=event,
            recipient=recipient,
            slack_user_id=reader or recipient,
            message=message.as_args(),
            is_ephemeral=is_ephemeral,
        )
        self._runtime.publisher.publish_reply(reply_id)


def _message_in(answer: SlackResponse, ts: str) -> Json | None:
    messages: list[dict[str, Any]] = answer.get("messages") or []
    return next((message for message in messages if message.get("ts") == ts), None)


def _time_of(ts: str) -> datetime:
    """Return when a message was written, in milliseconds as MongoDB keeps it."""
    return datetime.fromtimestamp(int(float(ts) * 1_000) / 1_000, UTC)
