"""Tickets from a message to the bot, or from a message marked with the emoji.

Neither event carries a trigger_id for a modal, so the answer is a message with a button. It is
stored before the event is acknowledged.
"""

import logging
from dataclasses import replace
from typing import Any

from bot.handlers import channel_messages, filing
from bot.handlers.requester import claim_of
from bot.slack import source_messages
from bot.slack.event_replies import may_answer, queue_reply
from bot.slack.message_events import MessageChange, MessageEvent
from bot.slack.request import Request
from bot.slack.small_talk import SmallTalk, find_small_talk
from bot.views.inputs import notice_modal
from bot.views.modals import file_ticket
from bot.views.text import Message, escape
from services.core.errors import Conflict, DomainError, MemberInactive
from services.linking.requesters import MessageOwner
from services.models.comment import MessageRef
from services.models.message_source import RECENT_SECONDS, MessageSource, checked_source
from services.models.ticket import Ticket
from services.outbox.deliveries import TicketThread
from services.outbox.replies import ReplyKind
from services.tickets.direct_messages import DirectText
from services.tickets.filing import AlreadyFiled

logger = logging.getLogger(__name__)

NOTHING_TO_FILE = (
    "I can't read anything in this message. Write in words what you need, or type /ticket."
)
TOO_OLD_TO_ADD = "Your message is too old to be added. Write it again."
ALREADY_ADDED = (
    "This message is in ticket {number} already. For something new, write a new message."
)
SMALL_TALK_ANSWERS = {
    SmallTalk.GREETING: "Hello! Write here what you need, and I'll offer to file it as a ticket.",
    SmallTalk.THANKS: "You're welcome! If you need something else, write it here.",
}
NOT_IN_TICKET = (
    "Ticket {number} was filed from this message in other words, so it does not change with the "
    "message. Write what is new in the thread of the ticket's card."
)


def on_direct_message(req: Request, message: MessageEvent) -> None:
    """Answer a direct message that is in no ticket's thread: offer to file it, or to add it to a
    ticket. Its further lines, an edit or a deletion change the offer, or the ticket."""
    if _source_of(req, message, message.message_ref) is None:
        return
    if message.change is MessageChange.WROTE:
        _on_written(req, message)
    else:
        _on_changed(req, message)


def _on_written(req: Request, message: MessageEvent) -> None:
    if not _has_account(req, message):
        return
    text = source_messages.readable_content(req.bot, message.content)
    if not text:
        _notify(req, message, NOTHING_TO_FILE)
        return
    texts, ref, user = req.services.direct_messages, message.message_ref, message.author_id
    is_in_thread = message.thread_ref is not None

    def is_taken(first: MessageRef) -> bool:
        return _find_ticket(req, first) is not None

    joined = None
    if not is_in_thread:
        joined = texts.join(ref, text, slack_user_id=user, is_taken=is_taken)
    if joined:
        if joined.is_open:  # otherwise the event is repeated, and a ticket has the text
            _offer(req, message, joined)
    elif small_talk := find_small_talk(text):
        _notify(req, message, SMALL_TALK_ANSWERS[small_talk])
    else:
        begun = texts.begin(ref, text, slack_user_id=user, is_open=not is_in_thread)
        _offer(req, message, begun, is_edited=False)


def _on_changed(req: Request, message: MessageEvent) -> None:
    is_deleted = message.change is MessageChange.DELETED
    text = "" if is_deleted else source_messages.readable_content(req.bot, message.content)
    edited = req.services.direct_messages.edit(
        message.message_ref,
        text,
        previous=source_messages.readable_content(req.bot, message.previous),
        slack_user_id=message.author_id,
    )
    if _follow_in_comment(req, message, edited):
        return
    is_filed = _follow_in_ticket(req, message, edited)
    if is_deleted and not edited.text:
        _revise(req, edited.first, file_ticket.withdrawn_offer(), is_needed_unsent=False)
    elif not is_deleted and not _has_account(req, message):
        return
    elif edited.text:
        _offer(req, message, edited, is_filed=is_filed)
    elif not is_filed:
        _notify(req, message, NOTHING_TO_FILE)


def _offer(
    req: Request,
    message: MessageEvent,
    written: DirectText,
    *,
    is_edited: bool = True,
    is_filed: bool = False,
) -> None:
    """Change the offer for an edited text; send it for a new one, or if none was sent, unless the
    text is filed."""
    source = _source_of(req, message, written.first)
    if source is None:
        return
    offer = file_ticket.direct_message_offer(
        written.text,
        value=source_messages.encode_source(source),
        is_in_thread=message.thread_ref is not None,
        tickets=_possible_tickets(req),
    )
    is_revised = is_edited and _revise(req, written.first, offer)
    if is_revised or is_filed:
        return
    _reply(req, message, ReplyKind.OFFER, offer, event=_event_key(written.first))


def _possible_tickets(req: Request) -> list[Ticket]:
    """Return the tickets to offer; none for a member without an account, or if Slack does not say
    who a new member is."""
    try:
        return req.services.tickets.list_for_message(actor=req.actor, team_id=req.bot.team_id)
    except (DomainError, *source_messages.SLACK_ERRORS):
        return []


def _has_account(req: Request, message: MessageEvent) -> bool:
    """Return whether the author may file tickets. They are told if not, unless a person has left or
    a bot is speaking."""
    try:
        _ = req.actor
    except MemberInactive:
        return False
    except DomainError as refusal:
        _notify(req, message, str(refusal))
        return False
    except source_messages.SLACK_ERRORS as error:  # a new member; the button asks Slack again
        logger.warning("a member is not looked up: %s", type(error).__name__)
    return True


def _follow_in_ticket(req: Request, message: MessageEvent, edited: DirectText) -> bool:
    """Follow the change in the ticket that was filed from the text; False if there is none."""
    source = _source_of(req, message, edited.first)
    followed = source and filing.change_ticket(
        req, source, previous=edited.previous, text=edited.text
    )
    if not followed:
        return False
    ticket, is_changed = followed
    if is_changed:
        req.bot.publisher.publish_ticket(str(ticket.id))
    else:
        _notify(req, message, NOT_IN_TICKET.format(number=ticket.number))
    return True


def _follow_in_comment(req: Request, message: MessageEvent, edited: DirectText) -> bool:
    """Follow the change in the comment that the text was added as; False if there is none."""
    first, text, comments = edited.first, edited.text, req.services.comments
    found = req.services.ticket_threads.find_by_comment(team_id=req.bot.team_id, message=first)
    if found is None:
        return False
    shown = file_ticket.withdrawn_offer()
    if not text:
        comments.delete(ticket_id=found.ticket_id, message=first)
    else:
        try:
            changed = comments.edit(
                actor=req.actor,
                ticket_id=found.ticket_id,
                message=first,
                text=text,
                replaces=edited.previous,
            )
        except DomainError as refusal:
            _notify(req, message, f"{refusal} This change was not passed on.")
            return True
        if changed:
            shown = file_ticket.added_message(changed, text)
    _revise(req, first, shown)
    req.bot.publisher.publish_ticket(found.ticket_id)
    return True


def _find_ticket(req: Request, first: MessageRef) -> TicketThread | None:
    """Return the ticket that has the direct text, as its source or as a comment."""
    return req.services.ticket_threads.find_ticket(team_id=req.bot.team_id, message=first)


def on_reaction(req: Request) -> None:
    """Offer to file the message: to the member who added the emoji if they may make a ticket of it,
    else to its author. No one else sees that. In a request channel it is filed at once.

    A member without an account is not answered, because the emoji may have another meaning to them.
    """
    source = _reacted_message(req, req.body["event"])
    if source:
        _answer_reaction(req, source)
    req.ack()


def _answer_reaction(req: Request, source: MessageSource) -> None:
    try:
        actor = req.actor
    except DomainError:
        return
    user = req.slack_user_id
    day = int(float(req.body["event"].get("event_ts") or 0)) // 86_400
    # The same reaction a day later is answered again.
    event = f"{_event_key(source)}:{user}:{day}"
    if not may_answer(req, event=event, recipient=user):
        return
    try:
        req.services.tickets.check_not_filed(actor=actor, team_id=req.bot.team_id, source=source)
    except AlreadyFiled as error:
        view = filing.already_filed_view(req, error)
        message = Message(text=escape(str(error)), blocks=view["blocks"])
        queue_reply(req, ReplyKind.NOTICE, message, event=event, recipient=user)
        return
    emoji, value = req.bot.ticket_emoji, source_messages.encode_source(source)
    claim = claim_of(req, source)
    if claim.owner is MessageOwner.AUTHOR:
        _offer_to_author(req, source, value)
        return
    _, channel = source_messages.in_request_channel(req.bot, source)
    if channel and not claim.without_account:
        channel_messages.request_filing(req, source, event=event, emoji=emoji)
        return
    offer = file_ticket.reaction_offer(
        source.permalink, emoji=emoji, value=value, without_account=claim.without_account
    )
    queue_reply(req, ReplyKind.REACTION_OFFER, offer, event=event, recipient=user)


def _offer_to_author(req: Request, source: MessageSource, value: str) -> None:
    """Offer the author to file the message, once, however many members mark it: in the channel if
    they wrote just now, else in a direct message."""
    author = str(source.slack_user_id)
    age = req.services.clock().timestamp() - float(source.ts)
    is_here = age <= RECENT_SECONDS
    offer = file_ticket.author_offer(source.permalink, emoji=req.bot.ticket_emoji, value=value)
    queue_reply(
        req,
        ReplyKind.REACTION_OFFER,
        offer,
        event=f"{_event_key(source)}:{author}:author",
        recipient=source.channel if is_here else author,
        is_ephemeral=is_here,
        reader=author,
    )


def file_direct_message(req: Request) -> None:
    req.open_modal(file_ticket.file_ticket_loading_modal())
    # An offer is in its author's own conversation with the bot.
    source = replace(_source_from_button(req), slack_user_id=req.slack_user_id)
    first = filing.message_ref(source)
    found = req.services.ticket_threads.find_by_comment(team_id=req.bot.team_id, message=first)
    if found:
        req.update_modal(notice_modal(_already_added(req, found)))
        return
    already_filed = filing.fill_form(
        req,
        source,
        lambda: file_ticket.direct_message_quote(
            req.services.direct_messages.get(first, slack_user_id=req.slack_user_id)
        ),
    )
    _settle_offer(req, already_filed)


def add_to_ticket(req: Request) -> None:
    """Add the text to the chosen ticket as a comment, which answers a ticket that waits.

    A second press adds nothing, but changes the offer again: the first may have failed at that."""
    ticket_id, offer_value = file_ticket.parse_ticket_choice(req.button_value)
    source = source_messages.decode_source(req.bot, offer_value or "{}")
    assert source is not None  # noqa: S101  None only for an empty text
    first, comments = filing.message_ref(source), req.services.comments
    comments.get_for_comment(actor=req.actor, ticket_id=ticket_id, internal=False)
    found = _find_ticket(req, first)
    if found and found.ticket_id != ticket_id:
        raise Conflict(_already_added(req, found))
    text = req.services.direct_messages.close(first, slack_user_id=req.slack_user_id)
    if text is None:
        raise Conflict(_already_added(req, found) if found else TOO_OLD_TO_ADD)
    added = comments.add(actor=req.actor, ticket_id=ticket_id, text=text, message=first)
    _revise(req, first, file_ticket.added_message(added.ticket, text))
    req.bot.publisher.publish_ticket(ticket_id)


def _already_added(req: Request, found: TicketThread) -> str:
    ticket = req.services.tickets.get(actor=req.actor, ticket_id=found.ticket_id)
    return ALREADY_ADDED.format(number=ticket.number)


def file_reacted_message(req: Request) -> None:
    """The message's text is read only now that the offer is accepted."""
    req.open_modal(file_ticket.file_ticket_loading_modal())
    _ = req.actor
    bot, source = req.bot, source_messages.with_thread(req.bot, _source_from_button(req))
    already_filed = filing.fill_form(
        req,
        source,
        lambda: source_messages.quote_message(
            bot, source, lambda: source_messages.fetch_message(bot, source)
        ),
    )
    _settle_offer(req, already_filed)


def _settle_offer(req: Request, already_filed: AlreadyFiled | None) -> None:
    """Replace an old offer that no worker knows any more."""
    if already_filed:
        req.replace_message(file_ticket.filed_offer(already_filed.number))


def _reacted_message(req: Request, event: dict[str, Any]) -> MessageSource | None:
    """Return the message if the emoji is ours, in any skin tone."""
    item = event.get("item") or {}
    name = str(event.get("reaction")).partition("::")[0]
    if name != req.bot.ticket_emoji or item.get("type") != "message":
        return None
    return _checked_source(req, {**item, "user": event.get("item_user")})


def _checked_source(req: Request, message: dict[str, Any]) -> MessageSource | None:
    try:
        return checked_source(
            team_url=req.bot.team_url,
            channel=message.get("channel"),
            ts=message.get("ts"),
            thread_ts=message.get("thread_ts"),
            slack_user_id=message.get("user") or None,
        )
    except Conflict:  # not ids of Slack
        return None


def _source_from_button(req: Request) -> MessageSource:
    source = source_messages.decode_source(req.bot, req.button_value or "{}")
    assert source is not None  # noqa: S101  None only for an empty text
    return source


def _notify(req: Request, message: MessageEvent, sentence: str) -> None:
    """Answer a message to the bot with a sentence, once for each change of it."""
    event = f"{message.message_ref.channel}:{message.message_ref.ts}:{message.event_ts}"
    notice = Message(text=escape(sentence), blocks=[])
    _reply(req, message, ReplyKind.NOTICE, notice, event=event)


def _reply(
    req: Request, message: MessageEvent, kind: ReplyKind, reply: Message, *, event: str
) -> None:
    """Answer beside the message, if its author may be answered."""
    channel = message.message_ref.channel
    thread_ts = message.thread_ref.ts if message.thread_ref else None
    if may_answer(req, event=event, recipient=channel, thread_ts=thread_ts):
        queue_reply(req, kind, reply, event=event, recipient=channel, thread_ts=thread_ts)


def _source_of(req: Request, message: MessageEvent, first: MessageRef) -> MessageSource | None:
    """Return the first message of a direct text as a ticket's source."""
    return _checked_source(
        req,
        {
            "channel": first.channel,
            "ts": first.ts,
            "user": message.author_id,
            "thread_ts": message.thread_ref.ts if message.thread_ref else None,
        },
    )


def _revise(
    req: Request, first: MessageRef, message: Message, *, is_needed_unsent: bool = True
) -> bool:
    """Change the offer for a direct text; False if there is none."""
    reply_id = req.services.replies.revise(
        ReplyKind.OFFER,
        event=_event_key(first),
        message=message.as_args(),
        is_needed_unsent=is_needed_unsent,
    )
    if reply_id:
        req.bot.publisher.publish_reply(reply_id)
    return reply_id is not None


def _event_key(message: MessageRef | MessageSource) -> str:
    return f"{message.channel}:{message.ts}"
