"""Messages in request channels: which become tickets, and how these follow them. Mentions of the
bot, in any channel.

A message is filed before its event is acknowledged: Slack repeats an event until it is. One message
is one ticket, in whatever order its events come.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bot.handlers.secret_warning import THREAD_WARNING
from bot.slack import message_events, source_messages
from bot.slack.event_replies import may_answer, queue_reply
from bot.slack.message_events import MessageChange, MessageEvent
from bot.slack.request import Request
from bot.slack.small_talk import count_words, find_small_talk
from bot.views.message_content import MessageContent
from bot.views.modals import file_ticket
from bot.views.text import Message, escape, has_secret
from services.channels.request_channels import ChannelMode, RequestChannel, find_request_channel
from services.core.errors import DomainError, LimitReached, MemberInactive
from services.core.rate_limit import Limit
from services.models.comment import MessageRef
from services.models.message_source import MessageSource, checked_source
from services.models.slack_member import link_id
from services.models.ticket import Ticket
from services.outbox.replies import ReplyKind
from services.tickets.channel_messages import MessageWords, is_soon
from services.tickets.filing import AlreadyFiled

# A message of fewer words is offered to be filed.
MIN_WORDS = 3
# An edit so long after the message is still its first event, if the others have failed: Slack
# repeats these for six minutes.
FIRST_EDIT_SECONDS = 600
NOT_FILED = "{refusal} Until then, what you write here does not become a ticket."
NOT_DONE = "{refusal} Your message here was not filed."
CHANGE_NOT_DONE = "{refusal} This change was not passed on."
NOT_IN_TICKET = (
    "Ticket {number} does not have the words of your message any more, so it does not change with "
    "it. Write what is new in the thread of the message."
)
MAY_HAVE_WORDS = (
    "Ticket {number} was changed since you wrote the message that you deleted. It may still have "
    "words of it. Ask a moderator to remove them."
)
NO_WORDS = MessageWords("", "")
# Of the ids of members; those of apps without a member begin with B.
_MEMBER_PREFIXES = ("U", "W")


def on_channel_message(req: Request, message: MessageEvent) -> None:
    """Handle a message outside a thread: in mode "every message" it becomes a ticket, and an edit
    or its deletion changes the ticket that it became."""
    ref = message.message_ref
    channel = find_request_channel(req.services.db, team_id=req.bot.team_id, channel=ref.channel)
    if channel is None:
        return
    if message.change is MessageChange.DELETED:
        _on_deleted(req, message)
        return
    is_late = float(message.event_ts) - float(ref.ts) > FIRST_EDIT_SECONDS
    if message.change is MessageChange.CHANGED and (_follow_edit(req, message) or is_late):
        return
    if channel.mode is ChannelMode.EVERY_MESSAGE:
        _on_first_event(req, message, channel)


def _on_first_event(req: Request, message: MessageEvent, channel: RequestChannel) -> None:
    if not file_message(req, message, channel):
        req.services.processed_events.claim(_no_ticket_key(message.message_ref))
    elif message.change is MessageChange.CHANGED:
        _follow_edit(req, message)  # another event of the message was handled in between


def follow_reply(req: Request, message: MessageEvent) -> bool:
    """Follow the change of a reply that became a ticket, and a comment if it is one, too; False if
    it became none."""
    ref = message.message_ref
    if message.change is MessageChange.WROTE or not find_request_channel(
        req.services.db, team_id=req.bot.team_id, channel=ref.channel
    ):
        return False
    if req.services.channel_messages.find(team_id=req.bot.team_id, message=ref) is None:
        return False
    if message.change is MessageChange.DELETED:
        _on_deleted(req, message)
        _delete_comment(req, ref)
    else:
        _follow_edit(req, message)
        _follow_edit_in_comment(req, message)
    return True


def on_other_message(req: Request, event: Mapping[str, Any]) -> None:
    """Handle what no member wrote, such as the message of another app: it becomes no ticket."""
    ts, channel = str(event.get("ts") or ""), str(event.get("channel") or "")
    if event.get("subtype") in ("message_changed", "message_deleted") or event.get("thread_ts"):
        return
    if ts and find_request_channel(req.services.db, team_id=req.bot.team_id, channel=channel):
        req.services.processed_events.claim(_no_ticket_key(MessageRef(channel, ts)))


def is_no_ticket(req: Request, ref: MessageRef) -> bool:
    """Return whether the message was handled and has become no ticket."""
    return req.services.processed_events.is_known(_no_ticket_key(ref))


def _no_ticket_key(ref: MessageRef) -> str:
    return f"no-ticket:{ref.channel}:{ref.ts}"


def file_message(req: Request, message: MessageEvent, channel: RequestChannel) -> bool:
    """Make a ticket of its author, or add the message to the one that they have just filed. With a
    mention of the bot, a few words are enough. Return whether a ticket has the message now."""
    is_addressed = f"<@{req.bot_user_id}>" in message.content.text
    ref, messages = message.message_ref, req.services.channel_messages
    words = _readable(req, message.content, with_files=False)
    has_files = bool(message.content.files)
    if not has_files and (not words or find_small_talk(words)):
        return False
    text = _readable(req, message.content) if has_files else words
    if not _has_account(req, message):
        return False
    team_id, threads = req.bot.team_id, req.services.ticket_threads
    if messages.find(team_id=team_id, message=ref):
        return True
    if threads.find_by_comment(team_id=team_id, message=ref):
        return True
    if req.services.processed_events.is_known(_deletion_key(message)):
        return False  # deleted before this event came
    near = messages.find_to_add_to(team_id=team_id, message=ref, author=req.actor.user_id)
    if near:
        return _add(req, message, near, text)
    if count_words(words) < MIN_WORDS and not is_addressed:
        _offer(req, message)
        return False
    return _file(req, message, channel, text)


def on_mention(req: Request) -> None:
    """Make a ticket of a message that mentions the bot in a request channel. In a thread, or in
    another channel, a worker reads what is to be filed.

    Slack sends a `message` event of the same message, too.
    """
    message = message_events.parse_message(req.body["event"])
    if message and not message.is_direct:
        _on_mention(req, message)
    req.ack()


def _on_mention(req: Request, message: MessageEvent) -> None:
    ref, first = message.message_ref, message.thread_ref
    channel = find_request_channel(req.services.db, team_id=req.bot.team_id, channel=ref.channel)
    if channel and first is None:
        file_message(req, message, channel)
        return
    words = _readable(req, message.content)
    is_asked_for = bool(words) if first is None else True
    if not is_asked_for or (words and find_small_talk(words)) or not _has_account(req, message):
        return
    root = first or ref
    author = message.thread_author_id if first else message.author_id
    source = checked_source(
        team_url=req.bot.team_url,
        channel=root.channel,
        ts=root.ts,
        slack_user_id=author if author.startswith(_MEMBER_PREFIXES) else None,
    )
    try:
        req.services.tickets.check_not_filed(
            actor=req.actor, team_id=req.bot.team_id, source=source
        )
    except AlreadyFiled as error:
        if channel is None:  # in a request channel the mention is a comment
            key = f"{root.channel}:{root.ts}:{message.author_id}:mentioned"
            _tell(req, message, str(error), key=key)
        return
    if first and req.services.ticket_threads.find_ticket(team_id=req.bot.team_id, message=first):
        return  # below a message of the bot's own
    event = f"{root.channel}:{root.ts}:{message.author_id}:{ref.ts}"
    if may_answer(req, event=event, recipient=message.author_id):
        request_filing(req, source, event=event)


def request_filing(req: Request, source: MessageSource, *, event: str, emoji: str = "") -> None:
    """Let a worker read the message and the thread below it, and make a ticket of it. Stored before
    the event is acknowledged. `emoji` is the one that the message was marked with."""
    reply_id = req.services.replies.queue(
        ReplyKind.FILING,
        event=event,
        recipient=req.slack_user_id,
        slack_user_id=req.slack_user_id,
        message={
            "teamId": req.bot.team_id,
            "source": source.to_doc(),
            "value": source_messages.encode_source(source),
            "bot": req.bot_user_id,
            "emoji": emoji,
        },
    )
    req.bot.publisher.publish_reply(reply_id)


def _file(req: Request, message: MessageEvent, channel: RequestChannel, text: str) -> bool:
    """Return whether there is a ticket of it now."""
    source, _ = source_messages.in_request_channel(req.bot, _source_of(req, message))
    quote = file_ticket.channel_message_quote(text, permalink=source.permalink)
    try:
        filed = req.services.tickets.create(
            actor=req.actor,
            team_id=req.bot.team_id,
            request_id=None,
            title=quote.title,
            description=quote.description,
            source=source,
            private=channel.is_private,
        )
    except AlreadyFiled:  # another event of the message was first
        return True
    except LimitReached as refusal:
        _say_limit_reached(req, message, refusal)
        return False
    except DomainError as refusal:
        _tell(req, message, NOT_DONE.format(refusal=refusal))
        return False
    _warn_of_secret(req, message, text)
    req.bot.publisher.publish_ticket(str(filed.ticket.id))
    if req.services.processed_events.is_known(_deletion_key(message)):  # in between
        _remove(req, replace(message, previous=message.content), filed.ticket)
    return True


def _add(req: Request, message: MessageEvent, ticket: Ticket, text: str) -> bool:
    """Add the message to the description, or as a comment if someone has accepted the ticket.
    Return whether the ticket has it."""
    added = req.services.channel_messages.add(ticket, message=message.message_ref, words=text)
    if added is None:
        try:
            req.services.comments.add(
                actor=req.actor,
                ticket_id=str(ticket.id),
                text=_readable(req, message.content, with_files=False),
                files=message.content.files,
                message=message.message_ref,
            )
        except DomainError as refusal:
            _tell(req, message, NOT_DONE.format(refusal=refusal))
            return False
    _warn_of_secret(req, message, text)
    req.bot.publisher.publish_ticket(str(ticket.id))
    return True


def _follow_edit(req: Request, message: MessageEvent) -> bool:
    """Change the words in the ticket or comment that the message became; False if there is none."""
    ticket = req.services.channel_messages.find(
        team_id=req.bot.team_id, message=message.message_ref
    )
    if ticket is None:
        return _follow_edit_in_comment(req, message)
    before, after = _words_in(req, ticket, message)
    followed, is_changed = req.services.channel_messages.follow(ticket, before=before, after=after)
    if is_changed:
        _warn_of_secret(req, message, after.description)
        req.bot.publisher.publish_ticket(str(ticket.id))
    elif before != after and after.description not in followed.description:
        _tell(req, message, NOT_IN_TICKET.format(number=ticket.number))
    return True


def _follow_edit_in_comment(req: Request, message: MessageEvent) -> bool:
    ref = message.message_ref
    found = req.services.ticket_threads.find_by_comment(team_id=req.bot.team_id, message=ref)
    if found is None:
        return False
    text = _readable(req, message.content, with_files=False)
    try:
        req.services.comments.edit(
            actor=req.actor,
            ticket_id=found.ticket_id,
            message=ref,
            text=text,
            files=message.content.files,
        )
    except DomainError as refusal:
        _tell(req, message, CHANGE_NOT_DONE.format(refusal=refusal))
        return True
    _warn_of_secret(req, message, text)
    req.bot.publisher.publish_ticket(found.ticket_id)
    return True


def _on_deleted(req: Request, message: MessageEvent) -> None:
    """Remove what became of the message. Its own event may still come, or is being handled: so the
    deletion is recorded first."""
    ref = message.message_ref
    is_first = req.services.processed_events.claim(_deletion_key(message))
    ticket = req.services.channel_messages.find(team_id=req.bot.team_id, message=ref)
    if ticket is None:
        _delete_comment(req, ref)
    elif not _remove(req, message, ticket) and is_first:
        _tell(req, message, MAY_HAVE_WORDS.format(number=ticket.number))


def _remove(req: Request, message: MessageEvent, ticket: Ticket) -> bool:
    """Cancel the ticket if the message was deleted at once; later its words are removed. Return
    whether it had them."""
    ref, messages = message.message_ref, req.services.channel_messages
    written, _ = _words_in(req, ticket, message)
    removed: Ticket | None
    if ticket.source and ref.ts in ticket.source.added:
        removed, _ = messages.follow(ticket, before=written, after=NO_WORDS)
    else:
        gone = file_ticket.DELETED_QUOTE
        removed = messages.withdraw(
            ticket,
            written=written,
            deleted=MessageWords(gone.title, gone.description),
            is_soon=is_soon(ref, event_ts=message.event_ts),
        )
    req.bot.publisher.publish_ticket(str(ticket.id))
    return removed is not None and written.description in ticket.description


def _delete_comment(req: Request, ref: MessageRef) -> None:
    """Delete the comment that the message became, if any."""
    found = req.services.ticket_threads.find_by_comment(team_id=req.bot.team_id, message=ref)
    if found:
        req.services.comments.delete(ticket_id=found.ticket_id, message=ref)
        req.bot.publisher.publish_ticket(found.ticket_id)


def _words_in(
    req: Request, ticket: Ticket, message: MessageEvent
) -> tuple[MessageWords, MessageWords]:
    """Return what the ticket has of the message, before and after its change."""
    before, after = _readable(req, message.previous), _readable(req, message.content)
    source = ticket.source
    if source is None or source.ts != message.message_ref.ts:
        return MessageWords("", before), MessageWords("", after)
    quotes = (
        file_ticket.channel_message_quote(text, permalink=source.permalink)
        for text in (before, after)
    )
    first, second = (MessageWords(quote.title, quote.description) for quote in quotes)
    return first, second


def _readable(req: Request, content: MessageContent, *, with_files: bool = True) -> str:
    """Return the content as a ticket quotes it, without mentions of the bot."""
    mention = f"<@{req.bot_user_id}>"
    own = replace(content, text=content.text.replace(mention, "").strip())
    return source_messages.readable_content(req.bot, own, with_files=with_files)


def _has_account(req: Request, message: MessageEvent) -> bool:
    """Return whether the author may file tickets. They are told once a day if not, unless a person
    has left or a bot is speaking. If Slack does not say who a new member is, it sends the event
    again."""
    try:
        _ = req.actor
    except MemberInactive:
        return False
    except DomainError as refusal:
        key = f"{message.message_ref.channel}:{message.author_id}:without-account"
        _tell(req, message, NOT_DONE.format(refusal=refusal), key=key)
        return False
    return True


def _say_limit_reached(req: Request, message: MessageEvent, refusal: LimitReached) -> None:
    """Say once an hour that the author's messages become no tickets for now."""
    notice = req.services.rate_limiter.try_take((Limit.TICKETS_NOTICE, str(req.actor.user_id)))
    if notice:
        with notice:
            _tell(req, message, NOT_FILED.format(refusal=refusal))


def _offer(req: Request, message: MessageEvent) -> None:
    """Offer to file a short message, at most once in ten minutes."""
    source = _source_of(req, message)
    member = link_id(req.bot.team_id, message.author_id)
    subject = (Limit.CHANNEL_OFFERS, f"{member}:{source.channel}")
    offer = req.services.rate_limiter.try_take(subject)
    if not offer:
        return
    with offer:
        queue_reply(
            req,
            ReplyKind.REACTION_OFFER,
            file_ticket.short_message_offer(
                source.permalink, value=source_messages.encode_source(source)
            ),
            event=f"{source.channel}:{source.ts}:{message.author_id}:short",
            recipient=source.channel,
            is_ephemeral=True,
        )


def _warn_of_secret(req: Request, message: MessageEvent, text: str) -> None:
    if has_secret(text):
        ref = message.message_ref
        _tell(req, message, THREAD_WARNING, key=f"secret:{ref.channel}:{ref.ts}")


def _tell(req: Request, message: MessageEvent, sentence: str, *, key: str = "") -> None:
    """Send the author an ephemeral message, once for `key`, by default once for the event."""
    ref, first = message.message_ref, message.thread_ref
    queue_reply(
        req,
        ReplyKind.NOTICE,
        Message(text=escape(sentence), blocks=[]),
        event=key or f"{ref.channel}:{ref.ts}:{message.event_ts}",
        recipient=ref.channel,
        thread_ts=first.ts if first else None,
        is_ephemeral=True,
    )


def _source_of(req: Request, message: MessageEvent) -> MessageSource:
    return checked_source(
        team_url=req.bot.team_url,
        channel=message.message_ref.channel,
        ts=message.message_ref.ts,
        slack_user_id=message.author_id,
    )


def _deletion_key(message: MessageEvent) -> str:
    return f"deleted:{message.message_ref.channel}:{message.message_ref.ts}"
