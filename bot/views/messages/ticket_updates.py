"""Messages that notify people of one update of a ticket, a comment, or that no one is available.

Unlike a card, which changes silently, each is a new message. Also what replaces such a message
after a press on one of its buttons.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from bot.views import ids, labels
from bot.views.blocks import (
    actions,
    button,
    context,
    header,
    mrkdwn_section,
    quoted_section,
    secret_notice,
    text_section,
    ticket_header,
    ticket_section,
    ticket_title,
)
from bot.views.cards.action_buttons import action_button, answer_button
from bot.views.cards.ticket_cards import ticket_reference
from bot.views.due_text import format_date, format_datetime
from bot.views.text import (
    Block,
    DisplayPerson,
    Message,
    escape,
    fit_to_limit,
    masked,
    mrkdwn,
    plain_text,
)
from services.assignment.assignment_service import Unavailability
from services.assignment.candidate import Obstacle
from services.availability.slack_status import NO_END
from services.core.text import join_words, truncate
from services.lists.list_query import ListKind, ListQuery
from services.models.comment import Comment
from services.models.escalation_track import EscalationStep
from services.models.resolution import CANCELLED_RESOLUTION
from services.models.ticket import Ticket
from services.tickets.validation import MAX_TITLE_LENGTH

THREAD_HELP = "You can also write in this message's thread."
THREAD_NOT_READ = "Press Answer: this app can't read replies in threads."
DELETED = "This comment was deleted."
NOTES_THREAD_HELP = (
    "Only moderators and admins read this thread. Reply here to add a note. To write to the "
    "requester, reply in the thread of the ticket's card."
)
NOTES_THREAD_NOT_READ = (
    "Only moderators and admins read this thread. This app can't read replies here: add notes on "
    "the ticket's page."
)
READ_ON_CARD = "Press Details on the card to read it."
MAX_SNIPPET_LENGTH = 300
# The queue shows all of them, at its top.
MAX_UNASSIGNED_TICKETS = 10
TRIED_AGAIN = "We try again every few minutes and as soon as someone is available."
# Of a larger team the others are counted.
MAX_UNAVAILABLE_PEOPLE = 8


def filed_message(ticket: Ticket) -> Message:
    """Return the reply to the message a ticket was filed from. Anyone there may read it."""
    text = f"{labels.ticket_name(ticket)} was filed from this message."
    return Message(text=text, blocks=[text_section(text)])


def stays_in_channel_message(
    ticket: Ticket, *, count: int, authors: Sequence[DisplayPerson], channels: Sequence[str]
) -> Message:
    """For the user who made the ticket private: what people wrote about it in `channels`. Without
    its title, because they may not see it any more."""
    name = labels.ticket_name(ticket)
    people = join_words([escape(author.name) for author in authors])
    messages = f"{count} {'message' if count == 1 else 'messages'} of {people}"
    where = join_words([f"<#{channel}>" for channel in channels])
    return Message(
        text=f"{name} is private, but {count} {'message' if count == 1 else 'messages'} about it "
        f"{'stays' if count == 1 else 'stay'} in a channel",
        blocks=[
            mrkdwn_section(
                f"*{name}* is private now. My messages about it are gone from {where}, but "
                f"{messages} {'stays' if count == 1 else 'stay'}. Ask them to delete what should "
                "not be there."
            )
        ],
    )


def question_message(
    ticket: Ticket, *, by: DisplayPerson, question_text: str, are_replies_read: bool = True
) -> Message:
    """For the requester: a question that the ticket waits for."""
    return _update_message(
        ticket,
        f": {escape(by.name)} waits for your answer",
        f"{by.mention} waits for your answer on {_bold_name(ticket)}",
        plain_text(THREAD_HELP if are_replies_read else THREAD_NOT_READ),
        answer_button(ticket),
        quoted=_quoted_question(question_text),
    )


def question_reminder_message(
    ticket: Ticket, *, question_text: str, are_replies_read: bool = True
) -> Message:
    """For the requester: the question again, and when the ticket is closed without an answer."""
    thread_help = THREAD_HELP if are_replies_read else THREAD_NOT_READ
    return _update_message(
        ticket,
        " still waits for your answer",
        f"{_bold_name(ticket)} still waits for your answer",
        mrkdwn(f"{_auto_close_sentence(ticket)}{thread_help}{_conversation_link(ticket)}"),
        answer_button(ticket),
        button("Still a problem", ids.STILL_A_PROBLEM, str(ticket.id)),
        button("Solved", ids.SOLVED, str(ticket.id)),
        quoted=_quoted_question(question_text),
    )


def closed_unanswered_message(ticket: Ticket) -> Message:
    """For the requester."""
    return _update_message(
        ticket,
        " was closed, because there was no answer",
        f"{_bold_name(ticket)} was closed, because there was no answer",
        plain_text("If you still need help, press Reopen. It continues where it stopped."),
        action_button(ticket, ids.REOPEN),
        action_button(ticket, ids.DETAILS),
    )


def resolved_message(ticket: Ticket, *, by: DisplayPerson) -> Message:
    """For the requester."""
    has_resolution = ticket.resolution and ticket.resolution != CANCELLED_RESOLUTION
    return _update_message(
        ticket,
        f": resolved by {escape(by.name)}",
        f"{by.mention} resolved {_bold_name(ticket)}",
        mrkdwn(f"If that did not solve it, press Reopen.{_conversation_link(ticket)}"),
        action_button(ticket, ids.REOPEN),
        quoted=quoted_section("What was done", str(ticket.resolution)) if has_resolution else (),
    )


def reopened_message(ticket: Ticket, *, by: DisplayPerson, reason: str) -> Message:
    """For the assignee."""
    return _update_message(
        ticket,
        f": reopened by {escape(by.name)}",
        f"{by.mention} reopened {_bold_name(ticket)}",
        plain_text("It is yours again."),
        action_button(ticket, ids.ACCEPT, primary=True),
        action_button(ticket, ids.DETAILS),
        quoted=quoted_section("What is still wrong", reason) if reason else (),
    )


def cancelled_message(ticket: Ticket, *, by: DisplayPerson) -> Message:
    """For the assignee."""
    return _update_message(
        ticket,
        f": cancelled by {escape(by.name)}",
        f"{by.mention} cancelled {_bold_name(ticket)}",
        plain_text("There is nothing left to do."),
    )


def withdrawn_message(ticket: Ticket, *, by: DisplayPerson) -> Message:
    """For the requester."""
    return _update_message(
        ticket,
        f": closed as not a request by {escape(by.name)}",
        f"{by.mention} closed {_bold_name(ticket)}, because it is not a request",
        plain_text("If you do need help, press Reopen and say what you need."),
        action_button(ticket, ids.REOPEN),
    )


def withdrawn_by_other_message(ticket: Ticket, *, by: DisplayPerson) -> Message:
    """For the assignee."""
    return _update_message(
        ticket,
        f": closed as not a request by {escape(by.name)}",
        f"{by.mention} closed {_bold_name(ticket)} as not a request",
        plain_text("There is nothing left to do."),
    )


def taken_over_message(
    ticket: Ticket, *, by: DisplayPerson, assignee: DisplayPerson | None, reason: str
) -> Message:
    """For the former assignee: `by` took the ticket over, gave it to the new `assignee`, or
    returned it to the queue (no `assignee`)."""
    name = _bold_name(ticket)
    if assignee is None:
        sentence, short = f"returned {name} to the queue", "returned to the queue"
    elif assignee == by:
        sentence, short = f"took over {name}", "taken over"
    else:
        sentence = f"reassigned {name} to {assignee.mention}"
        short = f"reassigned to {escape(assignee.name)}"
    return _update_message(
        ticket,
        f": {short} by {escape(by.name)}",
        f"{by.mention} {sentence}",
        plain_text("You no longer have this ticket."),
        action_button(ticket, ids.DETAILS),
        quoted=quoted_section("Why", reason) if reason else (),
    )


def resolved_by_other_message(ticket: Ticket, *, by: DisplayPerson) -> Message:
    """For the assignee: another user resolved the ticket."""
    return _update_message(
        ticket,
        f": resolved by {escape(by.name)}",
        f"{by.mention} resolved {_bold_name(ticket)}",
        plain_text("There is nothing left to do."),
        action_button(ticket, ids.DETAILS),
    )


def solved_message(ticket: Ticket, *, by: DisplayPerson) -> Message:
    """For the assignee: the requester says that it is solved."""
    return _update_message(
        ticket,
        f": solved, says {escape(by.name)}",
        f"{by.mention} says that {_bold_name(ticket)} is solved",
        plain_text("There is nothing left to do."),
    )


def comment_message(
    ticket: Ticket, comment: Comment, *, author: DisplayPerson, is_outside_thread: bool
) -> Message:
    """`is_outside_thread`: the message is in no thread, so it names the ticket and opens it."""
    name = escape(author.name)
    blocks: list[Block] = []
    if is_outside_thread:
        blocks += [context(mrkdwn(_bold_name(ticket))), ticket_title(ticket)]
    if comment.deleted:
        blocks.append(context(plain_text(DELETED)))
        return Message(text=f"{labels.ticket_name(ticket)}: {DELETED}", blocks=blocks)
    wrote = "wrote an internal note" if comment.internal else "wrote"
    blocks.append(context(mrkdwn(f"*{name}* {wrote}:")))
    text, file_names = masked(comment.text), [masked(file.name) for file in comment.files]
    if text:
        blocks += [text_section(text), *secret_notice(comment.text)]
    blocks += file_links(comment)
    if is_outside_thread:
        blocks.append(actions(action_button(ticket, ids.DETAILS)))
    snippet = " ".join(text.split()) or ", ".join(file_names)
    notification = (
        f"{labels.ticket_name(ticket)}: {name} {wrote}: "
        f"{escape(truncate(snippet, MAX_SNIPPET_LENGTH))}"
    )
    return Message(text=notification, blocks=fit_to_limit(blocks))


def file_links(comment: Comment) -> list[Block]:
    """Return links, because the files stay in Slack."""
    links = [f"<{escape(file.url)}|{escape(masked(file.name))}>" for file in comment.files]
    return [context(*map(mrkdwn, links))] if links else []


def comment_sent_message(ticket: Ticket, comment: Comment, *, to: DisplayPerson | None) -> Message:
    """For the author, who wrote it in a form; `to` is the person it is for, if there is one."""
    name = labels.ticket_name(ticket)
    if comment.internal:
        sentence = f"You added a note to *{name}*:"
    elif to:
        sentence = f"You wrote to {escape(to.name)} on *{name}*:"
    else:
        sentence = f"You commented on *{name}*:"
    blocks = [context(mrkdwn(sentence)), text_section(masked(comment.text))]
    return Message(text=sentence, blocks=fit_to_limit(blocks))


def notes_message(ticket: Ticket, *, are_replies_read: bool = True) -> Message:
    """For the assignee: begins the thread of the ticket's internal notes."""
    heading = f"Internal notes on #{ticket.number}" if ticket.number else "Internal notes"
    title = escape(truncate(masked(ticket.title), MAX_TITLE_LENGTH))
    blocks = [
        mrkdwn_section(f"*{heading}*"),
        ticket_title(ticket),
        context(plain_text(NOTES_THREAD_HELP if are_replies_read else NOTES_THREAD_NOT_READ)),
    ]
    return Message(text=f"{heading} “{title}”", blocks=blocks)


def internal_note_notice(ticket: Ticket, comment: Comment, *, author: DisplayPerson) -> Message:
    """Return a notice without the note's text, for a channel: its members, now and later, may
    include the requester. The button Details checks permissions."""
    wrote = DELETED if comment.deleted else f"{author.name} wrote an internal note."
    notice = wrote if comment.deleted else f"{wrote} {READ_ON_CARD}"
    return Message(
        text=f"{labels.ticket_name(ticket)}: {escape(wrote)}", blocks=[context(plain_text(notice))]
    )


def unassigned_message(
    ticket: Ticket,
    *,
    requester: DisplayPerson,
    unavailable: Sequence[tuple[DisplayPerson, Unavailability]],
    now: datetime,
) -> Message:
    """`unavailable` says of each candidate why they are not chosen."""
    skills = ", ".join(ticket.related_skills) or "none recognised"
    reasons = [_unavailable_phrase(person, why, now, "it") for person, why in unavailable]
    blocks = [
        ticket_header(ticket),
        context(mrkdwn(f"Requested by {requester.noted_mention}"), plain_text(f"Skills: {skills}")),
        mrkdwn_section(_unavailable_sentence(reasons)),
        actions(action_button(ticket, ids.REASSIGN), action_button(ticket, ids.DETAILS)),
    ]
    return Message(
        text=f"{ticket_reference(ticket)}: no one is available to take it", blocks=blocks
    )


def unassigned_summary(
    tickets: Sequence[Ticket],
    *,
    count: int,
    unavailable: Sequence[tuple[DisplayPerson, Unavailability]],
    now: datetime,
    settled: Sequence[tuple[Ticket, str]] = (),
) -> Message:
    """`tickets` are the first of `count`. `settled` are those that were acted on since, with what
    happened, as mrkdwn."""
    heading = f"No one is available for {count:,} ticket{'' if count == 1 else 's'}"
    more = count - len(tickets)
    reasons = [_unavailable_phrase(person, why, now, "them") for person, why in unavailable]
    blocks = [header(heading), mrkdwn_section(_unavailable_sentence(reasons))] if count else []
    blocks += [
        ticket_section(ticket, action_button(ticket, ids.REASSIGN), verb="Assign")
        for ticket in tickets
    ]
    if more:
        blocks.append(context(plain_text(f"and {more:,} more")))
    blocks += [_settled_section(ticket, outcome) for ticket, outcome in settled]
    queue = button("The queue", ids.SHOW_LIST, ListQuery(ListKind.QUEUE).encode())
    listed = tickets if count else [ticket for ticket, _ in settled]
    names = ", ".join(labels.ticket_name(ticket) for ticket in listed)
    text = (
        f"{heading}: {names}{f' and {more:,} more' if more else ''}"
        if count
        else f"{names}: nothing is left to do"
    )
    return Message(text=text, blocks=[*blocks, actions(queue)])


def _settled_section(ticket: Ticket, outcome: str) -> Block:
    title = escape(truncate(" ".join(masked(ticket.title).split()), MAX_TITLE_LENGTH))
    return mrkdwn_section(f"{_bold_name(ticket)} “{title}”\n{outcome}")


def _unavailable_sentence(reasons: Sequence[str]) -> str:
    if not reasons:
        return f"No one is available. {TRIED_AGAIN}"
    shown = [*reasons[:MAX_UNAVAILABLE_PEOPLE]]
    if more := len(reasons) - len(shown):
        shown.append(f"and {more:,} more")
    return f"No one is available: {', '.join(shown)}. {TRIED_AGAIN}"


def _unavailable_phrase(
    person: DisplayPerson, why: Unavailability, now: datetime, tickets: str
) -> str:
    """Return the reason as mrkdwn; `tickets` is "it" or "them"."""
    candidate = why.candidate
    phrases = {
        Obstacle.AWAY: f"is out{_until(candidate.away_until, now)}",
        Obstacle.FULL: f"has {candidate.open_tickets} of {candidate.capacity}"
        if candidate.capacity
        else "takes no tickets",
        Obstacle.UNLINKED: "is not in Slack",
        Obstacle.INACTIVE: "is deactivated",
        Obstacle.REQUESTER: f"filed {tickets}",
        Obstacle.DECLINED: f"had {tickets} before",
        None: f"has no skill for {tickets}",
    }
    return f"{escape(person.name)} {phrases[why.obstacle]}"


def _until(end: datetime | None, now: datetime) -> str:
    if end is None or end >= NO_END:
        return ""
    is_soon = end - now < timedelta(days=1)
    return f" until {format_datetime(end) if is_soon else format_date(end)}"


def _update_message(
    ticket: Ticket,
    text: str,
    sentence: str,
    note: Block,
    *buttons: Block,
    quoted: Sequence[Block] = (),
) -> Message:
    """Return a sentence, the ticket's title, what is quoted, a note, and buttons.

    `text` follows the ticket's reference in the notification.
    """
    blocks = [mrkdwn_section(sentence), ticket_title(ticket), *quoted, context(note)]
    if buttons:
        blocks.append(actions(*buttons))
    return Message(text=f"{ticket_reference(ticket)}{text}", blocks=fit_to_limit(blocks))


def _conversation_link(ticket: Ticket) -> str:
    """Return the link to the thread in a request channel, as mrkdwn."""
    source = ticket.source
    if source is None or not source.is_conversation:
        return ""
    return f" <{escape(source.permalink)}|Open the conversation>"


def _bold_name(ticket: Ticket) -> str:
    return f"*{labels.ticket_name(ticket)}*"


def _quoted_question(text: str) -> list[Block]:
    return quoted_section("Question", text) if text else []


def _auto_close_sentence(ticket: Ticket) -> str:
    """Return when the ticket is closed without an answer, if that is its next step."""
    scheduled_step = ticket.next_step
    if scheduled_step is None or scheduled_step.step is not EscalationStep.WAITING_CLOSE:
        return ""
    return f"Without an answer it is closed {format_datetime(scheduled_step.at)}. "
